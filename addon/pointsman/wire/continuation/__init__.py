"""How an answer that broke off goes on elsewhere: which may, what the second provider is asked, and how its text is
joined to what the client has.
"""

"""What mitmproxy shows of an exchange: the client's flow with its line, mark and audit, a flow for each attempt, and a
bound on how many flows its view keeps.
"""

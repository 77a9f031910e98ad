"""Who may take a request, in which order, and why not. One owner of shared state, asked synchronously; no sockets, no
clocks.
"""

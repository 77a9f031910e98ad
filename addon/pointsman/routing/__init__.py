"""Which candidates may serve a request, in which order, and why others may not. One owner of shared state, called
synchronously; no sockets, no clocks.
"""

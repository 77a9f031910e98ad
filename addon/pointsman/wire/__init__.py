"""Dialects: what the bytes of clients and providers mean. No sockets, no clocks, no policy."""

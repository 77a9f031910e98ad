"""Trials: the router under what providers, clients and machines do to it, judged from outside.

Router, providers and clients are processes of their own on loopback. `chaos` throws every known fault at it and looks
at every byte; `soak` keeps it busy for long and looks at what grows.
"""

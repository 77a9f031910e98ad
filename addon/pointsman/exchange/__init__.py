"""The sans-io core: one client request, its attempts, timers, commit and audit. Time comes in as an argument; bytes
come in, effects go out.
"""

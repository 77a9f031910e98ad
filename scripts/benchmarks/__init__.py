"""Benchmarks: the router, bare mitmproxy and, if wanted, another version of the router take turns on this machine.

Absolute figures say little about other machines, so the figure that counts is the ratio within a round.
A scenario is a row in `scenarios.SCENARIOS`; it starts its processes through `testbed` and returns a `figures.Report`.
"""

"""Benchmarks: the router against bare mitmproxy, both on this machine, taking turns.

What a machine can do says little about other machines, so the figure that counts is a ratio, taken pair by pair.
A scenario is a row in `scenarios.SCENARIOS`; it finds its processes in `stage` and returns a `figures.Report`.
"""

"""How long a test waits for what has to come."""

LONGEST = 300.0
"""Seconds after which it counts as hung. A slow machine with many other processes may need a minute for what takes a
second elsewhere, and only a test that fails waits for that long.
"""

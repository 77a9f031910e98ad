"""How long a test waits for what has to come, and how long it has for what must come in time."""

LONGEST = 300.0
"""Seconds after which it counts as hung. A slow machine with many other processes may need a minute for what takes a
second elsewhere, and only a test that fails waits for that long.
"""

WINDOWS = (1.0, 4.0, 16.0, 64.0)
"""Seconds of a timer before whose end something has to happen: a test that was too slow for one begins again with the
next.
"""

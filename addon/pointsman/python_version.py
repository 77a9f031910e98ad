"""Which Pythons are served worse than others, and why."""

import sys

FIRST_FIXED = (3, 12, 6)
"""From here on the standard library has fixes for what strangers can send: cookies, e-mail addresses and URLs that
take very long to read, and archives that lead out of their folder.
"""


def security_advice(version: tuple[int, int, int] = sys.version_info[:3]) -> str | None:
    """A warning for older versions; None for `FIRST_FIXED` and newer."""
    if version >= FIRST_FIXED:
        return None
    running, fixed = (".".join(map(str, each)) for each in (version, FIRST_FIXED))
    return (
        f"Pointsman: Python {running} works, but {fixed} and newer have security fixes in the standard library."
        " Consider updating."
    )

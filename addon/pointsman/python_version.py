"""Which Pythons are served worse than others, and why."""

import sys

FIRST_FIXED = (3, 12, 6)
"""From here on the standard library has fixes for what strangers can send: cookies, e-mail addresses and URLs that
take very long to read, and archives that lead out of their folder.
"""


def security_advice(version: tuple[int, int, int] = sys.version_info[:3]) -> str | None:
    """What to tell people who run an older one; None if there is nothing to tell."""
    if version >= FIRST_FIXED:
        return None
    running, fixed = (".".join(map(str, each)) for each in (version, FIRST_FIXED))
    return (
        f"Pointsman runs on Python {running}, which works. {fixed} and newer have security fixes in the standard"
        " library: an update is advised."
    )

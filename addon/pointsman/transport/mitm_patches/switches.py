"""Switches that turn off single patches, to compare with the stock path and to find the patch that causes a fault.

`POINTSMAN_PATCHES_OFF=eager_hooks,direct_write` turns two of them off, `POINTSMAN_PATCHES_OFF=all` every one. What is
off is done by the stock code of mitmproxy or aiohttp: the same answers, without what the patch brings (see
ARCHITECTURE.md). Bounds on what a client may send and what keeps the router from dialling itself have no switch: no
stock code does that.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

VARIABLE = "POINTSMAN_PATCHES_OFF"
ALL = "all"


class UnknownSwitch(ValueError):
    """POINTSMAN_PATCHES_OFF names a patch that does not exist, or that has no switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """True: the patch of that name is used."""

    allocator: bool = True
    certificates: bool = True
    direct_write: bool = True
    dns_resolver: bool = True
    eager_hooks: bool = True
    flow_kill: bool = True
    hook_cache: bool = True
    large_uploads: bool = True
    light_objects: bool = True
    plain_requests: bool = True
    quick_lookups: bool = True
    request_twin: bool = True
    unchecked_request: bool = True
    unchecked_response: bool = True
    watched_reads: bool = True
    whole_reads: bool = True

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Switches":
        """Raises UnknownSwitch, which lists the names."""
        names = [each.name for each in fields(cls)]
        off = {part.strip() for part in environ.get(VARIABLE, "").split(",")} - {""}
        if unknown := sorted(off - {*names, ALL}):
            raise UnknownSwitch(
                f"{VARIABLE}: unknown name {', '.join(unknown)}. Known names: {', '.join(names)}; or {ALL}."
            )
        return cls(**{name: ALL not in off and name not in off for name in names})


@cache
def switches() -> Switches:
    """Of this process; its environment is read once. Raises UnknownSwitch."""
    return Switches.from_environment(os.environ)

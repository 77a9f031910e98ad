"""Settings of a request that not every dialect has; one that does not reach the target is named in the audit."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pointsman.wire.json_access import Members

DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "parallel_tool_calls": (True,),
    "disable_parallel_tool_use": (False,),
    "service_tier": ("auto", "default", "standard", "standard_only"),
    "verbosity": ("medium",),
    "truncation": ("disabled",),
    "store": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
}
"""Values that ask for nothing. Nor do empty objects and texts."""

type Places = Mapping[str, tuple[str, ...]]
"""Where a request has each setting, by its name in all dialects."""


class Setting(NamedTuple):
    """`name` is the same in all dialects, `given_as` is what the client's dialect calls it."""

    name: str
    given_as: str


def _member(members: Members, name: str) -> object:
    return members.get(name)


def settings_at(
    document: Members, places: Places, member: Callable[[Members, str], object] = _member
) -> Iterator[Setting]:
    """Those that a request gives; `member` reads one member of an object by its name."""
    for name, path in places.items():
        held: object = document
        for step in path:
            held = member(held, step) if isinstance(held, dict) else None
        if held is not None and held not in ("", [], {}) and held not in DEFAULTS.get(name, ()):
            yield Setting(name, path[-1])

"""Parameters that a request keeps its meaning without. One that does not reach the provider is named in the audit."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pointsman.wire.json_access import Members

type Paths = tuple[tuple[str, ...], ...]
"""Places in a document, each as the names of its members from the root."""
type Places = Mapping[str, Paths]
"""Where a request may have each parameter, by a name that is the same in dialects where its values mean the same."""

EMPTY: tuple[object, ...] = ("", [], {})
DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "top_k": (0, -1),
    "min_p": (0,),
    "repetition_penalty": (0, 1),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "parallel_tool_calls": (True,),
    "disable_parallel_tool_use": (False,),
    "service_tier": ("auto", "default"),
    "anthropic_service_tier": ("auto", "standard", "standard_only"),
    "gemini_service_tier": ("auto", "default", "standard"),
    "verbosity": ("medium",),
    "truncation": ("disabled",),
    "store": (False,),
}
"""Values that ask for nothing. Nor do empty ones."""


class Given(NamedTuple):
    given_as: str
    """What the client calls it."""
    value: Any


type Wanted = Mapping[str, Given]
"""What a request asks for, by the common names."""


def top(*names: str) -> Places:
    """Parameters that stand at the top of a request under their common names."""
    return {name: ((name,),) for name in names}


def wanted_in(document: Members, places: Places) -> Wanted:
    found = {name: _given(document, paths) for name, paths in places.items()}
    return {name: given for name, given in found.items() if given and given.value not in DEFAULTS.get(name, ())}


def lost(wanted: Wanted, carried: frozenset[str]) -> Iterator[str]:
    """A remark for people, if any of it does not reach the provider."""
    if words := [given.given_as for name, given in wanted.items() if name not in carried]:
        yield f"without {', '.join(words)}: the dialect has no such parameter"


def _given(document: Members, paths: Paths) -> Given | None:
    """At the first of the places that has anything."""
    for path in paths:
        value: object = document
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None and value not in EMPTY:
            return Given(path[-1], value)
    return None

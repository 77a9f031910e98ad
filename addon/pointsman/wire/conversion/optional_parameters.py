"""Parameters that a request keeps its meaning without. Where the other dialect has no such parameter, that is said.

They have the names that chat completions give them. Values that change nothing count as absent.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.wire.json_access import Members, mapping

type Places = tuple[tuple[str, ...], ...]
"""Paths in a request, any of which may have the parameter."""
type Wanted = dict[str, Any]
"""What a request asks for, by the common names."""

USUAL: tuple[object, ...] = (0, "", [], {}, "auto", "default", "medium")


def top(*names: str) -> dict[str, Places]:
    """Parameters that stand at the top of a request under their common names."""
    return {name: ((name,),) for name in names}


def wanted_in(document: Members, places: Mapping[str, Places]) -> Wanted:
    found = {name: _at(document, paths) for name, paths in places.items()}
    return {
        name: value for name, value in found.items() if value is not None and (name == "seed" or value not in USUAL)
    }


def lost(wanted: Wanted, carried: frozenset[str]) -> Iterator[str]:
    """A remark for people, if any of it has no place."""
    if names := [name for name in wanted if name not in carried]:
        yield f"without {', '.join(names)}: the dialect has no such parameter"


def _at(document: Members, paths: Places) -> Any:
    for *outer, last in paths:
        holder = document
        for name in outer:
            holder = mapping(holder.get(name))
        if holder.get(last) is not None:
            return holder[last]
    return None

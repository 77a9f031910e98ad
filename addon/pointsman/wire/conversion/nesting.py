"""Requests that are nested more deeply than conversion can follow."""

from typing import Any

from pointsman.wire.json_access import Members

MAX_NESTING = 200
"""Levels of objects and lists. Schemas take two levels for each of their own."""
HOLDERS = (dict, list)


def too_deep(document: Members) -> str | None:
    """The place that is nested too deeply, as `tools[0].function`; None if there is none."""
    level: list[Any] = [document]
    for _ in range(MAX_NESTING):
        level = [
            each
            for held in level
            for each in (held.values() if isinstance(held, dict) else held)
            if isinstance(each, HOLDERS)
        ]
        if not level:
            return None
    return _place(document)


def _place(document: Members, shown: int = 4) -> str:
    """The beginning of the way to the first place at the limit."""
    waiting: list[tuple[Any, int, str]] = [(document, 0, "")]
    while waiting:
        held, depth, place = waiting.pop()
        if depth == MAX_NESTING:
            return place
        named = held.items() if isinstance(held, dict) else enumerate(held)
        for name, each in named:
            if isinstance(each, HOLDERS):
                step = f"[{name}]" if isinstance(held, list) else f".{name}" if place else str(name)
                waiting.append((each, depth + 1, place + step if depth < shown else place))
    return ""

"""Requests that are nested more deeply than conversion can follow."""

from collections.abc import Iterator

from pointsman.wire.json_access import Members

MAX_NESTING = 200
"""Levels of objects and lists. Schemas take two levels for each of their own."""


def too_deep(document: Members) -> str | None:
    """The place that is nested too deeply, as `tools[0].function`; None if there is none."""
    level: list[object] = [document]
    for _ in range(MAX_NESTING):
        level = [each for held in level for each in _values(held) if isinstance(each, dict | list)]
        if not level:
            return None
    return _place(document)


def _values(held: object) -> Iterator[object]:
    return iter(held.values() if isinstance(held, dict) else held if isinstance(held, list) else ())


def _place(document: Members, shown: int = 4) -> str:
    """The beginning of the way to the first place at the limit."""
    waiting: list[tuple[object, int, str]] = [(document, 0, "")]
    while waiting:
        held, depth, place = waiting.pop()
        if depth == MAX_NESTING:
            return place
        named = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
        for name, each in named:
            if isinstance(each, dict | list):
                step = f"[{name}]" if isinstance(held, list) else f".{name}" if place else str(name)
                waiting.append((each, depth + 1, place + step if depth < shown else place))
    return ""

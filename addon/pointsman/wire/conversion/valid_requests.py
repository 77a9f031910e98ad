"""What every dialect demands of a request, and some clients leave out: something must be said, by the user."""

from collections.abc import Iterable

from pointsman.wire.json_access import Document, Members, dicts, text

NOTHING_SAID = "."
"""Stands for a message without content where a dialect demands some."""


def is_blank(part: Members, name: str = "text") -> bool:
    """A text without anything in it but white space, whatever else its part holds about it."""
    said = part.get(name)
    return isinstance(said, str) and not said.strip()


def texts_of(parts: object) -> str:
    """A text, or all that some parts hold."""
    return parts if isinstance(parts, str) else "\n".join(text(part.get("text")) for part in dicts(parts))


def drop_blank_stops(holder: Document, name: str) -> None:
    stops = holder.get(name)
    if isinstance(stops, list):
        kept: Iterable[object] = [stop for stop in stops if not isinstance(stop, str) or stop.strip()]
        holder[name] = kept
        if not kept:
            del holder[name]

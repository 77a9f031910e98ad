"""What every dialect demands of a request, and some clients leave out: something must be said, by the user."""

from pointsman.wire.json_access import Document, Members, dicts, text

NOTHING_SAID = "."
"""Stands for a message without content where a dialect demands some."""


def is_blank(part: Members) -> bool:
    """A text without anything in it but white space, whatever else its part holds about it."""
    said = part.get("text")
    return isinstance(said, str) and not said.strip()


def texts_of(parts: object) -> str:
    """All that some parts hold."""
    return "\n".join(text(part.get("text")) for part in dicts(parts))


def drop_blank_stops(holder: Document, name: str) -> None:
    stops = holder.get(name)
    if isinstance(stops, list):
        kept = [stop for stop in stops if not isinstance(stop, str) or stop.strip()]
        holder[name] = kept
        if not kept:
            del holder[name]

"""Raw events of a streamed body, with the gaps in time between them where they are known."""

from collections.abc import Iterator, Sequence

from pointsman.views.reading.chats import events_of

SHORTEST_GAP = 0.01
"""Seconds; below that nothing is said."""

type Moments = Sequence[Sequence[float]]
"""Pairs, in order: the offset of a piece of the body, and when it came, in seconds."""


def raw_events(body: bytes, moments: Moments) -> str:
    """Every event as it came; before it the time that passed. Empty where there is none."""
    return "\n\n".join(_parts(body, moments))


def _parts(body: bytes, moments: Moments) -> Iterator[str]:
    offset, place, before = 0, -1, 0.0
    for event in events_of(body):
        offset += len(event.raw)
        while place + 1 < len(moments) and moments[place + 1][0] < offset:
            place += 1
        if place >= 0 and (gap := moments[place][1] - before) >= SHORTEST_GAP:
            yield f"... {gap:.2f} s, at {moments[place][1]:.2f} s"
            before = moments[place][1]
        yield event.raw.decode("utf-8", "replace").strip("\r\n")

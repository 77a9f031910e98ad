"""A bounded tape: the beginning of a body that goes by in pieces, and when its pieces came."""

from collections.abc import Callable

MAX_BODY = 256 * 1024
"""Bytes kept of a body, for people to read."""
SPARE = 1024
"""Bytes beyond, so that a secret that crosses the end is known for one and masked."""
MAX_MARKS = 256
"""Marks kept; a piece that comes within GAP seconds of the last mark gets none of its own."""
GAP = 0.01

type Marks = list[list[float]]
"""Pairs: the offset of a piece in the body, and when it came, in seconds after the start."""


class Tape:
    """Starts at `now`, on any steady clock."""

    def __init__(self, now: float) -> None:
        self.size = 0
        """Bytes that went by, kept or not."""
        self.marks: Marks = []
        self._started = now
        self._marked = float("-inf")
        self._pieces: list[bytes] = []

    def add(self, data: bytes, now: float) -> None:
        if self.size < MAX_BODY + SPARE:
            self._pieces.append(data)
            if now - self._marked >= GAP and len(self.marks) < MAX_MARKS:
                self.marks.append([self.size, round(now - self._started, 3)])
                self._marked = now
        self.size += len(data)

    def body(self, masked: Callable[[bytes], bytes]) -> bytes:
        """What is kept, its secrets masked."""
        return bounded(b"".join(self._pieces), masked)


def bounded(body: bytes, masked: Callable[[bytes], bytes]) -> bytes:
    """The beginning of a body, its secrets masked."""
    return masked(body[: MAX_BODY + SPARE])[:MAX_BODY]

"""A bounded capture of a body: its beginning, and when its chunks arrived."""

from collections.abc import Callable

MAX_CAPTURED_BYTES = 256 * 1024
"""Bytes kept of a body, for people to read."""
MASKING_MARGIN = 1024
"""Bytes beyond, so that a secret that crosses the end is known for one and masked."""
MAX_CHUNK_TIMES = 256
"""Marks kept; a piece that comes within MIN_CHUNK_GAP seconds of the last mark gets none of its own."""
MIN_CHUNK_GAP = 0.01

type ChunkTimes = list[list[float]]
"""Pairs: the offset of a piece in the body, and when it came, in seconds after the start."""


class BodyCapture:
    """Starts at `now`, on any steady clock."""

    def __init__(self, now: float) -> None:
        self.size = 0
        """Bytes that went by, kept or not."""
        self.chunk_times: ChunkTimes = []
        self._started_at = now
        self._last_marked_at = float("-inf")
        self._pieces: list[bytes] = []

    def add(self, data: bytes, now: float) -> None:
        if (room := MAX_CAPTURED_BYTES + MASKING_MARGIN - self.size) > 0:
            self._pieces.append(data[:room])
            if now - self._last_marked_at >= MIN_CHUNK_GAP and len(self.chunk_times) < MAX_CHUNK_TIMES:
                self.chunk_times.append([self.size, round(now - self._started_at, 3)])
                self._last_marked_at = now
        self.size += len(data)

    def body(self, masked: Callable[[bytes], bytes]) -> bytes:
        """What is kept, its secrets masked."""
        return masked_prefix(b"".join(self._pieces), masked)


def masked_prefix(body: bytes, masked: Callable[[bytes], bytes]) -> bytes:
    """The beginning of a body, its secrets masked."""
    return masked(body[: MAX_CAPTURED_BYTES + MASKING_MARGIN])[:MAX_CAPTURED_BYTES]

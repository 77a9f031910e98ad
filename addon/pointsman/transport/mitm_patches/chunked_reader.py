"""A request's chunked body, read with bounds.

Why: h11's reader fails on trailers as mitmproxy uses it, takes time with the square of a trailer's length, waits for
ever for a chunk's line that never ends, and gives one chunk at a time.
Inner parts: h11's `ChunkedReader`, its `_reading_trailer`, and `ReceiveBuffer`. No switch: it is a bound.
"""

import re

from h11 import Data, EndOfMessage, ProtocolError
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer

MAX_CHUNK_LINE_BYTES = 64 * 1024
"""Bytes of a chunk's first line, and of the trailers after the last chunk."""

_TRAILER = re.compile(rb"[ \t]|[!#$%&'*+\-.^_`|~0-9A-Za-z]+:")


class MalformedChunk(Exception):
    """A chunked body that is none."""


class TolerantChunkedReader(ChunkedReader):
    """Gives all chunks that are there as one, takes trailers and forgets them. Raises MalformedChunk."""

    _ended: EndOfMessage | None = None

    def __call__(self, buf: ReceiveBuffer) -> Data | EndOfMessage | None:
        if self._ended is not None:
            return self._ended
        pieces = []
        while isinstance(event := self._next(buf), Data):
            pieces.append(event.data)
        if not pieces:
            return event
        self._ended = event
        return Data(data=b"".join(pieces))

    def _next(self, buf: ReceiveBuffer) -> Data | EndOfMessage | None:
        try:
            event = self._read_trailers(buf) if self._reading_trailer else super().__call__(buf)
        except ProtocolError as error:
            raise MalformedChunk from error
        if event is None and len(buf) > MAX_CHUNK_LINE_BYTES:
            raise MalformedChunk
        return event

    def _read_trailers(self, buf: ReceiveBuffer) -> EndOfMessage | None:
        """h11's own reader takes time with the square of a trailer's length."""
        lines = buf.maybe_extract_lines()
        if lines is None:
            return None
        if not all(_TRAILER.match(line) for line in lines):
            raise MalformedChunk
        return EndOfMessage()


def bounded_reader[Reader](stock: Reader) -> Reader | TolerantChunkedReader:
    """Replaces h11's reader of a chunked body; leaves any other as it is."""
    return TolerantChunkedReader() if type(stock) is ChunkedReader else stock

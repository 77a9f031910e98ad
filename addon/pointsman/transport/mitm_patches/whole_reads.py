"""Reading all that has come of an answer in one step.

Why: aiohttp takes each chunk of a body by itself and asks its connection to read on after each one, whether it has
paused or not, which makes its parser look for more. A burst of events, mostly a chunk each, costs more there than in
all the rest of the router.
Inner parts: `StreamReader._read_nowait`, replaced for reads of everything; `_buffer`, `_buffer_offset`, `_size`,
`_cursor`, `_http_chunk_splits`, `_timer` and `_protocol` of it; `BaseProtocol._reading_paused` and `resume_reading`.
Gain: see "Patches" in docs/measurements.md. Switch: `whole_reads`.
"""

from aiohttp import StreamReader

from pointsman.transport.mitm_patches.switches import switches

_read_in_pieces = StreamReader._read_nowait


def install() -> None:
    if switches().whole_reads:
        StreamReader._read_nowait = read_whole  # type: ignore[method-assign]


def remove() -> None:
    StreamReader._read_nowait = _read_in_pieces  # type: ignore[method-assign]


def read_whole(self: StreamReader, n: int) -> bytes:
    """What has come, all of it if `n` is -1. What follows when the connection reads on is for the next call."""
    if n != -1:
        return _read_in_pieces(self, n)
    self._timer.assert_timeout()
    if not self._buffer:
        return b""
    data = b"".join(self._buffer)[self._buffer_offset :]
    self._buffer.clear()
    self._buffer_offset = 0
    self._size -= len(data)
    self._cursor += len(data)
    while self._http_chunk_splits and self._http_chunk_splits[0] < self._cursor:
        self._http_chunk_splits.popleft()
    if self._protocol._reading_paused:  # nothing is left, so there is room
        self._protocol.resume_reading()
    return data

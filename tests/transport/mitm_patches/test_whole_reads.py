"""Reads of everything that has come do what aiohttp's own do."""

import asyncio

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from pointsman.transport.mitm_patches import whole_reads

STOCK = StreamReader._read_nowait
PIECES = [b"one", b"two, which is longer", b"three"]


class Protocol(BaseProtocol):
    """Counts how often it is asked to read on."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.resumed = 0

    def resume_reading(self, resume_parser: bool = True) -> None:
        self.resumed += 1
        self._reading_paused = False

    def pause_reading(self) -> None:
        self._reading_paused = True


def reader(limit: int = 1000) -> tuple[StreamReader, Protocol]:
    """With all pieces in it, a chunk each."""
    protocol = Protocol()
    own = StreamReader(protocol, limit, loop=asyncio.get_running_loop())
    for piece in PIECES:
        own.begin_http_chunk_receiving()
        own.feed_data(piece)
        own.end_http_chunk_receiving()
    return own, protocol


def state(own: StreamReader) -> tuple[object, ...]:
    return own._size, own._cursor, list(own._buffer), own._buffer_offset, list(own._http_chunk_splits or ())


async def test_everything_is_read_at_once_and_leaves_what_stock_code_leaves() -> None:
    quick, stock = reader()[0], reader()[0]
    assert whole_reads.read_whole(quick, -1) == STOCK(stock, -1) == b"".join(PIECES)
    assert state(quick) == state(stock)
    assert whole_reads.read_whole(quick, -1) == b""


async def test_what_is_left_of_a_piece_is_read_with_the_others() -> None:
    quick, stock = reader()[0], reader()[0]
    assert whole_reads.read_whole(quick, 5) == STOCK(stock, 5) == b"onetw"
    assert whole_reads.read_whole(quick, -1) == STOCK(stock, -1) == b"".join(PIECES)[5:]
    assert state(quick) == state(stock)


async def test_a_connection_reads_on_only_if_it_has_paused() -> None:
    own, protocol = reader()
    whole_reads.read_whole(own, -1)
    assert protocol.resumed == 0
    full, paused = reader(limit=4)
    assert paused._reading_paused
    whole_reads.read_whole(full, -1)
    assert (paused.resumed, paused._reading_paused) == (1, False)

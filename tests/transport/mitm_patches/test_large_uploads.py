"""Large bodies of requests, taken in the pieces in which they come."""

import asyncio
import itertools
import json
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.transport.mitm_patches import large_uploads
from pointsman.transport.mitm_patches.large_uploads import LARGE_UPLOAD, MAX_UNREAD, PieceReader
from pointsman.transport.stream import RoutedStream
from support.h1client import chat, h1_to, head
from support.leak_checks import no_leaks, soon
from support.patches import needs_patch
from support.router import running
from support.settings import provider

PATH = "/v1/chat/completions"
BODY = json.dumps(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": "left or right? " * 200_000}]}
).encode()


class Socket(asyncio.Transport):
    """Only notes whether it is read."""

    is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


async def piece_reader(*before: bytes) -> tuple[PieceReader, Socket]:
    """A reader that was a stock one when it got `before`."""
    reader, socket = asyncio.StreamReader(), Socket()
    reader.set_transport(socket)
    for data in before:
        reader.feed_data(data)
    PieceReader.replace(reader)
    assert isinstance(reader, PieceReader)
    return reader, socket


class TestPieceReader:
    async def test_pieces_are_the_objects_that_came(self) -> None:
        reader, _ = await piece_reader(b"be", b"fore")
        pieces = [bytes(100_000), b"x"]
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        assert await reader.read(65535) == b"before"
        assert [await reader.read(65535) is piece for piece in pieces] == [True, True]
        assert (await reader.read(65535), reader.at_eof()) == (b"", True)

    async def test_who_waits_is_woken(self) -> None:
        reader, _ = await piece_reader()
        waiting = asyncio.ensure_future(reader.read(9))
        await asyncio.sleep(0)
        reader.feed_data(b"later")
        assert await waiting == b"later"
        reader.set_exception(ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            await reader.read(9)

    async def test_no_more_is_taken_than_is_read(self) -> None:
        reader, socket = await piece_reader()
        piece = bytes(MAX_UNREAD // 4)
        for _ in range(5):
            assert socket.is_read
            reader.feed_data(piece)
        assert not socket.is_read
        for is_read in (False, False, True):
            await reader.read(9)
            assert socket.is_read is is_read

    async def test_a_reader_that_is_waited_for_stays_as_it_is(self) -> None:
        reader = asyncio.StreamReader()
        waiting = asyncio.ensure_future(reader.read(9))
        await asyncio.sleep(0)
        PieceReader.replace(reader)
        reader.feed_data(b"data")
        assert (type(reader), await waiting) == (asyncio.StreamReader, b"data")


@needs_patch("large_uploads", "pieces are small")
async def test_a_large_body_comes_in_few_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    check_size = RoutedStream.check_body_size

    def noted(self: RoutedStream, request: bool) -> object:
        sizes.append(len(self.request_body_buf))
        return check_size(self, request)

    monkeypatch.setattr(RoutedStream, "check_body_size", noted)
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        async with h1_to(router.host, router.port) as client:
            for body in (BODY, chat(), BODY):
                await client.ask(body)
                assert (await client.answer())[0] == 200
        assert [seen.body for seen in one.seen] == [BODY, one.seen[1].body, BODY]
    largest = max(after - before for before, after in itertools.pairwise(sizes))
    assert largest > 65535


@pytest.mark.parametrize("cut", [1, LARGE_UPLOAD, len(BODY) - LARGE_UPLOAD, len(BODY) - 1])
async def test_the_next_request_may_follow_at_once(tmp_path: Path, cut: int) -> None:
    """Wherever the pieces end: here the second one is the rest of the body and a whole request."""
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        async with h1_to(router.host, router.port) as client:
            small = chat()
            client.send(head(PATH, len(BODY)) + BODY[:cut])
            await asyncio.sleep(0.02)
            client.send(BODY[cut:] + head(PATH, len(small)) + small)
            for _ in range(2):
                assert (await client.answer())[0] == 200
        assert one.seen[0].body == BODY
        assert one.seen[1].json["messages"] == json.loads(small)["messages"]


async def test_a_client_that_leaves_within_its_body_leaves_nothing(tmp_path: Path) -> None:
    async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
        async with h1_to(router.host, router.port) as client:
            client.send(head(PATH, len(BODY)) + BODY[: 4 * LARGE_UPLOAD])
            await soon(lambda: bool(router.context.master.addons.get("proxyserver").connections))
            client.break_off()
            await no_leaks(router, 0)
        assert not one.seen


def test_pieces_count_as_read_up_to_the_last_one() -> None:
    reader = large_uploads.ContentLengthReader(10)
    assert [large_uploads.take_piece(reader, size) for size in (4, 5, 1)] == [True, True, False]
    assert large_uploads.bytes_left(reader) == 1
    assert not large_uploads.take_piece(object(), 1)

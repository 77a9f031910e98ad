"""Clients that send too much, too slowly, or not to the end, compressed or not; and clients that read slowly."""

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import brotli
import pytest
import zstandard

from pointsman.demo import Provider, behaviours
from pointsman.transport import upload, upload_timeout
from support.damage_checks import connected, memory_below, unharmed
from support.h1client import H1Client, chat, h1_to, head
from support.h2client import h2_through
from support.http_requests import ask, http_client
from support.leak_checks import no_leaks, soon
from support.raw_requests import BODY, LENGTH, NEXT, PATH, chunked, post, said
from support.router import running
from support.settings import provider
from support.time_limit import WINDOWS

ECHO = behaviours.echo("", "")
MIB = 1 << 20
SMALL = {"max_body": "64KiB"}
ROOM = 64 * 1024
DONE = b"data: [DONE]\n\n"


def bare_deflate(body: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(body) + squeeze.flush()


def quick_brotli(body: bytes) -> bytes:
    return bytes(brotli.compress(body, quality=1))


def unsized_zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(body)


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip in capitals": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
    "brotli": ("br", quick_brotli),
    "zstd": ("zstd", zstandard.compress),
    "zstd of unknown size": ("zstd", unsized_zstd),
    "none": ("identity", bytes),
    "one around the other": ("br, gzip", lambda body: gzip.compress(quick_brotli(body))),
}
CODED = pytest.mark.parametrize(("coding", "squeeze"), CODINGS.values(), ids=CODINGS)


class TestCompressed:
    @CODED
    async def test_it_is_decoded_for_the_provider(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, coding: str, squeeze: Callable[[bytes], bytes]
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            await client.ask(squeeze(BODY), headers=(("Content-Encoding", coding),))
            assert said((await client.answer())[2]) == "first"
            assert one.seen[0].body == BODY
            assert one.seen[0].header("content-encoding") is None
            client.close()

    @CODED
    async def test_a_large_one_is_decoded_whole(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, coding: str, squeeze: Callable[[bytes], bytes]
    ) -> None:
        """It comes out of its decoder in many pieces."""
        body = chat("".join(f"{n:x} " for n in range(300_000)), stream=False)
        async with connected(tmp_path, caplog, behaviours.answer("hello")) as (client, one, _):
            await client.ask(squeeze(body), headers=(("Content-Encoding", coding),))
            assert (await client.answer())[0] == 200
            assert one.seen[0].body == body
            client.close()

    @CODED
    async def test_what_decodes_to_too_much_is_refused_and_never_held(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, coding: str, squeeze: Callable[[bytes], bytes]
    ) -> None:
        size = 128 * MIB if coding != "identity" else 2 * ROOM
        bomb = squeeze(bytes(size))
        async with connected(tmp_path, caplog, ECHO, server={"max_body": "2MiB"}) as (client, one, _):
            with memory_below(32 * MIB):
                await client.ask(bomb, headers=(("Content-Encoding", coding),))
                status, _, body = await client.answer()
            wrong = (400, "invalid_request") if coding == "identity" else (413, "request_too_large")
            assert (status, json.loads(body)["error"]["code"]) == wrong
            assert not one.seen
            client.send(NEXT)
            assert said((await client.answer())[2]) == "next"
            client.close()

    @pytest.mark.parametrize(
        ("coding", "body", "says"),
        [
            ("fancy", BODY, "Unknown Content-Encoding 'fancy'"),
            ("\xff", BODY, "Unknown Content-Encoding"),
            ("gzip;q=1", gzip.compress(BODY, mtime=0), "Unknown Content-Encoding"),
            ("gzip", BODY, "not valid gzip"),
            ("gzip", b"", "truncated"),
            ("gzip", gzip.compress(BODY, mtime=0)[:-9], "truncated"),
            ("gzip", gzip.compress(BODY, mtime=0) + b"more", "unexpected data follows the end"),
            ("deflate", BODY, "not valid deflate"),
            ("deflate", zlib.compress(BODY)[:-9], "not valid deflate"),
            ("br", BODY, "not valid br"),
            ("br", brotli.compress(BODY)[:-9], "truncated"),
            ("zstd", BODY, "not valid zstd"),
            ("zstd", zstandard.compress(BODY)[:-9], "JSON"),
            ("gzip, br", gzip.compress(BODY, mtime=0), "not valid"),
            (", ".join(["gzip"] * 10_000), gzip.compress(BODY, mtime=0), "more than 3 content codings"),
        ],
    )
    async def test_what_is_not_as_it_says_is_refused(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, coding: str, body: bytes, says: str
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            await client.ask(body, headers=(("Content-Encoding", coding),))
            status, _, answer = await client.answer()
            error = json.loads(answer)["error"]
            assert (status, error["code"]) == (400, "invalid_request")
            assert says in error["message"]
            assert not one.seen
            client.send(NEXT)
            assert said((await client.answer())[2]) == "next"
            client.close()


class TestTooLarge:
    async def test_a_length_beyond_the_limit_is_refused_at_the_head(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload, "MAX_DISCARDED_BYTES", MIB)
        async with connected(tmp_path, caplog, ECHO, server=SMALL) as (client, one, router):
            client.send(head(PATH, 10**15))
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (413, "request_too_large")
            assert headers["connection"] == "close"
            client.send(bytes(2 * MIB))
            await soon(lambda: not router.server.connections)
            assert not one.seen

    async def test_chunks_are_refused_once_they_have_grown_beyond_it(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload, "MAX_DISCARDED_BYTES", MIB)
        async with connected(tmp_path, caplog, ECHO, server=SMALL) as (client, one, router):
            with memory_below(8 * MIB):
                client.send(chunked(b"%x\r\n" % (512 * MIB)))
                client.send(bytes(ROOM + 1))
                status, headers, body = await client.answer()
                assert (status, json.loads(body)["error"]["code"]) == (413, "request_too_large")
                assert headers["connection"] == "close"
                client.send(bytes(2 * MIB))
                await soon(lambda: not router.server.connections)
            assert not one.seen

    async def test_what_just_fits_is_served(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        body = chat("x" * (ROOM - len(chat(""))))
        assert len(body) == ROOM
        async with connected(tmp_path, caplog, ECHO, server=SMALL) as (client, one, _):
            await client.ask(body)
            assert (await client.answer())[0] == 200
            assert one.seen[0].body == body
            client.close()

    async def test_a_client_that_sends_all_before_it_reads_finds_its_answer(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}, server=SMALL) as router,
            unharmed(router, caplog, one),
            http_client() as client,
        ):
            answer = await client.post(f"{router.base_url}/chat/completions", content=bytes(20 * MIB))
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")

    async def test_over_http2_no_other_stream_is_touched(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}, server=SMALL) as router,
            unharmed(router, caplog, one),
            h2_through(router.url, router.ca) as client,
        ):
            refused = await client.ask(bytes(ROOM + 1))
            assert json.loads(await client.whole(refused))["error"]["code"] == "request_too_large"
            assert refused.status == 413
            assert said(await client.whole(await client.ask(BODY))) == "first"


class TestSlowToSend:
    @pytest.mark.parametrize("begun", [post(LENGTH)[:-5], chunked(b"%x\r\n%b" % (len(BODY), BODY[:-5]))])
    async def test_an_upload_that_stops_is_refused_and_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, begun: bytes
    ) -> None:
        monkeypatch.setattr(upload_timeout, "IDLE_TIMEOUT", 0.05)
        async with connected(tmp_path, caplog, ECHO) as (client, one, _):
            client.send(begun)
            status, headers, body = await client.answer()
            assert (status, json.loads(body)["error"]["code"]) == (408, "request_timeout")
            assert headers["connection"] == "close"
            assert await client.at_end()
            assert not one.seen

    async def test_over_http2_only_that_stream_is(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload_timeout, "IDLE_TIMEOUT", 0.05)
        async with (
            Provider(ECHO) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
            h2_through(router.url, router.ca) as client,
        ):
            stopped = await client.ask(BODY[:-5], length=len(BODY), ends=False)
            await client.until(lambda: stopped.reset is not None)
            assert stopped.status == 408
            assert json.loads(stopped.data)["error"]["code"] == "request_timeout"
            assert said(await client.whole(await client.ask(BODY))) == "first"

    async def test_an_endless_upload_is_refused_too(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload_timeout, "TOTAL_TIMEOUT", 0.3)
        async with connected(tmp_path, caplog, ECHO) as (client, _, _):
            client.send(head(PATH, MIB))
            answer = asyncio.create_task(client.answer())
            while not answer.done():
                client.send(b"x")
                await asyncio.sleep(0.01)
            assert (await answer)[0] == 408

    async def test_who_is_refused_and_stops_is_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload_timeout, "IDLE_TIMEOUT", 0.05)
        async with connected(tmp_path, caplog, ECHO, server=SMALL) as (client, _, _):
            client.send(head(PATH, MIB))
            assert (await client.answer())[0] == 413
            assert await client.at_end()

    async def test_who_posts_to_a_page_and_stops_is_cut_off(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload_timeout, "IDLE_TIMEOUT", 0.05)
        async with connected(tmp_path, caplog, ECHO) as (client, _, router):
            client.send(head("/api/anything", MIB))
            assert await client.at_end()
            assert router.watcher.flows == []

    async def test_who_is_merely_slow_is_served(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A byte at a time, head and all, for longer than a client may pause."""
        for window in WINDOWS:
            monkeypatch.setattr(upload_timeout, "IDLE_TIMEOUT", window / 2)
            (folder := tmp_path / f"{window}").mkdir()
            async with connected(folder, caplog, ECHO) as (client, one, _):
                longest, took = await self.sent_byte_by_byte(client, window / 200)
                if longest > window / 4:
                    continue  # this process was kept from running for too long
                assert took > window / 2
                assert said((await client.answer())[2]) == "next"
                assert one.seen[0].body == chat("next", stream=False)
                client.close()
                return
        raise AssertionError("this machine was too slow")

    async def sent_byte_by_byte(self, client: H1Client, pause: float) -> tuple[float, float]:
        """Seconds between two bytes at most, and of all."""
        loop = asyncio.get_running_loop()
        sent = [loop.time()]
        for at in range(len(NEXT)):
            client.send(NEXT[at : at + 1])
            await asyncio.sleep(pause)
            sent.append(loop.time())
        return max(after - before for before, after in pairwise(sent)), sent[-1] - sent[0]

    async def test_who_sends_less_than_announced_and_leaves_begins_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(tmp_path, caplog, ECHO) as (client, one, router):
            client.send(post(LENGTH)[:-5])
            await soon(lambda: bool(router.watcher.flows))
            client.close()
            await no_leaks(router)
            assert (one.seen, router.drivers) == ([], [])


class TestSlowToRead:
    async def test_who_reads_a_byte_at_a_time_gets_every_byte(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        whole = b"".join(b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % n for n in range(300)) + DONE
        loop = asyncio.get_running_loop()
        async with connected(tmp_path, caplog, behaviours.exact([whole])) as (_, _, router):
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                sock.setblocking(False)
                await loop.sock_connect(sock, (router.host, router.port))
                await loop.sock_sendall(sock, head(PATH, len(chat())) + chat())
                reader = asyncio.StreamReader()
                while not reader._buffer.endswith(b"0\r\n\r\n"):  # type: ignore[attr-defined]
                    reader.feed_data(await loop.sock_recv(sock, 1))
            status, _, body = await H1Client(reader, None).answer()  # type: ignore[arg-type]
            assert (status, body) == (200, whole)

    async def test_a_client_that_never_reads_delays_no_other_and_leaves_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider([behaviours.endless(), behaviours.answer("for others")]) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            unharmed(router, caplog, one),
        ):
            async with h1_to(router.host, router.port, room=4096) as client:
                await client.ask(chat())
                stuck = await one.arrived()
                await soon(lambda: stuck.sent > 100_000)
                assert (await ask(router.base_url, stream=False)).status == 200
            assert await stuck.closed_by_peer()

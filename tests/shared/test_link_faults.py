"""What the engine can do to an instance, with a real server: nothing lasts, and each change is one line of the log."""

import asyncio
import gc
import logging
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from pointsman.domain.engine_address import parse_address
from pointsman.shared.link import EngineLost, Link
from pointsman.shared.part import Call, Script
from pointsman.shared.task import LONGEST_PAUSE
from shared.test_link import Instance, instance, until
from support.certificate_authority import CertificateAuthority
from support.time_limit import LONGEST
from support.valkey import Valkey, valkey

SLOW_MACHINE = 2.0
"""Seconds by which a wait may be longer than what the code allows, on a busy machine."""


def changes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """`connected` and `degraded` in the log, in order."""
    told = [record.getMessage() for record in caplog.records if "shared state" in record.getMessage()]
    return [line.split("shared state: ")[1].split(" ")[0].rstrip(":") for line in told]


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pointsman.shared.task")


async def test_an_engine_that_is_down_at_the_start_is_found_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Valkey(tmp_path / "valkey")
    async with instance(server.url) as one:
        assert not one.hub.is_connected
        await asyncio.sleep(0.5)
        await server.start()
        await until(lambda: one.hub.is_connected)
        assert changes(caplog) == ["degraded", "connected"]
    await server.kill()


async def test_a_frozen_engine_holds_up_no_question(engine: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    async with instance(engine.url) as one:
        await until(lambda: one.hub.is_connected)
        engine.freeze()
        waited = []
        while one.hub.is_connected:
            call = Call(Script("none", "return 1"), (one.hub.key("x"),))
            question = asyncio.ensure_future(one.hub.prepare([call]))
            await asyncio.sleep(0)
            waited.append(not question.done())
            await question
            await asyncio.sleep(0.01)
        assert waited.count(True) <= 3, "all others do not wait at all"
        one.words.say("while it was frozen")
        engine.thaw()
        await until(lambda: one.hub.is_connected)
        async with instance(engine.url) as two:
            await until(lambda: two.words.all == {"while it was frozen"})
        assert one.words.lost == 1
        assert [each for each in changes(caplog) if each == "degraded"] == ["degraded"]


@pytest.mark.parametrize("how", ["empty", "old snapshot", "flushed"])
async def test_what_an_engine_has_lost_is_published_again(tmp_path: Path, how: str) -> None:
    async with valkey(tmp_path / "valkey") as engine, instance(engine.url) as one:
        one.words.say("before")
        await until(lambda: not one.words.new and one.hub.is_connected)
        async with engine.client() as client:
            await client.save()
            saved = int(await client.hget("{test}:engine", "ticks"))
            one.words.say("after")
            async with asyncio.timeout(LONGEST):  # until it has the reply to the tick that sent it
                while int(await client.hget("{test}:engine", "ticks")) < saved + 4:
                    await asyncio.sleep(0.01)
        ticks = len(one.words.connected)
        if how == "flushed":
            async with engine.client() as client:
                await client.flushall()
        else:
            await engine.kill()
            if how == "empty":
                shutil.rmtree(tmp_path / "valkey")
            await engine.start()
        await until(lambda: len(one.words.connected) > ticks and one.hub.is_connected)
        assert one.words.connected[-1], "it is a new engine"
        async with instance(engine.url) as two:
            await until(lambda: two.words.all == {"before", "after"})


async def test_a_replica_that_takes_over_is_used(tmp_path: Path) -> None:
    """The old primary comes back as its replica and refuses to write; the address then leads to the new one."""
    async with (
        valkey(tmp_path / "one") as primary,
        valkey(tmp_path / "two") as replica,
        replica.client() as client,
        relay(primary.port) as moved,
        instance(moved.url) as one,
    ):
        await client.replicaof("127.0.0.1", primary.port)
        one.words.say("word")
        await until(lambda: not one.words.new and one.hub.is_connected)
        async with asyncio.timeout(LONGEST):
            while (await client.info("replication"))["master_link_status"] != "up":
                await asyncio.sleep(0.05)
        await client.replicaof("NO", "ONE")
        async with primary.client() as former:
            await former.replicaof("127.0.0.1", replica.port)
        await until(lambda: "read only" in one.hub.reason)
        moved.port_behind = replica.port
        await until(lambda: one.hub.is_connected)
        async with instance(replica.url) as two:
            await until(lambda: two.words.all == {"word"} and one.hub.instances == 2)


class Relay:
    def __init__(self, port_behind: int) -> None:
        self.port_behind, self.url = port_behind, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self.port_behind)
        await asyncio.gather(pipe(reader, behind_writer), pipe(behind_reader, writer))


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def relay(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    made = Relay(port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.url = f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield made
    finally:
        server.close()


async def test_a_wrong_password_is_named_and_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with valkey(tmp_path / "valkey", "--requirepass", "right-password") as engine:
        url = engine.url.replace("//", "//:wrong-password@")
        async with instance(url) as one:
            await asyncio.sleep(1)
            assert not one.hub.is_connected
            assert changes(caplog) == ["degraded"]
            assert "correct shared.url and restart" in caplog.text
            assert "wrong-password" not in caplog.text + one.hub.reason
            async with Redis(port=engine.port, password="right-password", protocol=2) as client:
                await client.config_set("requirepass", "wrong-password")
            await until(lambda: one.hub.is_connected)


async def test_a_connection_whose_first_command_fails_is_closed() -> None:
    """Not left to the garbage collector: the server would count it until then."""
    closed: list[object] = []

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"PING\r\n":
                writer.write(b"-ERR not now\r\n")
            elif line in (b"SELECT\r\n", b"SETINFO\r\n"):
                writer.write(b"+OK\r\n")
        closed.append(writer)
        writer.close()

    server = await asyncio.start_server(refusing, "127.0.0.1", 0)
    link = Link(parse_address(f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"))
    gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(EngineLost, match="not now"):
                await link.run([Call(Script("none", "return 1"), ("x",))], 1.0)
        await until(lambda: len(closed) == 2)
    finally:
        gc.enable()
        server.close()


async def test_tls_is_used_and_its_certificate_is_checked(engine: Valkey, tmp_path: Path) -> None:
    """The server of these tests speaks no TLS: something in front of it does."""
    authority = CertificateAuthority(tmp_path)
    context = authority.server("127.0.0.1", asks_for_certificate=True)
    own = authority.issue("client")
    async with relay(engine.port, context) as front:
        url = front.url.replace("valkey:", "valkeys:")
        async with instance(f"{url}?ca={authority.pem}&cert={own}&key={own}") as one:
            await until(lambda: one.hub.is_connected)
        async with instance(url) as stranger:
            assert "CERTIFICATE_VERIFY_FAILED" in stranger.hub.reason


async def test_an_engine_that_stays_away_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Instance
    tries, costs = 0, []
    run = Link.run

    async def counted(*given: Any) -> list[Any]:
        nonlocal tries
        tries += 1
        return await run(*given)

    monkeypatch.setattr(Link, "run", counted)
    async with instance(Valkey(tmp_path / "none").url) as one:
        await until(lambda: tries > 4)
        began, before = time.monotonic(), tries
        for _ in range(3):
            used = time.process_time()
            await asyncio.sleep(1)
            costs.append(time.process_time() - used)
        assert tries - before <= 2 + (time.monotonic() - began) / (LONGEST_PAUSE / 2)
        assert sorted(costs)[1] < 0.3, "in one of these seconds, this process may have had other things to do"
        assert not one.hub.is_connected

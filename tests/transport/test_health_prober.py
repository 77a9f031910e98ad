"""A provider that dies and comes back, over real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from pointsman.demo import Provider, behaviours
from pointsman.domain.outbound import UpstreamRequest
from pointsman.transport.health_prober import HealthProber
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from support.leak_checks import soon
from support.ports import free_port
from transport.chat_client import RouterFixture, session


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


class Silent:
    """A client that connects here waits for the answer that is given."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()

    def answer(self, status: int) -> None:
        self._answers.put_nowait(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)

    @asynccontextmanager
    async def at(self, port: int) -> AsyncIterator[None]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(await self._answers.get())
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", port):
            yield


async def test_it_is_found_dead_within_three_failures_looked_for_one_by_one_and_found_again(
    yard: RouterFixture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await yard.open("a", "b", keys={"a": ["sk-first-key"]}, port=free_port(), cooldowns={"transient": "off"})
    for name in ("7", "8"):
        assert (await yard.ask(headers=session(name))).endpoint == "a"
    health = yard.router.gateway.router.health
    health.probe_interval = 0.01
    await yard.a.close()

    asked = [await yard.ask(headers=session(f"new {n}")) for n in range(5)]
    assert [each.endpoint for each in asked] == ["b"] * 5
    attempts = [len(record["attempts"]) for record in (await yard.page("exchanges?limit=5"))["exchanges"]]
    assert attempts == [1, 1, 2, 2, 2], "the newest first: it was left alone after three failures"
    assert [row["status"] for row in (await yard.page("status/endpoints"))["endpoints"]] == ["unhealthy", "healthy"]
    [told] = (await yard.page("status/protection"))["health"]
    assert (told["provider"], told["status"], told["failures"]) == ("a", "unhealthy", 3)
    assert said(caplog) == ["Pointsman: provider a was healthy and is unhealthy; pins removed: 2"]
    assert (await yard.ask(headers=session("7"))).outcome == "miss"

    await probed_one_by_one(yard)
    assert said(caplog)[1:] == []
    await yard.a.start()
    await soon(lambda: looked(yard) and health.outage("a") is None)
    assert said(caplog)[1:] == ["Pointsman: provider a was unhealthy and is healthy"]
    assert (await yard.ask(headers=session("new"))).endpoint == "a"
    assert [seen.path for seen in yard.a.seen if seen.method == "GET"] == ["/v1/models"]


async def probed_one_by_one(yard: RouterFixture) -> None:
    """A server listens at its port, but says that it is not well."""
    silent, port = Silent(), int(yard.a.base_url.split(":")[2].split("/")[0])
    async with silent.at(port):
        for count in (1, 2):
            await soon(lambda count=count: looked(yard) and len(silent.heads) == count)
            for _ in range(5):
                await asyncio.sleep(0.01)
                assert looked(yard)
            assert len(silent.heads) == count, "the first one has not ended"
            assert (await yard.ask(headers=session(f"meanwhile {count}"))).endpoint == "b"
            silent.answer(503)
        await soon(lambda: not _prober(yard)._probes)
    assert silent.heads[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"Bearer sk-first-key" in silent.heads[0]


async def test_an_answer_that_ends_well_brings_it_back_too(yard: RouterFixture) -> None:
    await yard.open("a", port=free_port(), cooldowns={"transient": "off"}, protection={"a": "off"})
    await yard.a.close()
    for n in range(3):
        assert (await yard.ask(headers=session(f"new {n}"))).endpoint is None
    await yard.a.start()
    assert (await yard.ask(headers=session("last resort"))).endpoint == "a"
    assert [row["status"] for row in (await yard.page("status/endpoints"))["endpoints"]] == ["healthy"]


class TestProber:
    """What counts as being there."""

    class Ward:
        def __init__(self, request: UpstreamRequest) -> None:
            self.question = request
            self.told: list[bool] = []

        def probes_due(self, chance: Callable[[], float], now: float) -> list[tuple[str, UpstreamRequest]]:
            assert 0 <= chance() < 1
            return [("a", self.question)]

        def on_probe_result(self, provider: str, alive: bool) -> str | None:
            assert provider == "a"
            self.told.append(alive)
            return None

    async def look(self, url: str, by_connection: tuple[str, ...] = ()) -> bool:
        ward, providers = self.Ward(UpstreamRequest(f"{url}/models", (), b"", "GET")), UpstreamClient()
        prober = HealthProber(
            ward, providers, lambda: UpstreamOptions.from_options(Options(), ProxyMode.parse("regular")), by_connection
        )
        prober.start_due_probes()
        await soon(lambda: bool(ward.told))
        await prober.close()
        await providers.close()
        [alive] = ward.told
        return alive

    @pytest.mark.parametrize("status", [200, 401, 404, 405, 500, 503])
    async def test_any_answer_below_500_counts_as_alive(self, status: int) -> None:
        silent = Silent()
        silent.answer(status)
        async with Provider(behaviours.answer()) as free:
            port = int(free.base_url.split(":")[2].split("/")[0])
        async with silent.at(port):
            assert await self.look(f"http://127.0.0.1:{port}/v1") is (status < 500)

    async def test_a_demo_provider_is_merely_connected_to(self) -> None:
        async with Provider(behaviours.answer()) as one:
            assert await self.look(one.base_url, by_connection=("a",)) is True
            assert one.seen == []
        assert await self.look(one.base_url, by_connection=("a",)) is False

    async def test_an_abandoned_probe_counts_as_unreachable(self) -> None:
        silent = Silent()
        async with Provider(behaviours.answer()) as free:
            port = int(free.base_url.split(":")[2].split("/")[0])
        async with silent.at(port):
            ward, providers = (
                self.Ward(UpstreamRequest(f"http://127.0.0.1:{port}/v1/models", (), b"", "GET")),
                UpstreamClient(),
            )
            prober = HealthProber(
                ward, providers, lambda: UpstreamOptions.from_options(Options(), ProxyMode.parse("regular"))
            )
            prober.start_due_probes()
            await soon(lambda: bool(silent.heads))
            await prober.close()
            assert ward.told == [False]
            await providers.close()
            silent.answer(200)


def _prober(yard: RouterFixture) -> HealthProber:
    assert yard.router.addon._prober
    return yard.router.addon._prober


def looked(yard: RouterFixture) -> bool:
    _prober(yard).start_due_probes()
    return True


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "Pointsman: provider a was" in record.getMessage()]

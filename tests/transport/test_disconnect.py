"""A client that leaves: its attempts end at once, no target is to blame, and nothing stays behind."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, behaviours
from support.h1client import H1Client, chat, h1_to, head
from support.h2client import H2Client, Stream, h2_through
from support.leak_checks import leaks, no_leaks, soon
from support.router import Router, running
from support.settings import provider

TEXT = "one two three four"


@dataclass(frozen=True)
class Moment:
    """When the client leaves. `shown` is what it has seen of the body by then, `status` what of the head."""

    name: str
    behaviour: Behaviour
    shown: bytes = b""
    status: int | None = None
    streamed: bool = True
    stream: dict[str, Any] = field(default_factory=dict)
    """The section of the configuration."""


EARLY = {"early_headers": 0.01}
MOMENTS = (
    Moment("before-any-head", behaviours.hang("before-headers")),
    Moment("before-content", behaviours.hang("after-role")),
    Moment("behind-an-early-head", behaviours.hang("before-headers"), b": keep-alive\n\n", 200, stream=EARLY),
    Moment("mid-stream", behaviours.stall(TEXT, after_tokens=2), b'"content":" two"', 200),
    Moment("mid-event", behaviours.stall(TEXT, after_tokens=2, in_event=True), b'"content":" two"', 200),
    Moment("before-a-whole-answer", behaviours.stall(TEXT, after_tokens=2), streamed=False),
)
MOMENT = pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)


def is_reported_as_an_abort(router: Router, status: int | None) -> None:
    """The one exchange is in the ledger, and its flow ended in mitmproxy's error hook."""
    [record] = router.gateway.recent_exchanges.newest(10)
    assert (record.status, record.error) == (status, None)
    assert [(attempt.outcome, attempt.error) for attempt in record.attempts] == [("client_abort", None)]
    [(hook, flow)] = router.watcher.ended
    assert (hook, flow.live) == ("error", False)
    assert flow.error


class TestOverHttp1:
    @MOMENT
    @pytest.mark.parametrize("leave", [H1Client.close, H1Client.finish, H1Client.break_off])
    async def test_every_attempt_ends_at_once(
        self, tmp_path: Path, moment: Moment, leave: Callable[[H1Client], None]
    ) -> None:
        async with (
            Provider(moment.behaviour) as one,
            running(tmp_path, {"one": provider(one.base_url)}, stream=moment.stream) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat(stream=moment.streamed))
            seen = await one.arrived()
            if moment.shown:
                await client.head()
                while moment.shown not in await client.chunk():
                    pass
            assert leaks(router)
            leave(client)
            assert await seen.closed_by_peer()
            await no_leaks(router)
            is_reported_as_an_abort(router, moment.status)

    @pytest.mark.parametrize("leave", [H1Client.close, H1Client.finish, H1Client.break_off])
    async def test_within_its_own_request_it_begins_no_exchange(
        self, tmp_path: Path, leave: Callable[[H1Client], None]
    ) -> None:
        async with (
            Provider(behaviours.answer()) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            h1_to(router.host, router.port) as client,
        ):
            client.send(head("/v1/chat/completions", 1000) + chat())
            await soon(lambda: bool(router.watcher.flows))
            leave(client)
            await no_leaks(router)
            assert [hook for hook, _ in router.watcher.ended] == ["error"]
            assert not router.drivers
            assert not one.seen


class TestOverHttp2:
    @MOMENT
    @pytest.mark.parametrize(
        ("leave", "connections"),
        [
            (H2Client.reset, 1),
            (lambda client, _: client.say_goodbye(), 0),
            (lambda client, _: client.close(), 0),
            (lambda client, _: client.break_off(), 0),
        ],
        ids=["reset", "goodbye", "close", "break_off"],
    )
    async def test_every_attempt_ends_at_once(
        self,
        tmp_path: Path,
        moment: Moment,
        leave: Callable[[H2Client, Stream], Awaitable[None]],
        connections: int,
    ) -> None:
        async with (
            Provider(moment.behaviour) as one,
            running(tmp_path, {"one": provider(one.base_url)}, stream=moment.stream) as router,
            h2_through(router.url, router.ca) as client,
        ):
            stream = await client.ask(chat(stream=moment.streamed))
            seen = await one.arrived()
            await client.until(lambda: moment.shown in stream.data)
            assert leaks(router)
            await leave(client, stream)
            assert await seen.closed_by_peer()
            await no_leaks(router, connections)
            is_reported_as_an_abort(router, moment.status)

    async def test_a_stream_that_is_reset_takes_no_other_with_it(self, tmp_path: Path) -> None:
        gate = asyncio.Event()
        script = [
            behaviours.stall(TEXT, after_tokens=2),
            behaviours.answer(TEXT, gate_after={2: gate}),
            behaviours.answer("afterwards"),
        ]
        async with (
            Provider(script) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            h2_through(router.url, router.ca) as client,
        ):
            leaving = await client.ask(chat())
            abandoned = await one.arrived(1)
            staying = await client.ask(chat())
            await one.arrived(2)
            await client.until(lambda: b"two" in leaving.data and b"two" in staying.data)
            await client.reset(leaving)
            assert await abandoned.closed_by_peer()
            gate.set()
            assert b"four" in await client.whole(staying)
            assert b"afterwards" in await client.whole(await client.ask(chat()))
            outcomes = [record.attempts[0].outcome for record in router.gateway.recent_exchanges.newest(10)]
            assert outcomes == ["request_success", "request_success", "client_abort"]
            await no_leaks(router, connections=1)


class TestWhile:
    async def test_other_attempts_have_failed_they_keep_their_outcome(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.status(503)) as bad,
            Provider(behaviours.hang()) as slow,
            running(tmp_path, {"bad": provider(bad.base_url), "slow": provider(slow.base_url)}) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat())
            seen = await slow.arrived()
            client.close()
            assert await seen.closed_by_peer()
            await no_leaks(router)
            [record] = router.gateway.recent_exchanges.newest(10)
            assert [(a.outcome, a.error) for a in record.attempts] == [("retry_failed", "503"), ("client_abort", None)]

    async def test_the_provider_is_still_being_connected_to(self, tmp_path: Path) -> None:
        """A TLS handshake that is never answered."""
        async with (
            Provider(behaviours.silence()) as one,
            running(tmp_path, {"one": provider(one.base_url.replace("http:", "https:"))}) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat())
            await soon(lambda: one.accepted == 1)
            client.close()
            await no_leaks(router)
            is_reported_as_an_abort(router, None)
            await soon(lambda: one.connections == 0)

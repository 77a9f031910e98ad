"""Conversations over real sockets: where their turns go, and what headers, log and pages say of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import ask, get, http_client, started
from support.router import running
from support.settings import provider
from transport.chat_client import ANSWER, RouterFixture, session, session_info, user


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


LONG = [{"role": "user", "content": "point " * 1000}]
"""A pin is not given up for a prompt that no provider would cache."""


def prices(dollars: int) -> dict[str, dict[str, int]]:
    return {"m": {"input": dollars, "output": 4 * dollars}}


@pytest.mark.parametrize(
    ("cache", "last"), [("auto", ("repin", "a")), ("off", ("hit", "b"))], ids=["by what it costs", "by habit"]
)
async def test_after_a_failure_a_conversation_returns_to_the_cheaper_provider(
    tmp_path: Path, cache: str, last: tuple[str, str]
) -> None:
    async with AsyncExitStack() as stack:
        a, b = await started(stack, *[behaviours.answer(ANSWER)] * 2)
        a.script = [behaviours.answer(ANSWER), behaviours.status(503), behaviours.answer(ANSWER)]
        entries = {"a": provider(a.base_url, prices=prices(1)), "b": provider(b.base_url, prices=prices(20))}
        sections = {"cooldowns": {"transient": "off"}, "routing": {"strategy": "priority"}, "sticky": {"cache": cache}}
        router = await stack.enter_async_context(running(tmp_path, entries, **sections))
        asked = [
            session_info((await ask(router.base_url, stream=False, headers=session("7"), messages=LONG)).headers)
            for _ in range(3)
        ]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), ("repin", "b"), last]
        shown = (await get(f"{router.url}/internal/exchanges?limit=1")).json["exchanges"][0]["attempts"][-1]["why"]
        assert shown.startswith("pin moved, $0.00" if cache == "auto" else "pin")


class TestOutcomes:
    async def test_a_pin_moves_when_its_provider_fails(self, yard: RouterFixture) -> None:
        await yard.open()
        yard.a.script = [behaviours.answer(ANSWER), behaviours.status(503), behaviours.answer(ANSWER)]
        asked = [await yard.ask(headers=session("7")) for _ in range(3)]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), ("repin", "b"), ("hit", "b")]

    async def test_a_pin_is_preferred_to_what_stands_before_it(self, yard: RouterFixture) -> None:
        await yard.open(cooldowns={"transient": "off"})
        yard.a.script = [behaviours.status(503), behaviours.answer(ANSWER)]
        asked = [await yard.ask(headers=session(name)) for name in ("7", "8", "7")]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "b"), ("miss", "a"), ("hit", "b")]

    async def test_another_key_of_the_pinned_target_is_a_hit_and_stays_pinned(self, yard: RouterFixture) -> None:
        await yard.open(keys={"a": ["sk-first-key", "sk-second-key"]})
        yard.a.script = [behaviours.answer(ANSWER), behaviours.rate_limited(30), behaviours.answer(ANSWER)]
        asked = [await yard.ask(headers=session("7")) for _ in range(4)]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), *[("hit", "a")] * 3]
        used = [seen.header("authorization") for seen in yard.a.seen]
        assert used[0] == used[1]
        assert len(set(used[2:])) == 1
        assert used[0] != used[2]

    async def test_keys_that_are_as_good_change_between_sessions_but_not_within_one(self, yard: RouterFixture) -> None:
        await yard.open("a", keys={"a": ["sk-first-key", "sk-second-key"]})
        for name in "7878":
            await yard.ask(headers=session(name))
        first, second, *later = [seen.header("authorization") for seen in yard.a.seen]
        assert first != second
        assert later == [first, second]

    @pytest.mark.parametrize("stream", [True, False])
    async def test_when_all_fail_there_is_no_endpoint_and_the_pin_stays(
        self, yard: RouterFixture, stream: bool
    ) -> None:
        await yard.open("a", "b", cooldowns={"transient": "off"})
        dead = [behaviours.status(503)]
        yard.a.script = yard.b.script = dead
        assert await yard.ask(stream=stream, headers=session("7")) == ("miss", "session_header", None, "7")
        yard.b.script = behaviours.answer(ANSWER)
        assert await yard.ask(stream=stream, headers=session("7")) == ("miss", "session_header", "b", "7")
        yard.b.script = dead
        assert await yard.ask(stream=stream, headers=session("7")) == ("repin", "session_header", None, "7")
        yard.a.script = yard.b.script = behaviours.answer(ANSWER)
        assert await yard.ask(stream=stream, headers=session("7")) == ("hit", "session_header", "b", "7")
        stats = await yard.stats()
        assert (stats["hits"], stats["misses"], stats["repins"]) == (1, 2, 1)

    async def test_a_refusal_names_the_provider_that_gave_it(self, yard: RouterFixture) -> None:
        await yard.open()
        odd = behaviours.exact([b'{"error":{"message":"odd"}}'], content_type="application/json", status=400)
        yard.a.script = [odd, behaviours.answer(ANSWER), odd]
        asked = [await yard.ask(headers=session("7")) for _ in range(3)]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), ("miss", "a"), ("hit", "a")]
        stats = await yard.stats()
        assert (stats["hits"], stats["misses"], stats["repins"]) == (1, 2, 0)
        newest = (await yard.page("exchanges?limit=1"))["exchanges"][0]
        assert (newest["status"], newest["sticky"]) == (400, "hit")

    async def test_a_mode_that_does_not_prefer_pins_still_has_sessions(self, yard: RouterFixture) -> None:
        modes, protection = {"modes": ["smart", "balanced"]}, {"a": "off"}
        await yard.open(sticky=modes, cooldowns={"transient": "off"}, protection=protection)
        yard.a.script = [behaviours.status(503), behaviours.status(503), behaviours.answer(ANSWER)]
        fast = [await yard.ask(model="auto-fast", headers=session("7")) for _ in range(2)]
        assert fast == [("disabled", "session_header", "b", "7"), ("disabled", "session_header", "a", "7")]
        assert (await yard.ask(model="auto-smart", headers=session("7"))).outcome == "miss"
        stats = await yard.stats()
        assert (stats["active_sessions"], stats["hits"], stats["misses"], stats["by_source"]) == (
            2,
            0,
            1,
            {"session_header": 3},
        )

    @pytest.mark.parametrize(("model", "outcome"), [("m", "disabled"), ("a/m", "disabled"), ("nick", "disabled")])
    async def test_a_name_that_asks_for_no_mode_has_the_default_one(
        self, yard: RouterFixture, model: str, outcome: str
    ) -> None:
        routing = {"default_mode": "fast", "aliases": {"nick": "m"}}
        await yard.open(routing=routing, sticky={"modes": ["smart", "balanced"]})
        assert (await yard.ask(model=model, headers=session("7"))).outcome == outcome

    async def test_without_a_key_it_is_disabled(self, yard: RouterFixture) -> None:
        await yard.open()
        found = await yard.ask(messages=[{"role": "system", "content": "Say something."}])
        assert found == ("disabled", None, "a", None)
        assert (await yard.stats())["active_sessions"] == 0

    async def test_switched_off_it_is_disabled_and_nothing_is_known(self, yard: RouterFixture) -> None:
        await yard.open(sticky={"enabled": False})
        assert [await yard.ask(headers=session("7")) for _ in range(2)] == [("disabled", None, "a", None)] * 2
        assert await yard.stats() == {"enabled": False}

    async def test_the_headers_carry_the_configured_prefix_and_the_clients_own_is_read(
        self, yard: RouterFixture
    ) -> None:
        await yard.open(server={"header_prefix": "X-Olla-"})
        asked = [await ask(yard.router.base_url, headers={"X-Olla-Session-ID": "7"}) for _ in range(2)]
        found = [session_info(each.headers, "X-Olla-") for each in asked]
        assert found == [("miss", "session_header", "a", "7"), ("hit", "session_header", "a", "7")]
        assert session_info(asked[0].headers) == (None, None, None, None)

    async def test_none_of_the_clients_sticky_headers_reach_a_provider(self, yard: RouterFixture) -> None:
        await yard.open()
        await yard.ask(headers={**session("7"), "thread-id": "8", "x-cursor-session-id": "01a1f85c-9d80"})
        sent = {name.lower() for name, _ in yard.a.seen[0].headers}
        assert not sent & {"x-session-id", "thread-id", "x-cursor-session-id"}

    @pytest.mark.parametrize(
        ("status", "asked"),
        [
            (400, {"content": b'{"model": "m", "messages": 7'}),
            (401, {"json": {"model": "m", "messages": []}, "headers": {"Authorization": "Bearer wrong"}}),
            (404, {"json": {"model": "nobody has it", "messages": [user("Hi")]}}),
            (405, {"method": "PUT", "json": {"model": "m", "messages": [user("Hi")]}}),
        ],
    )
    async def test_a_request_refused_before_it_is_routed_carries_none(
        self, yard: RouterFixture, status: int, asked: dict[str, Any]
    ) -> None:
        await yard.open(server={"client_key": "sk-shared-by-all"})
        method, url = asked.pop("method", "POST"), f"{yard.router.base_url}/chat/completions"
        headers = {"Authorization": "Bearer sk-shared-by-all", **session("7"), **asked.pop("headers", {})}
        async with http_client() as client:
            answer = await client.request(method, url, headers=headers, **asked)
        assert answer.status_code == status
        assert session_info(answer.headers) == (None, None, None, None)
        assert yard.router.gateway.router.sessions.stats(0.0)["insertions"] == 0

    async def test_what_is_known_early_is_in_early_headers_and_the_rest_follows_in_a_comment(
        self, yard: RouterFixture
    ) -> None:
        await yard.open(stream={"early_headers": "50ms"})
        gates = [asyncio.Event(), asyncio.Event()]
        yard.a.script = [behaviours.gated(behaviours.answer(ANSWER), gate) for gate in gates]
        for gate, outcome in zip(gates, ("miss", "hit"), strict=True):
            body = {"model": "m", "stream": True, "messages": [user("Hi")]}
            url = f"{yard.router.base_url}/chat/completions"
            async with (
                http_client() as client,
                client.stream("POST", url, json=body, headers=session("7")) as answer,
            ):
                assert session_info(answer.headers) == (None, "session_header", None, "7")
                gate.set()
                whole = await answer.aread()
            assert f": routed-via a/m attempts=0 sticky={outcome}\n".encode() in whole
        stats = await yard.stats()
        assert (stats["hits"], stats["misses"]) == (1, 1)

    async def test_the_log_and_the_flow_show_the_session_and_its_outcome(
        self, yard: RouterFixture, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await yard.open()
        for outcome in ("miss", "hit"):
            await yard.ask(headers=session("7"))
            [name] = await yard.sessions(1)
            words = f"sticky {outcome} {name}"
            assert words in [each.message for each in caplog.records if each.name == "pointsman.exchange_recorder"][-1]
            assert words in next(
                flow.comment for flow in reversed(yard.router.watcher.flows) if "chat" in flow.request.path
            )

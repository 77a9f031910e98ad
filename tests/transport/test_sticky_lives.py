"""Sessions over real sockets: how long they last, what a reload leaves of them, and many at once."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.demo import Behaviour, ReceivedRequest, behaviours
from support.http_requests import http_client
from support.leak_checks import no_leaks, soon
from support.time_limit import WINDOWS
from transport.chat_client import ANSWER, Chat, RouterFixture, assistant, session, session_info, user


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


class TestLifeAndRoom:
    async def test_a_conversation_that_rests_too_long_starts_again(self, tmp_path: Path) -> None:
        for window in WINDOWS:
            (folder := tmp_path / f"{window}").mkdir()
            async with AsyncExitStack() as stack:
                yard = RouterFixture(folder, stack)
                await yard.open(sticky={"idle_ttl": f"{window}s"})
                chat, began = Chat(yard), time.monotonic()
                outcomes = [await chat.say("Hi"), await chat.say("Why?")]
                if time.monotonic() - began > window:
                    continue
                await soon(lambda: yard.expired)  # noqa: B023
                outcomes.append(await chat.say("So?"))
                assert [each.outcome for each in outcomes] == ["miss", "hit", "miss"]
                return
        raise AssertionError("this machine was too slow")

    async def test_without_room_the_least_recently_used_is_evicted(self, yard: RouterFixture) -> None:
        await yard.open(sticky={"max_sessions": 2})
        asked = [await yard.ask(headers=session(name)) for name in "ababcab"]
        assert [each.outcome for each in asked] == ["miss", "miss", "hit", "hit", "miss", "miss", "miss"]
        stats = await yard.stats()
        assert (stats["active_sessions"], stats["insertions"], stats["evictions"]) == (2, 5, 3)


class TestReload:
    @pytest.fixture
    def log(self, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
        caplog.set_level(logging.INFO)
        return lambda: [message for message in caplog.messages if "pins removed" in message]

    async def test_the_pins_of_a_provider_that_goes_are_taken_back_once(
        self, yard: RouterFixture, log: Callable[[], list[str]]
    ) -> None:
        await yard.open()
        for name in ("7", "8"):
            await yard.ask(headers=session(name))
        await yard.ask(model="b/m", headers=session("7"))
        await yard.reload("b", "c")
        await yard.reload("b", "c")
        assert log() == ["Pointsman: provider a was healthy and is removed; pins removed: 2."]
        assert (await yard.stats())["active_sessions"] == 3
        asked = [await yard.ask(headers=session("7")), await yard.ask(model="b/m", headers=session("7"))]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "b"), ("hit", "b")]

    @pytest.mark.parametrize(
        "off",
        [
            {"enabled": False},
            {"keys": [{"value": "sk-some-key", "enabled": False}]},
            {"models": [{"id": "m", "enabled": False}]},
        ],
        ids=["switched off", "its keys are", "its models are"],
    )
    async def test_so_are_those_of_one_that_is_disabled_each_time(
        self, yard: RouterFixture, log: Callable[[], list[str]], off: dict[str, Any]
    ) -> None:
        await yard.open()
        for _ in range(2):
            await yard.ask(headers=session("7"))
            await yard.reload("a", "b", "c", a=off)
            await yard.reload("a", "b", "c")
        assert log() == ["Pointsman: provider a was healthy and is disabled; pins removed: 1."] * 2
        assert (await yard.ask(headers=session("7"))).outcome == "miss"

    async def test_a_rate_limit_takes_no_pin(self, yard: RouterFixture, log: Callable[[], list[str]]) -> None:
        await yard.open()
        yard.a.script = [behaviours.answer(ANSWER), behaviours.rate_limited(30)]
        asked = [await yard.ask(headers=session(name)) for name in ("7", "8")]
        assert [each.endpoint for each in asked] == ["a", "b"]
        assert log() == []
        assert (await yard.ask(headers=session("7"))).outcome == "repin"

    async def test_less_room_after_a_reload_keeps_those_used_last(self, yard: RouterFixture) -> None:
        await yard.open()
        for name in "abcd":
            await yard.ask(headers=session(name))
        await yard.reload("a", sticky={"max_sessions": 2})
        asked = [await yard.ask(headers=session(name)) for name in "dca"]
        assert [each.outcome for each in asked] == ["hit", "hit", "miss"]
        assert (await yard.stats())["max_sessions"] == 2

    async def test_the_end_says_nothing_of_pins(self, tmp_path: Path, log: Callable[[], list[str]]) -> None:
        async with AsyncExitStack() as stack:
            yard = RouterFixture(tmp_path, stack)
            await yard.open()
            await yard.ask(headers=session("7"))
            gateway = yard.router.gateway
            await gateway.close(0, ())
            await yard.reload("b")
        assert log() == []


class TestMany:
    async def test_50_first_turns_at_once_end_with_one_pin(self, yard: RouterFixture) -> None:
        await yard.open(cooldowns={"transient": "off"})
        all_arrived = asyncio.Event()

        def in_turn(seen: ReceivedRequest) -> Behaviour:
            if seen.number == 50:
                all_arrived.set()
            return behaviours.gated(
                behaviours.status(503) if seen.number % 2 else behaviours.answer(ANSWER), all_arrived
            )

        yard.a.script = in_turn
        asked = await asyncio.gather(*(yard.ask(headers=session("7")) for _ in range(50)))
        assert {(each.outcome, each.source) for each in asked} == {("miss", "session_header")}
        assert Counter(each.endpoint for each in asked) == {"a": 25, "b": 25}
        [only] = yard.router.gateway.router.sessions._store
        assert only.pin
        yard.a.script = behaviours.answer(ANSWER)
        assert await yard.ask(headers=session("7")) == ("hit", "session_header", only.pin.provider, "7")
        await no_leaks(yard.router)

    async def test_a_failure_in_one_conversation_does_not_move_the_pin_of_another(self, yard: RouterFixture) -> None:
        """One conversation is refused by the provider that both are pinned to."""
        await yard.open(cooldowns={"transient": "off"})
        calm, unlucky = Chat(yard), Chat(yard)
        await calm.say("Calm: which track?")
        await unlucky.say("Unlucky: which track?")
        yard.a.script = lambda seen: (
            behaviours.status(503) if "Unlucky" in seen.body.decode() else behaviours.answer(ANSWER)
        )
        outcomes = [(await unlucky.say("Why?"), await calm.say("Why?")) for _ in range(3)]
        assert [(one.outcome, one.endpoint) for one, _ in outcomes] == [("repin", "b"), ("hit", "b"), ("hit", "b")]
        assert [(other.outcome, other.endpoint) for _, other in outcomes] == [("hit", "a")] * 3

    async def test_the_stats_are_what_clients_have_counted_over_1000_mixed_requests(self, yard: RouterFixture) -> None:
        await yard.open(sticky={"modes": ["balanced", "smart"], "max_sessions": 30}, cooldowns={"transient": "off"})
        chance = random.Random(7)
        for each in (yard.a, yard.b):
            each.script = lambda _: behaviours.answer(ANSWER) if chance.random() < 0.8 else behaviours.status(503)
        yard.c.script = lambda seen: behaviours.status(500 if seen.fields["model"] == "n" else 503)
        url = f"{yard.router.base_url}/chat/completions"
        headers: Counter[str] = Counter()

        async def ask_some(client: httpx.AsyncClient) -> None:
            for _ in range(50):
                answer = await client.post(url, **any_request(chance))
                outcome, source, endpoint, _ = session_info(answer.headers)
                headers.update(filter(None, (outcome, source)))
                assert (endpoint is None) == (answer.status_code != 200)

        async with http_client() as client:
            await asyncio.gather(*(ask_some(client) for _ in range(20)))
        stats = await yard.stats()
        assert [stats[f"{name}s" if name != "miss" else "misses"] for name in ("hit", "miss", "repin")] == [
            headers[name] for name in ("hit", "miss", "repin")
        ]
        sources = ("session_header", "session_body", "prefix_hash")
        assert stats["by_source"] == {source: headers[source] for source in sources}
        assert min(headers[name] for name in ("hit", "miss", "repin", "disabled", *sources)) > 10
        assert 0 < stats["active_sessions"] <= 30
        assert stats["evictions"] == stats["insertions"] - stats["active_sessions"]


def any_request(chance: random.Random) -> dict[str, Any]:
    """Of one of some forty conversations, and some that are not to be routed."""
    number, kind = chance.randrange(10), chance.randrange(9)
    body: dict[str, Any] = {
        "model": chance.choice(["m", "m", "auto", "auto-fast", "c/n"]),
        "stream": chance.random() < 0.5,
        "messages": [user(f"Question {number}?")],
    }
    if kind < 3:
        return {"json": body, "headers": session(f"s{number}")}
    if kind < 5:
        return {"json": {**body, "prompt_cache_key": f"b{number}"}}
    if kind == 5:
        return {"json": {**body, "model": "nobody has it"}}
    if kind == 6:
        body["messages"] += [assistant(ANSWER), user("Why?")]
    return {"json": body}


UNREMARKABLE = {"drift": [], "quotas": []}


class TestPages:
    async def test_the_stats_are_as_promised(self, yard: RouterFixture) -> None:
        await yard.open(sticky={"max_sessions": 7, "idle_ttl": "90s"})
        await yard.ask(headers=session("7"))
        assert await yard.stats() == {
            "enabled": True,
            "active_sessions": 1,
            "insertions": 1,
            "hits": 0,
            "misses": 1,
            "repins": 0,
            "evictions": 0,
            "max_sessions": 7,
            "idle_ttl_seconds": 90,
            "by_source": {"session_header": 1},
        }

    async def test_the_router_is_healthy(self, yard: RouterFixture) -> None:
        await yard.open()
        assert (await yard.page("health"))["status"] == "healthy"

    async def test_providers_and_their_models_use_the_same_urls(self, yard: RouterFixture) -> None:
        await yard.open()
        await yard.reload(
            "a", "b", "c", b={"enabled": False}, c={"models": [{"id": "n"}, {"id": "o", "enabled": False}]}
        )
        urls = {name: getattr(yard, name).base_url for name in "abc"}
        statuses = {"a": "healthy", "b": "disabled", "c": "healthy"}
        assert (await yard.page("status/endpoints")) == {
            "endpoints": [
                {**UNREMARKABLE, "name": name, "type": "openai-chat", "status": statuses[name], "url": url}
                for name, url in urls.items()
            ]
        }
        assert (await yard.page("status/models")) == {
            "recent_models": [
                {"name": "m", "type": "openai-chat", "endpoints": [urls["a"]]},
                {"name": "n", "type": "openai-chat", "endpoints": [urls["a"], urls["c"]]},
            ],
            "aliases": {},
            "unknown_model": "error",
            "unknown_names": [],
        }

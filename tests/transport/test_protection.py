"""Protection over real sockets: bans, guarded providers, and how all of it is read and mended."""

import asyncio
import json
import logging
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy.exceptions import CommandError

from pointsman.demo import Behaviour, Provider, ReceivedRequest, Responder, behaviours
from pointsman.domain.failures import Scope
from pointsman.state_commands import StateCommands
from routing.routing_builders import cool
from support.http_requests import http_client
from support.leak_checks import no_leaks, soon
from transport.chat_client import ANSWER, RouterFixture, session, session_info, user

KEYS = {"a": ["sk-first-key", "sk-second-key"]}
GUARDED = {"a": "provider-ban"}
QUICK = {"stall": "1s", "first_byte": "1s"}
CALM = {"transient": "off", "rate_limit": "off", "key_invalid": "off"}
"""No cooldown has a say."""
MODES = pytest.mark.parametrize("model", ["auto-balanced", "auto-smart"])


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


def keys_of(one: Provider) -> set[str | None]:
    return {seen.header("authorization") for seen in one.seen}


async def bans(yard: RouterFixture) -> list[tuple[str, str | None, str]]:
    return [(row["provider"], row["model"], row["reason"]) for row in (await yard.page("status/protection"))["bans"]]


class TestProviderBan:
    @MODES
    @pytest.mark.parametrize(
        ("behaviour", "endpoint", "reason"),
        [
            (behaviours.status(503), "b", "503"),
            (behaviours.rate_limited(1), "b", "429"),
            (behaviours.status(401), "b", "401"),
            (behaviours.wrapped(), "b", "wrapped_500"),
            (behaviours.hang(), "b", "first_byte_timeout"),
            (behaviours.stall(ANSWER), "a", "stream_timeout"),
            (behaviours.cut(ANSWER), "a", "stream_broken"),
        ],
        ids=["503", "429", "401", "wrapped", "timeout", "stall after commit", "break after commit"],
    )
    async def test_it_bans_at_once_and_shows_no_second_key(
        self, yard: RouterFixture, model: str, behaviour: Behaviour, endpoint: str, reason: str
    ) -> None:
        await yard.open(keys=KEYS, protection=GUARDED, cooldowns=CALM, stream=QUICK)
        yard.a.script = [behaviour, behaviours.answer(ANSWER)]
        asked = [await yard.ask(model=model, headers=session("7")) for _ in range(3)]
        assert [each.endpoint for each in asked] == [endpoint, "b", "b"]
        assert len(yard.a.seen) == 1
        assert await bans(yard) == [("a", None, f"{reason}, provider-ban")]
        assert (await yard.ask(model=model, headers=session("8"))).endpoint == "a", (
            "another conversation is not affected"
        )

    @MODES
    async def test_a_conversation_keeps_its_key_though_that_one_cools_down(
        self, yard: RouterFixture, model: str
    ) -> None:
        await yard.open(keys=KEYS, protection=GUARDED, sticky={"rest": "off"})
        assert (await yard.ask(model=model, headers=session("7"))).endpoint == "a"
        yard.a.script = [behaviours.rate_limited(30), behaviours.answer(ANSWER)]
        for _ in range(2):
            await yard.ask(model=model, headers=session("8"))  # each key is taken in turn
        first, *_ = yard.a.seen
        cool(yard.router.gateway.router, Scope.KEY, "a/m", "rate_limit", 30.0, _now(), "key-1")
        asked = [await yard.ask(model=model, headers=session("7")) for _ in range(3)]
        assert [each.endpoint for each in asked] == ["b"] * 3
        assert first.header("authorization") == "Bearer sk-first-key"

    async def test_one_earned_in_an_exchange_that_failed_wholly_holds_in_the_next_turn(
        self, yard: RouterFixture
    ) -> None:
        await yard.open("a", "b", protection={**GUARDED, "b": "provider-ban"}, cooldowns=CALM)
        yard.a.script = yard.b.script = [behaviours.status(503), behaviours.answer(ANSWER)]
        assert (await yard.ask(headers=session("7"))).endpoint is None
        assert (await yard.ask(headers=session("7"))).endpoint is None
        assert (len(yard.a.seen), len(yard.b.seen)) == (1, 1)
        record = (await yard.page("exchanges?limit=1"))["exchanges"][0]
        assert (record["status"], record["error"]) == (503, "no_candidate")
        assert [(row["provider"], row["reason"]) for row in record["excluded"]] == [("a", "banned"), ("b", "banned")]
        assert all(row["until"] is not None for row in record["excluded"])

    async def test_a_level_that_names_one_target_bans_that_target(self, yard: RouterFixture) -> None:
        await yard.open(protection={"a/m": "provider-ban"}, cooldowns=CALM)
        yard.a.script = [behaviours.status(503), behaviours.answer(ANSWER)]
        await yard.ask(model="auto", headers=session("7"))
        assert await bans(yard) == [("a", "m", "503, provider-ban")]
        await yard.ask(model="auto", headers=session("7"))
        assert [seen.fields["model"] for seen in yard.a.seen] == ["m", "n", "n"]


class TestModelSkip:
    @MODES
    @pytest.mark.parametrize(
        "behaviour", [behaviours.status(503), behaviours.stall(ANSWER)], ids=["before commit", "after commit"]
    )
    async def test_it_bans_at_the_second_failure_in_a_row(
        self, yard: RouterFixture, model: str, behaviour: Behaviour
    ) -> None:
        await yard.open(cooldowns=CALM, stream=QUICK)
        targets = {"models": [{"id": "m"}]}
        await yard.reload("a", "b", a=targets, b=targets)
        yard.a.script = behaviour
        for counted in (1, 2):
            yard.b.script = behaviours.answer(ANSWER)
            await yard.ask(model=model, headers=session("7"))
            await self.unpin(yard)
            assert len(await bans(yard)) == counted - 1
        assert (await yard.ask(model=model, headers=session("7"))).endpoint == "b"
        assert len(yard.a.seen) == 2
        yard.a.script = behaviours.answer(ANSWER)
        assert (await yard.ask(model=model, headers=session("8"))).endpoint == "a"

    async def test_a_success_in_between_resets_and_a_mere_commit_does_not(self, yard: RouterFixture) -> None:
        await yard.open("a", "b", cooldowns=CALM, stream=QUICK)
        good, stalls = behaviours.answer(ANSWER), behaviours.stall(ANSWER)
        yard.a.script = [stalls, good, stalls, good, stalls, stalls, good]
        asked = [await yard.ask(headers=session("7")) for _ in range(7)]
        assert [each.endpoint for each in asked] == ["a"] * 6 + ["b"]
        assert await bans(yard) == [("a", "m", "stream_timeout, 2 failures in a row")]

    async def test_expiry_clears(self, yard: RouterFixture) -> None:
        await yard.open("a", "b", cooldowns=CALM, sticky={"idle_ttl": "1s"}, protection=GUARDED)
        yard.a.script = [behaviours.status(503), behaviours.answer(ANSWER)]
        assert (await yard.ask(headers=session("7"))).endpoint == "b"
        await soon(lambda: yard.expired)
        assert (await yard.ask(headers=session("7"))).endpoint == "a"
        assert await bans(yard) == []

    async def unpin(self, yard: RouterFixture) -> None:
        for each in yard.router.gateway.router.sessions._store:
            each.pin = None


class Log:
    """A provider's own: which sessions (they say their names) it has served, and how many at once."""

    def __init__(self, gate: Callable[[ReceivedRequest], asyncio.Event] | None = None) -> None:
        self.present: Counter[str] = Counter()
        self.most = 0
        self.served: list[str] = []
        self._gate = gate

    def script(self, seen: ReceivedRequest) -> Behaviour:
        async def play(stage: Responder) -> None:
            name = seen.question
            self.served.append(name)
            self.present[name] += 1
            self.most = max(self.most, len(self.present))
            if self._gate:
                await self._gate(seen).wait()
            for _ in range(5):
                await asyncio.sleep(0)
            self.present[name] -= 1
            self.present += Counter()
            await behaviours.answer(ANSWER).play(stage)

        return Behaviour("logged", play)


class TestGuard:
    async def test_100_conversations_at_once_meet_a_guarded_provider_one_by_one(self, yard: RouterFixture) -> None:
        await yard.open(keys=KEYS, protection=GUARDED, cooldowns=CALM, sticky={"modes": ["fast"]})
        guarded, *free = logs = [Log() for _ in range(3)]
        for each, log in zip((yard.a, yard.b, yard.c), logs, strict=True):
            each.script = log.script
        yard.b.script = lambda seen: free[0].script(seen) if seen.number % 5 else behaviours.status(529)

        async def talk(number: int) -> list[str | None]:
            name, found = f"conversation {number}", []
            body = {"model": "m", "stream": True, "messages": [user(name)]}
            for _ in range(3):
                await asyncio.sleep(chance.random())  # or all come in step, and the same one is always first
                found.append(session_info((await client.post(url, json=body, headers=session(name))).headers).endpoint)
            return found

        chance, url = random.Random(7), f"{yard.router.base_url}/chat/completions"
        limits = httpx.Limits(max_connections=None)
        async with http_client(limits=limits) as client:
            endpoints = await asyncio.gather(*(talk(number) for number in range(100)))
        assert {endpoint for each in endpoints for endpoint in each} == {"a", "b", "c"}
        assert guarded.most == 1
        assert len(set(guarded.served)) > 1, "it is used by one after the other"
        assert sum(len(log.served) for log in logs) == 300
        assert max(log.most for log in free) > 1, "they were at it together"
        assert len(yard.router.gateway.router.in_flight) == 0
        await no_leaks(yard.router)

    async def test_two_requests_of_one_conversation_may_be_there_and_the_end_of_one_does_not_release_the_other(
        self, yard: RouterFixture
    ) -> None:
        await yard.open(protection=GUARDED)
        gates = [asyncio.Event(), asyncio.Event()]
        log = Log(lambda seen: gates[min(seen.number, 2) - 1])
        yard.a.script = log.script
        first, second = (
            asyncio.create_task(yard.ask(headers=session("7"), messages=[user(f"question {n}")])) for n in range(2)
        )
        await yard.a.arrived(2)
        [row] = (await yard.page("status/protection"))["active"]
        assert (row["provider"], row["requests"], row["sessions"]) == ("a", 2, 1)
        assert (await yard.ask(headers=session("8"))).endpoint == "b"
        gates[0].set()
        assert (await first).endpoint == "a"
        assert (await yard.ask(headers=session("9"))).endpoint == "b"
        gates[1].set()
        assert (await second).endpoint == "a"
        assert (await yard.page("status/protection"))["active"] == []
        assert (await yard.ask(headers=session("10"))).endpoint == "a"

    async def test_it_is_used_all_the_same_when_no_other_is_left_and_the_record_says_so(
        self, yard: RouterFixture
    ) -> None:
        await yard.open("a", protection=GUARDED)
        gate = asyncio.Event()
        yard.a.script = [behaviours.gated(behaviours.answer(ANSWER), gate), behaviours.answer(ANSWER)]
        first = asyncio.create_task(yard.ask(headers=session("7")))
        await yard.a.arrived()
        assert (await yard.ask(headers=session("8"))).endpoint == "a"
        [attempt] = (await yard.page("exchanges?limit=1"))["exchanges"][0]["attempts"]
        assert attempt["why"].startswith("rank 1, ")
        assert attempt["why"].endswith("; no other candidate, although a serves another session")
        gate.set()
        await first

    async def test_a_client_that_leaves_frees_it(self, yard: RouterFixture) -> None:
        await yard.open(protection=GUARDED)
        yard.a.script = [behaviours.stall(ANSWER), behaviours.answer(ANSWER)]
        leaving = asyncio.create_task(yard.ask(headers=session("7")))
        await yard.a.arrived()
        assert len(yard.router.gateway.router.in_flight) == 1
        leaving.cancel()
        await soon(lambda: len(yard.router.gateway.router.in_flight) == 0)
        assert (await yard.ask(headers=session("8"))).endpoint == "a"

    async def test_a_pin_on_it_is_paused_unless_the_client_names_a_model(
        self, yard: RouterFixture, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await yard.open("b", "a", protection=GUARDED, cooldowns=CALM)
        yard.b.script = [behaviours.status(529), behaviours.status(529), behaviours.answer(ANSWER)]
        asked = [await yard.ask(model="auto", headers=session("7")) for _ in range(2)]
        assert [each.endpoint for each in asked] == ["a", "b"]
        name = (await yard.sessions(1))[0]
        yard.b.script = [behaviours.status(529), behaviours.answer(ANSWER)]
        asked = [await yard.ask(model="m", headers=session("7")) for _ in range(2)]
        assert [each.endpoint for each in asked] == ["a", "a"]
        told = [line for line in caplog.messages if "the pin of session" in line]
        assert len(told) == 1
        assert re.fullmatch(rf"Pointsman: the pin of session {name} on a/m is paused: last used \d+ s ago", told[0])


class TestReadingAndMending:
    async def test_a_ban_can_be_read_and_lifted(self, yard: RouterFixture) -> None:
        await yard.open("a", "b", protection=GUARDED, cooldowns=CALM)
        yard.a.script = [behaviours.status(503), behaviours.answer(ANSWER)]
        await yard.ask(headers=session("7"))
        call = yard.router.context.master.commands.execute
        [row] = json.loads(call("pointsman.sessions"))["sessions"]
        assert row["session"] == (await yard.sessions(1))[0]
        assert row["pin"]["provider"] == "b"
        assert [(ban["provider"], ban["reason"]) for ban in row["bans"]] == [("a", "503, provider-ban")]
        for wrong in ("pointsman.unban nobody a", f"pointsman.unban {row['session']} b"):
            with pytest.raises(CommandError, match="sessions lists"):
                call(wrong)
        told = json.loads(call(f"pointsman.unban {row['session']} a"))
        assert told == {"session": row["session"], "unbanned": "a"}
        assert await bans(yard) == []

    async def test_the_page_shows_levels_and_is_for_operators(self, yard: RouterFixture) -> None:
        await yard.open("a", "b", protection={"a": "provider-ban", "b/n": "off"})
        told: dict[str, Any] = await yard.page("status/protection")
        assert told == {
            "levels": [
                {"provider": "a", "model": None, "level": "provider-ban"},
                {"provider": "b", "model": None, "level": "model-skip"},
                {"provider": "b", "model": "n", "level": "off"},
            ],
            "bans": [],
            "active": [],
            "health": [],
            "storms": {"refused": 0, "running": []},
        }

    @pytest.mark.parametrize(("name", "arguments"), [("sessions", []), ("unban", ["x", "y"])])
    def test_a_router_that_does_not_run_says_so(self, name: str, arguments: list[str]) -> None:
        with pytest.raises(CommandError, match="is not running"):
            getattr(StateCommands(lambda: None), name)(*arguments)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Conversations over real sockets: what clients send, where their turns land, and what they are told of it."""

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from pointsman.config.words import Dialect
from pointsman.demo import Behaviour, Provider, Seen, menu
from pointsman.wire.conversation import answer_message
from support.asking import Asked, ask, get, started
from support.remains import nothing_remains, soon
from support.router import Router, running
from support.settings import provider, write

CAPTURES = Path(__file__).parent.parent / "captures"
ANSWER = "labore et dolore mag"


class Told(NamedTuple):
    """What an answer says of its session."""

    outcome: str | None
    source: str | None = None
    endpoint: str | None = None
    echo: str | None = None


def told(headers: Mapping[str, str], prefix: str = "X-") -> Told:
    names = ("Sticky-Session", "Sticky-Key-Source", "Endpoint", "Session-ID")
    return Told(*(headers.get(f"{prefix}{name}") for name in names))


def text_of(answer: Asked, stream: bool) -> str:
    message = answer_message(Dialect.OPENAI_CHAT, answer.body, stream)
    assert message
    return message.content.decode()


class Yard:
    """A router over providers a, b and c, each with the models m and n."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.router: Router
        self.a: Provider
        self.b: Provider
        self.c: Provider

    async def open(
        self, *names: str, keys: Mapping[str, list[str]] | None = None, script: Any = None, **sections: Any
    ) -> None:
        self.a, self.b, self.c = await started(self._stack, *[menu.answer(ANSWER)] * 3)
        self._keys, self._sections = keys or {}, sections
        entries = self.entries(*(names or "abc"))
        self.router = await self._stack.enter_async_context(running(self.folder, entries, **sections))

    def entries(self, *names: str, **more: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """`more` holds members of single providers."""
        return {
            name: provider(getattr(self, name).base_url, "m", "n", keys=self._keys.get(name, [])) | more.get(name, {})
            for name in names
        }

    async def reload(self, *names: str, sticky: Mapping[str, Any] | None = None, **more: Mapping[str, Any]) -> None:
        sections = {**self._sections, **({} if sticky is None else {"sticky": sticky})}
        write(self.folder, self.entries(*names, **more), **sections)
        assert self.router.addon._reloader
        assert await self.router.addon._reloader.reload() == []

    async def ask(self, *, prefix: str = "X-", **asked: Any) -> Told:
        return told((await ask(self.router.base_url, **asked)).headers, prefix)

    async def page(self, path: str) -> Any:
        answer = await get(f"{self.router.url}/internal/{path}")
        assert answer.status == 200
        return answer.json

    async def stats(self) -> Any:
        return await self.page("stats/sticky")

    async def sessions(self, count: int) -> list[str]:
        """The short ids of the sessions of the last exchanges, oldest first."""
        found = await self.page(f"exchanges?limit={count}")
        return [record["session"] for record in reversed(found["exchanges"])]

    @property
    def expired(self) -> bool:
        stats = self.router.dispatcher.router.sessions.stats(time.monotonic())
        return stats["active_sessions"] == 0


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with AsyncExitStack() as stack:
        yield Yard(tmp_path, stack)


def session(name: str) -> dict[str, str]:
    return {"X-Session-ID": name}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


class Chat:
    """A client without any id: it sends back all that was said."""

    def __init__(self, yard: Yard, *before: Mapping[str, Any], stream: bool = True, **members: Any) -> None:
        self.yard, self.stream, self.members = yard, stream, members
        self.messages: list[Mapping[str, Any]] = list(before)

    async def say(self, text: str) -> Told:
        self.messages.append(user(text))
        return await self.again()

    async def again(self) -> Told:
        """Sends all there is once more, and keeps the answer."""
        members = {**self.members, "messages": self.messages}
        answer = await ask(self.yard.router.base_url, stream=self.stream, **members)
        if answer.status == 200:
            self.messages.append(assistant(text_of(answer, self.stream)))
        return told(answer.headers)

    def forget(self, count: int) -> None:
        """The last so many messages are to be made anew."""
        del self.messages[-count:]


def capture(name: str) -> Any:
    return json.loads((CAPTURES / f"{name}.json").read_text())


async def replay(yard: Yard, name: str) -> Told:
    request = capture(name)
    dropped = {"host", "connection", "accept-encoding", "content-length"}
    headers = {header: value for header, value in request["headers"] if header.lower() not in dropped}
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        answer = await client.post(f"{yard.router.url}{request['path']}", json=request["body"], headers=headers)
    assert answer.status_code == 200
    return told(answer.headers)


ALIASES = {"fake-model": "m", "claude-fake-1": "m", "gpt-fake": "m"}


class TestRealClients:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_aiders_three_turns_are_one_conversation(self, yard: Yard, stream: bool) -> None:
        await yard.open(routing={"aliases": ALIASES})
        body = capture("aider_chat")["body"]
        *example, question = body["messages"]
        chat = Chat(yard, *example, model=body["model"], stream=stream)
        outcomes = [await chat.say(text) for text in (question["content"], "And then?", "Why?")]
        assert outcomes == [
            ("miss", "prefix_hash", "a", None),
            ("hit", "prefix_hash", "a", None),
            ("hit", "prefix_hash", "a", None),
        ]
        assert len(set(await yard.sessions(3))) == 1

    @pytest.mark.parametrize("answer", [ANSWER, "something that the client never shows again"])
    async def test_continues_two_turns_too(self, yard: Yard, answer: str) -> None:
        """It has no ids, and writes its system prompt anew for each turn."""
        await yard.open(routing={"aliases": ALIASES})
        yard.a.script = menu.answer(answer)
        assert await replay(yard, "continue_cli_turn1") == ("miss", "prefix_hash", "a", None)
        assert await replay(yard, "continue_cli_turn2") == ("hit", "prefix_hash", "a", None)

    @pytest.mark.parametrize(
        ("client", "dialect", "echo"),
        [
            ("claude_code", "anthropic", "194ef964-b9d0-416f-9634-50749b7f8269"),
            ("codex", "openai-responses", "01a1f85c-9d80-7052-9782-bb99f4fed5a8"),
        ],
    )
    async def test_agents_have_an_id(self, yard: Yard, client: str, dialect: str, echo: str) -> None:
        await yard.open(routing={"aliases": ALIASES})
        await yard.reload("a", a={"dialect": dialect})
        assert await replay(yard, f"{client}_turn1") == ("miss", "session_header", "a", echo)
        assert await replay(yard, f"{client}_turn2") == ("hit", "session_header", "a", echo)


@pytest.mark.parametrize("stream", [True, False])
class TestWords:
    """Clients without ids."""

    async def test_two_chats_under_one_long_system_prompt_are_two_sessions(self, yard: Yard, stream: bool) -> None:
        await yard.open()
        above = {"role": "system", "content": "You are a careful assistant. " * 1800}
        chats = [Chat(yard, above, stream=stream) for _ in range(2)]
        firsts = [await chat.say(f"Question {n}: which track?") for n, chat in enumerate(chats)]
        seconds = [await chat.say("Why?") for chat in chats]
        assert [each.outcome for each in (*firsts, *seconds)] == ["miss", "miss", "hit", "hit"]
        one, other, *later = await yard.sessions(4)
        assert one != other
        assert later == [one, other]

    async def test_the_same_first_message_twice_is_a_hit(self, yard: Yard, stream: bool) -> None:
        await yard.open()
        assert [(await Chat(yard, stream=stream).say("Hi")).outcome for _ in range(2)] == ["miss", "hit"]

    async def test_an_answer_made_anew_stays_in_the_session(self, yard: Yard, stream: bool) -> None:
        await yard.open()
        yard.a.script = [menu.answer(text) for text in ("one", "two", "another two", "three")]
        chat = Chat(yard, stream=stream)
        outcomes = [await chat.say("Hi"), await chat.say("Why?")]
        chat.forget(1)
        outcomes += [await chat.again(), await chat.say("So?")]
        assert [each.outcome for each in outcomes] == ["miss", "hit", "hit", "hit"]
        assert len(set(await yard.sessions(4))) == 1

    async def test_so_does_an_edited_last_message(self, yard: Yard, stream: bool) -> None:
        await yard.open()
        chat = Chat(yard, stream=stream)
        outcomes = [await chat.say("Hi"), await chat.say("Why?")]
        chat.forget(2)
        outcomes += [await chat.say("How?"), await chat.say("So?")]
        assert [each.outcome for each in outcomes] == ["miss", "hit", "hit", "hit"]
        assert len(set(await yard.sessions(4))) == 1

    async def test_chats_that_open_alike_part_as_soon_as_they_differ(self, yard: Yard, stream: bool) -> None:
        await yard.open()
        yard.a.script = [menu.answer(text) for text in ("Hello.", "Good day.", "as ever")]
        chats = [Chat(yard, stream=stream) for _ in range(2)]
        outcomes = [await chat.say("Hi") for chat in chats] + [await chat.say("Why?") for chat in chats]
        outcomes += [await chat.say("So?") for chat in chats]
        assert [each.outcome for each in outcomes] == ["miss", *["hit"] * 5]
        first, second, *later = await yard.sessions(6)
        assert first == second
        assert len(set(later)) == 2
        assert later[:2] == later[2:]

    async def test_calls_of_tools_go_on_where_they_were_made(self, yard: Yard, stream: bool) -> None:
        await yard.open()
        yard.a.script = [menu.answer("", (), tool_call=("look", {"at": "signals"})), menu.answer(ANSWER)]
        function = {"name": "look", "arguments": '{"at": "signals"}'}
        call = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": function}],
        }
        first = Chat(yard, stream=stream)
        assert (await first.say("Hi")).outcome == "miss"
        # The same question is answered by nobody else: what follows is known by the call alone.
        before = [user("Hi"), call, {"role": "tool", "tool_call_id": "c", "content": "green"}]
        assert (await Chat(yard, *before, stream=stream).again()).outcome == "hit"
        found = yard.router.dispatcher.router.sessions
        assert [len(each.line) for each in found._store] == [4]


class TestSources:
    @pytest.mark.parametrize(
        ("asked", "source"),
        [
            ({"headers": {"X-Claude-Code-Session-Id": "7"}}, "session_header"),
            ({"headers": {"x-cursor-session-id": "01a1f85c-9d80"}}, "session_header"),
            ({"prompt_cache_key": "7"}, "session_body"),
            ({"metadata": {"user_id": "user_1_session_7"}}, "session_body"),
            ({}, "prefix_hash"),
        ],
    )
    async def test_the_first_that_yields_a_key_is_told(self, yard: Yard, asked: dict[str, Any], source: str) -> None:
        await yard.open()
        first, second = await yard.ask(**asked), await yard.ask(**asked)
        assert [(each.outcome, each.source) for each in (first, second)] == [("miss", source), ("hit", source)]

    async def test_their_order_is_the_configurations(self, yard: Yard) -> None:
        await yard.open(sticky={"key_sources": ["prefix_hash", "session_header"]})
        assert (await yard.ask(headers=session("7"))).source == "prefix_hash"

    @pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
    async def test_a_credential_is_a_client(self, yard: Yard, header: str) -> None:
        await yard.open(sticky={"key_sources": ["auth_header"]})
        scheme = "Bearer " if header == "Authorization" else ""
        outcomes = [await yard.ask(headers={header: f"{scheme}sk-{name}"}) for name in ("one", "two", "one")]
        assert [each.outcome for each in outcomes] == ["miss", "miss", "hit"]
        assert {each.source for each in outcomes} == {"auth_header"}

    async def test_the_shared_client_key_is_nobody(self, yard: Yard) -> None:
        await yard.open(server={"client_key": "sk-shared-by-all"}, sticky={"key_sources": ["auth_header"]})
        asked = [await yard.ask(headers={"Authorization": "Bearer sk-shared-by-all"}) for _ in range(2)]
        assert asked == [("disabled", None, "a", None)] * 2

    async def test_an_address_is_a_client_if_it_may_be(self, yard: Yard) -> None:
        await yard.open(sticky={"key_sources": ["auth_header", "ip"]})
        assert [(await yard.ask()).outcome for _ in range(2)] == ["miss", "hit"]
        assert (await yard.stats())["by_source"] == {"ip": 2}

    async def test_ones_own_session_is_nobody_elses(self, yard: Yard) -> None:
        await yard.open()
        headers = [{**session("7"), "Authorization": f"Bearer sk-{name}"} for name in ("one", "two")]
        assert [(await yard.ask(headers=each)).outcome for each in headers] == ["miss", "miss"]
        assert [(await yard.ask(headers=each)).outcome for each in headers] == ["hit", "hit"]

    async def test_side_calls_on_another_model_leave_the_pin_alone(self, yard: Yard) -> None:
        await yard.open(routing={"aliases": {"nick": "m"}})
        yard.a.script = lambda seen: menu.status(503) if seen.fields["model"] == "n" else menu.answer(ANSWER)
        asked = [("m", "miss", "a"), ("n", "miss", "b"), ("m", "hit", "a"), ("nick", "hit", "a"), ("n", "hit", "b")]
        for model, outcome, endpoint in asked:
            found = await yard.ask(model=model, headers=session("7"))
            assert (found.outcome, found.endpoint) == (outcome, endpoint)

    async def test_unknown_models_are_told_apart_though_any_will_do(self, yard: Yard) -> None:
        await yard.open(routing={"unknown_model": "auto"})
        asked = [await yard.ask(model=model, headers=session("7")) for model in ("large", "small", "large")]
        assert [each.outcome for each in asked] == ["miss", "miss", "hit"]

    async def test_one_providers_model_is_asked_there_whatever_was_pinned(self, yard: Yard) -> None:
        await yard.open()
        for model, endpoint in (("b/m", "b"), ("m", "a"), ("c/m", "c"), ("b/m", "b")):
            assert (await yard.ask(model=model, headers=session("7"))).endpoint == endpoint

    async def test_any_bytes_may_be_an_id(self, yard: Yard) -> None:
        await yard.open()
        ids = [b"\xff\xfe", b"\xc3\xa9", b'"; drop', b"x" * 5000, b"  in  ner  "]
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            for outcome in ("miss", "hit"):
                for name in ids:
                    answer = await client.post(
                        f"{yard.router.base_url}/chat/completions",
                        json={"model": "m", "messages": [user("Hi")]},
                        headers=[(b"X-Session-ID", name)],
                    )
                    assert answer.headers["x-sticky-session"] == outcome
                    assert (b"X-Session-ID", name.strip()) in answer.headers.raw


class TestOutcomes:
    async def test_a_pin_moves_when_its_provider_fails(self, yard: Yard) -> None:
        await yard.open()
        yard.a.script = [menu.answer(ANSWER), menu.status(503), menu.answer(ANSWER)]
        asked = [await yard.ask(headers=session("7")) for _ in range(3)]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), ("repin", "b"), ("hit", "b")]

    async def test_a_pin_is_preferred_to_what_stands_before_it(self, yard: Yard) -> None:
        await yard.open(cooldowns={"transient": "off"})
        yard.a.script = [menu.status(503), menu.answer(ANSWER)]
        asked = [await yard.ask(headers=session(name)) for name in ("7", "8", "7")]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "b"), ("miss", "a"), ("hit", "b")]

    async def test_another_key_of_the_pinned_target_is_a_hit_and_stays_pinned(self, yard: Yard) -> None:
        await yard.open(keys={"a": ["sk-first-key", "sk-second-key"]})
        yard.a.script = [menu.answer(ANSWER), menu.rate_limited(30), menu.answer(ANSWER)]
        asked = [await yard.ask(headers=session("7")) for _ in range(4)]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), *[("hit", "a")] * 3]
        used = [seen.header("authorization") for seen in yard.a.seen]
        assert used[0] == used[1]
        assert len(set(used[2:])) == 1
        assert used[0] != used[2]

    async def test_keys_that_are_as_good_change_between_sessions_but_not_within_one(self, yard: Yard) -> None:
        await yard.open("a", keys={"a": ["sk-first-key", "sk-second-key"]})
        for name in "7878":
            await yard.ask(headers=session(name))
        first, second, *later = [seen.header("authorization") for seen in yard.a.seen]
        assert first != second
        assert later == [first, second]

    @pytest.mark.parametrize("stream", [True, False])
    async def test_when_nobody_answers_there_is_no_endpoint_and_the_pin_stays(self, yard: Yard, stream: bool) -> None:
        await yard.open("a", "b", cooldowns={"transient": "off"})
        dead = [menu.status(503)]
        yard.a.script = yard.b.script = dead
        assert await yard.ask(stream=stream, headers=session("7")) == ("miss", "session_header", None, "7")
        yard.b.script = menu.answer(ANSWER)
        assert await yard.ask(stream=stream, headers=session("7")) == ("miss", "session_header", "b", "7")
        yard.b.script = dead
        assert await yard.ask(stream=stream, headers=session("7")) == ("repin", "session_header", None, "7")
        yard.a.script = yard.b.script = menu.answer(ANSWER)
        assert await yard.ask(stream=stream, headers=session("7")) == ("hit", "session_header", "b", "7")
        stats = await yard.stats()
        assert (stats["hits"], stats["misses"], stats["repins"]) == (1, 2, 1)

    async def test_a_providers_own_refusal_is_told_by_whoever_gave_it(self, yard: Yard) -> None:
        await yard.open()
        odd = menu.exact([b'{"error":{"message":"odd"}}'], content_type="application/json", status=400)
        yard.a.script = [odd, menu.answer(ANSWER), odd]
        asked = [await yard.ask(headers=session("7")) for _ in range(3)]
        assert [(each.outcome, each.endpoint) for each in asked] == [("miss", "a"), ("miss", "a"), ("hit", "a")]
        stats = await yard.stats()
        assert (stats["hits"], stats["misses"], stats["repins"]) == (1, 2, 0)
        newest = (await yard.page("exchanges?limit=1"))["exchanges"][0]
        assert (newest["status"], newest["sticky"]) == (400, "hit")

    async def test_a_mode_that_does_not_prefer_pins_knows_its_sessions_all_the_same(self, yard: Yard) -> None:
        await yard.open(sticky={"modes": ["smart", "balanced"]}, cooldowns={"transient": "off"})
        yard.a.script = [menu.status(503), menu.answer(ANSWER)]
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
    async def test_a_name_that_asks_for_no_mode_has_the_default_one(self, yard: Yard, model: str, outcome: str) -> None:
        routing = {"default_mode": "fast", "aliases": {"nick": "m"}}
        await yard.open(routing=routing, sticky={"modes": ["smart", "balanced"]})
        assert (await yard.ask(model=model, headers=session("7"))).outcome == outcome

    async def test_without_a_key_it_is_disabled(self, yard: Yard) -> None:
        await yard.open()
        found = await yard.ask(messages=[{"role": "system", "content": "Say something."}])
        assert found == ("disabled", None, "a", None)
        assert (await yard.stats())["active_sessions"] == 0

    async def test_switched_off_it_is_disabled_and_nothing_is_known(self, yard: Yard) -> None:
        await yard.open(sticky={"enabled": False})
        assert [await yard.ask(headers=session("7")) for _ in range(2)] == [("disabled", None, "a", None)] * 2
        assert await yard.stats() == {"enabled": False}

    async def test_the_headers_carry_the_configured_prefix_and_the_clients_own_is_read(self, yard: Yard) -> None:
        await yard.open(server={"header_prefix": "X-Olla-"})
        asked = [await ask(yard.router.base_url, headers={"X-Olla-Session-ID": "7"}) for _ in range(2)]
        found = [told(each.headers, "X-Olla-") for each in asked]
        assert found == [("miss", "session_header", "a", "7"), ("hit", "session_header", "a", "7")]
        assert told(asked[0].headers) == (None, None, None, None)

    async def test_none_of_the_clients_sticky_headers_reach_a_provider(self, yard: Yard) -> None:
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
        self, yard: Yard, status: int, asked: dict[str, Any]
    ) -> None:
        await yard.open(server={"client_key": "sk-shared-by-all"})
        method, url = asked.pop("method", "POST"), f"{yard.router.base_url}/chat/completions"
        headers = {"Authorization": "Bearer sk-shared-by-all", **session("7"), **asked.pop("headers", {})}
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.request(method, url, headers=headers, **asked)
        assert answer.status_code == status
        assert told(answer.headers) == (None, None, None, None)
        assert yard.router.dispatcher.router.sessions.stats(0.0)["insertions"] == 0

    async def test_what_is_known_early_is_in_early_headers_and_the_rest_follows_in_a_comment(self, yard: Yard) -> None:
        await yard.open(stream={"early_headers": "50ms"})
        gates = [asyncio.Event(), asyncio.Event()]
        yard.a.script = [menu.gated(menu.answer(ANSWER), gate) for gate in gates]
        for gate, outcome in zip(gates, ("miss", "hit"), strict=True):
            body = {"model": "m", "stream": True, "messages": [user("Hi")]}
            url = f"{yard.router.base_url}/chat/completions"
            async with (
                httpx.AsyncClient(timeout=30, trust_env=False) as client,
                client.stream("POST", url, json=body, headers=session("7")) as answer,
            ):
                assert told(answer.headers) == (None, "session_header", None, "7")
                gate.set()
                whole = await answer.aread()
            assert f": routed-via a/m attempts=0 sticky={outcome}\n".encode() in whole
        stats = await yard.stats()
        assert (stats["hits"], stats["misses"]) == (1, 1)

    async def test_the_log_and_the_flow_tell_the_session_and_how_it_went(
        self, yard: Yard, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await yard.open()
        for outcome in ("miss", "hit"):
            await yard.ask(headers=session("7"))
            [name] = await yard.sessions(1)
            words = f"sticky {outcome} {name}"
            assert words in caplog.messages[-1]
            assert words in next(
                flow.comment for flow in reversed(yard.router.watcher.flows) if "chat" in flow.request.path
            )


class TestLifeAndRoom:
    async def test_a_conversation_that_rests_too_long_starts_anew(self, yard: Yard) -> None:
        await yard.open(sticky={"idle_ttl": "300ms"})
        chat = Chat(yard)
        outcomes = [await chat.say("Hi"), await chat.say("Why?")]
        await soon(lambda: yard.expired)
        outcomes.append(await chat.say("So?"))
        assert [each.outcome for each in outcomes] == ["miss", "hit", "miss"]

    async def test_without_room_the_one_that_rested_longest_goes(self, yard: Yard) -> None:
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
        self, yard: Yard, log: Callable[[], list[str]]
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
        self, yard: Yard, log: Callable[[], list[str]], off: dict[str, Any]
    ) -> None:
        await yard.open()
        for _ in range(2):
            await yard.ask(headers=session("7"))
            await yard.reload("a", "b", "c", a=off)
            await yard.reload("a", "b", "c")
        assert log() == ["Pointsman: provider a was healthy and is disabled; pins removed: 1."] * 2
        assert (await yard.ask(headers=session("7"))).outcome == "miss"

    async def test_a_rate_limit_takes_no_pin(self, yard: Yard, log: Callable[[], list[str]]) -> None:
        await yard.open()
        yard.a.script = [menu.answer(ANSWER), menu.rate_limited(30)]
        asked = [await yard.ask(headers=session(name)) for name in ("7", "8")]
        assert [each.endpoint for each in asked] == ["a", "b"]
        assert log() == []
        assert (await yard.ask(headers=session("7"))).outcome == "repin"

    async def test_less_room_after_a_reload_keeps_those_used_last(self, yard: Yard) -> None:
        await yard.open()
        for name in "abcd":
            await yard.ask(headers=session(name))
        await yard.reload("a", sticky={"max_sessions": 2})
        asked = [await yard.ask(headers=session(name)) for name in "dca"]
        assert [each.outcome for each in asked] == ["hit", "hit", "miss"]
        assert (await yard.stats())["max_sessions"] == 2

    async def test_the_end_says_nothing_of_pins(self, tmp_path: Path, log: Callable[[], list[str]]) -> None:
        async with AsyncExitStack() as stack:
            yard = Yard(tmp_path, stack)
            await yard.open()
            await yard.ask(headers=session("7"))
            dispatcher = yard.router.dispatcher
            await dispatcher.close(0)
            await yard.reload("b")
        assert log() == []


class TestMany:
    async def test_50_first_turns_at_once_end_with_one_pin(self, yard: Yard) -> None:
        await yard.open(cooldowns={"transient": "off"})
        everybody = asyncio.Event()

        def in_turn(seen: Seen) -> Behaviour:
            if seen.number == 50:
                everybody.set()
            return menu.gated(menu.status(503) if seen.number % 2 else menu.answer(ANSWER), everybody)

        yard.a.script = in_turn
        asked = await asyncio.gather(*(yard.ask(headers=session("7")) for _ in range(50)))
        assert {(each.outcome, each.source) for each in asked} == {("miss", "session_header")}
        assert Counter(each.endpoint for each in asked) == {"a": 25, "b": 25}
        [only] = yard.router.dispatcher.router.sessions._store
        assert only.pin
        yard.a.script = menu.answer(ANSWER)
        assert await yard.ask(headers=session("7")) == ("hit", "session_header", only.pin.provider, "7")
        await nothing_remains(yard.router)

    async def test_nobodys_failure_moves_anybody_elses_pin(self, yard: Yard) -> None:
        """One conversation is refused by the provider that both are pinned to."""
        await yard.open(cooldowns={"transient": "off"})
        calm, unlucky = Chat(yard), Chat(yard)
        await calm.say("Calm: which track?")
        await unlucky.say("Unlucky: which track?")
        yard.a.script = lambda seen: menu.status(503) if "Unlucky" in seen.body.decode() else menu.answer(ANSWER)
        outcomes = [(await unlucky.say("Why?"), await calm.say("Why?")) for _ in range(3)]
        assert [(one.outcome, one.endpoint) for one, _ in outcomes] == [("repin", "b"), ("hit", "b"), ("hit", "b")]
        assert [(other.outcome, other.endpoint) for _, other in outcomes] == [("hit", "a")] * 3

    async def test_the_stats_are_what_clients_have_counted_over_1000_mixed_requests(self, yard: Yard) -> None:
        await yard.open(sticky={"modes": ["balanced", "smart"], "max_sessions": 30}, cooldowns={"transient": "off"})
        chance = random.Random(7)
        for each in (yard.a, yard.b):
            each.script = lambda _: menu.answer(ANSWER) if chance.random() < 0.8 else menu.status(503)
        yard.c.script = lambda seen: menu.status(500 if seen.fields["model"] == "n" else 503)
        url = f"{yard.router.base_url}/chat/completions"
        headers: Counter[str] = Counter()

        async def ask_some(client: httpx.AsyncClient) -> None:
            for _ in range(50):
                answer = await client.post(url, **any_request(chance))
                outcome, source, endpoint, _ = told(answer.headers)
                headers.update(filter(None, (outcome, source)))
                assert (endpoint is None) == (answer.status_code != 200)

        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
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


class TestPages:
    async def test_the_stats_are_as_promised(self, yard: Yard) -> None:
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

    async def test_the_router_is_healthy(self, yard: Yard) -> None:
        await yard.open()
        assert (await yard.page("health"))["status"] == "healthy"

    async def test_providers_and_their_models_are_told_by_the_same_urls(self, yard: Yard) -> None:
        await yard.open()
        await yard.reload(
            "a", "b", "c", b={"enabled": False}, c={"models": [{"id": "n"}, {"id": "o", "enabled": False}]}
        )
        urls = {name: getattr(yard, name).base_url for name in "abc"}
        statuses = {"a": "healthy", "b": "disabled", "c": "healthy"}
        assert (await yard.page("status/endpoints")) == {
            "endpoints": [
                {"name": name, "type": "openai-chat", "status": statuses[name], "url": url}
                for name, url in urls.items()
            ]
        }
        assert (await yard.page("status/models")) == {
            "recent_models": [
                {"name": "m", "type": "openai-chat", "endpoints": [urls["a"]]},
                {"name": "n", "type": "openai-chat", "endpoints": [urls["a"], urls["c"]]},
            ]
        }

"""Conversations over real sockets: where their keys come from, and whose they are."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import http_client
from transport.chat_client import ANSWER, RouterFixture, session, user


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


class TestSources:
    @pytest.mark.parametrize(
        ("asked", "source"),
        [
            ({"headers": {"X-Claude-Code-Session-Id": "7"}}, "session_header"),
            ({"headers": {"x-cursor-session-id": "01a1f85c-9d80"}}, "session_header"),
            ({"headers": {"x-opencode-session": "7"}}, "session_header"),
            ({"headers": {"X-OpenWebUI-Chat-Id": "7"}}, "session_header"),
            ({"session_id": "7"}, "session_body"),
            ({"conversation_id": "7"}, "session_body"),
            ({"prompt_cache_key": "7"}, "session_body"),
            ({"metadata": {"user_id": "user_1_session_7"}}, "session_body"),
            ({}, "prefix_hash"),
        ],
    )
    async def test_the_first_that_yields_a_key_is_named(
        self, yard: RouterFixture, asked: dict[str, Any], source: str
    ) -> None:
        await yard.open()
        first, second = await yard.ask(**asked), await yard.ask(**asked)
        assert [(each.outcome, each.source) for each in (first, second)] == [("miss", source), ("hit", source)]

    async def test_their_order_is_the_configurations(self, yard: RouterFixture) -> None:
        await yard.open(sticky={"key_sources": ["prefix_hash", "session_header"]})
        assert (await yard.ask(headers=session("7"))).source == "prefix_hash"

    @pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
    async def test_a_credential_is_a_client(self, yard: RouterFixture, header: str) -> None:
        await yard.open(sticky={"key_sources": ["auth_header"]})
        scheme = "Bearer " if header == "Authorization" else ""
        outcomes = [await yard.ask(headers={header: f"{scheme}sk-{name}"}) for name in ("one", "two", "one")]
        assert [each.outcome for each in outcomes] == ["miss", "miss", "hit"]
        assert {each.source for each in outcomes} == {"auth_header"}

    async def test_the_shared_client_key_identifies_no_session(self, yard: RouterFixture) -> None:
        await yard.open(server={"client_key": "sk-shared-by-all"}, sticky={"key_sources": ["auth_header"]})
        asked = [await yard.ask(headers={"Authorization": "Bearer sk-shared-by-all"}) for _ in range(2)]
        assert asked == [("disabled", None, "a", None)] * 2

    async def test_an_address_is_a_client_if_it_may_be(self, yard: RouterFixture) -> None:
        await yard.open(sticky={"key_sources": ["auth_header", "ip"]})
        assert [(await yard.ask()).outcome for _ in range(2)] == ["miss", "hit"]
        assert (await yard.stats())["by_source"] == {"ip": 2}

    async def test_ones_own_session_is_no_others(self, yard: RouterFixture) -> None:
        await yard.open()
        headers = [{**session("7"), "Authorization": f"Bearer sk-{name}"} for name in ("one", "two")]
        assert [(await yard.ask(headers=each)).outcome for each in headers] == ["miss", "miss"]
        assert [(await yard.ask(headers=each)).outcome for each in headers] == ["hit", "hit"]

    async def test_side_calls_on_another_model_leave_the_pin_alone(self, yard: RouterFixture) -> None:
        await yard.open(routing={"aliases": {"nick": "m"}})
        yard.a.script = lambda seen: (
            behaviours.status(503) if seen.fields["model"] == "n" else behaviours.answer(ANSWER)
        )
        asked = [("m", "miss", "a"), ("n", "miss", "b"), ("m", "hit", "a"), ("nick", "hit", "a"), ("n", "hit", "b")]
        for model, outcome, endpoint in asked:
            found = await yard.ask(model=model, headers=session("7"))
            assert (found.outcome, found.endpoint) == (outcome, endpoint)

    async def test_a_sub_agent_leaves_the_main_conversations_pin_alone(self, yard: RouterFixture) -> None:
        await yard.open()
        main, agent = session("7"), {**session("7"), "X-Claude-Code-Agent-Id": "agent-1"}
        assert (await yard.ask(headers=main)).endpoint == "a"
        yard.a.script = behaviours.status(503)
        asked = [await yard.ask(headers=agent) for _ in range(2)]
        assert [(each.outcome, each.endpoint, each.echo) for each in asked] == [("miss", "b", "7"), ("hit", "b", "7")]
        assert len(set(await yard.sessions(3))) == 2

    async def test_clients_with_a_blank_first_message_share_no_session(self, yard: RouterFixture) -> None:
        await yard.open()
        asked = [await yard.ask(messages=[user(" ")]) for _ in range(2)]
        assert {(each.outcome, each.source) for each in asked} == {("disabled", None)}

    async def test_unknown_models_are_distinguished_though_any_will_do(self, yard: RouterFixture) -> None:
        await yard.open(routing={"unknown_model": "auto"})
        asked = [await yard.ask(model=model, headers=session("7")) for model in ("large", "small", "large")]
        assert [each.outcome for each in asked] == ["miss", "miss", "hit"]

    async def test_one_providers_model_is_asked_there_whatever_was_pinned(self, yard: RouterFixture) -> None:
        await yard.open()
        for model, endpoint in (("b/m", "b"), ("m", "a"), ("c/m", "c"), ("b/m", "b")):
            assert (await yard.ask(model=model, headers=session("7"))).endpoint == endpoint

    async def test_any_bytes_may_be_an_id(self, yard: RouterFixture) -> None:
        await yard.open()
        ids = [b"\xff\xfe", b"\xc3\xa9", b'"; drop', b"x" * 5000, b"in  ner"]
        async with http_client() as client:
            for outcome in ("miss", "hit"):
                for name in ids:
                    answer = await client.post(
                        f"{yard.router.base_url}/chat/completions",
                        json={"model": "m", "messages": [user("Hi")]},
                        headers=[(b"X-Session-ID", name)],
                    )
                    assert answer.headers["x-sticky-session"] == outcome
                    assert (b"X-Session-ID", name) in answer.headers.raw

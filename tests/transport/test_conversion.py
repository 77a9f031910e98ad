"""Every client's official SDK with providers of every other dialect, through a real router."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addons.view import View

from pointsman.config.enums import Dialect
from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.routing.retry_storms import MAX_REPEATS
from support.dialects import AUTH, PROVIDER_KEY, credentials_of, entry
from support.http_requests import get, http_client
from support.leak_checks import no_leaks
from support.recording_relay import RecordingRelay
from support.round_trips import RESULT, ROUND_TRIPS, calls_and_results
from support.router import Router, running
from support.router_sdk_calls import (
    ALL_SDKS,
    ANTHROPIC,
    CHAT,
    GENAI,
    KEY,
    RESPONSES,
    TOOL,
    Ask,
    Sdk,
    forget_environment,
    told,
)

TEXT = "Take the left track, then the right one."
HALF = "Take the left"
SIDE = {"side": "left"}
ENDS: Mapping[Dialect, Mapping[str, str]] = {
    Dialect.OPENAI_CHAT: {"stop": "stop", "length": "length", "tool_calls": "tool_calls"},
    Dialect.OPENAI_RESPONSES: {"stop": "completed", "length": "incomplete", "tool_calls": "completed"},
    Dialect.ANTHROPIC: {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"},
    Dialect.GEMINI: {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"},
}
PAIRS = [(sdk, dialect) for sdk in ALL_SDKS for dialect in Dialect if dialect is not sdk.dialect]

every_pair = pytest.mark.parametrize(("sdk", "dialect"), PAIRS, ids=[f"{s.dialect}-from-{d}" for s, d in PAIRS])
every_client = pytest.mark.parametrize("sdk", ALL_SDKS, ids=lambda sdk: sdk.dialect.value)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


@asynccontextmanager
async def served(
    folder: Path, scripted: Mapping[str, tuple[Dialect, Behaviour]], **sections: Any
) -> AsyncIterator[tuple[Router, dict[str, Provider]]]:
    """A router with a provider for each model."""
    async with AsyncExitStack() as stack:
        providers, entries = {}, {}
        for model, (dialect, behaviour) in scripted.items():
            one = providers[model] = await stack.enter_async_context(Provider(behaviour))
            entries[f"p-{model}"] = {**entry(dialect, one, keys=[PROVIDER_KEY]), "models": [{"id": model}]}
        yield await stack.enter_async_context(running(folder, entries, **sections)), providers


def ways(sdk: Sdk) -> tuple[Ask, Ask, Ask]:
    return sdk.whole, sdk.streamed, sdk.otherwise


@every_pair
class TestEveryPair:
    async def test_texts_calls_and_ends_cross(self, tmp_path: Path, sdk: Sdk, dialect: Dialect) -> None:
        scripted = {
            "text": (dialect, behaviours.answer(TEXT, reasoning="left or right?")),
            "limited": (dialect, behaviours.answer(TEXT, finish="length")),
            "call": (dialect, behaviours.answer(TEXT, tool_call=(TOOL, SIDE))),
            "only-call": (dialect, behaviours.answer("", tool_call=(TOOL, SIDE))),
        }
        async with served(tmp_path, scripted) as (router, providers):
            ends, url = ENDS[sdk.dialect], router.url
            for ask in (sdk.whole, sdk.streamed):
                said = await told(ask, url, tools=True, model="text")
                assert (said.failure, said.text, said.finish, said.calls) == (None, TEXT, ends["stop"], [])
                called = await told(ask, url, tools=True, model="call")
                assert (called.failure, called.text, called.finish) == (None, TEXT, ends["tool_calls"])
                assert called.calls == [(TOOL, SIDE)]
            only = await told(sdk.otherwise, url, tools=True, model="only-call")
            assert (only.failure, only.text, only.finish, only.calls) == (None, "", ends["tool_calls"], [(TOOL, SIDE)])
            limited = await told(sdk.otherwise, url, model="limited")
            assert (limited.text, limited.finish) == (TEXT, ends["length"])
            seen = providers["text"].seen[0]
            assert seen.dialect
            assert dialect is seen.dialect.name
            assert seen.question == "Which track?"
            assert credentials_of(seen.headers) == [AUTH[dialect]]
            assert not any(name.lower().startswith(("x-stainless", "x-goog-api-client")) for name, _ in seen.headers)

    async def test_a_call_and_its_result_go_round(self, tmp_path: Path, sdk: Sdk, dialect: Dialect) -> None:
        calls = behaviours.answer(HALF, tool_call=(TOOL, SIDE), reasoning="hm")
        async with Provider([calls, behaviours.answer(TEXT)]) as one:
            async with running(tmp_path, {"p": entry(dialect, one)}) as router:
                assert await ROUND_TRIPS[sdk.dialect](router.url) == TEXT
            _, second = one.seen
            [(asked, arguments)], [(answered, result)] = calls_and_results(dialect, second.json)
            assert (asked, arguments, result) == (answered, SIDE, RESULT)
            assert asked

    async def test_failures_are_reported_in_the_clients_dialect(
        self, tmp_path: Path, sdk: Sdk, dialect: Dialect
    ) -> None:
        scripted = {
            "refused": (dialect, behaviours.status(400)),
            "down": (dialect, behaviours.status(503)),
            "wrapped": (dialect, behaviours.wrapped()),
            "cut": (dialect, behaviours.cut(TEXT, after_tokens=3)),
            "erring": (dialect, behaviours.error_within(TEXT, after_tokens=3)),
        }
        async with served(tmp_path, scripted) as (router, _):
            refused = await told(sdk.streamed, router.url, model="refused")
            assert refused.detail["status"] == 400
            assert "invalid_request" in refused.said
            for ask, model in ((sdk.whole, "down"), (sdk.streamed, "wrapped")):
                down = await told(ask, router.url, model=model)
                assert (down.failure, down.detail["status"]) == (sdk.failures[502], 502)
            for model, word in (("cut", "stream_broken"), ("erring", "overloaded")):
                half = await told(sdk.otherwise, router.url, model=model)
                assert half.failure
                assert word in half.said
                assert (half.text, half.finish) == (HALF, None)

    async def test_a_stall_is_reported_in_the_clients_dialect(self, tmp_path: Path, sdk: Sdk, dialect: Dialect) -> None:
        """By itself: no other provider is as fast as this limit on a busy machine."""
        scripted = {"stalled": (dialect, behaviours.stall(TEXT, after_tokens=3))}
        async with served(tmp_path, scripted, stream={"stall": "100ms"}) as (router, _):
            half = await told(sdk.otherwise, router.url, model="stalled")
            assert half.failure
            assert "stream_timeout" in half.said
            assert HALF.startswith(half.text)
            assert half.finish is None


class TestFailover:
    async def test_crosses_dialects_within_one_exchange(self, tmp_path: Path) -> None:
        captured = capture("claude_code_turn1")
        async with (
            Provider(behaviours.status(529)) as own,
            Provider(behaviours.answer(TEXT, tool_call=("Bash", {"command": "ls"}))) as other,
        ):
            entries = {"own": entry(Dialect.ANTHROPIC, own), "other": entry(Dialect.OPENAI_CHAT, other)}
            async with running(tmp_path, entries) as router, http_client() as client:
                answer = await client.post(f"{router.url}/v1/messages", json=captured["body"])
        assert answer.status_code == 200
        assert answer.headers["x-fallback-trail"] == "own/m@529"
        assert [len(own.seen), len(other.seen)] == [1, 1]
        kinds = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
        assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
        assert "error" not in kinds

    @every_client
    async def test_tries_each_dialect_until_one_answers(self, tmp_path: Path, sdk: Sdk) -> None:
        async with AsyncExitStack() as stack:
            failing = [behaviours.status(503), behaviours.empty(), behaviours.error_within(TEXT, after_tokens=0)]
            providers = [
                await stack.enter_async_context(Provider(each)) for each in (*failing, behaviours.answer(TEXT))
            ]
            entries = {f"p{n}": entry(d, one) for n, (d, one) in enumerate(zip(Dialect, providers, strict=True))}
            router = await stack.enter_async_context(running(tmp_path, entries))
            for n, ask in enumerate(ways(sdk)):
                got = await told(ask, router.url)
                assert (got.text, got.failure) == (TEXT, None)
                assert len(providers[-1].seen) == n + 1


class TestRaces:
    @every_client
    async def test_cross_dialects(self, tmp_path: Path, sdk: Sdk) -> None:
        """Each attempt goes in its own dialect, with its own key and redirect; nothing of a loser is told."""
        silent, late, quick = (dialect for dialect in Dialect if dialect is not sdk.dialect)
        scripts = {silent: behaviours.hang(), late: behaviours.hang("after-role"), quick: behaviours.answer(TEXT)}
        keys = [f"sk-key-of-provider-{n}-0123" for n in range(3)]
        async with AsyncExitStack() as stack:
            entries, view = {}, View()
            for n, (dialect, script) in enumerate(scripts.items()):
                one = await stack.enter_async_context(Provider(script))
                rule = {"match": "exact", "source": "m", "target": f"m-of-p{n}"}
                entries[f"p{n}"] = entry(dialect, one, keys=[keys[n]], redirects=[rule])
            early, recorded = {"early_headers": "20ms", "heartbeat": "20ms"}, {"pointsman_record_attempts": True}
            hedge = {"after": "60ms", "max_parallel": 3}
            router = await stack.enter_async_context(
                running(tmp_path, entries, options=recorded, addons=[view], hedge=hedge, stream=early)
            )
            got = await told(sdk.streamed, router.url)
            assert (got.text, got.failure, got.finish) == (TEXT, None, ENDS[sdk.dialect]["stop"])
            await no_leaks(router)
            await router.gateway.flow_queue.close()
            [record] = router.gateway.recent_exchanges.newest(1)
        ends = [(each.provider, each.outcome.value, each.model_sent) for each in record.attempts]
        assert ends == [
            ("p0", "hedge_triggered", "m-of-p0"),
            ("p1", "hedge_triggered", "m-of-p1"),
            ("p0", "hedge_loser_cancelled", "m-of-p0"),
            ("p1", "hedge_loser_cancelled", "m-of-p1"),
            ("p2", "hedge_winner", "m-of-p2"),
        ]
        shown = [repr(flow.get_state()) for flow in view]
        assert len(shown) == 4
        assert not [key for key in (*keys, KEY) if any(key in state for state in shown)]


class TestRealClients:
    """What Claude Code and Codex really send, answered by a provider of chat completions, and sent back."""

    async def test_claude_code_calls_a_tool_and_returns_its_result(self, tmp_path: Path) -> None:
        answers = [
            behaviours.answer(HALF, tool_call=("Bash", {"command": "ls"}), reasoning="hm"),
            behaviours.answer(TEXT),
        ]
        async with Provider(answers) as one, running(tmp_path, {"p": entry(Dialect.OPENAI_CHAT, one)}) as router:
            turn = capture("claude_code_turn1")
            events = await replayed(router, turn)
            started = [each["content_block"] for each in events if each["type"] == "content_block_start"]
            assert [block["type"] for block in started] == ["thinking", "text", "tool_use"]
            pieces = [each["delta"] for each in events if each["type"] == "content_block_delta"]
            made = json.loads("".join(each.get("partial_json", "") for each in pieces))
            content = [started[0] | {"thinking": "hm"}, started[1] | {"text": HALF}, started[2] | {"input": made}]
            result = {"type": "tool_result", "tool_use_id": started[2]["id"], "content": RESULT}
            turn["body"]["messages"] += [
                {"role": "assistant", "content": content},
                {"role": "user", "content": [result]},
            ]
            events = await replayed(router, turn)
        said = "".join(each["delta"].get("text", "") for each in events if each["type"] == "content_block_delta")
        assert (said, events[-1]["type"]) == (TEXT, "message_stop")
        calls, results = calls_and_results(Dialect.OPENAI_CHAT, one.seen[1].json)
        assert (calls, results) == ([(started[2]["id"], {"command": "ls"})], [(started[2]["id"], RESULT)])
        assert one.seen[1].json["messages"][: len(one.seen[0].json["messages"])] == one.seen[0].json["messages"]

    @pytest.mark.parametrize(("tool", "space"), [("exec_command", None), ("close_agent", "multi_agent_v1")])
    async def test_codex_calls_a_tool_and_returns_its_result(
        self, tmp_path: Path, tool: str, space: str | None
    ) -> None:
        answers = [behaviours.answer(HALF, tool_call=(tool, {"cmd": "ls"}), reasoning="hm"), behaviours.answer(TEXT)]
        async with Provider(answers) as one, running(tmp_path, {"p": entry(Dialect.OPENAI_CHAT, one)}) as router:
            turn = capture("codex_turn1")
            events = await replayed(router, turn)
            items = [each["item"] for each in events if each["type"] == "response.output_item.done"]
            assert [item["type"] for item in items] == ["reasoning", "message", "function_call"]
            assert (items[2]["name"], items[2].get("namespace")) == (tool, space)
            output = {"type": "function_call_output", "call_id": items[2]["call_id"], "output": RESULT}
            turn["body"]["input"] += [*items, output]
            events = await replayed(router, turn)
        assert events[-1]["type"] == "response.completed"
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == TEXT
        calls, results = calls_and_results(Dialect.OPENAI_CHAT, one.seen[1].json)
        assert (calls, results) == ([(items[2]["call_id"], {"cmd": "ls"})], [(items[2]["call_id"], RESULT)])

    async def test_thoughts_of_another_dialect_do_not_reach_anthropic(self, tmp_path: Path) -> None:
        turn = capture("claude_code_turn1")
        async with Provider(behaviours.answer(HALF, reasoning="hm")) as chat, Provider(behaviours.answer(TEXT)) as own:
            async with running(tmp_path, {"p": entry(Dialect.OPENAI_CHAT, chat)}) as router:
                events = await replayed(router, turn)
            deltas = [each["delta"] for each in events if each["type"] == "content_block_delta"]
            thought = {"type": "thinking"} | {
                k: v for d in deltas for k, v in d.items() if k in ("thinking", "signature")
            }
            turn["body"]["messages"] += [
                {"role": "assistant", "content": [thought, {"type": "text", "text": HALF}]},
                {"role": "user", "content": "go on"},
            ]
            async with running(tmp_path, {"p": entry(Dialect.ANTHROPIC, own)}) as router:
                await replayed(router, turn)
        assert thought["signature"]
        assert own.seen[0].json["messages"][-2]["content"] == [{"type": "text", "text": HALF}]


def capture(name: str) -> dict[str, Any]:
    captured: dict[str, Any] = json.loads((Path(__file__).parents[1] / "captures" / f"{name}.json").read_text())
    captured["body"]["model"] = "m"
    return captured


async def replayed(router: Router, turn: Mapping[str, Any]) -> list[Any]:
    """The events that the client gets."""
    headers = [(name, value) for name, value in turn["headers"] if name.lower() not in ("host", "content-length")]
    async with http_client() as client:
        answer = await client.post(router.url + turn["path"], content=json.dumps(turn["body"]), headers=headers)
    assert answer.status_code == 200
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


class TestStreams:
    @every_client
    async def test_keep_alives_are_the_clients(self, tmp_path: Path, sdk: Sdk) -> None:
        first, middle = asyncio.Event(), asyncio.Event()
        dialect = next(each for each in Dialect if each is not sdk.dialect)
        scripted = {"m": (dialect, behaviours.answer(TEXT, gate_after={0: first, 3: middle}))}
        beats = {"early_headers": "20ms", "heartbeat": "20ms"}
        async with served(tmp_path, scripted, stream=beats) as (router, _), RecordingRelay(router.url) as relay:
            asking = asyncio.create_task(told(sdk.otherwise, relay.base_url))
            await relay.wait_for(sdk.beat, 2)
            first.set()
            await relay.wait_for(b"left")
            del relay.received[:]
            await relay.wait_for(sdk.later_beat, 2)
            middle.set()
            got = await asking
        assert (got.text, got.failure) == (TEXT, None)

    async def test_of_gemini_may_be_one_list(self, tmp_path: Path) -> None:
        scripted = {
            "good": (Dialect.OPENAI_CHAT, behaviours.answer(TEXT, tool_call=(TOOL, SIDE))),
            "cut": (Dialect.OPENAI_CHAT, behaviours.cut(TEXT, after_tokens=3)),
        }
        async with served(tmp_path, scripted) as (router, _), http_client() as client:
            body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            for model in scripted:
                answer = await client.post(f"{router.url}/v1beta/models/{model}:streamGenerateContent", json=body)
                *chunks, last = answer.json()
                parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
                said = "".join(part.get("text", "") for part in parts)
                if model == "good":
                    assert (said, last["candidates"][0]["finishReason"]) == (TEXT, "STOP")
                    assert parts[-1]["functionCall"]["args"] == SIDE
                else:
                    assert (said, last["error"]["status"]) == (HALF, "UNAVAILABLE")


class TestExclusions:
    @every_client
    async def test_are_explained_to_the_client_without_an_attempt(self, tmp_path: Path, sdk: Sdk) -> None:
        path, more, why = {
            CHAT: ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "n": 2}, "n = 2"),
            RESPONSES: ("/v1/responses", {"input": "hi", "previous_response_id": "resp_1"}, "`previous_response_id`"),
            ANTHROPIC: (
                "/v1/messages",
                {"messages": [{"role": "user", "content": [{"type": "container_upload"}]}], "max_tokens": 9},
                "content of this kind cannot be converted: container_upload",
            ),
            GENAI: (
                "/v1beta/models/m:generateContent",
                {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"candidateCount": 2}},
                "candidateCount = 2",
            ),
        }[sdk]
        foreign = [dialect for dialect in Dialect if dialect is not sdk.dialect]
        async with Provider(behaviours.answer()) as one:
            entries = {f"p{n}": entry(dialect, one) for n, dialect in enumerate(foreign)}
            async with running(tmp_path, entries) as router, http_client() as client:
                for _ in range(MAX_REPEATS + 3):
                    answer = await client.post(router.url + path, json={"model": "m", **more})
                    assert (answer.status_code, answer.headers["x-should-retry"]) == (400, "false")
                    assert answer.text.count(json.dumps(why)[1:-1]) >= 4  # in the message, and for each provider
                assert not one.seen
                shown = (await get(f"{router.url}/internal/exchanges/{answer.headers['x-request-id']}")).json
                assert [each["reason"] for each in shown["excluded"]] == ["dialect"] * 3

    async def test_a_chat_without_messages_goes_where_it_is_converted(self, tmp_path: Path) -> None:
        own, other = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC
        async with Provider(behaviours.answer()) as one, Provider(behaviours.answer("What is it?")) as two:
            entries = {"own": entry(own, one), "other": entry(other, two)}
            async with running(tmp_path, entries) as router, http_client() as client:
                for _ in range(2):
                    answer = await client.post(f"{router.url}/v1/chat/completions", json={"model": "m", "messages": []})
                    assert answer.json()["choices"][0]["message"]["content"] == "What is it?"
        assert (len(one.seen), len(two.seen)) == (0, 2)


class TestReferences:
    async def test_to_items_of_a_converted_answer_are_resolved(self, tmp_path: Path) -> None:
        async with Provider([behaviours.answer(TEXT), behaviours.answer(TEXT)]) as one:
            entries = {"p": entry(Dialect.ANTHROPIC, one)}
            async with running(tmp_path, entries) as router, http_client() as client:
                first = await client.post(f"{router.url}/v1/responses", json={"model": "m", "input": "hi"})
                [item] = first.json()["output"]
                items = [
                    {"role": "user", "content": "hi"},
                    {"type": "item_reference", "id": item["id"]},
                    {"role": "user", "content": "on"},
                ]
                second = await client.post(f"{router.url}/v1/responses", json={"model": "m", "input": items})
                assert second.status_code == 200
                said = json.loads(one.seen[1].body)["messages"]
                assert [message["role"] for message in said] == ["user", "assistant", "user"]
                assert said[1]["content"][0]["text"] == TEXT


class TestSessions:
    @every_client
    async def test_know_a_conversation_whichever_dialect_answered(self, tmp_path: Path, sdk: Sdk) -> None:
        """By its words alone: the first turn is answered in a foreign dialect, and the second one finds its session."""
        foreign = [dialect for dialect in Dialect if dialect is not sdk.dialect]
        first, second = [(behaviours.answer(HALF, tool_call=(TOOL, SIDE)), behaviours.answer(TEXT))] * 2
        async with Provider([*first, *second]) as one:
            for dialect in (sdk.dialect, foreign[0]):
                entries, sticky = {"p": entry(dialect, one)}, {"key_sources": ["prefix_hash"]}
                async with running(tmp_path, entries, sticky=sticky) as router:
                    assert await ROUND_TRIPS[sdk.dialect](router.url) == TEXT
                    stickiness = [record.sticky for record in router.gateway.recent_exchanges.newest(2)]
                    assert stickiness == ["hit", "miss"], dialect

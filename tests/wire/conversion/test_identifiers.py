"""Ids of calls and names of tools: in the provider's spelling on the way out, in the client's on the way home."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import Kind, Piece
from pointsman.wire.conversion.requests import convert, identifiers_between
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c}-to-{p}" for c, p in PAIRS])
LENGTHS = {CHAT: 40, RESPONSES: 64, ANTHROPIC: 64, GEMINI: 64}
LONG = "mcp__plugin_some-very-long-plugin-name_server__tool_with_a_long_name_too_" * 2
NAMES = (LONG, "1get", "read.file", "read_file")
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}


def asked(client: Dialect, calls: list[tuple[str, str, str]], tools: tuple[str, ...] = ()) -> dict[str, Any]:
    """A request whose history has these calls, as (id, tool's name, result), each in a turn of its own."""
    turns: list[Any] = [_user(client)]
    for call in calls:
        turns += _turn(client, *call)
    match client:
        case Dialect.OPENAI_CHAT:
            functions = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in tools]
            return {"messages": turns, "tools": functions}
        case Dialect.OPENAI_RESPONSES:
            return {"input": turns, "tools": [{"type": "function", "name": n, "parameters": SCHEMA} for n in tools]}
        case Dialect.ANTHROPIC:
            return {"max_tokens": 9, "messages": turns, "tools": [{"name": n, "input_schema": SCHEMA} for n in tools]}
        case Dialect.GEMINI:
            return {
                "contents": turns,
                "tools": [{"functionDeclarations": [{"name": n, "parameters": SCHEMA} for n in tools]}],
            }


def _user(client: Dialect) -> dict[str, Any]:
    return {"role": "user", **({"parts": [{"text": "hi"}]} if client is GEMINI else {"content": "hi"})}


def _turn(client: Dialect, call_id: str, name: str, result: str) -> list[dict[str, Any]]:
    match client:
        case Dialect.OPENAI_CHAT:
            call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
            return [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": call_id, "content": result},
            ]
        case Dialect.OPENAI_RESPONSES:
            return [
                {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"},
                {"type": "function_call_output", "call_id": call_id, "output": result},
            ]
        case Dialect.ANTHROPIC:
            answer = {"type": "tool_result", "tool_use_id": call_id, "content": result}
            return [
                {"role": "assistant", "content": [{"type": "tool_use", "id": call_id, "name": name, "input": {}}]},
                {"role": "user", "content": [answer]},
            ]
        case Dialect.GEMINI:
            answer = {"id": call_id, "name": name, "response": {"output": result}}
            return [
                {"role": "model", "parts": [{"functionCall": {"id": call_id, "name": name, "args": {}}}]},
                {"role": "user", "parts": [{"functionResponse": answer}]},
            ]


def told(provider: Dialect, request: Mapping[str, Any]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The calls of a request as (id, name), and the results by id."""
    match provider:
        case Dialect.OPENAI_CHAT:
            calls = [call for message in request["messages"] for call in message.get("tool_calls", ())]
            results = {m["tool_call_id"]: m["content"] for m in request["messages"] if m["role"] == "tool"}
            return [(call["id"], call["function"]["name"]) for call in calls], results
        case Dialect.OPENAI_RESPONSES:
            items = request["input"]
            results = {i["call_id"]: i["output"] for i in items if i["type"] == "function_call_output"}
            return [(i["call_id"], i["name"]) for i in items if i["type"] == "function_call"], results
        case Dialect.ANTHROPIC:
            blocks = [block for message in request["messages"] for block in message["content"]]
            results = {b["tool_use_id"]: b["content"] for b in blocks if b["type"] == "tool_result"}
            return [(b["id"], b["name"]) for b in blocks if b["type"] == "tool_use"], results
        case Dialect.GEMINI:
            parts = [part for content in request["contents"] for part in content["parts"]]
            made = [part["functionCall"] for part in parts if "functionCall" in part]
            given = [part["functionResponse"] for part in parts if "functionResponse" in part]
            return [(c["id"], c["name"]) for c in made], {r["id"]: r["response"]["output"] for r in given}


def tool_names(provider: Dialect, request: Mapping[str, Any]) -> list[str]:
    match provider:
        case Dialect.OPENAI_CHAT:
            return [tool["function"]["name"] for tool in request["tools"]]
        case Dialect.GEMINI:
            return [f["name"] for tool in request["tools"] for f in tool["function_declarations"]]
        case Dialect.OPENAI_RESPONSES | Dialect.ANTHROPIC:
            return [tool["name"] for tool in request["tools"]]


def crossed(client: Dialect, provider: Dialect, request: dict[str, Any], source: str = "") -> Any:
    one, other = DIALECTS[client].conversion, DIALECTS[provider].conversion
    identifiers = identifiers_between(one, other, source)
    return convert(one, other, {"model": "x", **request}, Recipient("m"), identifiers), identifiers


@every_pair
class TestEveryPair:
    def test_ids_become_unique_and_results_stay_with_their_calls(self, client: Dialect, provider: Dialect) -> None:
        turns = [("call_0", "a", "one"), ("call_0", "b", "two"), ("x" * 90, "c", "three"), ("f.r:0", "d", "four")]
        request, _ = crossed(client, provider, asked(client, turns))
        calls, results = told(provider, request)
        assert [results[call_id] for call_id, _ in calls] == ["one", "two", "three", "four"]
        assert all(re.fullmatch(r"[\w-]+", i) and len(i) <= LENGTHS[provider] for i, _ in calls), calls

    def test_ids_stay_when_the_conversation_grows(self, client: Dialect, provider: Dialect) -> None:
        turns = [("call_0", "a", "one"), ("call_0", "b", "two"), ("call_0", "c", "three")]
        before, after = (crossed(client, provider, asked(client, turns[:n]))[0] for n in (2, 3))
        assert told(provider, after)[0][:2] == told(provider, before)[0]

    def test_names_fit_and_come_back(self, client: Dialect, provider: Dialect) -> None:
        turns = [(f"c{n}", name, "done") for n, name in enumerate(NAMES)]
        request, identifiers = crossed(client, provider, asked(client, turns, NAMES))
        names = tool_names(provider, request)
        assert [name for _, name in told(provider, request)[0]] == names
        assert len(set(names)) == len(NAMES)
        assert [name for name in names if not re.fullmatch(r"[a-zA-Z][\w-]{0,63}", name)] == []
        back = identifiers.answer([Piece(Kind.CALL, "{}", f"i{n}", name) for n, name in enumerate(names)])
        assert [piece.name for piece in back] == list(NAMES)

    def test_the_answer_repeats_no_id_of_the_history(self, client: Dialect, provider: Dialect) -> None:
        for source in ("r-1", "r-2"):
            _, identifiers = crossed(client, provider, asked(client, [("call_0", "a", "one")]), source)
            pieces = [Piece(Kind.CALL, "{", "call_0", "a"), Piece(Kind.CALL, "}", "call_0"), Piece(Kind.TEXT, "so")]
            first, more, said = identifiers.answer([*pieces[:2], pieces[2]])
            assert first.id == more.id != "call_0"
            assert said == pieces[2]
        other = identifiers.answer([Piece(Kind.CALL, "{}", "functions.read:1", "a")])[0]
        assert re.fullmatch(r"[\w-]+", other.id)


def test_parallel_calls_of_one_id_keep_their_results_in_order() -> None:
    calls = [{"id": "0", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    results = [{"role": "tool", "tool_call_id": "0", "content": said} for said in ("one", "two")]
    messages = [_user(CHAT), {"role": "assistant", "content": None, "tool_calls": calls}, *results]
    made, given = told(ANTHROPIC, crossed(CHAT, ANTHROPIC, {"messages": messages})[0])
    assert [given[call_id] for call_id, _ in made] == ["one", "two"]


def test_a_forced_tool_is_forced_by_the_name_that_the_provider_knows() -> None:
    request = {**asked(ANTHROPIC, [], (LONG,)), "tool_choice": {"type": "tool", "name": LONG}}
    sent, _ = crossed(ANTHROPIC, CHAT, request)
    assert sent["tool_choice"]["function"]["name"] == sent["tools"][0]["function"]["name"] != LONG


def test_a_name_that_the_model_made_up_is_one_the_client_may_send_back() -> None:
    _, identifiers = crossed(ANTHROPIC, CHAT, asked(ANTHROPIC, [], ("read",)))
    made_up = identifiers.answer([Piece(Kind.CALL, "", "c", "functions.read"), Piece(Kind.CALL, "", "d", "read")])
    assert re.fullmatch(r"functions_read_\w{8}", made_up[0].name)
    assert made_up[1].name == "read"


@pytest.mark.parametrize("word", ["", "é", "a.b", "a_b", "a b", "9", "_", "\ud800", "x" * 500])
@pytest.mark.parametrize("rule", [Spelling(40), Spelling(64, starts_with_letter=True), Spelling(9, exact_length=9)])
def test_what_is_fitted_fits_and_is_stable(rule: Spelling, word: str) -> None:
    fitted = rule.fitted(word)
    assert rule.fits(fitted)
    assert fitted == rule.fitted(word) == rule.fitted(fitted)
    assert json.dumps(fitted)
    assert rule.fitted("a.b") != rule.fitted("a_b")

"""Requests that one dialect takes and another would refuse for want of anything said."""

import json
from typing import Any

import pytest

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import Codec, codec_for
from pointsman.wire.conversion.unsupported import spoken_to
from pointsman.wire.conversion.valid_requests import NOTHING_SAID
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from support.dialect_validators import check_request

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")
SYSTEM = {"role": "system", "content": "be brief"}


def converted(document: dict[str, Any], to: Dialect) -> tuple[dict[str, Any], Codec]:
    """Of a chat client's request."""
    body = json.dumps({"model": "m", **document}).encode()
    facts = DIALECTS[CHAT].facts(body, "/v1/chat/completions")
    codec = codec_for(DIALECTS[CHAT], DIALECTS[to], Listener(facts, (), "r", 1.0), ENTRY, False)
    return json.loads(codec.outbound(body, "m")[0]), codec


def user(text: str, *more: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": each} for each in (text, *more)]}


def test_a_system_prompt_alone_is_what_the_user_says() -> None:
    assert converted({"messages": [SYSTEM]}, ANTHROPIC)[0]["messages"] == [user("be brief")]
    gemini, _ = converted({"messages": [SYSTEM]}, GEMINI)
    assert (gemini["contents"], "systemInstruction" in gemini) == (
        [{"role": "user", "parts": [{"text": "be brief"}]}],
        False,
    )
    responses, _ = converted({"messages": [SYSTEM]}, RESPONSES)
    assert (responses["input"][0]["content"][0]["text"], "instructions" in responses) == ("be brief", False)


EMPTY = {
    CHAT: ("/v1/chat/completions", {"messages": []}),
    ANTHROPIC: ("/v1/messages", {"messages": [], "system": "be brief", "max_tokens": 9}),
    GEMINI: ("/v1beta/models/m:generateContent", {"contents": []}),
    RESPONSES: ("/v1/responses", {"input": []}),
}


@pytest.mark.parametrize("client", EMPTY)
class TestWithoutTurns:
    @pytest.mark.parametrize("to", [CHAT, RESPONSES, ANTHROPIC, GEMINI])
    def test_something_is_said_in_another_dialect(self, client: Dialect, to: Dialect) -> None:
        if client is to:
            return
        path, document = EMPTY[client]
        body = json.dumps({"model": "m", **document}).encode()
        facts = DIALECTS[client].facts(body, path)
        assert spoken_to(client, (client, to), facts) == (client if client is RESPONSES else to, "")
        codec = codec_for(DIALECTS[client], DIALECTS[to], Listener(facts, (), "r", 1.0), ENTRY, False)
        request = json.loads(codec.outbound(body, "m")[0])
        assert len(request.get("messages") or request.get("contents") or request.get("input")) == 1
        check_request(to, request, False)

    def test_a_target_of_the_clients_dialect_is_not_asked(self, client: Dialect) -> None:
        path, document = EMPTY[client]
        facts = DIALECTS[client].facts(json.dumps({"model": "m", **document}).encode(), path)
        dialect, why = spoken_to(client, (client,), facts)
        if client is RESPONSES:
            assert (dialect, why) == (client, "")
        else:
            assert (dialect, "is an empty list, which" in why) == (None, True)


@pytest.mark.parametrize("content", ["", [{"type": "text", "text": ""}], [{"type": "text", "text": " \n"}]])
def test_a_turn_without_words_is_still_one(content: Any) -> None:
    document = {"messages": [SYSTEM, {"role": "user", "content": content}]}
    anthropic, _ = converted(document, ANTHROPIC)
    assert (anthropic["messages"], len(anthropic["system"])) == ([user(NOTHING_SAID)], 1)
    assert converted(document, GEMINI)[0]["contents"][0]["parts"][0]["text"]
    assert converted(document, RESPONSES)[0]["input"]


@pytest.mark.parametrize("to", [RESPONSES, ANTHROPIC, GEMINI])
def test_a_turn_of_no_parts_leaves_something_said(to: Dialect) -> None:
    request, _ = converted({"messages": [{"role": "user", "content": []}]}, to)
    assert len(request.get("messages") or request.get("contents") or request.get("input")) == 1


def test_blank_texts_among_others_are_dropped_where_they_are_refused() -> None:
    messages = [
        user("", "x"), {"role": "assistant", "content": ""}, user(" "),
        {"role": "assistant", "content": "so far \n"},
    ]  # fmt: skip
    told = converted({"messages": messages}, ANTHROPIC)[0]["messages"]
    assert told == [user("x"), {"role": "assistant", "content": [{"type": "text", "text": "so far"}]}]
    parts = [part for each in converted({"messages": messages}, GEMINI)[0]["contents"] for part in each["parts"]]
    assert {"text": ""} not in parts


def test_a_result_without_words_stays_one() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": ""}]}
    messages = [user("x"), {"role": "assistant", "content": None, "tool_calls": [call]}, result]
    told = converted({"messages": messages}, ANTHROPIC)[0]["messages"][-1]["content"]
    assert [(block["type"], block["tool_use_id"]) for block in told] == [("tool_result", "a")]


@pytest.mark.parametrize("stop", ["\n", ["\n", " ", "END"]])
def test_stop_sequences_of_white_space_are_left_out_where_they_are_refused_and_the_audit_says_so(stop: Any) -> None:
    request, codec = converted({"messages": [user("x")], "stop": stop}, ANTHROPIC)
    assert request.get("stop_sequences") == (["END"] if isinstance(stop, list) else None)
    assert codec.remark.startswith("without stop sequence '\\n'")
    gemini, codec = converted({"messages": [user("x")], "stop": stop}, GEMINI)
    assert gemini["generationConfig"]["stopSequences"] == (stop if isinstance(stop, list) else [stop])
    assert codec.remark == ""

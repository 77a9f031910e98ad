"""Thoughts that a provider requires of answers that another one has written."""

import copy
from typing import Any

import pytest

from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.refusals import Refusal, Remedy, refusal_in, without_refused

CALL = {"id": "c1", "type": "function", "function": {"name": "get", "arguments": "{}"}}
CHAT: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
        {"role": "assistant", "content": "own", "reasoning_content": "thought"},
        {"role": "assistant", "content": "other", "reasoning": "hm"},
    ]
}
ANTHROPIC: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "text"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "get", "input": {}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
    ]
}
MEMBER = [
    "The `reasoning_content` in the thinking mode must be passed back to the API.",
    "The reasoning content in the thinking mode must be passed back to the API.",
    "Missing `reasoning_content` field in the assistant message at message index 1.",
    "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
    "preserved thinking (thinking.keep=all) requires reasoning_content on every assistant message",
]
BLOCK = "The `content[].thinking` in the thinking mode must be passed back to the API."


def refused(sent: dict[str, Any], message: str) -> Refusal | None:
    return refusal_in(sent, Fault(FaultKind.STATUS, message, 400))


@pytest.mark.parametrize("message", MEMBER)
def test_an_answer_of_another_provider_gets_a_stand_in(message: str) -> None:
    refusal = refused(CHAT, message)
    assert refusal == Refusal(Remedy.STAND_IN, "reasoning_content")
    changed = copy.deepcopy(CHAT)
    remark = "with stand-ins for reasoning_content: the provider requires it"
    assert without_refused([refusal], changed) == [remark]
    thoughts = [each.get("reasoning_content") for each in changed["messages"]]
    assert thoughts == [None, " ", None, "thought", "hm"]
    assert changed["messages"][1]["content"] == ""
    assert refused(changed, message) is None


def test_a_block_stands_in_for_thoughts_in_the_content() -> None:
    refusal = refused(ANTHROPIC, BLOCK)
    assert refusal == Refusal(Remedy.STAND_IN, "thinking")
    changed = copy.deepcopy(ANTHROPIC)
    without_refused([refusal], changed)
    stand_in = {"type": "thinking", "thinking": " ", "signature": ""}
    first, second, third = (each["content"] for each in changed["messages"][1:])
    assert first == [stand_in, {"type": "text", "text": "text"}]
    assert second == [stand_in, ANTHROPIC["messages"][2]["content"][0]]
    assert third == ANTHROPIC["messages"][3]["content"]


@pytest.mark.parametrize("sent", [{}, {"messages": None}, {"messages": [{"role": "user", "content": "hi"}]}])
def test_a_request_without_answers_is_as_it_should_be(sent: dict[str, Any]) -> None:
    assert refused(sent, MEMBER[0]) is None
    assert refused(sent, BLOCK) is None

"""What keeps the caches of providers warm in a converted request."""

import copy
import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.requests import convert
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
MARK = {"type": "ephemeral", "ttl": "1h"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def crossed(client: Dialect, provider: Dialect, **request: Any) -> dict[str, Any]:
    document = {"model": "x", **copy.deepcopy(request)}
    return convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, document, Recipient("m"))


def marked(value: Any) -> list[Any]:
    """Each block that bears a mark, as the JSON of it without the mark."""
    if isinstance(value, list):
        return [found for each in value for found in marked(each)]
    if not isinstance(value, dict):
        return []
    inner = [found for name, each in value.items() if name != "cache_control" for found in marked(each)]
    own = {name: each for name, each in value.items() if name != "cache_control"}
    return [*([own] if value.get("cache_control") == MARK else []), *inner]


class TestBillingLine:
    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
    @pytest.mark.parametrize("form", ["block", "first line", "text"])
    def test_does_not_cross(self, provider: Dialect, form: str) -> None:
        sent = []
        for token in ("ab12c", "0fe99"):
            line = f"x-anthropic-billing-header: cc_version=2.1.177; cch={token};"
            system: Any = {
                "block": [{"type": "text", "text": line}, {"type": "text", "text": "be brief"}],
                "first line": [{"type": "text", "text": f"{line}\nbe brief"}],
                "text": f"{line}\n\nbe brief",
            }[form]
            request = crossed(ANTHROPIC, provider, system=system, messages=[{"role": "user", "content": "hi"}])
            sent.append(json.dumps(request))
        assert sent[0] == sent[1]
        assert "be brief" in sent[0]
        assert "billing" not in sent[0]

    def test_is_no_system_prompt_by_itself(self) -> None:
        system = [{"type": "text", "text": "x-anthropic-billing-header: cch=1;"}]
        request = crossed(ANTHROPIC, CHAT, system=system, messages=[{"role": "user", "content": "hi"}])
        assert [message["role"] for message in request["messages"]] == ["user"]

    def test_a_prompt_may_speak_of_it(self) -> None:
        said = "Explain this line:\nx-anthropic-billing-header: cch=1;"
        request = crossed(ANTHROPIC, CHAT, system=said, messages=[{"role": "user", "content": "hi"}])
        assert request["messages"][0]["content"] == said


class TestCacheMarks:
    def test_cross_from_texts_messages_results_and_tools(self) -> None:
        request = crossed(
            CHAT,
            ANTHROPIC,
            messages=[
                {"role": "system", "content": [{"type": "text", "text": "sys", "cache_control": MARK}]},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {
                    "role": "tool",
                    "tool_call_id": "c",
                    "content": [{"type": "text", "text": "r", "cache_control": MARK}],
                },
                {"role": "user", "content": "go on", "cache_control": MARK},
            ],
            tools=[{**TOOL, "cache_control": MARK}],
        )
        tool, system, result, said = marked([request["tools"], request["system"], request["messages"]])
        assert (tool["name"], system["text"], said["text"]) == ("f", "sys", "go on")
        assert (result["type"], result["content"]) == ("tool_result", "r")

    def test_more_than_anthropic_takes_lose_the_first(self) -> None:
        messages = [
            {"role": role, "content": [{"type": "text", "text": f"{n}", "cache_control": MARK}]}
            for n, role in enumerate(["system", "user", "assistant", "user", "assistant", "user"])
        ]
        request = crossed(CHAT, ANTHROPIC, messages=messages)
        assert [block["text"] for block in marked([request["system"], request["messages"]])] == ["2", "3", "4", "5"]

    def test_one_request_leaves_no_mark_on_the_tools_of_the_next(self) -> None:
        said = [{"role": "user", "content": "hi"}]
        assert marked(crossed(CHAT, ANTHROPIC, messages=said, tools=[{**TOOL, "cache_control": MARK}]))
        assert not marked(crossed(CHAT, ANTHROPIC, messages=said, tools=[TOOL]))

    @pytest.mark.parametrize("mark", [None, "ephemeral", [], {"type": 5}, {}])
    def test_that_are_none_do_not_cross(self, mark: Any) -> None:
        said = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": mark}]}]
        assert "cache_control" not in json.dumps(crossed(CHAT, ANTHROPIC, messages=said))

    @pytest.mark.parametrize("provider", [RESPONSES, GEMINI])
    def test_go_to_no_dialect_that_has_none(self, provider: Dialect) -> None:
        said = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": MARK}]}]
        assert "cache_control" not in json.dumps(crossed(CHAT, provider, messages=said))

"""What keeps the caches of providers warm in a converted request."""

import copy
import json
from typing import Any, ClassVar

import pytest

from pointsman.config import Provider, Quirks
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.conversion.requests import convert
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
MARK = {"type": "ephemeral", "ttl": "1h"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


MARKABLE = Recipient("m", cache_marks=True)


def crossed(client: Dialect, provider: Dialect, to: Recipient = MARKABLE, **request: Any) -> dict[str, Any]:
    document = {"model": "x", **copy.deepcopy(request)}
    return convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, document, to)


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

    @pytest.mark.parametrize(("client", "member"), [(CHAT, "content"), (ANTHROPIC, "content")])
    def test_that_of_a_whole_request_is_one_of_what_is_said_last(self, client: Dialect, member: str) -> None:
        said = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ]
        provider = ANTHROPIC if client is CHAT else CHAT
        request = crossed(client, provider, messages=said, max_tokens=9, cache_control=MARK)
        assert marked(request["messages"][-1][member]) == [{"type": "text", "text": "c"}]
        assert "cache_control" not in request


USES = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
TYPED = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aQ=="}}
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aQ=="}}


def block(text: str, *, is_marked: bool = True) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"cache_control": MARK} if is_marked else {})}


class TestCacheMarksOfAnthropicClients:
    """Behind chat completions."""

    LOOP: ClassVar[dict[str, Any]] = {
        "max_tokens": 9,
        "system": [block("who", is_marked=False), block("rules")],
        "tools": [TYPED, {**TYPED, "name": "g", "cache_control": MARK}],
        "messages": [
            {"role": "user", "content": [block("go")]},
            {"role": "assistant", "content": [block("well", is_marked=False), USES]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c", "content": "r", "cache_control": MARK}],
            },
        ],
    }

    def test_reach_models_that_take_them(self) -> None:
        request = crossed(ANTHROPIC, CHAT, **self.LOOP)
        system, user, assistant, result = request["messages"]
        assert system["content"] == [block("who", is_marked=False), block("rules")]
        assert user["content"] == [block("go")]
        assert assistant["content"] == "well"
        assert result["content"] == [block("r")]
        assert [tool.get("cache_control") for tool in request["tools"]] == [None, MARK]

    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
    def test_reach_no_others(self, provider: Dialect) -> None:
        request = crossed(ANTHROPIC, provider, Recipient("m"), **self.LOOP)
        assert "cache_control" not in json.dumps(request)
        assert "cache_hint" not in json.dumps(request)

    @pytest.mark.parametrize(
        ("content", "sent"),
        [
            ([block("a", is_marked=False), {**IMAGE, "cache_control": MARK}], [block("a"), SHOWN]),
            ([{**IMAGE, "cache_control": MARK}, block("a", is_marked=False)], [SHOWN, block("a")]),
            ([{**IMAGE, "cache_control": MARK}], [SHOWN]),
        ],
    )
    def test_stand_on_texts_alone(self, content: list[Any], sent: list[Any]) -> None:
        request = crossed(ANTHROPIC, CHAT, max_tokens=9, messages=[{"role": "user", "content": content}])
        assert request["messages"] == [{"role": "user", "content": sent}]

    def test_that_of_a_call_stands_on_the_words_before_it(self) -> None:
        said = {"role": "assistant", "content": [block("well", is_marked=False), {**USES, "cache_control": MARK}]}
        messages = [{"role": "user", "content": "go"}, said, {"role": "user", "content": "on"}]
        request = crossed(ANTHROPIC, CHAT, max_tokens=9, messages=messages)
        assert request["messages"][1]["content"] == [block("well")]
        assert request["messages"][1]["tool_calls"]

    def test_that_of_an_empty_result_does_not_cross(self) -> None:
        loop = copy.deepcopy(self.LOOP)
        loop["messages"][-1]["content"][0]["content"] = ""
        assert crossed(ANTHROPIC, CHAT, **loop)["messages"][-1]["content"] == ""

    def test_one_request_leaves_no_mark_on_the_tools_of_the_next(self) -> None:
        assert marked(crossed(ANTHROPIC, CHAT, **self.LOOP)["tools"])
        assert not marked(crossed(ANTHROPIC, CHAT, **{**self.LOOP, "tools": [TYPED, {**TYPED, "name": "g"}]})["tools"])

    @pytest.mark.parametrize(
        ("model", "quirks", "takes"),
        [
            ("anthropic/claude-sonnet-4.5", Quirks(), True),
            ("openai/gpt-5", Quirks(), False),
            ("qwen/qwen3-max", Quirks(cache_marks=True), True),
            ("claude-opus-4-5", Quirks(cache_marks=False), False),
            ("claude-opus-4-5", Quirks(flat_content=True), False),
        ],
    )
    def test_the_model_or_the_provider_decides(self, model: str, quirks: Quirks, takes: bool) -> None:
        provider = Provider(name="p", base_url="https://p.test/v1", quirks=quirks)
        body = json.dumps({"model": "m", **self.LOOP}).encode()
        listener = Listener(DIALECTS[ANTHROPIC].facts(body, "/v1/messages"), request_id="r", started=1.0)
        codec = codec_for(DIALECTS[ANTHROPIC], DIALECTS[CHAT], listener, provider, reasons=False)
        assert (b"cache_control" in codec.outbound(body, model)[0]) is takes

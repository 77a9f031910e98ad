"""Requests and answers that are nested more deeply than any client writes: refused in words, or passed on."""

import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.conversion.nesting import MAX_NESTING, too_deep
from pointsman.wire.conversion.unsupported import unsupported
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind
from pointsman.wire.request_facts import RequestFacts
from wire.conversion.test_own_form import ANSWERS, ENTRY, JSON, SSE, encoded, paths, split

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
PAIRS = [pair for pair in itertools.product(Dialect, Dialect) if pair[0] is not pair[1]]
USER = {"role": "user", "content": "hi"}


def nested(levels: int, names: tuple[str, ...] = ("a",)) -> Any:
    value: Any = {}
    for _, name in zip(range(levels), itertools.cycle(names), strict=False):
        value = {name: value}
    return value


def schema(levels: int) -> Any:
    return {"type": "object", **nested(levels, ("a", "properties"))}


def request(place: str, levels: int) -> dict[str, Any]:
    """Of a client of Anthropic's."""
    deep = nested(levels)
    call = {"type": "tool_use", "id": "t", "name": "look", "input": deep if place == "arguments" else {}}
    said = [{"type": "text", "text": "x", "cache_control": deep}] if place == "result" else "x"
    result = {"type": "tool_result", "tool_use_id": "t", "content": said}
    tool = {"name": "look", "input_schema": schema(levels) if place == "schema" else {"type": "object"}}
    messages = [USER, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return {"max_tokens": 9, "messages": messages, "tools": [tool]}


PLACES = {
    "arguments": "messages[1].content[0]",
    "result": "messages[2].content[0]",
    "schema": "tools[0].input_schema",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
class TestRequests:
    @pytest.mark.parametrize("levels", [250, 1000])
    def test_too_deep_are_refused_with_the_place(self, provider: Dialect, place: str, levels: int) -> None:
        facts = RequestFacts("m", False, frozenset(), 0, document=request(place, levels))
        why = unsupported(DIALECTS[ANTHROPIC], DIALECTS[provider], facts)
        assert why.startswith(PLACES[place])
        assert f"nested too deeply: more than {MAX_NESTING} levels" in why

    def test_less_deep_are_converted(self, provider: Dialect, place: str) -> None:
        document = request(place, MAX_NESTING - 10)
        facts = RequestFacts("m", False, frozenset(), 0, document=document)
        assert unsupported(DIALECTS[ANTHROPIC], DIALECTS[provider], facts) == ""
        codec = codec_for(DIALECTS[ANTHROPIC], DIALECTS[provider], Listener(facts, request_id="r"), ENTRY, True)
        assert json.loads(codec.outbound(json.dumps(document).encode(), "m")[0])


def test_arguments_that_are_a_text_are_no_levels_of_a_request() -> None:
    function = {"name": "look", "arguments": json.dumps(nested(900))}
    call = {"id": "a", "type": "function", "function": function}
    document = {"messages": [USER, {"role": "assistant", "tool_calls": [call]}]}
    facts = RequestFacts("m", False, frozenset(), 0, document=document)
    for provider in (RESPONSES, ANTHROPIC, GEMINI):
        assert unsupported(DIALECTS[CHAT], DIALECTS[provider], facts) == ""
        codec = codec_for(DIALECTS[CHAT], DIALECTS[provider], Listener(facts, request_id="r"), ENTRY, True)
        assert codec.outbound(json.dumps(document).encode(), "m")[0].count(b"a") > 900


def test_the_limit_is_exact() -> None:
    assert too_deep(nested(MAX_NESTING - 1)) is None
    assert too_deep({"b": [1], **nested(MAX_NESTING)}) == "a.a.a.a"


WITHOUT_DATA = copy.deepcopy(ANSWERS)
WITHOUT_DATA[GEMINI]["candidates"][0]["content"]["parts"].pop(2)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("stream", [True, False])
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=20, deadline=None)
@given(data=st.data(), levels=st.sampled_from([1, 60, 500, 900]))
def test_answers_are_read_whatever_is_nested_in_them(
    client: Dialect, provider: Dialect, stream: bool, data: st.DataObject, levels: int
) -> None:
    answer = WITHOUT_DATA[provider]
    document: Any = split(provider, answer) if stream else copy.deepcopy(answer)
    *outer, last = data.draw(st.sampled_from([*paths(document)]))
    held = document
    for name in outer:
        held = held[name]
    held[last] = data.draw(st.sampled_from([nested(levels), [nested(levels)]]))
    events = document if stream else []
    sent = encoded([each for each in events if isinstance(each, dict) and isinstance(each.get("type", ""), str)])
    facts = RequestFacts("m", stream, frozenset(), 0, document={}, query="?alt=sse")
    facts = DIALECTS[client].conversion.asked_in_path(facts)
    codec = codec_for(DIALECTS[client], DIALECTS[provider], Listener(facts, (), "r", 1.0), ENTRY, False)
    reader = codec.reader(200, SSE if stream else JSON)
    frames = [*reader.read(sent if stream else json.dumps(document).encode()), *reader.close()]
    assert [frame.fault for frame in frames if frame.fault and frame.fault.kind is FaultKind.INTERNAL] == []

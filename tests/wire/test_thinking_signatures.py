"""Signed and marked parts of requests do not reach those who would refuse them, and nothing else changes."""

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.json_access import dicts
from pointsman.wire.thinking_signatures import (
    EVERYTHING,
    MARK,
    UNSIGNED,
    LeftOut,
    edit,
    part_ids,
    without_foreign_thoughts,
)

ANTHROPIC, RESPONSES = Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES
CHAT, GEMINI = Dialect.OPENAI_CHAT, Dialect.GEMINI
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": MARK}
OWN = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
REDACTED = {"type": "redacted_thinking", "data": "EmwK"}
TEXT = {"type": "text", "text": "left"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {"a": 1}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]}
QUESTION = {"role": "user", "content": "hi"}
ENABLED = {"type": "enabled", "budget_tokens": 1024}
NOTHING = LeftOut()


def left(dialect: Dialect, document: Any, left_out: LeftOut = EVERYTHING, model: str = "gemini-3-pro") -> Any:
    body = json.dumps(document).encode()
    return json.loads(without_foreign_thoughts(DIALECTS[dialect], body, left_out, model))


def turn(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def messages(*blocks: Any) -> bytes:
    return json.dumps({"messages": [turn(*blocks)]}).encode()


class TestMarked:
    @pytest.mark.parametrize("dialect", Dialect)
    def test_a_request_without_any_is_untouched(self, dialect: Dialect) -> None:
        body = messages(OWN, TEXT)
        assert without_foreign_thoughts(DIALECTS[dialect], body, NOTHING, "m") is body

    def test_blocks_of_thought_go_and_all_else_stays(self) -> None:
        assert left(ANTHROPIC, {"messages": [turn(THOUGHT, OWN, TEXT)]}, NOTHING) == {"messages": [turn(OWN, TEXT)]}

    def test_a_message_never_becomes_empty(self) -> None:
        [message] = left(ANTHROPIC, {"messages": [turn(THOUGHT)]}, NOTHING)["messages"]
        assert message["content"][0]["type"] == "text"

    def test_items_of_thought_go_too(self) -> None:
        foreign, own = ({"type": "reasoning", "summary": [], "encrypted_content": each} for each in (MARK, "gAAA"))
        said = {"role": "user", "content": MARK}
        assert left(RESPONSES, {"input": [foreign, own, said]}, NOTHING) == {"input": [own, said]}

    def test_a_call_whose_thought_was_marked_ends_thinking(self) -> None:
        document = {"thinking": ENABLED, "messages": [QUESTION, turn(THOUGHT, CALL), RESULT]}
        assert left(ANTHROPIC, document, NOTHING)["thinking"] == {"type": "disabled"}


class TestAnthropic:
    def test_all_thoughts_go_and_calls_stay_with_their_results(self) -> None:
        document = {"messages": [QUESTION, turn(OWN, REDACTED, TEXT, CALL), RESULT], "max_tokens": 9}
        assert left(ANTHROPIC, document) == {"messages": [QUESTION, turn(TEXT, CALL), RESULT], "max_tokens": 9}

    def test_thinking_ends_where_the_last_turn_goes_on_without_a_thought(self) -> None:
        document = {"thinking": ENABLED, "messages": [QUESTION, turn(OWN, CALL), RESULT]}
        assert left(ANTHROPIC, document) == {
            "thinking": {"type": "disabled"},
            "messages": [QUESTION, turn(CALL), RESULT],
        }

    def test_so_it_does_if_the_client_left_the_thought_out(self) -> None:
        document = {"thinking": ENABLED, "messages": [QUESTION, turn(CALL), RESULT]}
        assert left(ANTHROPIC, document)["thinking"] == {"type": "disabled"}

    @pytest.mark.parametrize(
        "kept",
        [{"thinking": ENABLED, "messages": [QUESTION, turn(TEXT), QUESTION]}, {"thinking": {"type": "adaptive"}}],
    )
    def test_elsewhere_it_stays(self, kept: dict[str, Any]) -> None:
        document = {"messages": [QUESTION, turn(OWN, CALL), RESULT], **kept}
        assert left(ANTHROPIC, document)["thinking"] == document["thinking"]

    def test_edits_of_the_context_that_need_thinking_go_with_it(self) -> None:
        clear, other = {"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}
        document = {
            "thinking": ENABLED,
            "context_management": {"edits": [clear, other]},
            "messages": [QUESTION, turn(OWN, CALL), RESULT],
        }
        assert left(ANTHROPIC, document)["context_management"] == {"edits": [other]}

    def test_what_was_signed_after_the_refused_parts_stays(self) -> None:
        later = {"type": "thinking", "thinking": "so", "signature": "later"}
        history = [QUESTION, turn(OWN, CALL), RESULT]
        refused = LeftOut(frozenset(part_ids(DIALECTS[ANTHROPIC], {"messages": history})))
        document = {"thinking": ENABLED, "messages": [*history, turn(later, CALL), RESULT]}
        assert left(ANTHROPIC, document, refused) == {
            "thinking": ENABLED,
            "messages": [QUESTION, turn(CALL), RESULT, turn(later, CALL), RESULT],
        }

    def test_the_last_known_part_stands_for_all_before_it(self) -> None:
        signed = [turn({"type": "thinking", "thinking": "", "signature": f"s{n}"}, TEXT) for n in range(3)]
        known = LeftOut(frozenset(part_ids(DIALECTS[ANTHROPIC], {"messages": signed})[1:2]))
        assert left(ANTHROPIC, {"messages": signed}, known) == {"messages": [turn(TEXT), turn(TEXT), signed[2]]}

    def test_all_other_bytes_stay(self) -> None:
        body = (
            b'{ "n": 123456789012345678901234567890, "messages":[ {"role":"user", "content":"\\u00e9"} ,'
            b'{"role":"assistant","content":[{"type":"thinking","signature":"s"},{"type":"text","text":"t"}]} ],'
            b' "x":1.0}'
        )
        assert without_foreign_thoughts(DIALECTS[ANTHROPIC], body, EVERYTHING, "m") == (
            b'{ "n": 123456789012345678901234567890, "messages":[{"role":"user", "content":"\\u00e9"},'
            b'{"role": "assistant", "content": [{"type": "text", "text": "t"}]}], "x":1.0}'
        )


class TestResponses:
    REASONING: ClassVar[Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    CALL: ClassVar[Any] = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "get", "arguments": "{}"}
    OUTPUT: ClassVar[Any] = {"type": "function_call_output", "call_id": "c", "output": "r"}

    def test_reasoning_goes_and_calls_stay_without_an_id_that_stands_for_it(self) -> None:
        asked = {"role": "user", "content": "hi"}
        bare = {name: value for name, value in self.CALL.items() if name != "id"}
        document = {"store": False, "input": [asked, self.REASONING, self.CALL, self.OUTPUT, self.CALL, self.OUTPUT]}
        assert left(RESPONSES, document) == {
            "store": False,
            "input": [asked, bare, self.OUTPUT, self.CALL, self.OUTPUT],
        }

    def test_open_reasoning_stays(self) -> None:
        document = {"input": [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text"}]}, self.CALL]}
        assert left(RESPONSES, document) == document

    def test_a_request_never_becomes_empty(self) -> None:
        assert left(RESPONSES, {"input": [self.REASONING]}) == {"input": [self.REASONING]}


class TestGemini:
    @staticmethod
    def content(*parts: Any, role: str = "model") -> dict[str, Any]:
        return {"role": role, "parts": list(parts)}

    CALL: ClassVar[Any] = {"functionCall": {"name": "get", "args": {}}}

    @pytest.mark.parametrize("spelling", ["thoughtSignature", "thought_signature"])
    def test_a_call_gets_the_word_for_calls_without_a_signature(self, spelling: str) -> None:
        document = {"contents": [self.content({**self.CALL, spelling: "CtQB"}, self.CALL)]}
        assert left(GEMINI, document) == {
            "contents": [self.content({**self.CALL, "thoughtSignature": UNSIGNED}, self.CALL)]
        }

    def test_older_models_need_none(self) -> None:
        document = {"contents": [self.content({**self.CALL, "thoughtSignature": "CtQB"})]}
        assert left(GEMINI, document, model="gemini-2.5-pro") == {"contents": [self.content(self.CALL)]}

    def test_a_call_that_never_had_one_gets_the_word_too(self) -> None:
        [content] = left(GEMINI, {"contents": [self.content(self.CALL, self.CALL)]})["contents"]
        assert content["parts"] == [{**self.CALL, "thoughtSignature": UNSIGNED}, self.CALL]

    def test_text_keeps_its_words_and_what_says_nothing_goes(self) -> None:
        said = [{"text": "a", "thoughtSignature": "s"}, {"text": "", "thoughtSignature": "s"}]
        assert left(GEMINI, {"contents": [self.content(*said)]}) == {"contents": [self.content({"text": "a"})]}

    def test_a_content_never_becomes_empty(self) -> None:
        [content] = left(GEMINI, {"contents": [self.content({"text": "", "thoughtSignature": "s"})]})["contents"]
        assert content["parts"][0]["text"]


class TestChat:
    def test_a_call_keeps_its_other_content(self) -> None:
        call = {"id": "c", "function": {"name": "get"}, "extra_content": {"google": {"thought_signature": "s", "x": 1}}}
        bare = {**call, "extra_content": {"google": {"x": 1}}}
        document = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
        assert left(CHAT, document, model="gemini-2.5-pro")["messages"][0]["tool_calls"] == [bare]
        [marked] = left(CHAT, document)["messages"][0]["tool_calls"]
        assert marked["extra_content"]["google"] == {"x": 1, "thought_signature": UNSIGNED}

    def test_signed_thoughts_of_gateways_go_and_open_ones_stay(self) -> None:
        signed = [
            {"type": "reasoning.text", "text": "a", "signature": "s"},
            {"type": "reasoning.encrypted", "data": "d"},
        ]
        summary = {"type": "reasoning.summary", "summary": "a"}
        message = {"role": "assistant", "content": "x", "reasoning_details": [*signed, summary]}
        blocks = {"role": "assistant", "content": "x", "thinking_blocks": [OWN]}
        assert left(CHAT, {"messages": [message, blocks]})["messages"] == [
            {"role": "assistant", "content": "x", "reasoning_details": [summary]},
            {"role": "assistant", "content": "x"},
        ]


SIGNATURES = st.sampled_from(["s1", "s2", "s3", MARK])
ANTHROPIC_BLOCKS = st.one_of(
    st.builds(lambda s: {"type": "thinking", "thinking": "x", "signature": s}, SIGNATURES),
    st.builds(lambda s: {"type": "redacted_thinking", "data": s}, SIGNATURES),
    st.sampled_from([TEXT, CALL]),
)
ITEMS = st.one_of(
    st.builds(lambda s: {"type": "reasoning", "id": "rs", "encrypted_content": s}, SIGNATURES),
    st.sampled_from([TestResponses.CALL, TestResponses.OUTPUT, QUESTION]),
)
PARTS = st.one_of(
    st.builds(
        lambda s, part: {**part, "thoughtSignature": s}, SIGNATURES, st.sampled_from([{"text": "t"}, TestGemini.CALL])
    ),
    st.sampled_from([{"text": "t"}, TestGemini.CALL]),
)
CALLS = st.builds(lambda s: {"id": "c", "extra_content": {"google": {"thought_signature": s}}}, SIGNATURES)
REQUESTS = {
    ANTHROPIC: st.builds(
        lambda turns: {"thinking": ENABLED, "messages": [QUESTION, *(turn(*blocks) for blocks in turns), RESULT]},
        st.lists(st.lists(ANTHROPIC_BLOCKS, min_size=1, max_size=4), max_size=4),
    ),
    RESPONSES: st.builds(lambda items: {"input": [QUESTION, *items]}, st.lists(ITEMS, max_size=8)),
    GEMINI: st.builds(
        lambda turns: {"contents": [TestGemini.content(*parts) for parts in turns]},
        st.lists(st.lists(PARTS, min_size=1, max_size=4), min_size=1, max_size=4),
    ),
    CHAT: st.builds(
        lambda turns: {"messages": [{"role": "assistant", "content": "x", "tool_calls": calls} for calls in turns]},
        st.lists(st.lists(CALLS, min_size=1, max_size=3), min_size=1, max_size=4),
    ),
}
KNOWN = st.sets(st.sampled_from(["s1", "s2", "s3"])).map(
    lambda known: LeftOut(
        frozenset(
            part_ids(DIALECTS[ANTHROPIC], {"messages": [turn({**OWN, "signature": each}) for each in sorted(known)]})
        )
    )
)


@pytest.mark.parametrize("dialect", Dialect)
@given(data=st.data())
def test_leaving_out_is_done_once_and_changes_nothing_else(dialect: Dialect, data: st.DataObject) -> None:
    document = data.draw(REQUESTS[dialect])
    left_out = data.draw(KNOWN | st.just(EVERYTHING))
    once = left(dialect, document, left_out)
    assert left(dialect, once, EVERYTHING) == left(dialect, document, EVERYTHING)
    signed = DIALECTS[dialect].signed_parts
    assert signed
    if left_out.everything:
        assert part_ids(DIALECTS[dialect], once) == []
        assert edit(DIALECTS[dialect], once, EVERYTHING, "gemini-3-pro") is None
    known = left_out.known.intersection(part_ids(DIALECTS[dialect], once))
    assert not known
    assert tools(once) == tools(document)
    assert dicts(once[signed.member])


def tools(value: Any) -> list[Any]:
    """The ids and names of all calls and results, in order."""
    if isinstance(value, list):
        return [found for each in value for found in tools(each)]
    if not isinstance(value, dict):
        return []
    own = [value[name] for name in ("tool_use_id", "call_id", "functionCall") if name in value]
    if value.get("type") == "tool_use" or "extra_content" in value:
        own.append(value["id"])
    return own + [found for each in value.values() for found in tools(each)]

"""Conversations in all dialects: the same turn is the same bytes, from any client, however it is decorated."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.demo.received_request import ReceivedRequest
from pointsman.wire.conversation import (
    MAX_WORDS,
    answer_draft,
    answer_message,
    body_ids,
    conversation,
    first_words,
)
from pointsman.wire.conversion.arguments import UNREADABLE
from pointsman.wire.dialects.demo_base import DemoAnswer, ToolCall
from pointsman.wire.messages import ToolCalls
from wire.json_strategies import documents

CAPTURES = Path(__file__).parent.parent / "captures"
CHAT, RESPONSES, ANTHROPIC, GEMINI = (
    Dialect.OPENAI_CHAT,
    Dialect.OPENAI_RESPONSES,
    Dialect.ANTHROPIC,
    Dialect.GEMINI,
)
PATHS = {
    CHAT: "/v1/chat/completions",
    RESPONSES: "/v1/responses",
    ANTHROPIC: "/v1/messages",
    GEMINI: "/v1beta/models/m:streamGenerateContent",
}
CALL = {"path": "a b", "line": 3}


def said(dialect: Dialect, **document: Any) -> list[tuple[str, bytes]]:
    return [(message.role, message.content) for message in conversation(dialect, document).messages]


def seen(dialect: Dialect, streamed: bool, query: str = "") -> ReceivedRequest:
    path = PATHS[dialect] if streamed or dialect is not GEMINI else "/v1beta/models/m:generateContent"
    return ReceivedRequest("POST", path + query, [], body=json.dumps({"stream": streamed}).encode(), number=1)


ANSWER = DemoAnswer(
    ("hello", " there"), finish="tool_calls", tool_calls=(ToolCall("read", json.dumps(CALL)),), reasoning=("hm",)
)
AGAIN = {
    CHAT: {
        "messages": [
            {
                "role": "assistant",
                "content": "hello there",
                "tool_calls": [{"id": "x", "function": {"name": "read", "arguments": '{"line":3,"path":"a b"}'}}],
            }
        ]
    },
    RESPONSES: {
        "input": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "AA"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "hello there"}]},
            {"type": "function_call", "call_id": "c", "name": "read", "arguments": json.dumps(CALL)},
        ]
    },
    ANTHROPIC: {
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "hello there"},
                    {"type": "tool_use", "id": "t", "name": "read", "input": CALL, "cache_control": {"type": "e"}},
                ],
            }
        ]
    },
    GEMINI: {
        "contents": [
            {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "hello"}]},
            {"role": "model", "parts": [{"text": " there"}]},
            {"role": "model", "parts": [{"function_call": {"name": "read", "args": CALL}, "thoughtSignature": "s"}]},
        ]
    },
}
"""The answer as a client keeps it: with other ids and another spelling, without what it does not keep."""


@pytest.mark.parametrize("dialect", Dialect)
class TestAnswers:
    @pytest.mark.parametrize(
        ("arguments", "is_malformed"),
        [('{"path": "a"}', False), ("{}", False), ("", False), ('{"path": "a', True), ("path=a", True), ("[1]", True)],
    )
    def test_calls_are_counted_and_what_their_arguments_are(
        self, dialect: Dialect, arguments: str, is_malformed: bool
    ) -> None:
        if dialect is GEMINI:  # its arguments are always an object
            arguments = json.dumps({UNREADABLE: arguments}) if is_malformed else arguments or "{}"
        calls = (ToolCall("read", '{"n": 1}'), ToolCall("read", arguments))
        request = seen(dialect, streamed=True, query="?alt=sse")
        assert request.dialect
        events = request.dialect.demo().events(DemoAnswer((), finish="tool_calls", tool_calls=calls), request)
        draft = answer_draft(dialect, b"".join(event.encode() for event in events), True)
        assert draft.calls == ToolCalls(2, is_malformed)

    @pytest.mark.parametrize(("streamed", "query"), [(True, "?alt=sse"), (True, ""), (False, "")])
    def test_an_answer_is_what_its_client_sends_back(self, dialect: Dialect, streamed: bool, query: str) -> None:
        request = seen(dialect, streamed, query)
        assert request.dialect
        demo = request.dialect.demo()
        if not streamed:
            raw = demo.whole(ANSWER, request)
        elif demo.streams_list(request):
            raw = b"[" + b",".join(event.data.encode() for event in demo.events(ANSWER, request)[:-1]) + b"]"
        else:
            raw = b"".join(event.encode() for event in demo.events(ANSWER, request))
        message = answer_message(dialect, raw, streamed)
        assert message
        assert message.content.startswith(b"hello there")
        [again] = conversation(dialect, AGAIN[dialect]).messages
        assert (message.role, message) == ("assistant", again)

    @pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"data: {}\n\n", b"data: [DONE]\n\n", b"\xff", b"null"])
    @pytest.mark.parametrize("streamed", [True, False])
    def test_an_answer_that_says_nothing_is_no_message(self, dialect: Dialect, raw: bytes, streamed: bool) -> None:
        assert answer_message(dialect, raw, streamed) is None

    @given(st.binary(max_size=60), st.booleans())
    def test_any_answer_is_read_without_an_exception(self, dialect: Dialect, raw: bytes, streamed: bool) -> None:
        assert answer_message(dialect, b'data: {"a": ' + raw + b"}\n\n", streamed) is None


def test_a_free_text_is_no_malformed_call() -> None:
    item = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin Patch"}
    assert answer_draft(RESPONSES, json.dumps({"output": [item]}).encode(), False).calls == ToolCalls(1, 0)


def test_a_responses_stream_that_repeats_nothing_at_its_end_is_read_all_the_same() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    done = {"type": "response.output_item.done", "item": item}
    last = {"type": "response.completed", "response": {"output": []}}
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (done, last))
    message = answer_message(RESPONSES, raw, True)
    assert message
    assert message.content == b"hi"


def test_a_responses_stream_that_was_cut_has_what_came_of_its_last_item() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    delta = {"type": "response.output_text.delta"}
    events = (
        {"type": "response.created", "response": {"output": []}},
        {**delta, "delta": "hi"},
        {"type": "response.output_item.done", "item": item},
        {**delta, "delta": " the"},
        {**delta, "delta": "re"},
    )
    message = answer_message(
        RESPONSES, b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events), True
    )
    assert message
    assert message.content == b"hi there"


SAME = [
    (
        CHAT,
        {"messages": [{"role": "user", "content": "hi there"}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi "}, {"type": "text", "text": "there"}]}
            ]
        },
    ),
    (
        ANTHROPIC,
        {"messages": [{"role": "user", "content": "hi"}], "system": "s", "tools": [{"name": "f"}]},
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "e"}}]}],
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "e"}}],
            "tools": [{"cache_control": {"type": "e"}, "name": "f"}],
        },
    ),
    (
        ANTHROPIC,
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "r"}]},
                    ],
                }
            ]
        },
    ),
    (RESPONSES, {"input": "hi"}, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}),
    (
        RESPONSES,
        {"input": [{"type": "function_call_output", "call_id": "a", "output": "r"}]},
        {"input": [{"type": "function_call_output", "id": "x", "call_id": "b", "output": [{"text": "r"}]}]},
    ),
    (
        GEMINI,
        {"contents": [{"parts": [{"text": "hi"}]}], "systemInstruction": {"parts": [{"text": "s"}]}},
        {"contents": [{"role": "user", "parts": [{"text": "h"}, {"text": "i"}]}], "system_instruction": "s"},
    ),
    (
        GEMINI,
        {"contents": [{"parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"a": 1, "b": 2}}}]}]},
        {"contents": [{"parts": [{"function_response": {"name": "f", "response": {"b": 2, "a": 1}}}]}]},
    ),
]


@pytest.mark.parametrize(("dialect", "one", "other"), SAME)
def test_decoration_does_not_matter(dialect: Dialect, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert conversation(dialect, one) == conversation(dialect, other)
    assert conversation(dialect, one).messages[0].content


PICTURE = {
    CHAT: lambda data: {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data}}]}]},
    RESPONSES: lambda data: {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": data}]}]},
    ANTHROPIC: lambda data: {"messages": [{"role": "user", "content": [{"type": "image", "source": {"data": data}}]}]},
    GEMINI: lambda data: {"contents": [{"role": "user", "parts": [{"inlineData": {"data": data}}]}]},
}
SAID = {
    CHAT: lambda text: {"messages": [{"role": "user", "content": text}], "tools": [{"name": text}]},
    RESPONSES: lambda text: {"input": text, "instructions": text},
    ANTHROPIC: lambda text: {"messages": [{"role": "user", "content": text}], "system": text},
    GEMINI: lambda text: {"contents": [{"parts": [{"text": text}]}], "tools": [{"name": text}]},
}


@pytest.mark.parametrize("dialect", Dialect)
class TestRequests:
    def test_pictures_are_distinguished_by_a_digest(self, dialect: Dialect) -> None:
        [one], [same], [other] = (
            said(dialect, **PICTURE[dialect](data)) for data in ("A" * 9000, "A" * 9000, "B" * 9000)
        )
        assert one == same != other
        assert len(one[1]) < 64

    def test_what_differs_in_words_differs(self, dialect: Dialect) -> None:
        one, other = (conversation(dialect, SAID[dialect](text)) for text in ("hi", "ho"))
        assert one.messages != other.messages
        assert one.preamble != other.preamble
        assert one.messages[0].role == "user"

    def test_unusual_letters_are_letters(self, dialect: Dialect) -> None:
        [(_, content)] = said(dialect, **SAID[dialect]("é\ud83d"))
        assert content == b"\xc3\xa9\xed\xa0\xbd"

    def test_words_stay_out_of_reprs(self, dialect: Dialect) -> None:
        assert "secret" not in repr(conversation(dialect, SAID[dialect]("secret")))

    @given(
        documents(
            "messages",
            "input",
            "contents",
            "role",
            "content",
            "parts",
            "type",
            "text",
            "output",
            "tool_calls",
            "function",
            "functionCall",
            "summary",
            "system",
            "tools",
            "cache_control",
            max_leaves=20,
        )
    )
    def test_any_request_is_read_without_an_exception(self, dialect: Dialect, value: Any) -> None:
        for member in ("messages", "input", "contents", "system"):
            assert conversation(dialect, {member: value}) == conversation(dialect, {member: value})
            assert conversation(dialect, {member: [{"role": "user", "content": value, "parts": value}]})

    def test_a_deep_request_is_read(self, dialect: Dialect) -> None:
        deep: Any = {}
        for _ in range(900):
            deep = [deep]
        assert conversation(dialect, {"messages": [{"content": [{"type": "x", "deep": deep}]}], "tools": [{"d": deep}]})


@pytest.mark.parametrize(
    ("client", "dialect", "roles"),
    [
        ("claude_code", ANTHROPIC, ["user", "system", "assistant", "user"]),
        ("codex", RESPONSES, ["user", "user", "assistant", "user"]),
    ],
)
def test_the_second_turn_of_an_agent_begins_with_the_first(client: str, dialect: Dialect, roles: list[str]) -> None:
    first, second = (
        conversation(dialect, json.loads((CAPTURES / f"{client}_turn{turn}.json").read_text())["body"])
        for turn in (1, 2)
    )
    assert first.preamble == second.preamble
    assert second.messages[: len(first.messages)] == first.messages
    assert [message.role for message in second.messages] == roles


class TestIds:
    @pytest.mark.parametrize(
        ("document", "ids"),
        [
            ({"prompt_cache_key": "k"}, [("prompt_cache_key", "k")]),
            ({"session_id": "s"}, [("session_id", "s")]),
            ({"conversation_id": "c"}, [("conversation_id", "c")]),
            (
                {"prompt_cache_key": "k", "conversation_id": "c", "session_id": "s"},
                [("session_id", "s"), ("conversation_id", "c"), ("prompt_cache_key", "k")],
            ),
            ({"session_id": " ", "conversation_id": {"id": "c"}}, []),
            ({"session_id": None, "conversation_id": ""}, []),
            ({"metadata": {"session_id": "s"}}, [("session_id", "s")]),
            ({"metadata": {"user_id": "user_ab_account__session_11-22"}}, [("session_id", "11-22")]),
            ({"metadata": {"user_id": '{"device_id": "d", "session_id": "11-22"}'}}, [("session_id", "11-22")]),
            ({"metadata": {"user_id": "somebody"}}, []),
            ({"metadata": {"user_id": "{broken"}}, []),
            ({"conversation": "conv_1"}, [("conversation", "conv_1")]),
            ({"conversation": {"id": "conv_1"}}, [("conversation", "conv_1")]),
            ({"previous_response_id": "resp_1"}, [("previous_response_id", "resp_1")]),
            (
                {"previous_response_id": "r", "prompt_cache_key": "k"},
                [("prompt_cache_key", "k"), ("previous_response_id", "r")],
            ),
            ({"prompt_cache_key": " ", "conversation": {}, "metadata": []}, []),
            ({"prompt_cache_key": 7, "conversation": 7, "metadata": {"user_id": 7}}, []),
            ({}, []),
        ],
    )
    def test_they_are_found_where_clients_put_them(self, document: dict[str, Any], ids: list[tuple[str, str]]) -> None:
        assert body_ids(document) == ids

    @pytest.mark.parametrize(
        ("name", "ids"),
        [
            ("claude_code_turn1", [("session_id", "194ef964-b9d0-416f-9634-50749b7f8269")]),
            ("claude_code_turn2", [("session_id", "194ef964-b9d0-416f-9634-50749b7f8269")]),
            ("codex_turn1", [("prompt_cache_key", "01a1f85c-9d80-7052-9782-bb99f4fed5a8")]),
            ("codex_turn2", [("prompt_cache_key", "01a1f85c-9d80-7052-9782-bb99f4fed5a8")]),
        ],
    )
    def test_of_agents(self, name: str, ids: list[tuple[str, str]]) -> None:
        assert body_ids(json.loads((CAPTURES / f"{name}.json").read_text())["body"]) == ids


@pytest.mark.parametrize(
    ("dialect", "document", "words"),
    [
        (CHAT, {"messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why\n  so?"},
        ]}, "Why so?"),
        (ANTHROPIC, {"messages": [{"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nToday is Monday.\n</system-reminder>"},
            {"type": "text", "text": "Fix the parser."},
        ]}]}, "Fix the parser."),
        (RESPONSES, {"input": "Which track?"}, "Which track?"),
        (GEMINI, {"contents": [{"role": "user", "parts": [{"text": "Which track?"}]}]}, "Which track?"),
        (CHAT, {"messages": [{"role": "user", "content": "<b>only tags</b>"}]}, "<b>only tags</b>"),
        (CHAT, {"messages": [{"role": "user", "content": "x " * 5000}]}, ("x " * 200)[:MAX_WORDS]),
        (CHAT, {"messages": []}, ""),
    ],
)  # fmt: skip
def test_its_first_words_are_the_users(dialect: Dialect, document: dict[str, Any], words: str) -> None:
    assert first_words(dialect, document) == words

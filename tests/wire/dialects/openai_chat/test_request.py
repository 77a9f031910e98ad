"""The dialect of chat completions: the facts of a request, the request that goes out, and the router's own words."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Capability
from pointsman.wire.dialects.openai_chat import DIALECT
from pointsman.wire.dialects.openai_chat.control_events import EVENTS
from pointsman.wire.errors import Code, FaultKind, Problem
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
CAPTURES = Path(__file__).parents[3] / "captures"


def facts(body: bytes | None = None, **members: Any) -> RequestFacts:
    return DIALECT.facts(json.dumps({"messages": HELLO, **members}).encode() if body is None else body, PATH)


def refusal(body: bytes | None = None, **members: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        facts(body, **members)
    assert raised.value.code is Code.INVALID_REQUEST
    return raised.value


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "B" * 40_000, "format": "wav"}}
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["text", "image_url", "audio", "json_object"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "tool_calls", "include_usage"]), inner)
    ),
)


class TestFacts:
    def test_a_plain_request(self) -> None:
        plain = facts(b'{"model": "m", "messages": [{"role": "user", "content": "hello, you"}]}')
        assert (plain.model, plain.stream, plain.needs, plain.tokens) == ("m", False, frozenset(), 2)
        assert plain.asks_usage is False
        assert plain.model_span == (10, 13)
        assert plain.document == {"model": "m", "messages": [{"role": "user", "content": "hello, you"}]}

    @pytest.mark.parametrize("members", [{}, {"model": None}])
    def test_no_model_is_none(self, members: dict[str, Any]) -> None:
        assert facts(**members).model is None

    @pytest.mark.parametrize(("value", "stream"), [(True, True), (False, False), (None, False)])
    def test_stream(self, value: bool | None, stream: bool) -> None:
        assert facts(stream=value).stream is stream

    @pytest.mark.parametrize(
        ("options", "asked"),
        [
            ({"include_usage": True}, True),
            ({"include_usage": False}, False),
            ({}, False),
            (None, False),
            ("yes", False),
        ],
    )
    def test_a_usage_event_is_asked_for(self, options: Any, asked: bool) -> None:
        assert facts(stream_options=options).asks_usage is asked

    @pytest.mark.parametrize(
        ("members", "needs"),
        [
            ({}, set()),
            ({"tools": [TOOL]}, {Capability.TOOLS}),
            ({"functions": [{"name": "f"}]}, {Capability.TOOLS}),
            ({"tools": [], "functions": None}, set()),
            ({"messages": user(IMAGE)}, {Capability.VISION}),
            ({"messages": user({"type": "image", "source": {}})}, {Capability.VISION}),
            ({"messages": user("text", {"type": "text", "text": "image_url"})}, set()),
            ({"response_format": {"type": "json_object"}}, {Capability.JSON}),
            ({"response_format": {"type": "json_schema", "json_schema": {}}}, {Capability.JSON}),
            ({"response_format": {"type": "text"}}, set()),
            ({"response_format": "json_object"}, set()),
            ({"messages": user(AUDIO)}, {Capability.AUDIO}),
            ({"modalities": ["text", "audio"]}, {Capability.AUDIO}),
            ({"modalities": ["text"]}, set()),
            ({"modalities": "audio"}, set()),
            ({"reasoning_effort": "high"}, set()),
            (
                {"messages": user(IMAGE, AUDIO), "tools": [TOOL]},
                {Capability.VISION, Capability.AUDIO, Capability.TOOLS},
            ),
            ({"messages": user({"type": ["image"]}, {"type": None})}, set()),
        ],
    )
    def test_what_a_model_must_be_able_to_do(self, members: dict[str, Any], needs: set[Capability]) -> None:
        assert facts(**members).needs == needs

    @pytest.mark.parametrize(
        ("members", "tokens"),
        [
            ({"messages": [{"role": "user", "content": "x" * 400}]}, 100),
            ({"messages": [{"role": "user", "content": "é" * 400}]}, 200),
            ({"messages": [{"role": "user", "content": "\ud83d" * 400}]}, 300),
            ({"messages": user({"type": "text", "text": "x" * 400}, {"type": "text", "text": "x" * 4})}, 101),
            ({"messages": user(IMAGE)}, 1500),
            ({"messages": user(IMAGE, IMAGE, {"type": "text", "text": "x" * 400})}, 3100),
            ({"messages": user(AUDIO)}, 0),
            ({"messages": user({"type": "file", "file": {"file_data": "A" * 4000}})}, 0),
            ({"messages": [{"role": "assistant", "content": None, "reasoning_content": "x" * 40}]}, 10),
            ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "x" * 400}}]}]}, 107),
            ({"messages": [{"role": "tool", "content": ["x"]}]}, 0),
            ({"tools": [{"description": "x" * 400}]}, 106),
            ({"response_format": {"type": "json_schema", "json_schema": {"a": "x" * 400}}}, 112),
            ({"model": "m" * 4000}, 1),
        ],
    )
    def test_the_estimate_counts_text_and_images(self, members: dict[str, Any], tokens: int) -> None:
        assert facts(**members).tokens == tokens

    def test_a_schema_that_cannot_be_written_does_not_spoil_the_estimate(self) -> None:
        deep = b'{"messages": [{"role": "user", "content": "1234"}], "tools": [' + b"[" * 900 + b"]" * 900 + b"]}"
        assert facts(deep).tokens == 1
        assert facts(b'{"messages": [{"content": "1234"}], "tools": ["\\ud83d"]}').tokens == 1

    @given(
        st.dictionaries(
            st.sampled_from(
                ["model", "stream", "messages", "tools", "response_format", "modalities", "stream_options"]
            ),
            odd_values,
        )
    )
    def test_any_request_is_read_without_an_exception(self, document: dict[str, Any]) -> None:
        with suppress(Problem):
            assert facts(json.dumps(document).encode()).document == document

    def test_the_contents_stay_out_of_reprs(self) -> None:
        assert "hello" not in repr(facts())


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "The request's body must be a JSON object in UTF-8; it is empty."),
            (b" \n", "The request's body must be a JSON object in UTF-8; it is empty."),
            (
                b"hello",
                "The request's body must be a JSON object in UTF-8; "
                "it is not JSON: Expecting value (line 1, column 1).",
            ),
            (b'{"a": "\xff"}', "The request's body must be a JSON object in UTF-8; it is not valid UTF-8 at byte 8."),
            (b"[" * 9999, "The request's body must be a JSON object in UTF-8; it is nested too deeply."),
            (b"[1]", "The request's body must be a JSON object in UTF-8; it is a list."),
            (b"12", "The request's body must be a JSON object in UTF-8; it is a number."),
            (b"null", "The request's body must be a JSON object in UTF-8; it is missing or null."),
        ],
    )
    def test_a_body_that_is_no_object(self, body: bytes, message: str) -> None:
        problem = refusal(body)
        assert (str(problem), problem.param) == (message, None)

    @pytest.mark.parametrize(
        ("members", "param", "message"),
        [
            ({"model": 1}, "model", "`model` must be the name of a model; it is a number."),
            ({"model": ""}, "model", "`model` must be the name of a model; it is an empty string."),
            ({"model": ["m"]}, "model", "`model` must be the name of a model; it is a list."),
            ({"model": "\ud83d"}, "model", "`model` must be the name of a model; it is a string."),
            ({"stream": "yes"}, "stream", "`stream` must be true or false; it is a string."),
            ({"stream": 1}, "stream", "`stream` must be true or false; it is a number."),
            (
                {"messages": None},
                "messages",
                "`messages` must be a list of at least one message; it is missing or null.",
            ),
            ({"messages": "hi"}, "messages", "`messages` must be a list of at least one message; it is a string."),
            ({"messages": {}}, "messages", "`messages` must be a list of at least one message; it is an object."),
            ({"messages": [*HELLO, True]}, "messages[1]", "`messages[1]` must be an object; it is true."),
            ({"messages": [False]}, "messages[0]", "`messages[0]` must be an object; it is false."),
        ],
    )
    def test_a_member_that_will_not_do(self, members: dict[str, Any], param: str, message: str) -> None:
        problem = refusal(**members)
        assert (str(problem), problem.param) == (message, param)

    def test_messages_that_are_missing(self) -> None:
        assert refusal(b"{}").param == "messages"

    @pytest.mark.parametrize("second", [b'"model"', b'"mod\\u0065l"'])
    def test_a_model_given_twice(self, second: bytes) -> None:
        problem = refusal(b'{"model": "a", %b: "a", "messages": [{}]}' % second)
        assert (str(problem), problem.param) == ("`model` must be given once; it is given more than once.", "model")


class TestOutbound:
    @pytest.mark.parametrize("name", ["aider_chat", "continue_cli_turn1", "continue_cli_turn2"])
    @pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":"), "ensure_ascii": False}])
    def test_of_a_real_request_only_the_models_bytes_change(self, name: str, form: dict[str, Any]) -> None:
        captured = json.loads((CAPTURES / f"{name}.json").read_text())["body"]
        body = json.dumps(captured, **form).encode()
        out, path = DIALECT.outbound(body, facts(body), "vendor/other-model:free")
        assert path == "/chat/completions"
        old, new = json.dumps(captured["model"]).encode(), b'"vendor/other-model:free"'
        assert body.count(old) == 1
        assert out == body.replace(old, new)

    def test_what_a_parser_would_lose_survives(self) -> None:
        body = b'{ "seed":12345678901234567890123, "model":"a" ,"messages":[{"content":"\\ud83d","x":1,"x":2.0}]}\n'
        out, _ = DIALECT.outbound(body, facts(body), "b")
        assert out == body.replace(b'"a"', b'"b"')

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'{"messages":[{}]}', b'{"model":"b","messages":[{}]}'),
            (b'{"model":null,"messages":[{}]}', b'{"model":"b","messages":[{}]}'),
        ],
    )
    def test_a_model_that_was_not_named_is_added(self, body: bytes, expected: bytes) -> None:
        assert DIALECT.outbound(body, facts(body), "b")[0] == expected

    def test_the_key_is_a_bearer_token(self) -> None:
        assert DIALECT.auth_headers("k") == [("Authorization", "Bearer k")]


class TestFault:
    def test_an_error_status_is_read_off_the_body(self) -> None:
        body = b'{"error": {"message": "No such model", "code": "model_not_found"}}'
        fault = DIALECT.fault(404, body, "application/json")
        assert (fault.kind, fault.status, fault.code, fault.message) == (
            FaultKind.STATUS,
            404,
            "model_not_found",
            "No such model",
        )
        assert fault.body == body


class TestVoice:
    @pytest.mark.parametrize("code", Code)
    def test_every_code_has_a_type(self, code: Code) -> None:
        problem = Problem(code, "m")
        expected = {401: "authentication_error", 429: "rate_limit_error"}.get(problem.status, "invalid_request_error")
        spoken = json.loads(DIALECT.error_body(problem))["error"]["type"]
        assert spoken in (
            ("upstream_error", "server_error", "stream_timeout") if problem.status >= 500 else (expected,)
        )

    def test_an_error_body(self) -> None:
        problem = Problem(
            Code.NO_CANDIDATE,
            'nobody\n"left" é\ud83d',
            param="model",
            details=(("trail", "a@503"), ("message", "not this")),
        )
        assert json.loads(DIALECT.error_body(problem)) == {
            "error": {
                "message": 'nobody\n"left" é\ud83d',
                "type": "server_error",
                "code": "no_candidate",
                "param": "model",
                "trail": "a@503",
            }
        }

    def test_an_error_event_is_one_event_with_the_body(self) -> None:
        problem = Problem(Code.STREAM_TIMEOUT, "silence\n\nfor 60 s")
        [event] = Decoder().feed(EVENTS.error_event(problem))
        assert event.data == DIALECT.error_body(problem)

    def test_silence_is_named_by_type_and_code(self) -> None:
        error = json.loads(DIALECT.error_body(Problem(Code.STREAM_TIMEOUT, "silence")))["error"]
        assert (error["type"], error["code"]) == ("stream_timeout", "stream_timeout")

    def test_the_end_marker_is_the_one_a_reader_takes_for_the_end(self) -> None:
        reader = DIALECT.reader(facts(stream=True), "text/event-stream")
        reader.read(EVENTS.end_marker())
        assert reader.finished

    @pytest.mark.parametrize(
        ("spoken", "written"),
        [
            (EVENTS.keep_alive(), b": keep-alive\n\n"),
            (EVENTS.comment("routed-via a/b attempts=2"), b": routed-via a/b attempts=2\n\n"),
            (EVENTS.comment("a\r\n\ndata: b\rc"), b": a data: b c\n\n"),
            (EVENTS.comment("é\ud83d"), b": \xc3\xa9?\n\n"),
        ],
    )
    def test_comments_are_events_without_data(self, spoken: bytes, written: bytes) -> None:
        assert spoken == written
        assert [event.data for event in Decoder().feed(spoken)] == [None]

"""The dialect of Responses: the facts of a request, the request that goes out, and the router's own words."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Capability
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.openai_responses import DIALECT
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import Opening
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder

PATH = "/v1/responses"
CAPTURES = Path(__file__).parents[3] / "captures"
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 40_000}


def facts(path: str = PATH, **members: Any) -> RequestFacts:
    return DIALECT.facts(json.dumps(members).encode(), path)


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["input_text", "message", "json_schema"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "output", "format", "summary"]), inner)
    ),
)


class TestFacts:
    @pytest.mark.parametrize(
        ("members", "tokens"),
        [
            ({"input": "x" * 400}, 100),
            ({}, 0),
            ({"instructions": "x" * 400, "input": []}, 100),
            ({"instructions": "x" * 400, "input": user({"type": "input_text", "text": "x" * 400})}, 200),
            ({"input": [{"role": "user", "content": "x" * 400}]}, 100),
            ({"input": user(IMAGE)}, 1500),
            ({"input": [{"type": "function_call", "name": "f", "arguments": "x" * 400}]}, 100),
            ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x" * 400}]}, 100),
            ({"input": [{"type": "function_call_output", "output": [IMAGE]}]}, 1500),
            ({"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]}, 1500),
            ({"input": [{"type": "reasoning", "summary": [{"text": "x" * 400}], "encrypted_content": "A" * 999}]}, 100),
            ({"input": [{"type": "custom_tool_call", "input": "x" * 400}]}, 100),
            ({"input": "", "tools": [{"description": "x" * 400}]}, 105),
        ],
    )
    def test_the_estimate_counts_text_and_images(self, members: dict[str, Any], tokens: int) -> None:
        assert facts(**members).tokens == tokens

    @pytest.mark.parametrize(
        ("members", "needs"),
        [
            ({}, set()),
            ({"tools": [{"type": "function"}]}, {Capability.TOOLS}),
            ({"input": user(IMAGE)}, {Capability.VISION}),
            ({"input": user({"type": "input_audio"})}, {Capability.AUDIO}),
            ({"text": {"format": {"type": "json_schema"}}}, {Capability.JSON}),
            ({"text": {"format": {"type": "text"}, "verbosity": "low"}, "reasoning": {"effort": "high"}}, set()),
            ({"text": "json_schema"}, set()),
        ],
    )
    def test_what_a_model_must_be_able_to_do(self, members: dict[str, Any], needs: set[Capability]) -> None:
        assert facts(**{"input": "hi", **members}).needs == needs

    @pytest.mark.parametrize(
        ("members", "param"),
        [({"input": 1}, "input"), ({"input": ["hi"]}, "input[0]"), ({"input": "hi", "stream": "yes"}, "stream")],
    )
    def test_a_member_that_will_not_do_is_named(self, members: dict[str, Any], param: str) -> None:
        with pytest.raises(Problem) as raised:
            facts(**members)
        assert (raised.value.code, raised.value.param) == (Code.INVALID_REQUEST, param)

    @given(
        st.dictionaries(st.sampled_from(["model", "stream", "input", "tools", "instructions", "text"]), odd_values),
    )
    def test_any_request_is_read_without_an_exception(self, document: dict[str, Any]) -> None:
        with suppress(Problem):
            assert facts(**document).document == document


class TestOutbound:
    @pytest.mark.parametrize("turn", [1, 2])
    @pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":"), "ensure_ascii": False}])
    def test_of_codexs_requests_only_the_models_bytes_change(self, turn: int, form: dict[str, Any]) -> None:
        captured = json.loads((CAPTURES / f"codex_turn{turn}.json").read_text())
        body = json.dumps(captured["body"], **form).encode()
        read = DIALECT.facts(body, captured["path"])
        out, path = DIALECT.outbound(body, read, "gpt-5")
        assert path == "/responses"
        assert body.count(b'"gpt-fake"') == 1
        assert out == body.replace(b'"gpt-fake"', b'"gpt-5"')

    @pytest.mark.parametrize("turn", [1, 2])
    def test_codexs_requests_are_understood(self, turn: int) -> None:
        captured = json.loads((CAPTURES / f"codex_turn{turn}.json").read_text())
        read = DIALECT.facts(json.dumps(captured["body"]).encode(), captured["path"])
        assert (read.model, read.stream, read.needs) == ("gpt-fake", True, {Capability.TOOLS})
        assert 9_000 < read.tokens < 9_500

    def test_the_query_goes_on_without_credentials(self) -> None:
        read = facts(path="/v1/responses?api-version=1&key=k", input="hi")
        assert DIALECT.outbound(b'{"input":"hi"}', read, "m") == (
            b'{"model":"m","input":"hi"}',
            "/responses?api-version=1",
        )

    def test_the_key_is_a_bearer_token(self) -> None:
        assert DIALECT.auth_headers("k") == [("Authorization", "Bearer k")]


class TestVoice:
    LISTENER = Listener(facts(model="auto", input="hi"), request_id="r-1", started=1_700_000_000.5)
    EVENTS = DIALECT.control_events(LISTENER)

    def test_an_error_body_is_openais(self) -> None:
        body = json.loads(DIALECT.error_body(Problem(Code.RATE_LIMITED, "m", details=(("trail", "a@429"),))))
        expected = {"message": "m", "type": "rate_limit_error", "code": "rate_limited", "param": None, "trail": "a@429"}
        assert body == {"error": expected}

    def test_an_answer_that_was_opened_fails_under_its_own_id(self) -> None:
        opening = Opening({"id": "resp_7", "model": "m", "status": "in_progress", "error": None, "output": []}, 9)
        [event] = Decoder().feed(self.EVENTS.error_event(Problem(Code.STREAM_BROKEN, "gone"), opening))
        assert event.event == "response.failed"
        assert json.loads(event.data or b"") == {
            "type": "response.failed",
            "sequence_number": 9,
            "response": {
                "id": "resp_7",
                "model": "m",
                "status": "failed",
                "error": {"type": "upstream_error", "code": "stream_broken", "message": "gone"},
                "output": [],
            },
        }

    def test_an_answer_that_is_not_yet_open_is_opened_once_and_then_fails(self) -> None:
        problem = Problem(Code.NO_CANDIDATE, "nobody", details=(("trail", "a@503"),))
        created, failed = Decoder().feed(self.EVENTS.error_event(problem) + self.EVENTS.end_marker())
        first, last = (json.loads(event.data or b"") for event in (created, failed))
        assert (created.event, failed.event) == ("response.created", "response.failed")
        assert (first["sequence_number"], last["sequence_number"]) == (0, 1)
        assert first["response"]["id"] == last["response"]["id"] == "resp_r-1"
        assert (first["response"]["status"], first["response"]["created_at"]) == ("in_progress", 1_700_000_000)
        assert last["response"]["status"] == "failed"
        error = {"type": "server_error", "code": "no_candidate", "message": "nobody", "trail": "a@503"}
        assert last["response"]["error"] == error

    def test_silence_is_named_by_type_and_code(self) -> None:
        [event] = Decoder().feed(self.EVENTS.error_event(Problem(Code.STREAM_TIMEOUT, "silence"), Opening()))
        error = json.loads(event.data or b"")["response"]["error"]
        assert (error["type"], error["code"]) == ("stream_timeout", "stream_timeout")

    @pytest.mark.parametrize("opening", [None, Opening()])
    def test_agents_are_kept_awake_by_events(self, opening: Opening | None) -> None:
        assert self.EVENTS.keep_alive(opening) == PING

    def test_openais_libraries_get_no_event_before_the_opening(self) -> None:
        voice = DIALECT.control_events(Listener(facts(input="hi"), headers=(("X-Stainless-Lang", "python"),)))
        assert voice.keep_alive() == b": keep-alive\n\n"
        assert voice.keep_alive(Opening()) == PING

    def test_comments_are_welcome(self) -> None:
        assert self.EVENTS.comment("routed-via a/b") == b": routed-via a/b\n\n"

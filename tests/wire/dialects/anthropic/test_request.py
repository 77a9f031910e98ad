"""The dialect of Messages: the facts of a request, the request that goes out, and the router's own words."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Capability
from pointsman.wire.dialects.anthropic import DIALECT
from pointsman.wire.dialects.base import Listener
from pointsman.wire.errors import Code, FaultKind, Problem
from pointsman.wire.frames import Opening
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder

PATH = "/v1/messages"
HELLO = [{"role": "user", "content": "hello"}]
CAPTURES = Path(__file__).parents[3] / "captures"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 40_000}}
TOOL = {"name": "read", "input_schema": {"type": "object"}}


def facts(body: bytes | None = None, path: str = PATH, **members: Any) -> RequestFacts:
    return DIALECT.facts(json.dumps({"messages": HELLO, **members}).encode() if body is None else body, path)


def user(*blocks: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["text", "image", "tool_result", "json_schema"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "input", "format"]), inner)
    ),
)


class TestFacts:
    def test_a_plain_request(self) -> None:
        plain = facts(b'{"model": "m", "messages": [{"role": "user", "content": "hello, you"}]}')
        assert (plain.model, plain.stream, plain.needs, plain.tokens) == ("m", False, frozenset(), 2)
        assert (plain.model_span, plain.action, plain.query) == ((10, 13), "", "")

    def test_a_question_for_tokens_is_never_a_stream(self) -> None:
        count = facts(path="/v1/messages/count_tokens?beta=true", stream=True)
        assert (count.stream, count.action, count.query) == (False, "/count_tokens", "?beta=true")

    @pytest.mark.parametrize(
        ("members", "needs"),
        [
            ({"tools": [TOOL]}, {Capability.TOOLS}),
            ({"tools": []}, set()),
            ({"messages": user(IMAGE)}, {Capability.VISION}),
            ({"messages": user({"type": "tool_result", "content": [IMAGE]})}, {Capability.VISION}),
            ({"output_config": {"format": {"type": "json_schema"}}}, {Capability.JSON}),
            ({"output_format": {"type": "json_schema"}}, {Capability.JSON}),
            ({"output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}}, set()),
            ({"output_config": "json_schema"}, set()),
        ],
    )
    def test_what_a_model_must_be_able_to_do(self, members: dict[str, Any], needs: set[Capability]) -> None:
        assert facts(**members).needs == needs

    @pytest.mark.parametrize(
        ("members", "tokens"),
        [
            ({"messages": [{"role": "user", "content": "x" * 400}]}, 100),
            ({"messages": user({"type": "text", "text": "x" * 400}), "system": "x" * 400}, 200),
            ({"messages": user(), "system": [{"type": "text", "text": "x" * 400}]}, 100),
            ({"messages": user(IMAGE)}, 1500),
            ({"messages": user({"type": "tool_result", "content": "x" * 400})}, 100),
            ({"messages": user({"type": "tool_result", "content": [IMAGE, {"type": "text", "text": "x" * 40}]})}, 1510),
            ({"messages": user({"type": "tool_use", "input": {"path": "x" * 400}})}, 102),
            ({"messages": user({"type": "thinking", "thinking": "x" * 400, "signature": "x" * 400})}, 100),
            ({"messages": user({"type": "document", "source": {"data": "A" * 4000}})}, 0),
            ({"messages": user(), "tools": [{"description": "x" * 400}]}, 105),
        ],
    )
    def test_the_estimate_counts_text_and_images(self, members: dict[str, Any], tokens: int) -> None:
        assert facts(**members).tokens == tokens

    @given(
        st.dictionaries(
            st.sampled_from(["model", "stream", "messages", "tools", "system", "output_config", "metadata"]), odd_values
        )
    )
    def test_any_request_is_read_without_an_exception(self, document: dict[str, Any]) -> None:
        with suppress(Problem):
            assert facts(json.dumps(document).encode()).document == document

    @pytest.mark.parametrize(
        ("members", "param"),
        [({"messages": ["hi"]}, "messages[0]"), ({"stream": 1}, "stream")],
    )
    def test_a_member_that_will_not_do_is_named(self, members: dict[str, Any], param: str) -> None:
        with pytest.raises(Problem) as raised:
            facts(**members)
        assert (raised.value.code, raised.value.param) == (Code.INVALID_REQUEST, param)


class TestOutbound:
    @pytest.mark.parametrize("turn", [1, 2])
    @pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":"), "ensure_ascii": False}])
    def test_of_claude_codes_requests_only_the_models_bytes_change(self, turn: int, form: dict[str, Any]) -> None:
        captured = json.loads((CAPTURES / f"claude_code_turn{turn}.json").read_text())
        body = json.dumps(captured["body"], **form).encode()
        read = DIALECT.facts(body, captured["path"])
        out, path = DIALECT.outbound(body, read, "claude-sonnet-4-5")
        assert path == "/messages?beta=true"
        assert body.count(b'"claude-fake-1"') == 1
        assert out == body.replace(b'"claude-fake-1"', b'"claude-sonnet-4-5"')

    @pytest.mark.parametrize("turn", [1, 2])
    def test_claude_codes_requests_are_understood(self, turn: int) -> None:
        captured = json.loads((CAPTURES / f"claude_code_turn{turn}.json").read_text())
        read = DIALECT.facts(json.dumps(captured["body"]).encode(), captured["path"])
        assert (read.model, read.stream, read.needs) == ("claude-fake-1", True, {Capability.TOOLS})
        assert 18_000 < read.tokens < 19_000

    def test_a_question_for_tokens_keeps_its_path(self) -> None:
        body = b'{"messages":[{"content":"x"}],"model":"a"}'
        read = DIALECT.facts(body, "/olla/v1/messages/count_tokens?beta=true")
        assert DIALECT.outbound(body, read, "b") == (
            b'{"messages":[{"content":"x"}],"model":"b"}',
            "/messages/count_tokens?beta=true",
        )

    @pytest.mark.parametrize("form", ["block", "first line", "text"])
    @pytest.mark.parametrize("model", ["qwen3-coder", "claude-sonnet-4-5", "us.anthropic.opus"])
    def test_the_billing_line_reaches_models_of_anthropic_alone(self, form: str, model: str) -> None:
        line = "x-anthropic-billing-header: cc_version=2.1.177; cch=ab12c;"
        prompt = {"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}
        system, rest = {
            "block": ([{"type": "text", "text": line}, prompt], [prompt]),
            "first line": ([{**prompt, "text": f"\n{line}\nbe brief"}], [prompt]),
            "text": (f"{line}\r\nbe brief", "be brief"),
        }[form]
        body = b'{"model":"a", "system":%b, "messages":[],  "n":123456789012345678901}' % json.dumps(system).encode()
        out, _ = DIALECT.outbound(body, facts(body), model)
        if model != "qwen3-coder":
            assert out == body.replace(b'"a"', json.dumps(model).encode())
            return
        assert json.loads(out)["system"] == rest
        assert out.endswith(b', "messages":[],  "n":123456789012345678901}')

    def test_a_billing_line_alone_is_no_system_prompt(self) -> None:
        body = b'{"model":"a","system":[{"type":"text","text":"x-anthropic-billing-header: cch=1;"}],"messages":[]}'
        assert DIALECT.outbound(body, facts(body), "b")[0] == b'{"model":"b","messages":[]}'
        said = b'{"model":"a","system":"Explain:\\nx-anthropic-billing-header: cch=1;","messages":[]}'
        assert DIALECT.outbound(said, facts(said), "b")[0] == said.replace(b'"a"', b'"b"')

    @pytest.mark.parametrize("system", [None, 5, {}, [None, 5, [], {"text": 5}, {"text": None}]], ids=str)
    def test_an_odd_system_prompt_stays_as_it_is(self, system: Any) -> None:
        body = json.dumps({"model": "a", "system": system, "messages": []}).encode()
        assert DIALECT.outbound(body, facts(body), "b")[0] == body.replace(b'"a"', b'"b"')

    def test_key_and_version(self) -> None:
        assert DIALECT.auth_headers("k") == [("x-api-key", "k")]
        assert DIALECT.own_headers == (("anthropic-version", "2023-06-01"),)


class TestVoice:
    EVENTS = DIALECT.control_events(Listener(facts()))

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (Code.INVALID_REQUEST, "invalid_request_error"),
            (Code.INVALID_API_KEY, "authentication_error"),
            (Code.FORBIDDEN, "permission_error"),
            (Code.MODEL_NOT_FOUND, "not_found_error"),
            (Code.CONTEXT_TOO_LARGE, "request_too_large"),
            (Code.RATE_LIMITED, "rate_limit_error"),
            (Code.NO_CANDIDATE, "overloaded_error"),
            (Code.UPSTREAM_TIMEOUT, "timeout_error"),
            (Code.STREAM_TIMEOUT, "stream_timeout"),
            (Code.UPSTREAM_ERROR, "api_error"),
        ],
    )
    def test_an_error_body(self, code: Code, kind: str) -> None:
        problem = Problem(code, "m", details=(("trail", "a@503"), ("type", "not this")))
        assert json.loads(DIALECT.error_body(problem)) == {
            "type": "error",
            "error": {"type": kind, "message": "m", "code": code.value, "trail": "a@503"},
        }

    @pytest.mark.parametrize("opening", [None, Opening()])
    def test_an_error_event_is_one_and_is_the_end(self, opening: Opening | None) -> None:
        problem = Problem(Code.STREAM_TIMEOUT, "silence\n\nfor 60 s")
        [event] = Decoder().feed(self.EVENTS.error_event(problem, opening) + self.EVENTS.end_marker())
        assert (event.event, event.data) == ("error", DIALECT.error_body(problem))

    def test_between_events(self) -> None:
        assert self.EVENTS.keep_alive() == b'event: ping\ndata: {"type": "ping"}\n\n'
        assert self.EVENTS.comment("routed-via a/b") == b": routed-via a/b\n\n"
        assert self.EVENTS.stream_type == "text/event-stream"


def test_an_overloaded_provider_is_understood() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}'
    fault = DIALECT.fault(529, body, "application/json")
    assert (fault.kind, fault.status, fault.code, fault.message) == (
        FaultKind.STATUS,
        529,
        "overloaded_error",
        "Overloaded",
    )

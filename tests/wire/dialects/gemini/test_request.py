"""Gemini's dialect: the facts of a request and its path, the request that goes out, and the router's own words."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Capability
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.gemini import DIALECT
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import Opening
from pointsman.wire.request_facts import RequestFacts

PATH = "/v1beta/models/gemini-2.5-pro:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
COUNT = "/v1beta/models/m:countTokens"
HELLO = [{"role": "user", "parts": [{"text": "hello"}]}]
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "A" * 40_000}}


def facts(path: str = PATH, **members: Any) -> RequestFacts:
    return DIALECT.facts(json.dumps({"contents": HELLO, **members}).encode(), path)


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": list(parts)}]


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["user", "image/png", "application/json"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "parts", "text", "inlineData", "mime_type", "functionCall"]), inner)
    ),
)


class TestFacts:
    @pytest.mark.parametrize(
        ("path", "model", "stream", "action", "query"),
        [
            (PATH, "gemini-2.5-pro", False, "generateContent", ""),
            ("/v1/models/m:generateContent?key=secret", "m", False, "generateContent", ""),
            (f"{STREAM}?alt=sse&key=secret", "m", True, "streamGenerateContent", "?alt=sse"),
            (STREAM, "m", True, "streamGenerateContent", ""),
            (COUNT, "m", False, "countTokens", ""),
            ("/x/v1beta/models/vendor%2Fm%3Afree:generateContent", "vendor/m:free", False, "generateContent", ""),
            ("/v1beta/models/a/models/m:generateContent", "a/models/m", False, "generateContent", ""),
        ],
    )
    def test_the_path_says_what_is_asked(self, path: str, model: str, stream: bool, action: str, query: str) -> None:
        read = facts(path)
        assert (read.model, read.stream, read.action, read.query) == (model, stream, action, query)
        assert read.model_span is None

    @pytest.mark.parametrize(
        ("members", "needs"),
        [
            ({"tools": [{"functionDeclarations": []}]}, {Capability.TOOLS}),
            ({"tools": []}, set()),
            ({"contents": user(IMAGE)}, {Capability.VISION}),
            ({"contents": user({"inline_data": {"mime_type": "image/png", "data": ""}})}, {Capability.VISION}),
            ({"contents": user({"fileData": {"mimeType": "image/png", "fileUri": "gs://x"}})}, {Capability.VISION}),
            ({"contents": user({"inlineData": {"mimeType": "audio/wav"}})}, {Capability.AUDIO}),
            ({"contents": user({"inlineData": {"mimeType": "application/pdf"}})}, set()),
            ({"generationConfig": {"responseMimeType": "application/json"}}, {Capability.JSON}),
            ({"generation_config": {"response_schema": {"type": "OBJECT"}}}, {Capability.JSON}),
            ({"generationConfig": {"responseModalities": ["AUDIO"]}}, {Capability.AUDIO}),
            ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1}}}, set()),
        ],
    )
    def test_what_a_model_must_be_able_to_do(self, members: dict[str, Any], needs: set[Capability]) -> None:
        assert facts(**members).needs == needs

    @pytest.mark.parametrize(
        ("members", "tokens"),
        [
            ({"contents": user({"text": "x" * 400})}, 100),
            ({"contents": user(), "systemInstruction": {"parts": [{"text": "x" * 400}]}}, 100),
            ({"contents": user(), "system_instruction": "x" * 400}, 100),
            ({"contents": user(IMAGE)}, 1500),
            ({"contents": user({"functionCall": {"name": "f", "args": {"a": "x" * 400}}})}, 107),
            ({"contents": user({"functionResponse": {"name": "f", "response": {"a": "x" * 400}}})}, 108),
            ({"contents": user(), "tools": [{"description": "x" * 400}]}, 105),
            ({"contents": user(), "generationConfig": {"responseSchema": {"a": "x" * 400}}}, 102),
        ],
    )
    def test_the_estimate_counts_text_and_images(self, members: dict[str, Any], tokens: int) -> None:
        assert facts(**members).tokens == tokens

    def test_a_question_for_tokens_may_hold_a_whole_request(self) -> None:
        inner = {"model": "models/m", "contents": user({"text": "x" * 400}), "tools": [{}]}
        read = DIALECT.facts(json.dumps({"generateContentRequest": inner}).encode(), COUNT)
        assert (read.tokens, read.needs) == (101, {Capability.TOOLS})

    @pytest.mark.parametrize(("contents", "param"), [(None, "contents"), (["hi"], "contents[0]"), ("hi", "contents")])
    def test_contents_that_will_not_do_are_named(self, contents: Any, param: str) -> None:
        with pytest.raises(Problem) as raised:
            facts(contents=contents)
        assert (raised.value.code, raised.value.param) == (Code.INVALID_REQUEST, param)

    @given(
        st.dictionaries(
            st.sampled_from(["contents", "tools", "systemInstruction", "generationConfig", "generateContentRequest"]),
            odd_values,
        )
    )
    def test_any_request_is_read_without_an_exception(self, document: dict[str, Any]) -> None:
        with suppress(Problem):
            assert DIALECT.facts(json.dumps(document).encode(), PATH).document == document


class TestOutbound:
    @pytest.mark.parametrize(
        ("path", "model", "expected"),
        [
            (PATH, "gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
            (f"{STREAM}?alt=sse&key=k", "x", "/models/x:streamGenerateContent?alt=sse"),
            (STREAM, "models/x", "/models/x:streamGenerateContent"),
            (COUNT, "x", "/models/x:countTokens"),
            (PATH, "vendor/x:free", "/models/vendor/x:free:generateContent"),
            (PATH, "a b?c#d", "/models/a%20b%3Fc%23d:generateContent"),
        ],
    )
    def test_the_model_stands_in_the_path_and_the_body_is_as_it_was(self, path: str, model: str, expected: str) -> None:
        body = b'{ "contents":[{"parts":[{"text":"\\ud83d"}]}], "model":"untouched", "seed":12345678901234567890123 }\n'
        assert DIALECT.outbound(body, DIALECT.facts(body, path), model) == (body, expected)

    def test_a_request_within_a_question_for_tokens_names_the_model_too(self) -> None:
        body = b'{"generateContentRequest": {"contents":[{"model":"x"}], "model":"models/a" }}'
        out, path = DIALECT.outbound(body, DIALECT.facts(body, COUNT), "b")
        assert (out, path) == (body.replace(b'"models/a"', b'"models/b"'), "/models/b:countTokens")

    def test_the_key_has_a_header_of_its_own(self) -> None:
        assert DIALECT.auth_headers("k") == [("x-goog-api-key", "k")]


class TestFault:
    def test_the_quota_that_is_used_up_is_its_code(self) -> None:
        violations = [{"quotaId": "PerMinute"}, {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]
        details = [{"violations": violations}, {"retryDelay": "41.5s"}, None, {"reason": "RATE_LIMIT_EXCEEDED"}]
        error = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}
        fault = DIALECT.fault(429, json.dumps([{"error": error}]).encode(), "application/json")
        assert fault.code == "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
        assert (fault.status, fault.retry_after, fault.message) == (429, 41.5, "quota")

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ({"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}, "API_KEY_INVALID"),
            ({"status": "INVALID_ARGUMENT", "details": "none"}, "INVALID_ARGUMENT"),
            ({"status": "INVALID_ARGUMENT"}, "INVALID_ARGUMENT"),
        ],
    )
    def test_else_the_reason_or_the_status(self, error: dict[str, Any], code: str) -> None:
        assert DIALECT.fault(400, json.dumps({"error": error}).encode(), "").code == code

    def test_a_body_that_is_no_json_is_a_fault_like_any_other(self) -> None:
        assert DIALECT.fault(502, b"<html>Bad", "text/html").message == "Bad"


class TestVoice:
    SSE = DIALECT.control_events(Listener(facts(f"{STREAM}?alt=sse")))
    LIST = DIALECT.control_events(Listener(facts(STREAM)))
    PROBLEM = Problem(Code.RATE_LIMITED, "slow\n\ndown", retry_after=2.5, details=(("trail", "a@429"), ("code", "x")))

    def test_an_error_body_is_googles(self) -> None:
        assert json.loads(DIALECT.error_body(self.PROBLEM)) == {
            "error": {
                "code": 429,
                "message": "slow\n\ndown",
                "status": "RESOURCE_EXHAUSTED",
                "trail": "a@429",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "rate_limited",
                        "domain": "pointsman",
                    },
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.500s"},
                ],
            }
        }

    @pytest.mark.parametrize("code", Code)
    def test_every_code_has_a_word_of_googles(self, code: Code) -> None:
        error = json.loads(DIALECT.error_body(Problem(code, "m")))["error"]
        assert error["code"] == Problem(code, "m").status
        assert error["status"].replace("_", "").isupper()
        assert error["details"][0]["reason"] == code.value

    def test_an_error_among_events_is_one_line_of_data(self) -> None:
        said = self.SSE.error_event(self.PROBLEM, Opening()) + self.SSE.end_marker()
        assert said == b"data: " + DIALECT.error_body(self.PROBLEM) + b"\n\n"
        assert said.startswith(b'data: {"error":')

    @pytest.mark.parametrize(("before", "opening"), [(b"", None), (b'[{"candidates":[]}', Opening())])
    def test_an_error_in_a_list_makes_the_list_whole(self, before: bytes, opening: Opening | None) -> None:
        keep_alive = self.LIST.keep_alive(opening)
        said = self.LIST.error_event(self.PROBLEM, opening) + self.LIST.end_marker()
        *_, last = json.loads(before + keep_alive + said)
        assert last == json.loads(DIALECT.error_body(self.PROBLEM))

    @pytest.mark.parametrize(("voice", "kind"), [(SSE, "text/event-stream"), (LIST, "application/json")])
    def test_googles_clients_take_blank_lines_and_no_comments(self, voice: Any, kind: str) -> None:
        assert (voice.stream_type, voice.keep_alive(), voice.comment("routed-via")) == (kind, b"\n", b"")

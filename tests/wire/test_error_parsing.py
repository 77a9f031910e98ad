"""Errors in bodies: every shape they come in, what they mean, and what only looks like one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.error_parsing import error_fault, wrapped_fault
from pointsman.wire.errors import Fault, FaultKind

CHOICES = [{"index": 0, "delta": {"content": "rate limit"}}]
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}
GOOGLE = {
    "code": 429,
    "message": "Resource has been exhausted",
    "status": "RESOURCE_EXHAUSTED",
    "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure"}, RETRY_INFO],
}

SHAPES: list[tuple[Any, int, str, str]] = [
    # OpenAI and its kin: an object.
    (
        {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}},
        429,
        "rate_limit_exceeded",
        "Slow down",
    ),
    (
        {"error": {"message": "No such key", "type": "invalid_request_error", "code": "invalid_api_key"}},
        401,
        "invalid_api_key",
        "No such key",
    ),
    ({"error": {"message": "m", "type": "invalid_request_error", "code": None}}, 400, "invalid_request_error", "m"),
    ({"error": {"message": "m", "code": 503}}, 503, "503", "m"),
    ({"error": {"message": "m", "code": "503"}}, 503, "503", "m"),
    ({"error": {"message": "m", "status": 403}}, 403, "", "m"),
    ({"error": {"message": "m", "status_code": "402"}}, 402, "", "m"),
    ({"error": {"message": "m", "code": 1305}}, 502, "1305", "m"),
    ({"error": {"message": "m"}, "code": 429}, 429, "429", "m"),
    ({"error": {"code": 500}, "message": "beside it"}, 500, "500", "beside it"),
    ({"error": {"anything": 1}}, 502, "", ""),
    # Anthropic.
    (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        503,
        "overloaded_error",
        "Overloaded",
    ),
    # OpenRouter, in the middle of a stream and in a choice.
    (
        {"choices": CHOICES, "error": {"code": "server_error", "message": "Provider disconnected"}},
        500,
        "server_error",
        "Provider disconnected",
    ),
    (
        {"choices": [{"error": {"code": 429, "message": "Upstream is busy"}, "finish_reason": "error"}]},
        429,
        "429",
        "Upstream is busy",
    ),
    # A text.
    ({"error": "Rate limit reached, wait a bit"}, 429, "", "Rate limit reached, wait a bit"),
    ({"error": "Something broke"}, 502, "", "Something broke"),
    ({"error": "overloaded", "code": 200}, 503, "overloaded", "overloaded"),
    ({"error": "Unauthorized", "message": "The key has expired"}, 401, "Unauthorized", "The key has expired"),
    ({"error": "too busy", "status": 503}, 503, "", "too busy"),
    # Google, bare and in a list.
    ({"error": GOOGLE}, 429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"),
    ([{"error": GOOGLE}], 429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"),
    ({"error": {"status": "UNAVAILABLE", "message": "m"}}, 503, "UNAVAILABLE", "m"),
    # Cloudflare.
    (
        {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "result": None},
        401,
        "10000",
        "Authentication error",
    ),
    ({"success": False, "errors": [{"code": 7003, "message": "No route"}]}, 502, "7003", "No route"),
    ({"success": False, "errors": ["No route"]}, 502, "", "No route"),
    # MiniMax.
    (
        {"id": "1", "choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        502,
        "1008",
        "insufficient balance",
    ),
    ({"choices": [], "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, 429, "1002", "rate limit"),
    ({"base_resp": {"status_code": 2013, "status_msg": "invalid params"}}, 400, "2013", "invalid params"),
    # The root is the error.
    ({"message": "invalid api token"}, 502, "", "invalid api token"),
    ({"message": "You are over the rate limit", "id": "1"}, 429, "", "You are over the rate limit"),
    ({"code": 429}, 429, "429", ""),
    ({"code": "429"}, 429, "429", ""),
    ({"code": "rate_limit_exceeded"}, 429, "rate_limit_exceeded", ""),
    ({"code": 401, "message": "expired", "data": None}, 401, "401", "expired"),
    ({"status": 500, "title": "Oops"}, 500, "", "Oops"),
    ({"type": "error", "code": "server_error", "message": "m", "param": None}, 500, "server_error", "m"),
    ({"code": "InvalidApiKey", "message": "m", "request_id": "1"}, 401, "InvalidApiKey", "m"),
    ({"success": False, "message": "no"}, 502, "", "no"),
]

NO_ERRORS: list[Any] = [
    {"choices": CHOICES},
    {"choices": CHOICES, "base_resp": {"status_code": 0, "status_msg": ""}},
    {"choices": CHOICES, "base_resp": "success"},
    {"choices": CHOICES, "error": None},
    {"choices": CHOICES, "error": False},
    {"choices": CHOICES, "error": ""},
    {"choices": CHOICES, "error": " "},
    {"choices": CHOICES, "error": {}},
    {"choices": CHOICES, "error": []},
    {"choices": CHOICES, "error": True},
    {"choices": CHOICES, "code": 429},
    {"choices": CHOICES, "message": "rate limit", "status": 429},
    {"choices": [], "code": 429},
    {"choices": [{"error": None}]},
    {"choices": [{"error": {}}]},
    {"choices": [{"message": {"content": '{"error": {"code": 429}}'}}]},
    {"choices": "none", "message": "m"},
    {"message": {"role": "assistant", "content": "hi"}},
    {"message": ""},
    {"message": " "},
    {"message": None},
    {"type": "message_start", "message": {"content": []}},
    {"type": "message", "content": [], "message": "m"},
    {"candidates": [{}], "message": "m"},
    {"output": [], "code": 500},
    {"text": "hello", "message": "m"},
    {"type": "timeout"},
    {"code": 200},
    {"code": 0},
    {"code": 600},
    {"code": True},
    {"code": "ok"},
    {"status": "completed"},
    {"success": True, "errors": [{"code": 1, "message": "m"}]},
    {"success": False, "errors": []},
    {"success": False},
    {"errors": [{"code": 1}]},
    {},
    [],
    [{"error": GOOGLE}, {"error": GOOGLE}],
    [1],
    "error",
    429,
    None,
]


class TestWrappedFault:
    @pytest.mark.parametrize(("document", "status", "code", "message"), SHAPES)
    def test_a_failure_is_seen(self, document: Any, status: int, code: str, message: str) -> None:
        fault = wrapped_fault(document)
        assert fault
        assert (fault.kind, fault.status, fault.code, fault.message) == (FaultKind.WRAPPED, status, code, message)
        assert fault.label == f"wrapped_{status}"

    @pytest.mark.parametrize("document", NO_ERRORS)
    def test_an_answer_is_left_alone(self, document: Any) -> None:
        assert wrapped_fault(document) is None

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("rate_limit_exceeded", 429),
            ("insufficient_quota", 429),
            ("RESOURCE_EXHAUSTED", 429),
            ("RateLimitError", 429),
            ("too-many-requests", 429),
            ("invalid_api_key", 401),
            ("authentication_error", 401),
            ("UNAUTHENTICATED", 401),
            ("permission_denied", 403),
            ("PERMISSION_DENIED", 403),
            ("model_not_found", 404),
            ("NOT_FOUND", 404),
            ("context_length_exceeded", 413),
            ("overloaded_error", 503),
            ("UNAVAILABLE", 503),
            ("invalid_request_error", 400),
            ("INVALID_ARGUMENT", 400),
            ("server_error", 500),
            ("INTERNAL", 500),
            ("api_error", 500),
            ("billing_error", 402),
            ("DEADLINE_EXCEEDED", 504),
            ("never_heard_of", 502),
        ],
    )
    @pytest.mark.parametrize("member", ["code", "type", "status"])
    def test_a_word_means_a_status(self, member: str, word: str, status: int) -> None:
        fault = wrapped_fault({"error": {member: word}})
        assert fault
        assert (fault.status, fault.code) == (status, word)

    @pytest.mark.parametrize(
        ("message", "status"),
        [
            ("Rate limit exceeded: 20 requests per minute", 429),
            ("You exceeded your current quota", 429),
            ("This model's maximum context length is 8192 tokens", 413),
            ("Incorrect API key provided", 401),
            ("Permission denied on resource", 403),
            ("The model `x` does not exist", 404),
            ("The model is overloaded", 503),
            ("Upstream timed out", 504),
            ("Internal server error", 500),
            ("Who knows", 502),
        ],
    )
    def test_without_a_word_the_wording_counts(self, message: str, status: int) -> None:
        fault = wrapped_fault({"error": {"message": message, "type": "some_error"}})
        assert fault
        assert fault.status == status

    def test_a_number_says_more_than_a_word_and_a_word_more_than_the_wording(self) -> None:
        by_number = wrapped_fault({"error": {"code": 503, "type": "rate_limit_error", "message": "quota"}})
        by_word = wrapped_fault({"error": {"type": "overloaded_error", "message": "quota"}})
        assert by_number and by_word  # noqa: PT018
        assert (by_number.status, by_word.status) == (503, 503)

    @pytest.mark.parametrize(
        ("error", "seconds"),
        [
            (GOOGLE, 12.0),
            ({"message": "m", "retry_after": 7}, 7.0),
            ({"message": "m", "retry_after": "1.5"}, 1.5),
            ({"message": "m", "retryDelay": "0.25s"}, 0.25),
            ({"message": "m", "details": {"retry_after": 3}}, 3.0),
            ({"message": "m", "retry_after": -1}, None),
            ({"message": "m", "retry_after": True}, None),
            ({"message": "m", "retry_after": "tomorrow"}, None),
            ({"message": "m", "retry_after": float("inf")}, None),
            ({"message": "m", "details": ["retryDelay", {"retryDelay": None}]}, None),
        ],
    )
    def test_the_wait_is_read(self, error: dict[str, Any], seconds: float | None) -> None:
        fault = wrapped_fault({"error": error})
        assert fault
        assert fault.retry_after == seconds

    def test_a_wait_beside_the_error_is_read(self) -> None:
        fault = wrapped_fault({"error": "slow down", "retry_after": 4})
        assert fault
        assert fault.retry_after == 4.0

    def test_a_message_is_bounded(self) -> None:
        fault = wrapped_fault({"error": {"message": "x" * 5000, "code": "y" * 5000}})
        assert fault
        assert (len(fault.message), len(fault.code)) == (1000, 64)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["error", "errors", "code", "status", "type", "message", "details", "success", "choices"]
                    ),
                    inner,
                )
            ),
        )
    )
    def test_any_document_is_read_without_an_exception(self, document: Any) -> None:
        fault = wrapped_fault(document)
        assert fault is None or 400 <= (fault.status or 0) <= 599
        assert error_fault(400, json.dumps(document).encode(), "").status == 400


class TestErrorFault:
    @pytest.mark.parametrize(
        ("body", "code", "message"),
        [
            (b'{"error": {"message": "No", "type": "invalid_request_error", "code": "bad"}}', "bad", "No"),
            (b'{"error": "No"}', "No", "No"),
            (b'[{"error": {"status": "NOT_FOUND", "message": "No"}}]', "NOT_FOUND", "No"),
            (b'{"success": false, "errors": [{"code": 7003, "message": "No"}]}', "7003", "No"),
            (b'{"message": "No", "data": {}}', "", "No"),
            (b'{"detail": "No"}', "", "No"),
            (b'{"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}', "", "Field required"),
            (b'{"object": "error", "message": "No", "type": "BadRequestError", "code": 400}', "BadRequestError", "No"),
        ],
    )
    def test_an_error_body_is_read(self, body: bytes, code: str, message: str) -> None:
        fault = error_fault(418, body, "text/x")
        assert replace(fault, codes=()) == Fault(FaultKind.STATUS, message, 418, code, None, body, "text/x")
        assert fault.label == "418"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"error": {}}', '{"error": {}}'),
            (b"plain\n words", "plain words"),
            (b"", ""),
            (b"\xff\xfe", "��"),
            (b"x" * 999, "x" * 200),
            (
                b"<!DOCTYPE html><html><head><title>502 Bad&nbsp;Gateway</title><style>p {a: b}</style></head>"
                b"<body><!-- <b>no</b> --><script>let a = '</p>'</script><h1>Bad Gateway</h1></body></html>",
                "502 Bad Gateway Bad Gateway",
            ),
            (b"<script>never ends", ""),
        ],
    )
    def test_of_any_other_body_the_text_is_shown_but_not_interpreted(self, body: bytes, message: str) -> None:
        fault = error_fault(418, body, "text/x")
        assert fault == Fault(FaultKind.STATUS, message, 418, "", None, body, "text/x", structured=False)

    def test_the_status_is_what_was_sent(self) -> None:
        fault = error_fault(500, b'{"error": {"code": 429, "retry_after": 9, "message": "m"}}', "application/json")
        assert (fault.status, fault.code, fault.retry_after) == (500, "429", 9.0)

    @pytest.mark.parametrize("piece", [b"<", b"<script>", b"<!--", b"&", b"</script", b"["])
    def test_a_hostile_page_is_read_at_once(self, piece: bytes) -> None:
        assert len(error_fault(500, piece * 100_000, "text/html").message) <= 200

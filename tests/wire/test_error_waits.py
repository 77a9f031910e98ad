"""When to come back, as the bodies of many makers' errors say it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.error_parsing import error_fault, wrapped_fault
from pointsman.wire.errors import FaultKind
from pointsman.wire.retry_after import MAX_WAIT, dated

WALL = 1_700_000_000.0
RPC = "type.googleapis.com/google.rpc."
RAW = {"error": {"message": "Rate limit reached for gpt-4o. Please try again in 20s.", "type": "tokens"}}


def google(*details: dict[str, Any], message: str = "Resource has been exhausted") -> dict[str, Any]:
    return {"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": list(details)}}


BODIES: list[tuple[str, Any, float | None]] = [
    ("a field", {"error": {"message": "m", "retry_after": 7}}, 7.0),
    ("a field in words", {"error": {"message": "m", "retry_after": "7m12s"}}, 432.0),
    ("a field beside it", {"error": "slow down", "retry_after": 4}, 4.0),
    ("a field before words", {"error": {"message": "Try again in 20 seconds", "retry_after": 4}}, 4.0),
    ("details", {"error": {"message": "m", "details": {"retry_after": 3}}}, 3.0),
    ("milliseconds", {"error": {"message": "m", "retry_after_ms": 2500}}, 2.5),
    ("milliseconds that name a unit", {"error": {"message": "m", "retryAfterMs": "3s"}}, 3.0),
    ("a moment where seconds are due", {"error": {"message": "m", "retry_after": 1700000060}}, 60.0),
    (
        "ChatGPT",
        {"error": {"type": "usage_limit_reached", "message": "m", "resets_in_seconds": 7200, "resets_at": 1700007200}},
        7200.0,
    ),
    ("ChatGPT, resets_at alone", {"error": {"type": "usage_limit_reached", "resets_at": 1700007200}}, 7200.0),
    ("ChatGPT, in a detail", {"detail": {"code": "usage_limit_reached", "resets_in_seconds": 60}}, 60.0),
    ("reset_at, RFC 3339", {"error": {"message": "m", "reset_at": "2023-11-14T22:14:20Z"}}, 60.0),
    ("reset_at, milliseconds", {"error": {"message": "m", "reset_at": 1700000060000}}, 60.0),
    (
        "Google, RetryInfo",
        google({"@type": f"{RPC}QuotaFailure"}, {"@type": f"{RPC}RetryInfo", "retryDelay": "37s"}),
        37.0,
    ),
    ("Google, RetryInfo as gRPC has it", google({"retryDelay": {"seconds": 37, "nanos": 0}}), 37.0),
    (
        "Google, quotaResetDelay",
        google({"@type": f"{RPC}ErrorInfo", "reason": "Q", "metadata": {"quotaResetDelay": "2h5m3.4s", "model": "g"}}),
        7503.4,
    ),
    ("Google, quotaResetTimeStamp", google({"metadata": {"quotaResetTimeStamp": "2023-11-14T23:13:20Z"}}), 3600.0),
    ("Google, words", google(message="You have exhausted your capacity. Your quota will reset after 2h7m23s."), 7643.0),
    ("Google, in a list", [google({"retryDelay": "37s"})], 37.0),
    (
        "OpenRouter, quoted headers",
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-min",
                "code": 429,
                "metadata": {
                    "headers": {
                        "X-RateLimit-Limit": "20",
                        "X-RateLimit-Remaining": "0",
                        "X-RateLimit-Reset": "1700000045000",
                    }
                },
            }
        },
        45.0,
    ),
    ("OpenRouter, of another kind", {"error": {"message": "m", "metadata": {"headers": {"Retry-After": "12"}}}}, 12.0),
    (
        "OpenRouter, the inner error as JSON",
        {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": json.dumps(RAW)}}},
        20.0,
    ),
    (
        "OpenRouter, JSON in JSON",
        {"error": {"message": "m", "metadata": {"raw": json.dumps({"error": {"metadata": {"raw": json.dumps(RAW)}}})}}},
        20.0,
    ),
    (
        "OpenRouter, the inner error as text",
        {"error": {"message": "m", "metadata": {"raw": "x is rate-limited upstream. Please retry in 8s."}}},
        8.0,
    ),
    ("Hugging Face, while it loads", {"error": "Model x is currently loading", "estimated_time": 20.5}, 20.5),
    ("words", {"error": {"message": "Slow down, try again in 20 seconds", "code": 429}}, 20.0),
    ("words about a moment", {"error": {"message": "Try again at 2023-11-14 23:13:20 UTC", "code": 429}}, 3600.0),
    ("words in the last place", {"error": {"message": "m" * 2000 + ". Please try again in 6m0s."}}, 360.0),
    ("Cloudflare", {"success": False, "errors": [{"code": 1, "message": "Rate limited, retry after 9 s"}]}, 9.0),
    ("more than a day", {"error": {"message": "m", "retry_after": 274579}}, MAX_WAIT),
    ("far ahead", {"error": {"message": "m", "resets_at": "2999-01-01T00:00:00Z"}}, MAX_WAIT),
    ("past", {"error": {"message": "m", "resets_at": 1600000000}}, 0.0),
    ("negative", {"error": {"message": "m", "retry_after": -1}}, None),
    ("a boolean", {"error": {"message": "m", "retry_after": True}}, None),
    ("no time", {"error": {"message": "m", "retry_after": "tomorrow", "resets_at": [], "retryDelay": None}}, None),
    ("infinite", {"error": {"message": "m", "retry_after": float("inf"), "resets_at": float("nan")}}, None),
    ("nothing", {"error": {"message": "Too many requests"}}, None),
    ("numbers of another kind", {"error": {"message": "Limit: 5 requests per 60s", "limit": 60, "code": 429}}, None),
]


@pytest.mark.parametrize(("maker", "body", "seconds"), BODIES, ids=[row[0] for row in BODIES])
@pytest.mark.parametrize("status", [402, 403, 429, 503, 529])
def test_a_body_states_its_wait_under_any_status(maker: str, body: Any, seconds: float | None, status: int) -> None:
    fault = dated(error_fault(status, json.dumps(body).encode(), "application/json"), {}, WALL)
    assert fault.retry_after == pytest.approx(seconds), maker


@pytest.mark.parametrize(("maker", "body", "seconds"), BODIES, ids=[row[0] for row in BODIES])
def test_and_wrapped_in_a_success(maker: str, body: Any, seconds: float | None) -> None:
    fault = wrapped_fault(body)
    if "detail" not in body:
        assert fault
        assert fault.kind is FaultKind.WRAPPED
        assert dated(fault, {}, WALL).retry_after == pytest.approx(seconds), maker


def test_moments_are_measured_by_the_providers_own_clock() -> None:
    fault = error_fault(429, b'{"error": {"message": "m", "resets_at": 1700000060}}', "application/json")
    behind = {"date": "Tue, 14 Nov 2023 22:03:20 GMT"}
    assert dated(fault, behind, WALL).retry_after == 660.0
    assert dated(fault, {"date": "now"}, WALL).retry_after == 60.0


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b"Too many requests. Please wait 30 seconds.", 30.0),
        (b"  retry after 12 seconds\n", 12.0),
        (b"Too many requests", None),
        (b"<html><body>Try again in 5 minutes</body></html>", None),
        (b"", None),
    ],
)
def test_a_line_of_text_is_read_and_a_page_is_not(body: bytes, seconds: float | None) -> None:
    assert error_fault(429, body, "text/plain").retry_after == seconds


NAMES = ["error", "metadata", "headers", "raw", "message", "details", "retry_after", "resets_at", "retryDelay",
         "X-RateLimit-Reset", "X-RateLimit-Remaining", "retry_after_ms"]  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes().map(str)


@given(
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(NAMES), inner)
            | st.dictionaries(st.sampled_from(NAMES), inner).map(json.dumps)
        ),
    ),
    st.floats(0, 4e9),
)
def test_any_document_is_read_without_an_exception(document: Any, wall: float) -> None:
    body = json.dumps({"error": document}).encode()
    for fault in (error_fault(429, body, "application/json"), wrapped_fault({"error": document})):
        wait = dated(fault, {}, wall).retry_after if fault else None
        assert wait is None or 0 <= wait <= MAX_WAIT


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * 200_000,
        b'{"error": {' + b",".join(b'"k%d": "try again in 5"' % n for n in range(20_000)) + b"}}",
        b'{"error": [' + b",".join([b'{"message": "wait 1 "}'] * 20_000) + b"]}",
        json.dumps({"error": {"message": "again in 1 " * 90_000}}).encode(),
        b'{"error": {"retry_after": 1' + b"0" * 400_000 + b"}}",
    ],
    ids=["deep", "wide", "long", "wordy", "huge"],
)
def test_a_hostile_body_is_read_at_once(body: bytes) -> None:
    assert dated(error_fault(429, body, "application/json"), {}, WALL).retry_after is None

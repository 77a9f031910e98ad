"""The error of the provider behind a gateway, in every way in which gateways pass it on."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.error_parsing import error_fault, wrapped_fault
from pointsman.wire.quoted_errors import document_of, quoted_document

SAID = "Your credit balance is too low. Don't panic."
INNER = {"type": "error", "error": {"type": "invalid_request_error", "message": SAID}}


def openai(message: object, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": "x", **more}}


WAYS: dict[str, Callable[[], Any]] = {
    "JSON after words": lambda: openai("Upstream request failed: " + json.dumps(INNER)),
    "JSON between words": lambda: openai(f"BadRequest - {json.dumps(INNER)}. Received Model Group=m\nFallbacks=None"),
    "JSON after brackets": lambda: openai("[claude/m] [400]: " + json.dumps(INNER)),
    "JSON in JSON": lambda: openai(json.dumps(openai(json.dumps(INNER)))),
    "bytes of Python": lambda: openai("BadRequest: AException - b'" + json.dumps(INNER).replace("'", "") + "'"),
    "dictionary of Python": lambda: openai(f"Error code: 400 - {openai(SAID, code=None)!r}"),
    "dictionary with a text": lambda: openai(repr({"error": SAID})),
    "beside the type": lambda: {"type": "error", "error": {"type": "request_fail", "upstream_error": INNER}},
    "error in error": lambda: {"error": openai(SAID)},
    "error behind a message": lambda: openai("Provider returned error", error={"message": SAID}),
    "detail": lambda: {"detail": {"message": SAID}},
    "error in detail": lambda: {"detail": openai(SAID)},
    "texts in a list": lambda: {"errors": [SAID]},
    "error in a list": lambda: {"error": [{"message": SAID}]},
    "failed response": lambda: {"type": "response.failed", "response": {"status": "failed", **openai(SAID)}},
    "other members": lambda: {"error_code": 400, "error_msg": SAID},
    "camel case": lambda: {"errorCode": "X", "errorMessage": SAID},
    "behind a phrase": lambda: {"message": "Bad Request", "detail": SAID},
    "fault": lambda: {"fault": {"faultstring": SAID, "detail": {"errorcode": "x"}}},
}


@pytest.mark.parametrize("way", WAYS)
def test_an_error_is_found_wherever_a_gateway_puts_it(way: str) -> None:
    fault = error_fault(400, json.dumps(WAYS[way]()).encode(), "application/json")
    assert SAID.replace("'", "") in {each.replace("'", "") for each in (fault.message, fault.upstream)}


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + json.dumps(INNER).encode(),
        b"event: error\ndata: " + json.dumps(INNER).encode() + b"\n\n",
        b"data:" + json.dumps(INNER).encode() + b"\r\n\r\n",
        b"HTTP 400: " + json.dumps(INNER).encode(),
    ],
)
def test_a_body_may_have_something_before_its_document(body: bytes) -> None:
    fault = error_fault(400, body, "text/plain")
    assert (fault.message, fault.structured) == (SAID, True)


def test_an_error_in_an_error_has_its_wait_and_its_code() -> None:
    inner = openai("Slow down", code="rate_limit_exceeded", retry_after=7)
    fault = error_fault(429, json.dumps(openai("Upstream failed: " + json.dumps(inner))).encode(), "application/json")
    assert fault.retry_after == 7
    assert "rate_limit_exceeded" in fault.codes
    assert wrapped_fault({"error": {"upstream_error": inner}}).status == 429


@pytest.mark.parametrize(
    "text",
    [
        'Failed to parse arguments: {"message": "insufficient balance"}',
        "Invalid value: {'role': 'user', 'content': 'insufficient balance'}",
        'The tool "f" got {"error": "insufficient balance"}',
        "no document at all",
        "a { that is not closed",
        "{'error': nothing}",
    ],
)
def test_what_may_be_the_clients_own_is_no_error(text: str) -> None:
    assert quoted_document(text) is None
    assert error_fault(400, json.dumps(openai(text)).encode(), "application/json").upstream == ""


@given(st.text("{}[]'\"\\:,be rrom1 -\n", max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    found = quoted_document(text)
    assert found is None or isinstance(found, dict)
    document_of(text.encode())
    error_fault(400, text.encode(), "application/json")


def test_a_deep_text_is_no_document() -> None:
    assert quoted_document("failed: " + '{"error":' * 20_000) is None
    nested: object = SAID
    for _ in range(500):
        nested = {"error": nested}
    assert error_fault(400, json.dumps(nested).encode(), "application/json").status == 400

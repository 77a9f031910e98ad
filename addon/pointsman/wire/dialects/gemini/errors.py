"""The error object of Google's APIs, in both directions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Fault, Problem
from pointsman.wire.json_access import mapping, mappings

TYPE = "type.googleapis.com/google.rpc."
WORDS_OF_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}


def error_body(problem: Problem) -> bytes:
    """The body of an error status. `code` is a number here; the router's own word is the reason in the details."""
    details: list[dict[str, str]] = [
        {"@type": f"{TYPE}ErrorInfo", "reason": problem.code.value, "domain": "pointsman"},
    ]
    if problem.retry_after is not None:
        details.append({"@type": f"{TYPE}RetryInfo", "retryDelay": f"{problem.retry_after:.3f}s"})
    error = {
        **dict(problem.details),
        "code": problem.status,
        "message": problem.message,
        "status": WORDS_OF_STATUS.get(problem.status, "UNAVAILABLE" if problem.status >= 500 else "INVALID_ARGUMENT"),
        "details": details,
    }
    return json.dumps({"error": error}).encode()


def fault(status: int, body: bytes, content_type: str) -> Fault:
    """What an error status means; its code is the quota that is used up, or the reason, where the details tell."""
    found = error_fault(status, body, content_type)
    reason = next(_reasons(body), "")
    return replace(found, code=reason[:64]) if reason else found


def _reasons(body: bytes) -> Iterator[str]:
    """The most telling first: a quota by the day, any other quota, a reason."""
    quotas, reasons = [], []
    for detail in _details(body):
        quotas += [violation.get("quotaId") for violation in mappings(detail.get("violations"))]
        reasons.append(detail.get("reason"))
    words = [word for word in (*quotas, *reasons) if isinstance(word, str) and word]
    yield from sorted(words, key=lambda word: "PerDay" not in word)


def _details(body: bytes) -> list[Mapping[str, Any]]:
    document = jsontext.parsed(body)
    if isinstance(document, list) and document:
        document = document[0]
    return mappings(mapping(mapping(document).get("error")).get("details"))

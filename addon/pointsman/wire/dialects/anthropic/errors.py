"""The error object of Anthropic's Messages."""

import json

from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Code, Problem

fault = error_fault

TYPES_OF_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_body(problem: Problem) -> bytes:
    """The body of an error status."""
    error = {
        **dict(problem.details),
        "type": _error_type(problem),
        "message": problem.message,
        "code": problem.code.value,
    }
    return json.dumps({"type": "error", "error": error}).encode()


def _error_type(problem: Problem) -> str:
    if problem.code is Code.STREAM_TIMEOUT:
        return problem.code.value
    return TYPES_OF_STATUS.get(problem.status, "api_error" if problem.status >= 500 else "invalid_request_error")

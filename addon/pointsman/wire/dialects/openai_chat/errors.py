"""The error object of OpenAI's dialects."""

import json

from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Code, Problem

fault = error_fault

TYPES_OF_STATUS = {401: "authentication_error", 429: "rate_limit_error"}
FROM_UPSTREAM = frozenset({Code.STREAM_BROKEN, Code.UPSTREAM_TIMEOUT, Code.UPSTREAM_ERROR, Code.PROVIDER_AUTH})


def error_body(problem: Problem) -> bytes:
    """The body of an error status."""
    error = {
        **dict(problem.details),
        "message": problem.message,
        "type": error_type(problem),
        "code": problem.code.value,
        "param": problem.param,
    }
    return json.dumps({"error": error}).encode()


def error_type(problem: Problem) -> str:
    if problem.code is Code.STREAM_TIMEOUT:
        return problem.code.value
    if problem.code in FROM_UPSTREAM:
        return "upstream_error"
    return TYPES_OF_STATUS.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")

"""What can go wrong with a provider, and what the router itself may have to say to a client.

A `Fault` is what an attempt suffered: a provider's doing, seen by the readers of `wire` or by the exchange's timers.
A `Problem` is an answer of the router itself, sent in the client's dialect. Routing decides what follows from a fault;
nothing here does.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class FaultKind(StrEnum):
    """Why an attempt failed. The values appear in trails, audits and logs."""

    REFUSED = "connect_refused"
    DNS = "dns"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    RESET = "connection_reset"
    STATUS = "status"
    WRAPPED = "wrapped"
    EMPTY = "empty"
    UNUSABLE = "unusable_answer"
    """Nothing was said, and the finish reason blames what the model tried to say."""
    MALFORMED = "malformed"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    ANSWER_TIMEOUT = "answer_timeout"
    CLIENT_TIMEOUT = "client_timeout"
    """The time that the request itself allows is over."""
    STALLED = "stream_timeout"
    BROKEN = "stream_broken"
    INCONVERTIBLE = "inconvertible"
    """The request cannot be converted; the provider was sent nothing."""
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure of one attempt.

    `status` is the HTTP status the provider sent, or the one a wrapped error means. `code` and `message` come from
    structured error fields only, never from a model's own words. `codes` are all words and numbers that name the
    failure, in any of its fields. `upstream` is the message of the provider behind an aggregator. `retry_after` is in
    seconds; `retry_at` are moments as the body states them, the last of which counts, until `retry_after.dated` makes
    seconds of it. `body` is the provider's whole error body (bounded), kept because a client error goes out unchanged.
    """

    kind: FaultKind
    message: str = ""
    status: int | None = None
    code: str = ""
    retry_after: float | None = None
    body: bytes | None = field(default=None, repr=False)
    content_type: str = ""
    structured: bool = True
    """`message` comes from a field made for it, not from a page or plain text."""
    converted: bool = False
    """The request reached the provider in another dialect than its client's."""
    codes: tuple[str, ...] = ()
    upstream: str = ""
    model: str = ""
    """The name that the provider was asked for."""
    retry_at: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A word for the trail: `503`, `wrapped_429`, `empty`, `first_byte_timeout`."""
        if self.kind is FaultKind.STATUS:
            return str(self.status)
        if self.kind is FaultKind.WRAPPED:
            return f"wrapped_{self.status}"
        return self.kind.value


class Code(StrEnum):
    """The code of an error that the router itself answers with."""

    INVALID_REQUEST = "invalid_request"
    INVALID_API_KEY = "invalid_api_key"
    FORBIDDEN = "forbidden"
    PROXY_AUTH_REQUIRED = "proxy_auth_required"
    NOT_FOUND = "not_found"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    UPGRADE_REQUIRED = "upgrade_required"
    CONTEXT_TOO_LARGE = "context_too_large"
    REQUEST_TOO_LARGE = "request_too_large"
    HEAD_TOO_LARGE = "head_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    RATE_LIMITED = "rate_limited"
    BUDGET_EXHAUSTED = "budget_exhausted"
    STREAM_TIMEOUT = "stream_timeout"
    STREAM_BROKEN = "stream_broken"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_ERROR = "upstream_error"
    PROVIDER_AUTH = "provider_auth"
    NO_CANDIDATE = "no_candidate"
    SHUTTING_DOWN = "shutting_down"
    INTERNAL_ERROR = "internal_error"


STATUS_OF: dict[Code, int] = {
    Code.INVALID_REQUEST: 400,
    Code.INVALID_API_KEY: 401,
    Code.FORBIDDEN: 403,
    Code.PROXY_AUTH_REQUIRED: 407,
    Code.NOT_FOUND: 404,
    Code.MODEL_NOT_FOUND: 404,
    Code.MODEL_NOT_ALLOWED: 403,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.UPGRADE_REQUIRED: 426,
    Code.CONTEXT_TOO_LARGE: 413,
    Code.REQUEST_TOO_LARGE: 413,
    Code.HEAD_TOO_LARGE: 431,
    Code.REQUEST_TIMEOUT: 408,
    Code.RATE_LIMITED: 429,
    Code.BUDGET_EXHAUSTED: 429,
    Code.STREAM_TIMEOUT: 504,
    Code.STREAM_BROKEN: 502,
    Code.UPSTREAM_TIMEOUT: 504,
    Code.UPSTREAM_ERROR: 502,
    Code.PROVIDER_AUTH: 502,
    Code.NO_CANDIDATE: 503,
    Code.SHUTTING_DOWN: 503,
    Code.INTERNAL_ERROR: 502,
}


@dataclass(eq=False)  # not frozen: Python itself writes to an exception on its way up
class Problem(Exception):
    """An error that the router itself answers with.

    `details` are further plain members of the error object (the trail, the reasons of excluded candidates); they
    never hold a secret. `retry_after` is in seconds. `param` names the invalid member of the request. `is_permanent`:
    the same request will never be served, so clients are told not to repeat it.
    """

    code: Code
    message: str
    retry_after: float | None = None
    param: str | None = None
    details: tuple[tuple[str, object], ...] = ()
    is_permanent: bool = False

    def __str__(self) -> str:
        return self.message

    @property
    def status(self) -> int:
        return STATUS_OF[self.code]

    def with_request_id(self, request_id: str) -> "Problem":
        """The same, naming the request, so that it is found again."""
        return replace(self, details=(*self.details, ("request_id", request_id)))

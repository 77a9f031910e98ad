"""The consequences of each failure: for its exchange, for all exchanges, for its session. One table.

`classify` says which row a fault belongs to, `FAILURE_POLICIES` what follows. Wordings count as the status they mean,
in a 400 and in wrapped errors too; they are read in structured error fields only, never in a model's own words or in a
page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from pointsman.wire.errors import Fault, FaultKind


class Failure(StrEnum):
    """The rows. Their values appear in audits, logs and the list of cooldowns."""

    CONNECT = "connect"
    SERVER_ERROR = "server_error"
    ODD_SERVER_ERROR = "odd_server_error"
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"
    RATE_LIMIT = "rate_limit"
    """One model of one key."""
    KEY_RATE_LIMIT = "key_rate_limit"
    """All models of a key: the account, organization or key has reached its limit."""
    CONCURRENCY = "concurrency"
    """Too many requests at once."""
    QUOTA = "quota"
    """One model of one key, until its provider's clock begins a new day."""
    KEY_QUOTA = "key_quota"
    ACCOUNT = "account"
    """Credit, billing, a disabled organization, a validation that is required: another account may serve."""
    UNAFFORDABLE = "unaffordable"
    """The credit would do for fewer output tokens."""
    KEY_INVALID = "key_invalid"
    NO_ACCESS = "no_access"
    """This key may not use this model."""
    REGION = "region"
    FORBIDDEN = "forbidden"
    """Refused without a reason that is understood."""
    MODEL_GONE = "model_gone"
    NOT_FOUND = "not_found"
    """Something does not exist, and nothing says that it is the model."""
    UNKNOWN_ID = "unknown_id"
    """It does not know an id: of an answer, a file or the like. Another account may have issued it."""
    CONTEXT_TOO_LARGE = "context_too_large"
    REQUEST_TOO_LARGE = "request_too_large"
    """Larger than this target accepts, in bytes or in tokens per minute; its window may be large enough."""
    CONTENT_FILTER = "content_filter"
    """The filter of a hosting service; another host may have none."""
    CONTENT_POLICY = "content_policy"
    """The policy of the model's maker."""
    REFUSED = "refused"
    """This target does not take such a request; another one may."""
    FOREIGN_STATE = "foreign_state"
    """A signature or encrypted content that another provider or account has issued."""
    TRUNCATED = "truncated"
    REQUEST = "request"
    BROKEN = "broken"
    OURS = "ours"
    """The router itself is at fault, and no provider."""


class SkipScope(Enum):
    """What a failure excludes from the rest of the exchange."""

    NOTHING = auto()
    KEY = auto()
    """The next key of the same target may do better."""
    TARGET = auto()
    SMALLER = auto()
    """Every target with no larger window."""
    ALL = auto()
    """The request itself is invalid: the provider's answer goes to the client."""


class Scope(Enum):
    """What a failure is charged to, smallest first."""

    REQUEST = auto()
    """Nothing that outlives the exchange."""
    MODEL_OF_KEY = auto()
    KEY = auto()
    TARGET = auto()


class CooldownLength(Enum):
    """How long the scope is not used; a wait that the provider states comes first."""

    TRANSIENT = auto()
    """`cooldowns.transient`."""
    RATE_LIMIT = auto()
    """`cooldowns.rate_limit`, doubling."""
    CONCURRENCY = auto()
    """Two seconds, never doubling."""
    QUOTA = auto()
    """Until the provider's `quota_reset`."""
    ACCOUNT = auto()
    """An hour: nothing but a payment or a person ends it."""
    NO_ACCESS = auto()
    """An hour."""
    KEY_INVALID = auto()
    """`cooldowns.key_invalid`."""
    GONE = auto()
    """Five minutes, doubling to an hour."""


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """`scope` is what a `cooldown` excludes for everyone; None cools nothing. `after_all_keys`: only once every usable
    key of the target was tried. `counts_as_strike`: one more failure of this target in this session. `clears_pin`: the
    session's pin on it is cleared.
    """

    skip: SkipScope
    scope: Scope = Scope.REQUEST
    cooldown: CooldownLength | None = None
    after_all_keys: bool = False
    counts_as_strike: bool = False
    clears_pin: bool = False

    @property
    def moves_pin(self) -> bool:
        """The target failed, rather than refused what this one request asked."""
        return self.scope is not Scope.REQUEST


def _transient(skip: SkipScope, **more: bool) -> FailurePolicy:
    return FailurePolicy(skip, Scope.TARGET, CooldownLength.TRANSIENT, **more)


FAILURE_POLICIES: Mapping[Failure, FailurePolicy] = {
    Failure.CONNECT: _transient(SkipScope.TARGET, counts_as_strike=True),
    Failure.SERVER_ERROR: _transient(SkipScope.KEY, after_all_keys=True, counts_as_strike=True),
    Failure.ODD_SERVER_ERROR: _transient(SkipScope.KEY, after_all_keys=True),
    Failure.TIMEOUT: _transient(SkipScope.TARGET, counts_as_strike=True),
    Failure.NO_ANSWER: _transient(SkipScope.TARGET),
    Failure.RATE_LIMIT: FailurePolicy(SkipScope.KEY, Scope.MODEL_OF_KEY, CooldownLength.RATE_LIMIT),
    Failure.KEY_RATE_LIMIT: FailurePolicy(SkipScope.KEY, Scope.KEY, CooldownLength.RATE_LIMIT),
    Failure.CONCURRENCY: FailurePolicy(SkipScope.KEY, Scope.MODEL_OF_KEY, CooldownLength.CONCURRENCY),
    Failure.QUOTA: FailurePolicy(SkipScope.KEY, Scope.MODEL_OF_KEY, CooldownLength.QUOTA),
    Failure.KEY_QUOTA: FailurePolicy(SkipScope.KEY, Scope.KEY, CooldownLength.QUOTA),
    Failure.ACCOUNT: FailurePolicy(SkipScope.KEY, Scope.KEY, CooldownLength.ACCOUNT),
    Failure.UNAFFORDABLE: FailurePolicy(SkipScope.KEY),
    Failure.KEY_INVALID: FailurePolicy(SkipScope.KEY, Scope.KEY, CooldownLength.KEY_INVALID),
    Failure.NO_ACCESS: FailurePolicy(SkipScope.KEY, Scope.MODEL_OF_KEY, CooldownLength.NO_ACCESS),
    Failure.REGION: FailurePolicy(SkipScope.TARGET, Scope.MODEL_OF_KEY, CooldownLength.NO_ACCESS),
    Failure.FORBIDDEN: FailurePolicy(SkipScope.TARGET),
    Failure.MODEL_GONE: FailurePolicy(SkipScope.TARGET, Scope.TARGET, CooldownLength.GONE),
    Failure.NOT_FOUND: FailurePolicy(SkipScope.TARGET),
    Failure.CONTEXT_TOO_LARGE: FailurePolicy(SkipScope.SMALLER),
    Failure.REQUEST_TOO_LARGE: FailurePolicy(SkipScope.TARGET),
    Failure.CONTENT_FILTER: FailurePolicy(SkipScope.TARGET),
    Failure.CONTENT_POLICY: FailurePolicy(SkipScope.ALL),
    Failure.REFUSED: FailurePolicy(SkipScope.TARGET),
    Failure.FOREIGN_STATE: FailurePolicy(SkipScope.KEY),
    Failure.UNKNOWN_ID: FailurePolicy(SkipScope.KEY),
    Failure.TRUNCATED: FailurePolicy(SkipScope.TARGET),
    Failure.REQUEST: FailurePolicy(SkipScope.ALL),
    Failure.BROKEN: _transient(SkipScope.NOTHING, counts_as_strike=True, clears_pin=True),
    Failure.OURS: FailurePolicy(SkipScope.TARGET),
}

FAILURE_BY_KIND: Mapping[FaultKind, Failure] = {
    FaultKind.REFUSED: Failure.CONNECT,
    FaultKind.DNS: Failure.CONNECT,
    FaultKind.TLS: Failure.CONNECT,
    FaultKind.RESET: Failure.CONNECT,
    FaultKind.CONNECT_TIMEOUT: Failure.CONNECT,
    FaultKind.FIRST_BYTE_TIMEOUT: Failure.TIMEOUT,
    FaultKind.ANSWER_TIMEOUT: Failure.TIMEOUT,
    FaultKind.EMPTY: Failure.NO_ANSWER,
    FaultKind.MALFORMED: Failure.NO_ANSWER,
    FaultKind.BROKEN: Failure.NO_ANSWER,
    FaultKind.STALLED: Failure.BROKEN,
    FaultKind.INTERNAL: Failure.OURS,
}

FAILURE_BY_STATUS: Mapping[int, Failure] = {
    400: Failure.REQUEST,
    401: Failure.KEY_INVALID,
    402: Failure.QUOTA,
    403: Failure.FORBIDDEN,
    404: Failure.MODEL_GONE,
    408: Failure.ODD_SERVER_ERROR,
    409: Failure.ODD_SERVER_ERROR,
    410: Failure.MODEL_GONE,
    413: Failure.CONTEXT_TOO_LARGE,
    422: Failure.REQUEST,
    425: Failure.ODD_SERVER_ERROR,
    429: Failure.RATE_LIMIT,
    451: Failure.FORBIDDEN,
    500: Failure.SERVER_ERROR,
    502: Failure.SERVER_ERROR,
    503: Failure.SERVER_ERROR,
    504: Failure.SERVER_ERROR,
}

CONTEXT_WORDS = (
    "context_length_exceeded", "token_limit", "maximum length", "context length", "context window",
    "prompt is too long", "maximum number of tokens",
)  # fmt: skip
TRUNCATION_WORDS = ("truncated", "truncation", "response_length_limit", "cut off")
KEY_WORDS = ("invalid api key", "invalid_api_key", "api key not valid", "incorrect api key", "unauthorized")
GONE_WORDS = ("model not found", "model_not_found", "no longer available", "does not exist", "no endpoints found")
REFUSED_WORDS = ("unsupported parameter", "unsupported_parameter", "not supported by this model", "unknown field")
AUTH_WORDS = (
    *KEY_WORDS, "api key", "api_key", "authentication", "credential", "invalid token", "expired token",
    "token expired", "token is invalid", "token is expired", "token has expired",
)  # fmt: skip
RATE_WORDS = ("rate limit", "rate_limit", "ratelimit", "too many requests", "quota", "resource_exhausted")
DAY_WORDS = ("per day", "per-day", "per_day", "perday", "daily", "insufficient_quota")

UNSPECIFIC_FAILURES = frozenset({Failure.REQUEST, Failure.REFUSED})
SERVER_FAILURES = frozenset({Failure.SERVER_ERROR, Failure.ODD_SERVER_ERROR})

WORDINGS: tuple[tuple[frozenset[Failure], tuple[str, ...], Failure], ...] = (
    (UNSPECIFIC_FAILURES | SERVER_FAILURES, TRUNCATION_WORDS, Failure.TRUNCATED),
    (UNSPECIFIC_FAILURES | SERVER_FAILURES, CONTEXT_WORDS, Failure.CONTEXT_TOO_LARGE),
    (UNSPECIFIC_FAILURES, KEY_WORDS, Failure.KEY_INVALID),
    (frozenset({Failure.FORBIDDEN}), AUTH_WORDS, Failure.KEY_INVALID),
    (UNSPECIFIC_FAILURES, GONE_WORDS, Failure.MODEL_GONE),
    (UNSPECIFIC_FAILURES, REFUSED_WORDS, Failure.REFUSED),
    (frozenset({Failure.RATE_LIMIT}), DAY_WORDS, Failure.QUOTA),
    (UNSPECIFIC_FAILURES | {Failure.FORBIDDEN}, ("insufficient_quota",), Failure.QUOTA),
    (UNSPECIFIC_FAILURES | {Failure.FORBIDDEN}, RATE_WORDS, Failure.RATE_LIMIT),
)
"""Where the status alone would mean one of these, such words mean that; the first row that fits counts. A wrapped error
that only means a server's trouble is as unspecific as a 400: the status was not chosen for it.
"""

FOREIGN_STATE = re.compile(
    r"invalid_encrypted_content|encrypted content\b.*(could not|cannot|did not match|invalid|not valid)"
    r"|thinking_signature|thinking\.signature|redacted_thinking\.data|expected `?thinking"
    r"|signature.{0,40}\b(thinking|thought|reasoning)|\b(thinking|thought|reasoning)[_ ]?(block.{0,20})?signature"
    r"|invalid `?data`? in `?redacted_thinking|`?(redacted_)?thinking`? blocks.*cannot be modified"
)
"""A signature or encrypted content is refused: Anthropic's words, OpenAI's and Google's, and what gateways make of
them.
"""
UNKNOWN_ID = re.compile(
    r"previous_response_not_found|no such file"
    r"|\b(previous[_ ]response|response with|item with|conversation with|prompt with|files?|cached ?content|container"
    r"|vector store|stored \w+)\b.{0,160}(not found|not exist|no longer exist|expired)"
)
"""An id of what one account holds is not known."""


def classify(fault: Fault, committed: bool = False) -> Failure:
    """The row of a fault; `committed`: the client has seen part of the answer. A converted request that is refused may
    be what another target takes.
    """
    said = _error_text(fault)
    if committed and fault.kind is not FaultKind.INTERNAL:
        return Failure.TRUNCATED if _contains_any(said, (*TRUNCATION_WORDS, *CONTEXT_WORDS)) else Failure.BROKEN
    if fault.kind not in (FaultKind.STATUS, FaultKind.WRAPPED):
        return FAILURE_BY_KIND[fault.kind]
    plain = _from_status(fault.status or 0)
    taken_as = {plain, Failure.REQUEST} if fault.kind is FaultKind.WRAPPED and plain in SERVER_FAILURES else {plain}
    if about_state := _about_state(said, taken_as):
        return about_state
    meant = next((meant for where, words, meant in WORDINGS if where & taken_as and _contains_any(said, words)), plain)
    if meant is Failure.FORBIDDEN and fault.retry_after is not None:
        return Failure.RATE_LIMIT  # what is forbidden for a while is a limit
    return Failure.REFUSED if meant is Failure.REQUEST and fault.converted else meant


def _about_state(said: str, taken_as: set[Failure]) -> Failure | None:
    """A part of the request, or an id in it, belongs to another provider or account."""
    unspecific = taken_as & {*UNSPECIFIC_FAILURES, Failure.FORBIDDEN, Failure.MODEL_GONE}
    if (unspecific or taken_as & SERVER_FAILURES) and FOREIGN_STATE.search(said):
        return Failure.FOREIGN_STATE
    return Failure.UNKNOWN_ID if unspecific and UNKNOWN_ID.search(said) else None


def _from_status(status: int) -> Failure:
    if status in FAILURE_BY_STATUS:
        return FAILURE_BY_STATUS[status]
    return Failure.REFUSED if 400 <= status < 500 else Failure.ODD_SERVER_ERROR


def _contains_any(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _error_text(fault: Fault) -> str:
    return f"{fault.code} {fault.message}".lower() if fault.structured else fault.code.lower()

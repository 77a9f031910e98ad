"""The consequences of each failure: for its exchange, for all exchanges, for its session. One table.

`classify` says which row a fault belongs to, `FAILURE_POLICIES` what follows. Wordings count as the status they mean,
in a 400 and in wrapped errors too; they are read in structured error fields only, never in a model's own words or in a
page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from pointsman.wire.errors import Fault, FaultKind


class Failure(StrEnum):
    """The rows."""

    CONNECT = "connect"
    SERVER_ERROR = "server_error"
    ODD_SERVER_ERROR = "odd_server_error"
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    KEY_INVALID = "key_invalid"
    FORBIDDEN = "forbidden"
    MODEL_GONE = "model_gone"
    CONTEXT_TOO_LARGE = "context_too_large"
    REFUSED = "refused"
    """This target does not take such a request; another one may."""
    TRUNCATED = "truncated"
    REQUEST = "request"
    BROKEN = "broken"
    UNUSABLE = "unusable"
    """What the model wrote is no answer, which is not its provider's fault."""
    OURS = "ours"
    """The router itself is at fault, or the request is; no provider."""


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


class CooldownKind(Enum):
    """What a failure cools down for all exchanges."""

    NOTHING = auto()
    TARGET = auto()
    TARGET_BY_ALL_KEYS = auto()
    """Only once every usable key of it was tried."""
    TARGET_LONG = auto()
    KEY_RATE = auto()
    KEY_DAY = auto()
    KEY_INVALID = auto()


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """`counts_as_strike`: one more failure of this provider in this session. `clears_pin`: the session's pin on it is
    cleared.
    """

    skip: SkipScope
    cooldown: CooldownKind = CooldownKind.NOTHING
    counts_as_strike: bool = False
    clears_pin: bool = False

    @property
    def concerns_key(self) -> bool:
        return self.cooldown in (CooldownKind.KEY_RATE, CooldownKind.KEY_DAY, CooldownKind.KEY_INVALID)


FAILURE_POLICIES: Mapping[Failure, FailurePolicy] = {
    Failure.CONNECT: FailurePolicy(SkipScope.TARGET, CooldownKind.TARGET, counts_as_strike=True),
    Failure.SERVER_ERROR: FailurePolicy(SkipScope.KEY, CooldownKind.TARGET_BY_ALL_KEYS, counts_as_strike=True),
    Failure.ODD_SERVER_ERROR: FailurePolicy(SkipScope.KEY, CooldownKind.TARGET_BY_ALL_KEYS),
    Failure.TIMEOUT: FailurePolicy(SkipScope.TARGET, CooldownKind.TARGET, counts_as_strike=True),
    Failure.NO_ANSWER: FailurePolicy(SkipScope.TARGET, CooldownKind.TARGET),
    Failure.RATE_LIMIT: FailurePolicy(SkipScope.KEY, CooldownKind.KEY_RATE),
    Failure.QUOTA: FailurePolicy(SkipScope.KEY, CooldownKind.KEY_DAY),
    Failure.KEY_INVALID: FailurePolicy(SkipScope.KEY, CooldownKind.KEY_INVALID),
    Failure.FORBIDDEN: FailurePolicy(SkipScope.TARGET),
    Failure.MODEL_GONE: FailurePolicy(SkipScope.TARGET, CooldownKind.TARGET_LONG),
    Failure.CONTEXT_TOO_LARGE: FailurePolicy(SkipScope.SMALLER),
    Failure.REFUSED: FailurePolicy(SkipScope.TARGET),
    Failure.TRUNCATED: FailurePolicy(SkipScope.TARGET),
    Failure.REQUEST: FailurePolicy(SkipScope.ALL),
    Failure.BROKEN: FailurePolicy(SkipScope.NOTHING, CooldownKind.TARGET, counts_as_strike=True, clears_pin=True),
    Failure.UNUSABLE: FailurePolicy(SkipScope.TARGET),
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
    FaultKind.UNUSABLE: Failure.UNUSABLE,
    FaultKind.INCONVERTIBLE: Failure.OURS,
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
    meant = next((meant for where, words, meant in WORDINGS if where & taken_as and _contains_any(said, words)), plain)
    return Failure.REFUSED if meant is Failure.REQUEST and fault.converted else meant


def _from_status(status: int) -> Failure:
    if status in FAILURE_BY_STATUS:
        return FAILURE_BY_STATUS[status]
    return Failure.REFUSED if 400 <= status < 500 else Failure.ODD_SERVER_ERROR


def _contains_any(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _error_text(fault: Fault) -> str:
    return f"{fault.code} {fault.message}".lower() if fault.structured else fault.code.lower()

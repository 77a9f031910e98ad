"""What each failure teaches: for the exchange that suffered it, for everyone, for its session. One table.

`classify` says which row a fault belongs to, `LESSONS` what follows. Wordings count as the status they mean, in a 400
and in wrapped errors too; they are read in structured error fields only, never in a model's own words or in a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from pointsman.wire.faults import Fault, FaultKind


class Failure(StrEnum):
    """The rows."""

    CONNECT = "connect"
    SERVER = "server_error"
    ODD_SERVER = "odd_server_error"
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    KEY_INVALID = "key_invalid"
    FORBIDDEN = "forbidden"
    GONE = "model_gone"
    CONTEXT = "context_too_large"
    PARAMETER = "parameter"
    TRUNCATED = "truncated"
    REQUEST = "request"
    BROKEN = "broken"
    OURS = "ours"


class Skip(Enum):
    """For the rest of this exchange."""

    NOTHING = auto()
    KEY = auto()
    """The next key of the same target may do better."""
    TARGET = auto()
    SMALLER = auto()
    """Every target with no larger window."""
    ALL = auto()
    """The request itself is at fault: the provider's answer is the client's."""


class Cool(Enum):
    """For everyone."""

    NOTHING = auto()
    TARGET = auto()
    TARGET_BY_ALL_KEYS = auto()
    """Only once every usable key of it was tried."""
    TARGET_LONG = auto()
    KEY_RATE = auto()
    KEY_DAY = auto()
    KEY_INVALID = auto()


@dataclass(frozen=True, slots=True)
class Lesson:
    """`counts`: one more failure of this provider in this session. `unpins`: the session's pin on it is cleared."""

    skip: Skip
    cool: Cool = Cool.NOTHING
    counts: bool = False
    unpins: bool = False


LESSONS: Mapping[Failure, Lesson] = {
    Failure.CONNECT: Lesson(Skip.TARGET, Cool.TARGET, counts=True),
    Failure.SERVER: Lesson(Skip.KEY, Cool.TARGET_BY_ALL_KEYS, counts=True),
    Failure.ODD_SERVER: Lesson(Skip.KEY, Cool.TARGET_BY_ALL_KEYS),
    Failure.TIMEOUT: Lesson(Skip.TARGET, Cool.TARGET, counts=True),
    Failure.NO_ANSWER: Lesson(Skip.TARGET, Cool.TARGET),
    Failure.RATE_LIMIT: Lesson(Skip.KEY, Cool.KEY_RATE),
    Failure.QUOTA: Lesson(Skip.KEY, Cool.KEY_DAY),
    Failure.KEY_INVALID: Lesson(Skip.KEY, Cool.KEY_INVALID),
    Failure.FORBIDDEN: Lesson(Skip.TARGET),
    Failure.GONE: Lesson(Skip.TARGET, Cool.TARGET_LONG),
    Failure.CONTEXT: Lesson(Skip.SMALLER),
    Failure.PARAMETER: Lesson(Skip.TARGET),
    Failure.TRUNCATED: Lesson(Skip.TARGET),
    Failure.REQUEST: Lesson(Skip.ALL),
    Failure.BROKEN: Lesson(Skip.NOTHING, Cool.TARGET, counts=True, unpins=True),
    Failure.OURS: Lesson(Skip.TARGET),
}

BY_KIND: Mapping[FaultKind, Failure] = {
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

BY_STATUS: Mapping[int, Failure] = {
    400: Failure.REQUEST,
    401: Failure.KEY_INVALID,
    402: Failure.QUOTA,
    403: Failure.FORBIDDEN,
    404: Failure.GONE,
    408: Failure.ODD_SERVER,
    409: Failure.ODD_SERVER,
    410: Failure.GONE,
    413: Failure.CONTEXT,
    422: Failure.REQUEST,
    425: Failure.ODD_SERVER,
    429: Failure.RATE_LIMIT,
    500: Failure.SERVER,
    502: Failure.SERVER,
    503: Failure.SERVER,
    504: Failure.SERVER,
}

CONTEXT_WORDS = ("context_length_exceeded", "token_limit", "maximum length", "context length", "context window")
TRUNCATION_WORDS = ("truncated", "truncation", "response_length_limit", "cut off")
KEY_WORDS = ("invalid api key", "invalid_api_key", "api key not valid", "incorrect api key", "unauthorized")
GONE_WORDS = ("model not found", "model_not_found", "no longer available", "does not exist", "no endpoints found")
PARAMETER_WORDS = ("unsupported parameter", "unsupported_parameter", "not supported by this model", "unknown field")
AUTH_WORDS = (*KEY_WORDS, "api key", "api_key", "authentication", "credential", "token is", "expired token")
RATE_WORDS = ("rate limit", "rate_limit", "too many requests", "quota", "resource_exhausted")
DAY_WORDS = ("per day", "daily", "per-day", "perday", "tokens per day", "requests per day", "insufficient_quota")

WORDINGS: tuple[tuple[frozenset[Failure], tuple[str, ...], Failure], ...] = (
    (frozenset({Failure.REQUEST, Failure.NO_ANSWER, Failure.SERVER}), TRUNCATION_WORDS, Failure.TRUNCATED),
    (frozenset({Failure.REQUEST, Failure.SERVER}), CONTEXT_WORDS, Failure.CONTEXT),
    (frozenset({Failure.REQUEST, Failure.SERVER}), KEY_WORDS, Failure.KEY_INVALID),
    (frozenset({Failure.FORBIDDEN}), AUTH_WORDS, Failure.KEY_INVALID),
    (frozenset({Failure.REQUEST}), GONE_WORDS, Failure.GONE),
    (frozenset({Failure.REQUEST}), PARAMETER_WORDS, Failure.PARAMETER),
    (frozenset({Failure.RATE_LIMIT}), DAY_WORDS, Failure.QUOTA),
    (frozenset({Failure.REQUEST, Failure.FORBIDDEN}), RATE_WORDS, Failure.RATE_LIMIT),
)
"""Where the status alone would mean one of these, such words mean that; the first row that fits counts."""


def classify(fault: Fault, committed: bool = False) -> Failure:
    """The row of a fault; `committed`: the client has seen part of the answer."""
    if committed:
        said = _said(fault)
        is_truncation = any(word in said for word in (*TRUNCATION_WORDS, *CONTEXT_WORDS))
        return Failure.TRUNCATED if is_truncation else Failure.BROKEN
    if fault.kind not in (FaultKind.STATUS, FaultKind.WRAPPED):
        return BY_KIND[fault.kind]
    by_status = _by_status(fault.status or 0)
    said = _said(fault)
    fits = (meant for instead_of, words, meant in WORDINGS if by_status in instead_of and any(w in said for w in words))
    return next(fits, by_status)


def _by_status(status: int) -> Failure:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if 400 <= status < 500:
        return Failure.REQUEST
    return Failure.ODD_SERVER


def _said(fault: Fault) -> str:
    return f"{fault.code} {fault.message}".lower() if fault.structured else fault.code.lower()

"""What each failure teaches: for the exchange that suffered it, for everyone, for its session. One table.

`classify` says which row a fault belongs to, `LESSONS` what follows. Wordings count as the status they mean, in a 400
and in wrapped errors too; they are read in structured error fields only, never in a model's own words or in a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from pointsman.wire.errors import Fault, FaultKind


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
    REFUSED = "refused"
    """This target does not take such a request; another one may."""
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

    @property
    def speaks_of_key(self) -> bool:
        return self.cool in (Cool.KEY_RATE, Cool.KEY_DAY, Cool.KEY_INVALID)


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
    Failure.REFUSED: Lesson(Skip.TARGET),
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
    451: Failure.FORBIDDEN,
    500: Failure.SERVER,
    502: Failure.SERVER,
    503: Failure.SERVER,
    504: Failure.SERVER,
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

UNSPECIFIC = frozenset({Failure.REQUEST, Failure.REFUSED})
SERVERS = frozenset({Failure.SERVER, Failure.ODD_SERVER})

WORDINGS: tuple[tuple[frozenset[Failure], tuple[str, ...], Failure], ...] = (
    (UNSPECIFIC | SERVERS, TRUNCATION_WORDS, Failure.TRUNCATED),
    (UNSPECIFIC | SERVERS, CONTEXT_WORDS, Failure.CONTEXT),
    (UNSPECIFIC, KEY_WORDS, Failure.KEY_INVALID),
    (frozenset({Failure.FORBIDDEN}), AUTH_WORDS, Failure.KEY_INVALID),
    (UNSPECIFIC, GONE_WORDS, Failure.GONE),
    (UNSPECIFIC, REFUSED_WORDS, Failure.REFUSED),
    (frozenset({Failure.RATE_LIMIT}), DAY_WORDS, Failure.QUOTA),
    (UNSPECIFIC | {Failure.FORBIDDEN}, ("insufficient_quota",), Failure.QUOTA),
    (UNSPECIFIC | {Failure.FORBIDDEN}, RATE_WORDS, Failure.RATE_LIMIT),
)
"""Where the status alone would mean one of these, such words mean that; the first row that fits counts. A wrapped error
that only means a server's trouble is as unspecific as a 400: nobody chose that status for it.
"""


def classify(fault: Fault, committed: bool = False) -> Failure:
    """The row of a fault; `committed`: the client has seen part of the answer. A converted request that is refused may
    be what another target takes.
    """
    said = _said(fault)
    if committed and fault.kind is not FaultKind.INTERNAL:
        return Failure.TRUNCATED if _has(said, (*TRUNCATION_WORDS, *CONTEXT_WORDS)) else Failure.BROKEN
    if fault.kind not in (FaultKind.STATUS, FaultKind.WRAPPED):
        return BY_KIND[fault.kind]
    plain = _by_status(fault.status or 0)
    taken_as = {plain, Failure.REQUEST} if fault.kind is FaultKind.WRAPPED and plain in SERVERS else {plain}
    meant = next((meant for where, words, meant in WORDINGS if where & taken_as and _has(said, words)), plain)
    return Failure.REFUSED if meant is Failure.REQUEST and fault.converted else meant


def _by_status(status: int) -> Failure:
    if status in BY_STATUS:
        return BY_STATUS[status]
    return Failure.REFUSED if 400 <= status < 500 else Failure.ODD_SERVER


def _has(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _said(fault: Fault) -> str:
    return f"{fault.code} {fault.message}".lower() if fault.structured else fault.code.lower()

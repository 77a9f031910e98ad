"""The consequences of each failure: for its exchange, for all exchanges, for its session. One table.

`classify` says which row a fault belongs to, `FAILURE_POLICIES` what follows. What makers say of a failure stands in
`error_patterns`; where none of it fits, the status alone counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from pointsman.domain.error_matching import error_text, matching_pattern
from pointsman.domain.failure_rows import Failure
from pointsman.wire.errors import Fault, FaultKind

__all__ = [
    "ALIKE_REFUSALS",
    "CONTENT_FAILURES",
    "FAILURE_POLICIES",
    "REFUSALS",
    "SERVER_FAILURES",
    "CooldownLength",
    "Failure",
    "FailurePolicy",
    "Scope",
    "SkipScope",
    "classify",
]


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
    PROVIDER = auto()
    """All of its keys."""


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
    """`scope` is what a `cooldown` excludes for all exchanges; None: there is no cooldown. `after_all_keys`: only once
    every usable key of the target was tried. `counts_as_strike`: one more failure of this target in this session.
    `clears_pin`: the session's pin on it is cleared.
    """

    skip: SkipScope
    scope: Scope = Scope.REQUEST
    cooldown: CooldownLength | None = None
    after_all_keys: bool = False
    counts_as_strike: bool = False
    clears_pin: bool = False

    @property
    def moves_pin(self) -> bool:
        """Whether the target itself failed, rather than merely refused this one request."""
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
    FaultKind.CLIENT_TIMEOUT: Failure.OURS,
    FaultKind.INTERNAL: Failure.OURS,
}

FAILURE_BY_STATUS: Mapping[int, Failure] = {
    400: Failure.REQUEST,
    401: Failure.KEY_INVALID,
    402: Failure.ACCOUNT,
    403: Failure.FORBIDDEN,
    404: Failure.NOT_FOUND,
    408: Failure.ODD_SERVER_ERROR,
    409: Failure.ODD_SERVER_ERROR,
    410: Failure.NOT_FOUND,
    413: Failure.REQUEST_TOO_LARGE,
    422: Failure.REQUEST,
    425: Failure.ODD_SERVER_ERROR,
    429: Failure.RATE_LIMIT,
    451: Failure.FORBIDDEN,
    500: Failure.SERVER_ERROR,
    502: Failure.SERVER_ERROR,
    503: Failure.SERVER_ERROR,
    504: Failure.SERVER_ERROR,
}
"""What a status means when no row of `error_patterns` fits."""

SERVER_FAILURES = frozenset({Failure.SERVER_ERROR, Failure.ODD_SERVER_ERROR})
CONTENT_FAILURES = frozenset({Failure.CONTENT_FILTER, Failure.CONTENT_POLICY})
REFUSALS = frozenset({Failure.REFUSED, Failure.FOREIGN_STATE, Failure.UNKNOWN_ID})
"""What another candidate may take; if none does, the first one's answer is the client's."""
ALIKE_REFUSALS = CONTENT_FAILURES | {
    Failure.FORBIDDEN,
    Failure.NOT_FOUND,
    Failure.REQUEST_TOO_LARGE,
    Failure.UNAFFORDABLE,
}
"""The same, if every candidate fails in the same one of these."""


def classify(fault: Fault, committed: bool = False) -> Failure:
    """The row of a fault; `committed`: the client has seen part of the answer, so whatever ends it now has broken it.

    A converted request that is refused may be what another target takes; so may one that is refused without a reason.
    """
    if committed and fault.kind is not FaultKind.INTERNAL:
        return Failure.BROKEN
    if fault.kind not in (FaultKind.STATUS, FaultKind.WRAPPED):
        return FAILURE_BY_KIND[fault.kind]
    plain = _from_status(fault.status or 0)
    statuses = {fault.status or 0}
    if fault.kind is FaultKind.WRAPPED and plain in SERVER_FAILURES:
        statuses.add(400)  # its status is a guess, not what a server chose
    pattern = matching_pattern(statuses, (fault.code, *fault.codes), error_text(fault))
    meant = pattern.means if pattern else plain
    if meant is Failure.FORBIDDEN and fault.retry_after is not None:
        return Failure.RATE_LIMIT  # what is forbidden for a while is a limit
    may_pass_elsewhere = fault.converted or _gives_no_reason(fault)
    return Failure.REFUSED if meant is Failure.REQUEST and may_pass_elsewhere else meant


def _gives_no_reason(fault: Fault) -> bool:
    """An empty body, or a page, as gateways send it."""
    return not fault.structured and fault.body is not None and fault.body.lstrip()[:1] in (b"", b"<")


def _from_status(status: int) -> Failure:
    if status in FAILURE_BY_STATUS:
        return FAILURE_BY_STATUS[status]
    return Failure.REFUSED if 400 <= status < 500 else Failure.ODD_SERVER_ERROR

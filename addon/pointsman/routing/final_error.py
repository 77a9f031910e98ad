"""The error for a client when no candidate is left, as one status."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pointsman.domain.failures import Failure
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.wire.errors import Code, Fault, FaultKind, Problem

CODE_BY_FAILURE: Mapping[Failure, Code] = {
    Failure.TIMEOUT: Code.UPSTREAM_TIMEOUT,
    Failure.RATE_LIMIT: Code.RATE_LIMITED,
    Failure.KEY_RATE_LIMIT: Code.RATE_LIMITED,
    Failure.CONCURRENCY: Code.RATE_LIMITED,
    Failure.QUOTA: Code.RATE_LIMITED,
    Failure.KEY_QUOTA: Code.RATE_LIMITED,
    Failure.ACCOUNT: Code.PROVIDER_AUTH,
    Failure.KEY_INVALID: Code.PROVIDER_AUTH,
    Failure.NO_ACCESS: Code.PROVIDER_AUTH,
    Failure.REGION: Code.PROVIDER_AUTH,
    Failure.FORBIDDEN: Code.PROVIDER_AUTH,
    Failure.CONTEXT_TOO_LARGE: Code.CONTEXT_TOO_LARGE,
    Failure.REQUEST_TOO_LARGE: Code.CONTEXT_TOO_LARGE,
}
"""What a failure means to a client; `upstream_error` where none stands here."""

RETRYABLE_ACCOUNT_STATUSES = frozenset({402, 429})
"""A provider that answers account trouble so may serve the account again by itself."""

INCAPABLE_REASONS = frozenset(
    {
        ExclusionReason.DISABLED,
        ExclusionReason.NOT_ALLOWED,
        ExclusionReason.NOT_REQUESTED,
        ExclusionReason.DIALECT,
        ExclusionReason.NO_KEY,
        ExclusionReason.CAPABILITY,
        ExclusionReason.OTHER_KEY,
        ExclusionReason.NOT_HOLDER,
        ExclusionReason.POOL,
        ExclusionReason.SMART_FIRST,
    }
)
"""Such a candidate could not have served the request anyway."""
PERMANENT_REASONS = frozenset({ExclusionReason.DIALECT, ExclusionReason.CAPABILITY})
"""Such a candidate cannot do what the request asks, whenever it comes."""
LIMIT_REASONS = frozenset({ExclusionReason.RATE_LIMITED, ExclusionReason.ACCOUNT})


def final_error(
    faults: Sequence[tuple[Failure, Fault]], exclusions: Sequence[Exclusion], free_in: float | None, offset: float
) -> Problem:
    """A cause that all attempts share is named; mixed causes are an `upstream_error`.

    `free_in`: seconds until the first candidate is free again, None if that is not known. `offset` is what the clock on
    the wall is ahead of the one that exclusions are on.
    """
    details = (("reasons", [exclusion.to_dict(offset) for exclusion in exclusions]),)
    if why := _unservable([fault for _, fault in faults], exclusions):
        return Problem(Code.INVALID_REQUEST, why, details=details, is_permanent=True)
    if not faults:
        code, message = _nothing_launched(exclusions, offset)
    else:
        causes = {_cause(failure, fault) for failure, fault in faults}
        code = causes.pop() if len(causes) == 1 else Code.UPSTREAM_ERROR
        message = _message(code, [fault for _, fault in faults])
    return Problem(code, message, retry_after=free_in, details=details)


def _unservable(faults: Sequence[Fault], exclusions: Sequence[Exclusion]) -> str:
    """What the request asks that no candidate can do; empty if one could serve it at another time."""
    if any(fault.kind is not FaultKind.INCONVERTIBLE for fault in faults):
        return ""
    tried = {ExclusionReason.SKIPPED_TARGET} if faults else frozenset()
    if not {exclusion.reason for exclusion in exclusions} <= INCAPABLE_REASONS | tried:
        return ""
    told = [_asked_in_vain(each) for each in exclusions if each.reason in PERMANENT_REASONS]
    whys = dict.fromkeys([*told, *(fault.message for fault in faults)])
    return f"No model that could serve this request can do what it asks: {'; '.join(whys)}." if whys else ""


def _asked_in_vain(exclusion: Exclusion) -> str:
    if exclusion.reason is ExclusionReason.CAPABILITY:
        return f"{exclusion.target.label} lacks {exclusion.detail}"
    return exclusion.detail


def _cause(failure: Failure, fault: Fault) -> Code:
    if fault.kind is FaultKind.CONNECT_TIMEOUT or fault.status == 504:
        return Code.UPSTREAM_TIMEOUT
    if failure is Failure.ACCOUNT and fault.status in RETRYABLE_ACCOUNT_STATUSES:
        return Code.RATE_LIMITED
    return CODE_BY_FAILURE.get(failure, Code.UPSTREAM_ERROR)


def _message(code: Code, faults: Sequence[Fault]) -> str:
    last = faults[-1]
    said = f" Last error: {last.label}{': ' + last.message if last.message else ''}"
    count = "The only attempt" if len(faults) == 1 else f"All {len(faults)} attempts"
    return f"{count} to get an answer failed ({code.value}).{said}"


def _nothing_launched(exclusions: Sequence[Exclusion], offset: float) -> tuple[Code, str]:
    reasons = {exclusion.reason for exclusion in exclusions}
    telling = reasons - INCAPABLE_REASONS
    if telling == {ExclusionReason.CONTEXT}:
        return Code.CONTEXT_TOO_LARGE, "The conversation is too long for every model that could serve it."
    if telling & LIMIT_REASONS and telling <= {ExclusionReason.CONTEXT, ExclusionReason.BUDGET, *LIMIT_REASONS}:
        return Code.RATE_LIMITED, "Every candidate that could serve this request is rate limited or out of credit."
    if ExclusionReason.BUDGET in telling and not telling & LIMIT_REASONS:
        budgets = dict.fromkeys(each.detail for each in exclusions if each.reason is ExclusionReason.BUDGET)
        return Code.BUDGET_EXHAUSTED, f"The client's budget has no room for this request: {'; '.join(budgets)}."
    if telling == {ExclusionReason.BANNED}:
        return Code.NO_CANDIDATE, _banned(
            [each for each in exclusions if each.reason is ExclusionReason.BANNED], offset
        )
    if not telling and (elsewhere := next((each for each in exclusions if _is_of_holder(each)), None)):
        return Code.NO_CANDIDATE, f"What the request refers to is {elsewhere.detail}, which cannot serve this request."
    named = ", ".join(sorted(reason.value for reason in reasons)) or "no target is configured"
    return Code.NO_CANDIDATE, f"No candidate can serve this request: {named}."


def _is_of_holder(exclusion: Exclusion) -> bool:
    return exclusion.reason is ExclusionReason.NOT_HOLDER


def _banned(bans: Sequence[Exclusion], offset: float) -> str:
    said = "; ".join(f"{each.target.label} ({each.detail})" for each in bans)
    ends = [each.until for each in bans if each.until is not None]
    until = f" until {_moment(max(ends) + offset)}" if ends else " for this request"
    return f"This session has banned every usable candidate{until}: {said}."


def _moment(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")

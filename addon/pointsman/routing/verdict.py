"""What a client is told when no candidate is left: the truth, as one status."""

from collections.abc import Sequence

from pointsman.routing.reasons import Exclusion, Reason
from pointsman.wire.faults import Code, Fault, FaultKind, Problem

TIMEOUTS = frozenset({FaultKind.CONNECT_TIMEOUT, FaultKind.FIRST_BYTE_TIMEOUT, FaultKind.ANSWER_TIMEOUT})
COULD_NEVER = frozenset({Reason.DISABLED, Reason.NO_KEY, Reason.DIALECT, Reason.CAPABILITY})
"""Reasons why a target could not serve the request at all, however long it is."""


def verdict(faults: Sequence[Fault], exclusions: Sequence[Exclusion]) -> Problem:
    """A cause that all attempts share is named; mixed causes are an `upstream_error`."""
    if not faults:
        return _nothing_launched(exclusions)
    causes = {_cause(fault) for fault in faults}
    code = causes.pop() if len(causes) == 1 else Code.UPSTREAM_ERROR
    waits = [fault.retry_after for fault in faults if fault.retry_after is not None]
    return Problem(
        code,
        _message(code, faults),
        retry_after=min(waits, default=None),
        details=(("reasons", [exclusion.plain() for exclusion in exclusions]),),
    )


def _cause(fault: Fault) -> Code:
    if fault.kind in TIMEOUTS or fault.status == 504:
        return Code.UPSTREAM_TIMEOUT
    if fault.status == 429:
        return Code.RATE_LIMITED
    if fault.status in (401, 403):
        return Code.PROVIDER_AUTH
    if fault.status == 413:
        return Code.CONTEXT_TOO_LARGE
    return Code.UPSTREAM_ERROR


def _message(code: Code, faults: Sequence[Fault]) -> str:
    last = faults[-1]
    said = f" The last one: {last.label}{': ' + last.message if last.message else ''}"
    count = "The only attempt" if len(faults) == 1 else f"All {len(faults)} attempts"
    return f"{count} to get an answer failed ({code.value}).{said}"


def _nothing_launched(exclusions: Sequence[Exclusion]) -> Problem:
    reasons = {exclusion.reason for exclusion in exclusions}
    details = (("reasons", [exclusion.plain() for exclusion in exclusions]),)
    if reasons - COULD_NEVER == {Reason.CONTEXT}:
        return Problem(
            Code.CONTEXT_TOO_LARGE, "The conversation is too long for every model that could serve it.", details=details
        )
    named = ", ".join(sorted(reason.value for reason in reasons)) or "no target is configured"
    return Problem(Code.NO_CANDIDATE, f"No candidate may take this request: {named}.", details=details)

"""What a fault teaches, for the exchange that suffered it."""

from enum import Enum, auto

from pointsman.wire.faults import Fault, FaultKind


class Consequence(Enum):
    SKIP_KEY = auto()
    """Another key of the same target may do better."""
    SKIP_TARGET = auto()
    """Every key of this target would meet the same."""
    STOP = auto()
    """The request itself is at fault: no other target will take it."""


BY_STATUS = {
    400: Consequence.STOP,
    422: Consequence.STOP,
    401: Consequence.SKIP_KEY,
    403: Consequence.SKIP_KEY,
    429: Consequence.SKIP_KEY,
}


def consequence(fault: Fault) -> Consequence:
    """Only a fault that has a status speaks of the key or of the request; every other one speaks of the target."""
    if fault.kind in (FaultKind.STATUS, FaultKind.WRAPPED):
        return BY_STATUS.get(fault.status or 0, Consequence.SKIP_TARGET)
    return Consequence.SKIP_TARGET

"""Attempts that are repeated at once, with the same candidate, without what its provider refused of the request."""

from collections.abc import Sequence
from typing import NamedTuple

from pointsman.domain.failures import Failure, classify
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import ClientRequest, Planner
from pointsman.wire.errors import Fault
from pointsman.wire.refusals import Refusal

MAX_REPEATS = 6
"""Of one exchange, each without one more parameter that the provider refused."""


class Repeat(NamedTuple):
    """How the next attempt differs: see `create_attempt`."""

    refusals: Sequence[Refusal]
    sends_signed_parts: bool


class Repeats:
    """Decides which refused attempts of one exchange are repeated."""

    def __init__(self, client_request: ClientRequest, plan: Planner) -> None:
        self._client_request, self._plan = client_request, plan
        self._count = 0
        """Repeats without a parameter. An attempt is repeated only once without its signed parts."""

    def after(self, attempt: Attempt, fault: Fault, now: float) -> Repeat | None:
        """What is left out when the attempt is repeated; None if it is not. The refusal is remembered for later
        requests.
        """
        codec, target = attempt.codec, attempt.candidate.target
        if codec is None:
            return None
        if classify(fault) is Failure.FOREIGN_STATE and (parts := attempt.removable_parts()) is not None:
            self._plan.on_parts_refused(attempt.candidate, parts)
            return Repeat(codec.refusals, sends_signed_parts=False)
        refusal = codec.refusal(fault) if self._count < MAX_REPEATS else None
        if refusal is None:
            return None
        self._count += 1
        self._client_request.refusals.record(target, attempt.model_sent, refusal, now)
        return Repeat((*codec.refusals, refusal), attempt.sends_signed_parts)

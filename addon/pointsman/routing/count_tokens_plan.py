"""The plan of a request to count tokens. It goes to a provider that can count, and leaves no trace in statistics."""

from collections.abc import Callable, Sequence

from pointsman.domain.failures import Failure
from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Candidate
from pointsman.routing.plan import Plan
from pointsman.wire.errors import Fault
from pointsman.wire.thinking_signatures import PartId


class CountTokensPlan(Plan):
    """A provider that cannot count tokens has not failed: each is tried once. Providers that the session has banned are
    not tried.
    """

    def wait_until(self, waited: float, latest: float, wake: Callable[[], None], now: float) -> float | None:
        return None

    def on_launched(
        self, n: int, candidate: Candidate, now: float, last_byte: Callable[[], float] | None = None
    ) -> None:
        pass

    def on_ended(self, failed: bool, now: float) -> None:
        pass

    def on_committed(self, candidate: Candidate, now: float, was_slow: bool = False) -> None:
        pass

    def on_settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> None:
        if fault is not None:
            self._exclusions.skip(candidate, Failure.FORBIDDEN, fault)

    def on_parts_refused(self, candidate: Candidate, parts: Sequence[PartId]) -> None:
        pass

    def is_final(self, fault: Fault) -> bool:
        return False

    def is_refusal(self, fault: Fault) -> bool:
        return False

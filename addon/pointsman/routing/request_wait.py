"""The wait of one request: whether it may wait, for what, and when to ask again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pointsman.clients.clients import RunningRequest
from pointsman.domain.targets import Candidate, PairId
from pointsman.routing.candidate_order import CandidateOrder
from pointsman.routing.concurrency import RETRY_WAIT
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.exclusions import Exclusions
from pointsman.routing.state import RoutingState
from pointsman.wire.request_facts import RequestFacts

RETRY_LEASE_WAIT = 0.25
"""Seconds that a retry waits at most until this instance has leased what is left of a limit. First attempts ask for it
before they are planned.
"""
LEASE_PAUSE = 0.1
"""Seconds between two looks at that: some ticks."""
MIN_PAUSE = 0.01
"""Seconds between two looks of a waiting request, at least."""


@dataclass(slots=True)
class RequestWait:
    """Its place in line stands in `exclusions`, which let it go before those behind it. `charged` is as in `Plan`."""

    facts: RequestFacts
    state: RoutingState
    exclusions: Exclusions
    charged: RunningRequest | None

    @property
    def is_in_line(self) -> bool:
        return self.exclusions.waiter is not None

    def is_worth_it(self, candidate: Candidate, now: float) -> bool:
        """The candidate is a last resort of which another request is about to show whether it works."""
        return self._longest > 0 and self.exclusions.is_being_tried(candidate, now)

    def until(
        self, order: CandidateOrder, waited: float, latest: float, wake: Callable[[], None], now: float
    ) -> float | None:
        """As `Plan.wait_until`, for the candidates of `order`."""
        own = now + self._longest - waited
        if min(own, latest) <= now:
            return None
        if latest < own and order.last_resort(now):
            return None  # after the wait there would be no time to try it
        self.exclusions.forget_limits()
        awaited = dict(self._awaited(order, now))
        ends = [end for each in awaited.values() if (end := _look_again(each, min(own, latest), now)) is not None]
        if not ends or not self._stand_in_line(awaited, wake):
            return None
        return max(now + MIN_PAUSE, min(ends))

    def until_leased(self, order: CandidateOrder, waited: float, latest: float, now: float) -> float | None:
        """The same for a retry, where limits have room that is not leased here. It has no place in line, and keeps no
        other request away. A request that says it may not wait does not do so either.
        """
        if self.facts.options.max_wait == 0:
            return None
        due = now + LEASE_PAUSE
        if due > min(now + RETRY_LEASE_WAIT - waited, latest) or not self.state.lacks_lease(now):
            return None
        limited = (each for _, each in self._awaited(order, now) if each.reason is ExclusionReason.RATE_LIMITED)
        return due if any(_look_again(each, due, now) is not None for each in limited) else None

    def end(self) -> None:
        """The request waits no longer. May be called more than once."""
        if waiter := self.exclusions.waiter:
            self.exclusions.waiter = None
            self.state.waiting.leave(waiter)

    @property
    def _longest(self) -> float:
        """Seconds."""
        asked = self.facts.options.max_wait
        return self.state.settings.routing.max_wait if asked is None else asked

    def _awaited(self, order: CandidateOrder, now: float) -> Iterator[tuple[PairId, Exclusion]]:
        """What keeps the request from each candidate that it may wait for."""
        for target in order.all_targets():
            for candidate in order.inventory.keys[target]:
                if found := self.exclusions.awaited(candidate, now):
                    yield candidate.pair_id, found

    def _stand_in_line(self, awaited: Mapping[PairId, Exclusion], wake: Callable[[], None]) -> bool:
        """False: there is no room in any line."""
        waiter = self.exclusions.waiter
        if waiter is None:
            priority = self.charged.settings.priority if self.charged else 1
            waiter = self.exclusions.waiter = self.state.waiting.join(awaited, priority, wake)
        if waiter is None:
            return False
        waiter.limited = frozenset(pair for pair, exclusion in awaited.items() if exclusion.holds)
        return True


def _look_again(awaited: Exclusion, latest: float, now: float) -> float | None:
    """When; None: it ends later than that. What may end at any time, or may be ignored, is looked at by `latest`."""
    until = now + RETRY_WAIT if awaited.until is None else awaited.until
    if (awaited.is_estimate and until <= now + RETRY_WAIT) or not awaited.holds:
        return min(until, latest)
    return until if until <= latest else None

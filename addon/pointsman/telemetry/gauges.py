"""Metrics that are read from the routing state at each scrape."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import nsmallest
from itertools import islice
from operator import itemgetter
from time import time

from pointsman.routing.router import Router
from pointsman.telemetry.series import OTHER, Family, Labels, Number, gauge_lines

MAX_COOLDOWNS, MAX_LIMITS, MAX_QUOTAS, MAX_BUDGETS, MAX_DRIFTED = 60, 150, 40, 60, 60
"""Series."""

COOLDOWNS = Family("pointsman_cooldowns", "gauge", "Active cooldowns of targets and keys.", ("provider",))
SESSIONS = Family("pointsman_sessions", "gauge", "Sessions that have not expired.")
LIMIT_REMAINING = Family(
    "pointsman_limit_remaining",
    "gauge",
    "Requests or tokens left in a window of a rate limit that is in use.",
    ("provider", "key", "model", "window"),
)
QUOTA_SECONDS_LEFT = Family(
    "pointsman_quota_seconds_left",
    "gauge",
    "Seconds until a daily limit is used up at the present pace; absent where it is not within a day.",
    ("provider", "key", "model", "window"),
)
BUDGET_LEFT = Family(
    "pointsman_budget_left",
    "gauge",
    "Dollars left of the client's budget that has least left, or tokens where it has token budgets alone.",
    ("client",),
)
DRIFT = Family(
    "pointsman_drift",
    "gauge",
    "1 while a model of a provider differs in this signal from the same model elsewhere or from its own past.",
    ("provider", "model", "signal"),
)
SHARED_UP = Family("pointsman_shared_up", "gauge", "1 while shared state is connected; absent where it is off.")
FAMILIES = (COOLDOWNS, SESSIONS, LIMIT_REMAINING, QUOTA_SECONDS_LEFT, BUDGET_LEFT, DRIFT, SHARED_UP)


class Gauges:
    """`budgets` gives what is left for each client that has a budget, `shared_up` whether shared state is connected,
    None where it is off; `wall` is the wall clock.
    """

    def __init__(
        self,
        router: Router,
        budgets: Callable[[], Iterable[tuple[str, Number]]] = tuple,
        shared_up: Callable[[], bool | None] = lambda: None,
        wall: Callable[[], float] = time,
    ) -> None:
        self._router, self.budgets, self.shared_up, self._wall = router, budgets, shared_up, wall

    def lines(self, now: float) -> Iterator[str]:
        """`now` is on the routing clock."""
        is_up = self.shared_up()
        sessions = self._router.sessions.stats(now).get("active_sessions", 0)
        yield from gauge_lines(COOLDOWNS, self._cooldowns(now))
        yield from gauge_lines(SESSIONS, [((), sessions)])
        yield from gauge_lines(LIMIT_REMAINING, self._limits(now))
        yield from gauge_lines(QUOTA_SECONDS_LEFT, self._quotas(now))
        budgets = nsmallest(MAX_BUDGETS, self.budgets(), key=lambda row: row[1])
        yield from gauge_lines(BUDGET_LEFT, (((client,), left) for client, left in budgets))
        yield from gauge_lines(DRIFT, islice(self._drifted(), MAX_DRIFTED))
        yield from gauge_lines(SHARED_UP, [] if is_up is None else [((), int(is_up))])

    def _cooldowns(self, now: float) -> Iterator[tuple[Labels, Number]]:
        """Those of each provider; where there are too many providers, of those with most, and of all others."""
        found = Counter(dict.fromkeys(self._router.settings.providers, 0))
        for rows in self._router.cooldowns_to_dict(now, now).values():
            found.update(row["provider"] for row in rows)
        listed = found.most_common(MAX_COOLDOWNS if len(found) <= MAX_COOLDOWNS else MAX_COOLDOWNS - 1)
        yield from (((provider,), count) for provider, count in listed)
        if len(listed) < len(found):
            yield (OTHER,), found.total() - sum(count for _, count in listed)

    def _drifted(self) -> Iterator[tuple[Labels, Number]]:
        wall = self._wall()
        for target in self._router.inventory.targets:
            signals = {each.signal.value for each in self._router.drift.verdicts(target.label, wall)}
            yield from (((target.provider.name, target.model.id, signal), 1) for signal in sorted(signals))

    def _limits(self, now: float) -> Iterator[tuple[Labels, Number]]:
        """Where there are too many, those with the smallest share left."""
        inventory, limits = self._router.inventory, self._router.limits
        found: dict[Labels, tuple[float, int]] = {}
        for target in inventory.targets:
            provider, model, configured = target.provider.name, target.model.id, target.model.limits
            for candidate in inventory.keys[target]:
                for window, left, limit in limits.remaining(candidate.pair_id, configured, now):
                    labels, share = (provider, candidate.key_label or "", model, window), (left / limit, left)
                    found[labels] = min(found.get(labels, share), share)  # labels of keys may be equal
        for shown, (_, left) in nsmallest(MAX_LIMITS, found.items(), key=itemgetter(1)):
            yield shown, left

    def _quotas(self, now: float) -> list[tuple[Labels, Number]]:
        """Where there are too many, those that are used up first."""
        found: dict[Labels, float] = {}
        for each in self._router.quotas(now, now):
            if each["used_up_at"] is not None:
                labels = each["provider"], each["key"] or "", each["model"], each["window"]
                seconds = round(each["used_up_at"] - now, 1)
                found[labels] = min(found.get(labels, seconds), seconds)  # labels of keys may be equal
        return nsmallest(MAX_QUOTAS, found.items(), key=itemgetter(1))

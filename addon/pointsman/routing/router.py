"""The owner of everything that exchanges share: the inventory in force, and what they have taught."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from pointsman.config import Settings
from pointsman.config.words import Dialect
from pointsman.routing.cooldowns import LONG, NEAR, Cooldowns, Cooling, within_bounds
from pointsman.routing.counting import CountPlan
from pointsman.routing.failures import LESSONS, Cool, Failure
from pointsman.routing.hedging import delay
from pointsman.routing.limits import Lease, Limits, Place
from pointsman.routing.plan import Plan
from pointsman.routing.resolve import resolve, unaliased
from pointsman.routing.statistics import Statistics
from pointsman.routing.targets import Candidate, Inventory, Target
from pointsman.sessions.desk import Desk
from pointsman.sessions.digests import Digests
from pointsman.sessions.keys import Caller
from pointsman.sessions.ticket import Ticket
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault

LIMITED = frozenset({"rate_limit", "quota"})


class Router:
    """Asked synchronously by every exchange.

    A reload replaces the settings; plans already made keep the inventory they were made with.
    """

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self.settings = settings
        self.inventory = Inventory.of(settings)
        self.sessions = Desk(settings, Digests(secret))
        self.cooldowns = Cooldowns(settings.cooldowns)
        self.limits = Limits()
        self.statistics = Statistics(self.inventory.by_label)

    def replace(self, settings: Settings, now: float) -> dict[str, int]:
        """Returns the providers that can no longer be routed to, and how many pins each one has lost."""
        before = self.inventory.routable()
        old, self.inventory = self.inventory, Inventory.of(settings)
        self.settings = settings
        self.sessions.replace(settings, now)
        self.cooldowns.durations = settings.cooldowns
        self.cooldowns.keep_only(self.inventory.same_targets(old), self.inventory.same_keys(old))
        self.limits.keep_only(self.inventory.places())
        self.statistics.keep_only(self.inventory.by_label)
        return self.sessions.purge(before - self.inventory.routable())

    def plan(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float) -> Plan:
        """Raises Problem (model_not_found)."""
        settings = self.settings
        resolution = resolve(facts.model, settings, self.inventory)
        ticket = self.sessions.ticket(caller.asking_for(unaliased(facts.model, settings)), resolution.mode, now)
        return Plan(resolution, facts, dialect, self.inventory, ticket, self)

    def count_plan(self, facts: RequestFacts, dialect: Dialect) -> Plan:
        """Whom to ask how many tokens a request has. Raises Problem (model_not_found)."""
        resolution = resolve(facts.model, self.settings, self.inventory)
        return CountPlan(resolution, facts, dialect, self.inventory, Ticket(None), self)

    def hedge_after(self, target: Target, wall: float) -> float | None:
        """Seconds after which an attempt at this target gets company; None for never."""
        return delay(target.provider.hedge, None)

    def lease(self, candidate: Candidate, tokens: int, now: float) -> Lease:
        """Room in the candidate's limits for one request of about so many tokens."""
        if not self.inventory.has(candidate):
            return ()
        return self.limits.lease(_place(candidate), candidate.target.model.limits, tokens, now)

    def limited(self, candidate: Candidate, stated: Iterable[tuple[str, int]]) -> None:
        """A provider states its limits: where they are lower than the configured ones, they count."""
        if self.inventory.has(candidate):
            for name, limit in stated:
                self.limits.learn(_place(candidate), candidate.target.model.limits, name, limit)

    def learn(
        self, candidate: Candidate, failure: Failure, fault: Fault, has_untried_key: bool, wall: float, now: float
    ) -> str | None:
        """What a failure means for everyone; `wall` is what the clock on the wall shows at `now`. Returns it in words.

        An exchange that outlives a reload teaches nothing about what is gone.
        """
        if not self.inventory.has(candidate):
            return None
        target, name, cooldowns, stated = candidate.target, candidate.name, self.cooldowns, fault.retry_after
        cooling = None
        match LESSONS[failure].cool:
            case Cool.TARGET:
                cooling = self._cool_transient(target, fault, now)
            case Cool.TARGET_BY_ALL_KEYS if not has_untried_key:
                cooling = self._cool_transient(target, fault, now)
            case Cool.TARGET_LONG:
                cooling = cooldowns.cool_target(target.label, failure, LONG, now)
            case Cool.KEY_RATE:
                cooling = cooldowns.cool_rate_limited(name, stated, now)
            case Cool.KEY_DAY:
                cooling = cooldowns.cool_quota(name, stated, now, wall)
            case Cool.KEY_INVALID:
                cooling = cooldowns.cool_invalid(name, now)
        if cooling is None:
            return None
        cooled = f"key {name[1] or '(none)'} of {name[0]}" if LESSONS[failure].speaks_of_key else target.label
        return f"{cooled} cools for {cooling.until - now:.1f} s: {cooling.reason}"

    def busy(self, now: float) -> frozenset[str]:
        """The providers whose keys are all rate limited."""
        limited: dict[str, bool] = {}
        for target in self.inventory.targets:
            if target.enabled and self.inventory.keys[target]:
                name = target.provider.name
                is_limited = all(self._is_limited(each, now) for each in self.inventory.keys[target])
                limited[name] = limited.get(name, True) and is_limited
        return frozenset(name for name, is_limited in limited.items() if is_limited)

    def _is_limited(self, candidate: Candidate, now: float) -> bool:
        if cooling := self.cooldowns.key(candidate.name, now):
            return cooling.reason in LIMITED
        return self.limits.frees_at(_place(candidate), candidate.target.model.limits, 1, now) > now

    def _cool_transient(self, target: Target, fault: Fault, now: float) -> Cooling | None:
        seconds = self.cooldowns.durations.transient
        if is_near(target.provider.base_url):
            seconds = min(seconds, NEAR)
        if fault.retry_after is not None:
            seconds = within_bounds(fault.retry_after)
        return self.cooldowns.cool_target(target.label, fault.label, seconds, now)


def _place(candidate: Candidate) -> Place:
    return candidate.target.label, candidate.key_label


def is_near(base_url: str) -> bool:
    """The provider is on this machine or in a private network."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback

"""The owner of everything that exchanges share: the inventory in force, and what they have taught."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from random import Random
from urllib.parse import urlsplit

from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.domain.failures import LESSONS, Cool, Failure
from pointsman.domain.outbound import Outbound
from pointsman.domain.records import ExchangeRecord
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.attempt_outcomes import Seen, observations
from pointsman.routing.cooldowns import LONG, NEAR, Cooldowns, Cooling, within_bounds
from pointsman.routing.count_tokens_plan import CountPlan
from pointsman.routing.health import Health
from pointsman.routing.health_probe import question
from pointsman.routing.hedging import delay
from pointsman.routing.in_flight import Active
from pointsman.routing.limits import Lease, Limits, Place
from pointsman.routing.plan import Plan
from pointsman.routing.protection import rests
from pointsman.routing.ranking import Ranking
from pointsman.routing.recent_outcomes import Recent
from pointsman.routing.resolve import Resolution, resolve, unaliased
from pointsman.routing.retry_storms import Storms
from pointsman.routing.scoring import RULE, Rule
from pointsman.routing.statistics import Statistics, Sums, Wait
from pointsman.sessions.binding import Ticket
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import Caller
from pointsman.sessions.registry import Desk
from pointsman.wire.errors import Fault
from pointsman.wire.request_facts import RequestFacts

LIMITED = frozenset({"rate_limit", "quota"})


class Router:
    """Asked synchronously by every exchange.

    A reload replaces the settings; plans already made keep the inventory they were made with. `chance` is where the
    draws come from; without it they are those of a new generator.
    """

    def __init__(self, settings: Settings, secret: bytes, chance: Random | None = None, rule: Rule = RULE) -> None:
        self.settings = settings
        self.inventory = Inventory.of(settings)
        self.sessions = Desk(settings, Digests(secret))
        self.cooldowns = Cooldowns(settings.cooldowns)
        self.limits = Limits()
        self.statistics = Statistics(self.inventory.by_label)
        self.active = Active()
        self.health = Health()
        self.storms = Storms()
        self.recent = Recent()
        self._chance, self._rule = chance or Random(), rule
        self.ranking = self._ranked()

    def replace(self, settings: Settings, now: float) -> dict[str, int]:
        """Returns the providers that can no longer be routed to, and how many pins each one has lost."""
        before = self.inventory.routable()
        old, self.inventory = self.inventory, Inventory.of(settings)
        self.settings = settings
        self.sessions.replace(settings, now)
        self.cooldowns.durations = settings.cooldowns
        same = self.inventory.same_targets(old)
        self.cooldowns.keep_only(same, self.inventory.same_keys(old))
        self.limits.keep_only(self.inventory.places())
        self.recent.keep_only(same)
        self.statistics.replace(self.inventory.by_label, same)
        self.ranking = self._ranked()
        self.health.keep_only(self.inventory.same_providers(old))
        return self.sessions.purge(before - self.inventory.routable())

    def plan(
        self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float, wall: float | None = None
    ) -> Plan:
        """`wall` is what the clock on the wall shows at `now`; without it both are one. Raises Problem
        (model_not_found).
        """
        settings = self.settings
        resolution = resolve(facts.model, settings, self.inventory)
        ticket = self.sessions.ticket(caller.asking_for(unaliased(facts.model, settings)), resolution.mode, now)
        ticket.rests = self._rests(ticket, resolution, now)
        turn = ticket.turn
        refused = self.storms.refusal(ticket.asker, lambda: turn.digest, now) if turn else None
        ahead = 0.0 if wall is None else wall - now
        return Plan(resolution, facts, dialect, self.inventory, ticket, self, refused, ahead)

    def heard_out(self, facts: RequestFacts, caller: Caller) -> Caller:
        """The caller, with all that a plan has to know of its words found out. May be called in a thread."""
        return self.sessions.heard_out(caller.asking_for(unaliased(facts.model, self.settings)))

    def glance(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float, wall: float) -> Plan:
        """The plan that such a request would get now, draws and all. No session begins, and none counts as used; it is
        not for launching. Raises Problem (model_not_found).
        """
        resolution = resolve(facts.model, self.settings, self.inventory)
        asked = caller.asking_for(unaliased(facts.model, self.settings))
        ticket = self.sessions.glance(asked, resolution.mode, now)
        ticket.rests = self._rests(ticket, resolution, now)
        return Plan(resolution, facts, dialect, self.inventory, ticket, self, None, wall - now, copy(self._chance))

    def _rests(self, ticket: Ticket, resolution: Resolution, now: float) -> bool:
        pin, session = ticket.pin, ticket.session
        if pin is None or session is None:
            return False
        pinned = self.inventory.by_label.get(f"{pin.provider}/{pin.model}")
        return rests(pinned, session.pin_used, resolution.automatic, self.settings.sticky.rest, now)

    def count_plan(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float) -> Plan:
        """Whom to ask how many tokens a request has. Raises Problem (model_not_found)."""
        resolution = resolve(facts.model, self.settings, self.inventory)
        ticket = self.sessions.onlooker(caller.asking_for(unaliased(facts.model, self.settings)), now)
        return CountPlan(resolution, facts, dialect, self.inventory, ticket, self)

    def hedge_after(self, target: Target, wall: float) -> float | None:
        """Seconds after which an attempt at this target gets company; None for never."""
        return delay(target.provider.hedge, self.statistics.usual_wait(target.label, wall))

    def _ranked(self) -> Ranking:
        past = self.statistics.of
        return Ranking(self.inventory, self.settings, self.limits, past, self.recent, self._chance, self._rule)

    def remember(
        self,
        hours: Mapping[tuple[str, int], Sums],
        waits: Mapping[str, Iterable[Wait]],
        attempts: Mapping[str, Iterable[tuple[float, bool]]],
        wall: float,
    ) -> None:
        """What is known of earlier, as `Statistics.restore` and `Recent.restore` take it."""
        self.statistics.restore(hours, waits, wall)
        self.recent.restore(attempts, wall)
        self.ranking = self._ranked()

    def observe(self, record: ExchangeRecord) -> None:
        """What an exchange that has ended teaches about its targets."""
        for seen in observations(record, self.inventory.by_label):
            self.statistics.add(seen)
            if seen.seen in (Seen.SUCCESS, Seen.FAILURE):
                self.recent.observe(seen.label, seen.seen is Seen.SUCCESS, seen.wall)
            self.ranking.learnt(self.inventory.by_label[seen.label])

    def lease(self, candidate: Candidate, tokens: int, now: float) -> Lease:
        """Room in the candidate's limits for one request of about so many tokens."""
        if not self.inventory.has(candidate):
            return ()
        return self.limits.lease(_place(candidate), candidate.target.model.limits, tokens, now)

    def limited(self, candidate: Candidate, stated: Iterable[tuple[str, int]]) -> None:
        """A provider states its limits: where they are lower than the configured ones, they count."""
        if (limits := list(stated)) and self.inventory.has(candidate):
            for name, limit in limits:
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
        cooling, lost = None, self._lost(candidate, failure, fault, now)
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
            return lost
        cooled = f"key {name[1] or '(none)'} of {name[0]}" if LESSONS[failure].speaks_of_key else target.label
        words = f"{cooled} cools for {cooling.until - now:.1f} s: {cooling.reason}"
        return f"{words}; {lost}" if lost else words

    def worked(self, candidate: Candidate, launched: float) -> str | None:
        """An answer to a request launched then has ended well. Returns what that changes, in words; nothing, if a
        reload has taken the candidate away.
        """
        if not self.inventory.has(candidate):
            return None
        self.cooldowns.worked(candidate.target.label, candidate.name, launched)
        name = candidate.target.provider.name
        return _well(name) if self.health.recovered(name) else None

    def _lost(self, candidate: Candidate, failure: Failure, fault: Fault, now: float) -> str | None:
        """The provider is unreachable, or without a valid key, from now on: its pins are taken back, once."""
        name, invalid = candidate.target.provider.name, self.cooldowns.invalid
        if failure is Failure.CONNECT and self.health.failed(name, fault.label, now):
            state = "healthy and is unhealthy"
        elif failure is Failure.KEY_INVALID and candidate.name not in invalid:
            if not self.inventory.key_names(name) <= {*invalid, candidate.name}:
                return None
            state = "healthy and has no valid key left"
        else:
            return None
        return f"provider {name} was {state}; pins removed: {self.sessions.purge({name})[name]}"

    def probes_due(self, chance: Callable[[], float], now: float) -> list[tuple[str, Outbound]]:
        """The providers to probe now, and what to ask each; `chance` gives random numbers from 0 to 1."""
        due = [self.settings.providers[name] for name in self.health.due(now)]
        for provider in due:
            self.health.begin_probe(provider.name, chance(), now)
        return [(provider.name, question(provider)) for provider in due]

    def probed(self, provider: str, alive: bool) -> str | None:
        """A probe has ended. Returns what that changes, in words."""
        return _well(provider) if self.health.probed(provider, alive) else None

    def usable_keys(self, target: Target, now: float) -> int:
        """How many of its keys may be used now; where it needs none, there is none to count."""
        return sum(
            each.key is not None
            and self.cooldowns.key(each.name, now) is None
            and self.limits.frees_at(_place(each), target.model.limits, 1, now) <= now
            for each in self.inventory.keys[target]
        )

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


def _well(provider: str) -> str:
    return f"provider {provider} was unhealthy and is healthy"


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

"""What exchanges share: the inventory in force and what attempts have shown. Plans and the router stand on it."""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import assert_never

from pointsman.clients.access import AccessTable
from pointsman.config import Settings
from pointsman.config.enums import DriftPolicy, Mode
from pointsman.domain.failures import FAILURE_POLICIES, Failure, Scope
from pointsman.domain.records import AttemptRecord, ExchangeRecord
from pointsman.domain.targets import Candidate, Inventory, KeyId, Target
from pointsman.routing.answer_signals import answer_signals
from pointsman.routing.attempt_outcomes import Observation, Verdict, observations
from pointsman.routing.cache_statistics import WARM_SHARE, CacheStatistics
from pointsman.routing.concurrency import Concurrency
from pointsman.routing.cooldowns import CooldownTable
from pointsman.routing.drift import Drift
from pointsman.routing.failure_costs import cooldown_of, is_nearby, rule_for
from pointsman.routing.forecast import QuotaHours
from pointsman.routing.health import Health
from pointsman.routing.hedging import hedge_delay
from pointsman.routing.in_flight import InFlight
from pointsman.routing.issued_ids import Holder, IssuedIds
from pointsman.routing.limits import Lease, RateLimits
from pointsman.routing.load import Load
from pointsman.routing.outages import LocalNetwork, Outages
from pointsman.routing.ranking import Ranking
from pointsman.routing.recent_outcomes import RecentOutcomes
from pointsman.routing.retry_storms import RetryStorms
from pointsman.routing.scoring import DEFAULT_RULE
from pointsman.routing.statistics import ContentWait, HourlySums, Statistics
from pointsman.routing.strategies.base import Strategy
from pointsman.routing.strategies.registry import DEFAULT_STRATEGY, STRATEGIES
from pointsman.routing.tallies import Tallies
from pointsman.routing.waiting import WaitingLines
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.digests import Digests
from pointsman.sessions.penalties import Ban
from pointsman.sessions.registry import SessionRegistry
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Fault
from pointsman.wire.messages import NO_CALLS, ToolCalls
from pointsman.wire.request_facts import HeldIds


class RoutingState:
    """The one owner of all of it. `strategy` orders the targets, or where none is given those that the settings name;
    random draws come from `rng`.

    A reload replaces settings, inventory and ranking; everything else lives as long as the process.
    """

    def __init__(self, settings: Settings, secret: bytes, rng: Random, strategy: Strategy | None) -> None:
        self.settings = settings
        self.inventory = Inventory.from_settings(settings)
        self.access = AccessTable(settings.clients)
        digests = Digests(secret)
        self.sessions = SessionRegistry(settings, digests)
        self.cooldowns = CooldownTable(settings.cooldowns)
        self.limits = RateLimits()
        self.quota_hours = QuotaHours(self.limits)
        self.concurrency = Concurrency()
        self.statistics = Statistics(self.inventory.by_label)
        self.in_flight = InFlight()
        self.health = Health()
        self.outages = Outages()
        self.network = LocalNetwork()
        self.retry_storms = RetryStorms()
        self.issued_ids = IssuedIds(lambda name: digests.digest("client", name, keyed=True))
        self.recent_outcomes = RecentOutcomes()
        self.tallies = Tallies(self.inventory)
        self.load = Load()
        self.drift = Drift()
        self.cache_statistics = CacheStatistics()
        self.waiting = WaitingLines()
        self.on_observation: Callable[[Observation], None] | None = None
        """Called with everything that is observed here, for peers."""
        self.lacks_lease: Callable[[float], bool] = lambda now: False
        """Requests have lacked what other instances may have left of a limit; it has been asked for since."""
        self.rng, self._strategy = rng, strategy
        self._strategies: dict[str, Strategy] = {}
        """By name, made when one is first used; bounded by their number."""
        self.ranking = self._make_ranking()

    def update_settings(self, settings: Settings, now: float) -> dict[str, int]:
        """Returns the providers that can no longer be routed to, and how many pins each one has lost."""
        before = self.inventory.routable_providers()
        old, self.inventory = self.inventory, Inventory.from_settings(settings)
        self.settings = settings
        self.access = AccessTable(settings.clients)
        self.sessions.update_settings(settings, now)
        self.cooldowns.durations = settings.cooldowns
        same, keys = self.inventory.unchanged_targets(old), self.inventory.unchanged_keys(old)
        self.cooldowns.keep_only(same, keys)
        self.tallies.update_inventory(self.inventory, same, _configured_keys(settings))
        self.limits.keep_only(self.inventory.pair_ids())
        self.quota_hours.keep_only(same)
        self.concurrency.keep_only(self.inventory.pair_ids())
        self.recent_outcomes.keep_only(same)
        self.outages.keep_only(same)
        self.drift.keep_only(same)
        self.cache_statistics.keep_only(same)
        self.statistics.set_labels(self.inventory.by_label, same)
        self.ranking = self._make_ranking()
        self.health.keep_only(self.inventory.unchanged_providers(old))
        self.network.keep_only(self.inventory.unchanged_providers(old))
        self.waiting.wake_all()
        return self.sessions.remove_pins(before - self.inventory.routable_providers())

    def _make_ranking(self) -> Ranking:
        stats, recent = self.statistics.stats_for, self.recent_outcomes
        rule = self._strategy.rule if self._strategy else DEFAULT_RULE
        return Ranking(self.inventory, self.settings, self.limits, stats, recent, self.rng, rule, self._drift_penalty)

    def _drift_penalty(self, label: str, wall: float) -> float:
        return self.drift.penalty(label, wall) if self.settings.routing.drift is DriftPolicy.WEIGH else 0.0

    def strategy(self, mode: Mode) -> Strategy:
        """What orders the targets in this mode."""
        if self._strategy:
            return self._strategy
        name = self.settings.routing.strategy.get(mode, DEFAULT_STRATEGY)
        if name not in self._strategies:
            self._strategies[name] = STRATEGIES[name]()
        return self._strategies[name]

    def restore(
        self,
        hours: Mapping[tuple[str, int], HourlySums],
        waits: Mapping[str, Iterable[ContentWait]],
        attempts: Mapping[str, Iterable[tuple[float, bool]]],
        wall: float,
        of_keys: Mapping[tuple[str, str | None], Iterable[tuple[float, bool]]] = {},
    ) -> None:
        """What the history holds, as `Statistics.restore`, `RecentOutcomes.restore` and `Tallies.restore` take it."""
        self.statistics.restore(hours, waits, wall)
        self.recent_outcomes.restore(attempts, wall)
        self.tallies.restore(attempts, wall, of_keys)
        self.ranking = self._make_ranking()

    def observe(self, record: ExchangeRecord, calls: ToolCalls = NO_CALLS) -> None:
        """The outcomes of an exchange that has ended go into the statistics of its targets; `calls` are those of the
        answer that the client got.
        """
        for seen in answer_signals(record, calls, self.inventory.by_label):
            self.drift.observe(seen)
        self.tallies.observe(record)
        for observation in observations(record, self.inventory.by_label):
            self.statistics.observe(observation)
            if self.on_observation:
                self.on_observation(observation)
            if observation.verdict in (Verdict.SUCCESS, Verdict.FAILURE):
                self.recent_outcomes.observe(
                    observation.label, observation.verdict is Verdict.SUCCESS, observation.wall
                )
            self.ranking.invalidate(self.inventory.by_label[observation.label])

    def observe_cache(
        self,
        candidate: Candidate,
        record: AttemptRecord,
        binding: SessionBinding,
        prompt: int,
        asked: float,
        is_streamed: bool,
    ) -> None:
        """What an answer's reported usage shows of its target's cache. `prompt`: its estimated tokens; `asked`: when
        the attempt was launched (routing clock).
        """
        caches, usage, label = binding.mutable_caches(), record.usage, candidate.target.label
        if caches is None or usage is None or usage.is_estimated or label not in self.inventory.by_label:
            return
        before = caches.by_target.get(label)
        turn, found = caches.observe(label, candidate.key_id[1], prompt, usage, asked)
        self.cache_statistics.observe_turn(turn)
        first = record.first_content_ms if is_streamed else None
        self.cache_statistics.observe(label, usage, None if first is None else first / 1000, found, asked)
        if found and before:  # what the target has just shown counts for its other conversations too
            expected = self.cache_statistics.of(label).share(before, found.band, True, asked)
            if expected >= WARM_SHARE:  # a target without a cache shows nothing of the conversation
                caches.compare(found.share, expected)

    def hedge_delay(self, target: Target, wall: float) -> float | None:
        """Seconds after which a second attempt starts beside one at this target; None for never."""
        return hedge_delay(target.provider.hedge, self.statistics.wait_percentiles(target.label, wall))

    def holder_of(self, held: HeldIds, session_pin: Pin | None, now: float, client: str | None = None) -> Holder | None:
        """The account that holds what a request refers to; None where none is known, or it is no longer configured.
        Stored parts of answers are taken to be at the session's pin. Raises Problem (not_found) where that was issued
        to another client.
        """
        if not held:
            return None
        pin = self.issued_ids.find(held.own, now, client) or (session_pin if held.items else None)
        holder = Holder(pin, is_exclusive=True) if pin else None
        if holder is None and (pin := self.issued_ids.find(held.shared, now, client)):
            holder = Holder(pin, is_exclusive=False)
        return holder if holder and self.inventory.has_key(holder.pin.provider, holder.pin.key) else None

    def lease(self, candidate: Candidate, tokens: int, now: float) -> Lease:
        """Room in the candidate's limits for one request of about so many tokens."""
        if not self.inventory.contains(candidate):
            return ()
        return self.limits.lease(candidate.pair_id, candidate.target.model.limits, tokens, now)

    def on_stated_limits(self, candidate: Candidate, stated: Iterable[tuple[str, int]], now: float) -> None:
        """A provider states its limits: where they are lower than the configured ones, they count."""
        if (limits := list(stated)) and self.inventory.contains(candidate):
            for name, limit in limits:
                self.limits.lower_limit(candidate.pair_id, candidate.target.model.limits, name, limit, now)

    def ban_on(self, target: Target, binding: SessionBinding, now: float) -> Ban | None:
        """The session's ban on the target. One that turns out to be for an outage is dropped: of the network on this
        side, or of the target if the ban gives way.
        """
        while ban := binding.ban_on(target.provider.name, target.label, now):
            is_outage = ban.gives_way and self.outages.covers(target.label, ban.since)
            if not is_outage and not self.was_network_down(target, ban.since):
                return ban
            binding.drop_ban(ban)
        return None

    def is_network_down(self, target: Target, now: float) -> bool:
        """The target cannot be reached now because of the network on this side."""
        return self.network.is_down(now) and not is_nearby(target.provider.base_url)

    def was_network_down(self, target: Target, moment: float) -> bool:
        """The target could not be reached then because of the network on this side."""
        return self.network.covers(moment) and not is_nearby(target.provider.base_url)

    def on_failure(
        self, candidate: Candidate, failure: Failure, fault: Fault, has_untried_key: bool, wall: float, now: float
    ) -> str | None:
        """What a failure means for everyone; `wall` is what the clock on the wall shows at `now`. Returns it in words.

        Of a target that a reload has removed nothing is kept.
        """
        if not self.inventory.contains(candidate):
            return None
        if failure is Failure.CONNECT and not is_nearby(candidate.target.provider.base_url):
            if concerned := self.network.on_connection_failed(candidate.target.provider.name, now):
                return self._on_network_lost(concerned, now)
            if self.network.is_down(now):
                return None
        loss = self._on_provider_lost(candidate, failure, fault, now)
        cooldown = self._cool(candidate, failure, fault, has_untried_key, wall, now)
        if failure is Failure.CONCURRENCY:
            self.concurrency.on_refused(candidate, now)
        return "; ".join(filter(None, (cooldown, loss))) or None

    def _cool(
        self, candidate: Candidate, failure: Failure, fault: Fault, has_untried_key: bool, wall: float, now: float
    ) -> str | None:
        """What the failure is charged to is not used for a while. Returns it in words."""
        rules = self.settings.routing.failures
        if FAILURE_POLICIES[failure].after_all_keys and has_untried_key and not rule_for(fault, rules):
            return None
        cost = cooldown_of(failure, fault, candidate.target.provider, self.cooldowns.durations, wall, rules)
        if cost is None:
            return None
        if cost.scope is Scope.PROVIDER:
            for each in self.inventory.keys[candidate.target]:
                cooldown = self.cooldowns.cool(each, Scope.KEY, cost.reason, cost.wait, now)
        else:
            cooldown = self.cooldowns.cool(candidate, cost.scope, cost.reason, cost.wait, now)
        if cooldown is None:
            return None
        return f"{_charged_to(candidate, cost.scope)} cools for {cooldown.until - now:.1f} s: {cooldown.reason}"

    def on_success(self, candidate: Candidate, launched: float) -> str | None:
        """An answer to a request launched then has ended well. Returns what that changes, in words; nothing, if a
        reload has taken the candidate away.
        """
        if not self.inventory.contains(candidate):
            return None
        self.cooldowns.on_success(candidate, launched)
        name = candidate.target.provider.name
        return _recovery_message(name) if self.health.on_recovered(name) else None

    def _on_provider_lost(self, candidate: Candidate, failure: Failure, fault: Fault, now: float) -> str | None:
        """The provider is unreachable, or without a valid key, from now on: its pins are removed, once."""
        name, invalid = candidate.target.provider.name, self.cooldowns.invalid_keys
        if failure is Failure.CONNECT and self.health.on_connection_failed(name, fault.label, now):
            state = "healthy and is unhealthy"
        elif failure is Failure.KEY_INVALID and candidate.key_id not in invalid:
            if not self.inventory.key_ids(name) <= {*invalid, candidate.key_id}:
                return None
            state = "healthy and has no valid key left"
        else:
            return None
        return f"provider {name} was {state}; pins removed: {self.sessions.remove_pins({name})[name]}"

    def _on_network_lost(self, providers: Iterable[str], now: float) -> str:
        """What the first of them was charged with is taken back."""
        for name in providers:
            self.health.forget(name)
            for target in self.inventory.targets:
                if target.provider.name == name:
                    self.cooldowns.end_connect_cooldown(target.label)
        named = ", ".join(sorted(providers))
        return f"no connection to {named}: the network on this side seems to be down; no provider cools"

    def on_reached(self, target: Target) -> None:
        """The target has answered something."""
        self.health.on_reached(target.provider.name)
        if not is_nearby(target.provider.base_url):
            self.network.on_reached()

    def on_probe_result(self, provider: str, alive: bool) -> str | None:
        """A probe has ended. Returns what that changes, in words."""
        return _recovery_message(provider) if self.health.on_probe_result(provider, alive) else None


def _configured_keys(settings: Settings) -> frozenset[KeyId]:
    """Disabled ones too."""
    keys = ((name, key.id) for name, provider in settings.providers.items() for key in provider.keys)
    return frozenset((*keys, *((name, None) for name in settings.providers)))


def _recovery_message(provider: str) -> str:
    return f"provider {provider} was unhealthy and is healthy"


def _charged_to(candidate: Candidate, scope: Scope) -> str:
    """What cools, in words."""
    target = candidate.target
    match scope:
        case Scope.KEY:
            return f"key {candidate.key_label or '(none)'} of {target.provider.name}"
        case Scope.MODEL_OF_KEY:
            return f"key {candidate.key_label or '(none)'} of {target.provider.name} for {target.model.id}"
        case Scope.PROVIDER:
            return f"provider {target.provider.name}"
        case Scope.TARGET | Scope.REQUEST:
            return target.label
        case _ as never:
            assert_never(never)

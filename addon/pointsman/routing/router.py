"""The router: makes the plan of each exchange, and answers questions about the routing state."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from random import Random
from typing import Any

from pointsman.clients.access import ModelAccess
from pointsman.clients.clients import RunningRequest
from pointsman.config import Settings
from pointsman.config.enums import Dialect, Kind, Mode
from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.records import ExchangeRecord
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.account_plan import AccountPlan, provider_of
from pointsman.routing.base_url_faults import BaseUrlFaults
from pointsman.routing.conditions import Conditions
from pointsman.routing.count_tokens_plan import CountTokensPlan
from pointsman.routing.exclusions import LIMIT_STATUSES
from pointsman.routing.forecast import forecast
from pointsman.routing.health_probe import probe_request
from pointsman.routing.plan import Plan
from pointsman.routing.protection import is_pin_paused
from pointsman.routing.ranking import Ranking
from pointsman.routing.resolve import Resolution, resolve, resolve_alias
from pointsman.routing.state import RoutingState
from pointsman.routing.statistics import ContentWait, HourlySums
from pointsman.routing.stored_answer_plan import REPEATABLE_METHODS, StoredAnswerPlan, asked_for_stored
from pointsman.routing.strategies.base import Strategy
from pointsman.routing.unknown_models import AUTO
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.key_sources import Caller
from pointsman.wire.errors import Code, Problem
from pointsman.wire.messages import NO_CALLS, ToolCalls
from pointsman.wire.request_facts import RequestFacts

RATE_LIMIT_REASONS = frozenset({"rate_limit", "quota", "concurrency", *LIMIT_STATUSES})


class Router:
    """Asked synchronously by every exchange.

    A reload replaces the settings; plans already made keep the inventory they were made with. `rng` is where the
    draws come from; without it they are those of a new generator. `strategy` orders the targets; without it those that
    the settings name.
    """

    def __init__(
        self, settings: Settings, secret: bytes, rng: Random | None = None, strategy: Strategy | None = None
    ) -> None:
        self.state = state = RoutingState(settings, secret, rng or Random(), strategy)
        self._base_urls = BaseUrlFaults()
        # The parts of the state that a reload does not replace, for those who read them.
        self.sessions, self.cooldowns, self.limits = state.sessions, state.cooldowns, state.limits
        self.statistics, self.recent_outcomes = state.statistics, state.recent_outcomes
        self.drift = state.drift
        self.in_flight, self.health, self.retry_storms = state.in_flight, state.health, state.retry_storms

    @property
    def settings(self) -> Settings:
        return self.state.settings

    @property
    def inventory(self) -> Inventory:
        return self.state.inventory

    @property
    def ranking(self) -> Ranking:
        return self.state.ranking

    def update_settings(self, settings: Settings, now: float) -> dict[str, int]:
        """Returns the providers that can no longer be routed to, and how many pins each one has lost."""
        self._base_urls.keep_only(
            {(p.name, url) for p in settings.providers.values() for url in (p.base_url, *p.dialects.values())}
        )
        return self.state.update_settings(settings, now)

    def restore(
        self,
        hours: Mapping[tuple[str, int], HourlySums],
        waits: Mapping[str, Iterable[ContentWait]],
        attempts: Mapping[str, Iterable[tuple[float, bool]]],
        wall: float,
        of_keys: Mapping[tuple[str, str | None], Iterable[tuple[float, bool]]] = {},
    ) -> None:
        """What the history holds, as `Statistics.restore`, `RecentOutcomes.restore` and `Tallies.restore` take it."""
        self.state.restore(hours, waits, attempts, wall, of_keys)

    def observe(self, record: ExchangeRecord, calls: ToolCalls = NO_CALLS) -> None:
        """The outcomes of an exchange that has ended go into the statistics of its targets; `calls` are those of the
        answer that the client got.
        """
        self.state.observe(record, calls)

    def base_url_notices(self, record: ExchangeRecord) -> Iterator[str]:
        """What an exchange that has ended shows of base URLs that are wrong, in words."""
        return self._base_urls.observe(record)

    def plan(
        self,
        facts: RequestFacts,
        dialect: Dialect,
        caller: Caller,
        now: float,
        wall: float | None = None,
        charged: RunningRequest | None = None,
    ) -> Plan:
        """`wall` is what the clock on the wall shows at `now`; without it both are one. Attempts are at the expense of
        `charged`. Raises Problem (model_not_found, model_not_allowed, not_found).
        """
        settings, client, resolution = self.settings, caller.client, self._resolve(facts)
        access = self._access(resolution, client, facts.options.mode)
        binding = self.sessions.bind(caller.with_model(resolve_alias(facts.model, settings)), resolution.mode, now)
        binding.pin_paused = self._is_pin_paused(binding, resolution, now)
        self._return_home(binding, now)
        turn = binding.fingerprint
        refused = self.retry_storms.required_wait(binding.client_id, lambda: turn.digest, now) if turn else None
        ahead = 0.0 if wall is None else wall - now
        holder = self.state.holder_of(facts.held, binding.pin, now, client)
        return Plan(
            resolution,
            facts,
            dialect,
            self.inventory,
            binding,
            self.state,
            refused,
            ahead,
            holder=holder,
            access=access,
            client=client,
            charged=charged,
        )

    def _resolve(self, facts: RequestFacts) -> Resolution:
        return resolve(facts.model, self.settings, self.inventory, facts.kind or Kind.CHAT, facts.options)

    def require_access(self, model: str, kind: Kind, client: str | None) -> None:
        """Raises Problem (model_not_allowed, model_not_found)."""
        if self.state.access.of(client):
            self._access(resolve(model, self.settings, self.inventory, kind), client)

    def may_use(self, model: str, kind: Kind, client: str | None) -> bool:
        """The client may ask for this name."""
        try:
            self.require_access(model, kind, client)
        except Problem as problem:
            return problem.code is not Code.MODEL_NOT_ALLOWED
        return True

    def _access(self, resolution: Resolution, client: str | None, mode: Mode | None = None) -> ModelAccess | None:
        """What the client may use of what it asks for; None: all of it. `mode` is asked for beside the name, and takes
        the place of a mode that is meant by it. Raises Problem (model_not_allowed).
        """
        access = self.state.access.of(client)
        if access is None or _allows_all(access, resolution, mode):
            return None
        by_mode = any(step.automatic for step in resolution.steps)
        asked = self.ranking.candidate_set(resolution).targets if by_mode else resolution.targets
        if not any(map(access.allows_target, asked)):
            what = f"{resolution.requested[:200]!r}{f' in mode {mode}' if mode and by_mode else ''}"
            message = f"The client {client} may not use {what}; it may use: {access}."
            raise Problem(Code.MODEL_NOT_ALLOWED, message, param="model")
        return access

    def with_key(self, facts: RequestFacts, caller: Caller) -> Caller:
        """The caller, with the key of its session found out."""
        return self.sessions.with_key(caller.with_model(resolve_alias(facts.model, self.settings)))

    def with_words(self, facts: RequestFacts, caller: Caller) -> Caller:
        """The caller, with all that a plan has to know of its words found out. May be called in a thread."""
        return self.sessions.with_words(caller.with_model(resolve_alias(facts.model, self.settings)))

    def preview_plan(
        self,
        facts: RequestFacts,
        dialect: Dialect,
        caller: Caller,
        now: float,
        wall: float,
        charged: RunningRequest | None = None,
    ) -> Plan:
        """The plan that such a request would get now, draws and all. No session begins, and none counts as used; it is
        not for launching. Raises Problem (model_not_found, model_not_allowed).
        """
        resolution, client = self._resolve(facts), caller.client
        access = self._access(resolution, client, facts.options.mode)
        asked = caller.with_model(resolve_alias(facts.model, self.settings))
        binding = self.sessions.preview(asked, resolution.mode, now)
        binding.pin_paused = self._is_pin_paused(binding, resolution, now)
        return Plan(
            resolution,
            facts,
            dialect,
            self.inventory,
            binding,
            self.state,
            None,
            wall - now,
            copy(self.state.rng),
            holder=self.state.holder_of(facts.held, binding.pin, now, client),
            access=access,
            client=client,
            charged=charged,
        )

    def _return_home(self, binding: SessionBinding, now: float) -> None:
        """The session goes back to its former target, once that has worked for `sticky.return_after`."""
        after, session = self.settings.sticky.return_after, binding.session
        home = session.home if session else None
        if not after or session is None or home is None or home.label not in self.inventory.by_label:
            return
        target = self.inventory.by_label[home.label]
        since = max(session.home_left, self.state.outages.last_failure(home.label) or session.home_left)
        is_usable = self.state.health.outage(home.provider) is None and not self.state.ban_on(target, binding, now)
        if now - since >= after and is_usable and self.cooldowns.target_cooldown(home.label, now) is None:
            binding.return_home()

    def _is_pin_paused(self, binding: SessionBinding, resolution: Resolution, now: float) -> bool:
        pin, session = binding.pin, binding.session
        if pin is None or session is None:
            return False
        pinned = self.inventory.by_label.get(f"{pin.provider}/{pin.model}")
        return is_pin_paused(pinned, session.pin_used, resolution.automatic, self.settings.sticky.rest, now)

    def pin_pause_notice(self, plan: Plan, now: float) -> str | None:
        """In words that the session's pin is not preferred for this request, None where none is paused."""
        session, pin = plan.binding.session, plan.binding.pin
        if session is None or pin is None or not (plan.binding.pin_paused and plan.binding.prefers_pin):
            return None
        age = now - session.pin_used
        return f"the pin of session {session.label} on {pin.provider}/{pin.model} is paused: last used {age:.0f} s ago"

    def count_tokens_plan(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float) -> Plan:
        """The plan of a request to count tokens. Raises Problem (model_not_found)."""
        resolution = resolve(facts.model, self.settings, self.inventory, options=facts.options)
        access = self._access(resolution, caller.client, facts.options.mode)
        binding = self.sessions.bind_read_only(caller.with_model(resolve_alias(facts.model, self.settings)), now)
        holder = self.state.holder_of(facts.held, None, now, caller.client)
        return CountTokensPlan(
            resolution, facts, dialect, self.inventory, binding, self.state, holder=holder, access=access
        )

    def stored_answer_plan(
        self, facts: RequestFacts, dialect: Dialect, method: str, now: float, client: str | None = None
    ) -> Plan:
        """The plan of a request about a stored answer. Raises Problem (not_found) if no target can be asked."""
        holder = self.state.holder_of(facts.held, None, now, client)
        targets = asked_for_stored(facts, dialect, holder, self.inventory)
        mode = self.settings.routing.default_mode
        resolution = Resolution("", targets[0].model.id, mode, targets, explicit=True)
        plan = StoredAnswerPlan(
            resolution, facts, dialect, self.inventory, SessionBinding(None), self.state, holder=holder
        )
        plan.is_repeatable = method in REPEATABLE_METHODS
        return plan

    def account_plan(
        self,
        facts: RequestFacts,
        dialect: Dialect,
        provider: str,
        now: float,
        wall: float | None = None,
        client: str | None = None,
        charged: RunningRequest | None = None,
    ) -> Plan:
        """The plan of a request about what an account holds; `provider` is the one that its client names, empty if it
        names none. Raises Problem (invalid_request) where it is not clear which one is meant, and (model_not_allowed)
        if the client may use none of its models.
        """
        holder = self.state.holder_of(facts.held, None, now, client)
        name = provider_of(provider, dialect, self.inventory, holder)
        account = self.inventory.accounts[name]
        self._access(Resolution(name, name, Mode.BALANCED, self._targets_of(name), explicit=True), client)
        resolution = Resolution(name, name, self.settings.routing.default_mode, (account,), explicit=True)
        own = holder if holder and holder.pin.provider == name else None
        ahead = 0.0 if wall is None else wall - now
        binding = SessionBinding(None)
        return AccountPlan(
            resolution,
            facts,
            dialect,
            self.inventory,
            binding,
            self.state,
            None,
            ahead,
            holder=own,
            client=client,
            charged=charged,
        )

    def _targets_of(self, provider: str) -> tuple[Target, ...]:
        return tuple(target for target in self.inventory.targets if target.provider.name == provider)

    def probes_due(self, chance: Callable[[], float], now: float) -> list[tuple[str, UpstreamRequest]]:
        """The providers to probe now, and what to ask each; `rng` gives random numbers from 0 to 1."""
        due = [self.settings.providers[name] for name in self.health.due_probes(now)]
        for provider in due:
            self.health.begin_probe(provider.name, chance(), now)
        return [(provider.name, probe_request(provider)) for provider in due]

    def on_probe_result(self, provider: str, alive: bool) -> str | None:
        """A probe has ended. Returns what that changes, in words."""
        return self.state.on_probe_result(provider, alive)

    def cooldowns_to_dict(self, now: float, wall: float) -> dict[str, list[dict[str, Any]]]:
        """Every active cooldown in plain JSON types; `wall` is what the clock on the wall shows at `now`."""
        return self.cooldowns.to_dict(self.inventory.key_labels, now, wall)

    def clear_cooldowns(self, now: float) -> int:
        """Forget all of them. Returns how many there were."""
        cleared = self.cooldowns.clear(now)
        self.state.waiting.wake_all()
        return cleared

    def lift_cooldowns(self, provider: str, model: str | None, key: str | None, now: float) -> int:
        """Forget a provider's cooldowns, or those of one model or of the key that is called so. Returns how many there
        were.
        """
        known = self.inventory.key_labels.items()
        keys = None if key is None else {name for name, label in known if (name[0], label) == (provider, key)}
        lifted = self.cooldowns.lift(provider, model, keys, now)
        self.state.waiting.wake_all()
        return lifted

    def sessions_to_list(self, now: float, wall: float, limit: int | None = None) -> list[dict[str, Any]]:
        """Every session, or so many of them, the last used first, in plain JSON types."""
        return self.sessions.to_list(now, wall, self.inventory.key_labels, limit)

    def drift_to_list(self, provider: str, wall: float) -> list[dict[str, Any]]:
        """How the targets of this provider have drifted, in plain JSON types."""
        targets = [target for target in self.inventory.targets if target.provider.name == provider]
        return [
            {"model": target.model.id, **verdict.to_dict()}
            for target in targets
            for verdict in self.drift.verdicts(target.label, wall)
        ]

    def quotas_to_list(self, now: float, wall: float, provider: str, key_id: str | None = None) -> list[dict[str, Any]]:
        """Of one provider or key, as `quotas` tells them."""
        return list(self.quotas(now, wall, provider, key_id))

    def quotas(
        self, now: float, wall: float, provider: str | None = None, key_id: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """The daily limits that are in use, of one provider or key or of all, each with the time at which it will be
        used up at the present pace, in plain JSON types.
        """
        pairs = [
            (target, each)
            for target in self.inventory.targets
            if provider in (None, target.provider.name)
            for each in self.inventory.keys[target]
            if key_id in (None, each.key_id[1])
        ]
        for target, each in pairs:
            for name, window, limit in self.limits.daily_windows(each.pair_id, target.model.limits):
                yield {
                    "provider": target.provider.name,
                    "model": target.model.id,
                    "key": each.key_label,
                    **forecast(name, window, limit, now).to_dict(wall - now),
                }

    def conditions(self, now: float, wall: float) -> Conditions:
        """Of providers, targets and keys; `wall` is what the clock on the wall shows at `now`."""
        return Conditions(self.state, now, wall)

    def usable_keys(self, target: Target, now: float) -> int:
        """How many of its keys may be used now; where it needs none, there is none to count."""
        return sum(
            each.key is not None
            and self.cooldowns.candidate_cooldown(each, now) is None
            and self.limits.has_room(each.pair_id, target.model.limits, now)
            for each in self.inventory.keys[target]
        )

    def busy_providers(self, now: float) -> frozenset[str]:
        """The providers whose keys are all rate limited."""
        limited: dict[str, bool] = {}
        for target in self.inventory.targets:
            name, keys = target.provider.name, self.inventory.keys[target]
            if target.enabled and keys and limited.get(name, True):  # one key with room is enough
                limited[name] = all(self._is_limited(each, now) for each in keys)
        return frozenset(name for name, is_limited in limited.items() if is_limited)

    def _is_limited(self, candidate: Candidate, now: float) -> bool:
        if cooldown := self.cooldowns.candidate_cooldown(candidate, now):
            return cooldown.reason in RATE_LIMIT_REASONS
        return not self.limits.has_room(candidate.pair_id, candidate.target.model.limits, now)


def _allows_all(access: ModelAccess, resolution: Resolution, mode: Mode | None) -> bool:
    """The names that the client asks for lead to all that they mean. A mode that it asks for beside the name stands in
    the place of the modes that are meant by the name, and of nothing else.
    """
    if resolution.taken_as:  # any name that a glob allows could stand for a mode
        return access.allows((f"{AUTO}-{mode}" if mode is not None else resolution.taken_as,))
    is_named = access.allows((resolution.requested, resolution.name))
    return all(
        access.allows((f"{AUTO}-{mode}",))
        if mode is not None and step.automatic
        else is_named or access.allows((step.requested, step.name))
        for step in resolution.steps
    )

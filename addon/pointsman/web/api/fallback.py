"""`/api/fallback`: every target in its order, and what may be changed of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict

from pointsman.config import ConfigIssue, Mode, Pool, Settings
from pointsman.config.base_model import ConfigModel
from pointsman.config.runtime_overrides import RuntimeOverrides, TargetChange
from pointsman.config.values import Flag, Name
from pointsman.domain.targets import Inventory, Target
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import ActiveConfig
from pointsman.prices.rates import PICO, dollars
from pointsman.routing.conditions import Conditions
from pointsman.routing.router import Router
from pointsman.routing.tallies import NO_TALLY
from pointsman.web.api.parsing import parse_body
from pointsman.web.explain import target_to_dict
from pointsman.web.http import PageReply, PageRequest, issues_problem, json_reply
from pointsman.web.slices import in_slices
from pointsman.web.status import cooldown_to_dict, endpoints_to_list, time_text

MAX_TARGETS = 10_000


class TargetChangeRow(ConfigModel):
    """A row of GET may be sent back: members that cannot be changed are ignored."""

    model_config = ConfigDict(extra="ignore")

    provider: Name
    model: Name
    enabled: Flag | None = None
    pool: Pool | None = None

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.model}"


def _limited(rows: tuple[TargetChangeRow, ...]) -> tuple[TargetChangeRow, ...]:
    if len(rows) > MAX_TARGETS:
        raise ValueError(f"must hold at most {MAX_TARGETS}")
    return rows


class FallbackChange(ConfigModel):
    targets: Annotated[tuple[TargetChangeRow, ...], AfterValidator(_limited)]


class FallbackPages:
    """`clock` is the one that cooldowns live by, `wall` the one that people read."""

    def __init__(
        self, configuration: Configuration, router: Router, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._configuration, self._router, self._clock, self._wall = configuration, router, clock, wall

    async def all(self, _: PageRequest, __: str) -> PageReply:
        while True:
            inventory = self._router.inventory
            rows = await in_slices(self._rows(inventory))
            if self._router.inventory is inventory:
                return json_reply({"targets": rows})

    def _rows(self, inventory: Inventory) -> Iterator[dict[str, Any]]:
        """Ends where another inventory takes the place of this one."""
        now, wall = self._clock(), self._wall()
        health = {each["name"]: each["status"] for each in endpoints_to_list(self._router, now)}
        conditions = self._router.conditions(now, wall)
        for each in inventory.targets:
            if self._router.inventory is not inventory:
                return
            yield self._row(each, health, conditions, now, wall)

    async def change(self, request: PageRequest, rest: str) -> PageReply:
        """Raises Problem (invalid_request)."""
        rows = parse_body(FallbackChange, request).targets
        await self._configuration.change(lambda state: _apply_rows(state, rows))
        return await self.all(request, rest)

    async def forget(self, request: PageRequest, rest: str) -> PageReply:
        await self._configuration.change(lambda state: replace(state.overrides, targets={}, order=()))
        return await self.all(request, rest)

    def _row(
        self, target: Target, health: dict[str, str], conditions: Conditions, now: float, wall: float
    ) -> dict[str, Any]:
        model, overrides = target.model, self._configuration.current.overrides
        change = overrides.targets.get(target.label, TargetChange())
        changed = {
            "order": bool(overrides.order),
            "enabled": change.enabled is not None,
            "pool": change.pool is not None,
        }
        cooldown = self._router.cooldowns.target_cooldown(target.label, now)
        room = self._router.ranking.headroom(target, now)
        return target_to_dict(self._router, target, now, wall) | {
            "target": target.label,
            "order": target.rank,
            "enabled": model.enabled,
            "provider_enabled": target.provider.enabled,
            "speedRank": model.speed,
            "context": model.context,
            "supports": None if model.supports is None else sorted(model.supports),
            "protection": self._configuration.current.settings.protection_of(target.provider.name, model.id).value,
            "cooldown": cooldown_to_dict(cooldown, wall - now),
            "health": health[target.provider.name],
            "condition": conditions.of_target(target).to_dict(time_text(wall)),
            "totals": self._router.state.tallies.targets.get(target.label, NO_TALLY).to_dict(wall),
            **self._facts(target, now, wall),
            "scores": {mode.value: self._terms(target, mode, room, wall) for mode in Mode},
            "overridden": [name for name, is_changed in changed.items() if is_changed],
        }

    def _facts(self, target: Target, now: float, wall: float) -> dict[str, Any]:
        """What it costs, how much of its limits is left with the key that has most, and what is known of its speed."""
        rates, stats = target.rates.get(target.model.id), self._router.statistics.stats_for(target.label, wall)
        left = [
            self._router.limits.left(each.pair_id, target.model.limits, now)
            for each in self._router.inventory.keys[target]
        ]
        names = left[0] if left else ()
        best = {name: max((each[name] for each in left), key=lambda window: window.left) for name in names}
        first = rates.tier(0, wall) if rates else None
        return {
            "limits": {name: {"limit": window.limit, "left": window.left} for name, window in best.items()},
            "price": first and {"input": _per_million(first.input), "output": _per_million(first.output)},
            "samples": stats.attempts,
            "tokens_per_second": stats.tokens_per_second,
            "first_content_ms": None if stats.first_content is None else stats.first_content * 1000,
        }

    def _terms(self, target: Target, mode: Mode, room: float, wall: float) -> dict[str, float]:
        terms = self._router.ranking.cached_terms((target,), mode, wall)[0]
        told = {
            "score": terms.score_line.at(terms.reliability.mean) * room - terms.penalty,
            "reliability": terms.reliability.mean,
            **terms.qualities._asdict(),
            "headroom": room,
            "penalty": terms.penalty,
        }
        return {name: round(value, 4) for name, value in told.items()}


def _per_million(rate: int | None) -> str | None:
    """Picodollars for a token as dollars for a million of them."""
    return None if rate is None else dollars(rate * PICO)


def _apply_rows(state: ActiveConfig, rows: tuple[TargetChangeRow, ...]) -> RuntimeOverrides:
    """Raises Problem (invalid_request)."""
    if faults := list(_faults(rows, state.settings)):
        raise issues_problem(faults)
    targets = dict(state.overrides.targets)
    base = {f"{provider.name}/{model.id}": model for provider, model in state.base_settings.targets()}
    for row in rows:
        before, model = targets.pop(row.label, TargetChange()), base.get(row.label)
        enabled = before.enabled if row.enabled is None else row.enabled
        pool = before.pool if row.pool is None else row.pool
        change = TargetChange(
            None if model and enabled == model.enabled else enabled, None if model and pool == model.pool else pool
        )
        if change != TargetChange():
            targets[row.label] = change
    named = [row.label for row in rows]
    order = (*named, *(label for label in _labels(state.settings) if label not in set(named)))
    is_written = tuple(_labels(_as_written(state.settings))) == order
    return replace(state.overrides, targets=targets, order=() if is_written else order)


def _faults(rows: Iterable[TargetChangeRow], settings: Settings) -> Iterator[ConfigIssue]:
    known = set(_labels(settings))
    seen: dict[str, int] = {}
    for place, row in enumerate(rows):
        if row.label not in known:
            yield ConfigIssue(f"targets[{place}]", f"must name a target; there is no {row.label}")
        elif (first := seen.setdefault(row.label, place)) != place:
            yield ConfigIssue(f"targets[{place}]", f"is the same target as targets[{first}]; remove one")


def _labels(settings: Settings) -> list[str]:
    return [f"{provider.name}/{model.id}" for provider, model in settings.targets()]


def _as_written(settings: Settings) -> Settings:
    """The same settings, their targets as they are written."""
    return settings.model_copy(update={"order": ()})

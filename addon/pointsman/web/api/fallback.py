"""`/api/fallback`: every target in its order, and what may be changed of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict

from pointsman.config import Found, Mode, Pool, Settings
from pointsman.config.base_model import Section
from pointsman.config.runtime_overrides import Overlay, TargetChange
from pointsman.config.values import Flag, Name
from pointsman.domain.targets import Target
from pointsman.overrides import Configuration
from pointsman.overrides.configuration import InForce
from pointsman.routing.router import Router
from pointsman.web.api.parsing import read
from pointsman.web.explain import target_row
from pointsman.web.http import Reply, Request, refused, reply_json
from pointsman.web.status import endpoints

MOST = 10_000


class Row(Section):
    """What GET gives may be sent back: members that cannot be changed are passed over."""

    model_config = ConfigDict(extra="ignore")

    provider: Name
    model: Name
    enabled: Flag | None = None
    pool: Pool | None = None

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.model}"


def _few(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    if len(rows) > MOST:
        raise ValueError(f"must hold at most {MOST}")
    return rows


class Change(Section):
    targets: Annotated[tuple[Row, ...], AfterValidator(_few)]


class Fallback:
    """`clock` is the one that cooldowns live by, `wall` the one that people read."""

    def __init__(
        self, configuration: Configuration, router: Router, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._configuration, self._router, self._clock, self._wall = configuration, router, clock, wall

    def all(self, _: Request, __: str) -> Reply:
        now, wall = self._clock(), self._wall()
        health = {each["name"]: each["status"] for each in endpoints(self._router, now)}
        return reply_json({"targets": [self._row(each, health, now, wall) for each in self._router.inventory.targets]})

    async def change(self, request: Request, rest: str) -> Reply:
        """Raises Problem (invalid_request)."""
        rows = read(Change, request).targets
        await self._configuration.change(lambda state: _with(state, rows))
        return self.all(request, rest)

    async def forget(self, request: Request, rest: str) -> Reply:
        await self._configuration.change(lambda state: replace(state.overlay, targets={}, order=()))
        return self.all(request, rest)

    def _row(self, target: Target, health: dict[str, str], now: float, wall: float) -> dict[str, Any]:
        model, overlay = target.model, self._configuration.now.overlay
        change = overlay.targets.get(target.label, TargetChange())
        changed = {"order": bool(overlay.order), "enabled": change.enabled is not None, "pool": change.pool is not None}
        cooling = self._router.cooldowns.target(target.label, now)
        return target_row(self._router, target, now, wall) | {
            "target": target.label,
            "order": target.rank,
            "enabled": model.enabled,
            "provider_enabled": target.provider.enabled,
            "context": model.context,
            "supports": None if model.supports is None else sorted(model.supports),
            "protection": self._configuration.now.settings.protection_of(target.provider.name, model.id).value,
            "cooldown": cooling
            and {"reason": cooling.reason, "since": cooling.since - now + wall, "until": cooling.until - now + wall},
            "health": health[target.provider.name],
            "scores": {mode.value: self._terms(target, mode, now, wall) for mode in Mode},
            "overridden": [name for name, is_changed in changed.items() if is_changed],
        }

    def _terms(self, target: Target, mode: Mode, now: float, wall: float) -> dict[str, float]:
        ranking = self._router.ranking
        terms = ranking.kept_terms((target,), mode, wall)[0]
        told = {
            "score": ranking.mean(target, mode, now, wall),
            "reliability": terms.belief.mean,
            **terms.qualities._asdict(),
            "headroom": ranking.headroom(target, now),
            "penalty": terms.penalty,
        }
        return {name: round(value, 4) for name, value in told.items()}


def _with(state: InForce, rows: tuple[Row, ...]) -> Overlay:
    """Raises Problem (invalid_request)."""
    if faults := list(_faults(rows, state.settings)):
        raise refused(faults)
    targets = dict(state.overlay.targets)
    base = {f"{provider.name}/{model.id}": model for provider, model in state.base.targets()}
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
    return replace(state.overlay, targets=targets, order=() if is_written else order)


def _faults(rows: Iterable[Row], settings: Settings) -> Iterator[Found]:
    known = set(_labels(settings))
    seen: dict[str, int] = {}
    for place, row in enumerate(rows):
        if row.label not in known:
            yield Found(f"targets[{place}]", f"must name a target; there is no {row.label}")
        elif (first := seen.setdefault(row.label, place)) != place:
            yield Found(f"targets[{place}]", f"is the same target as targets[{first}]; remove one")


def _labels(settings: Settings) -> list[str]:
    return [f"{provider.name}/{model.id}" for provider, model in settings.targets()]


def _as_written(settings: Settings) -> Settings:
    """The same settings, their targets as they are written."""
    return settings.model_copy(update={"order": ()})

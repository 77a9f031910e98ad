"""What models at their providers have refused, remembered from one request for the next."""

from cachetools import TTLCache

from pointsman.domain.clock import ManualClock
from pointsman.domain.targets import Target
from pointsman.wire.refusals import Refusal, Remedy

MAX_TARGETS, LIFETIME = 4096, 24 * 3600.0
"""Models at providers that refusals are kept for, and for how many seconds."""
MAX_REFUSALS = 16
"""Of one model."""

type TargetKey = tuple[str, str, str]


class KnownRefusals:
    """Times are seconds on the exchange's clock."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._refusals: TTLCache[TargetKey, tuple[Refusal, ...]] = TTLCache(MAX_TARGETS, LIFETIME, self._clock)

    def of(self, target: Target, model: str, now: float) -> tuple[Refusal, ...]:
        """`model` is the name that is sent."""
        self._clock.set(now)
        return self._refusals.get(_key(target, model), ())

    def record(self, target: Target, model: str, refusal: Refusal, now: float) -> None:
        """A new limit of the same name replaces the former one."""
        if refusal.is_lasting:
            kept = [each for each in self.of(target, model, now) if not _is_replaced(each, refusal)]
            self._refusals[_key(target, model)] = (*kept, refusal)[-MAX_REFUSALS:]


def _key(target: Target, model: str) -> TargetKey:
    return target.provider.name, target.provider.base_url, model


def _is_replaced(old: Refusal, new: Refusal) -> bool:
    return old == new or (new.remedy is Remedy.LOWER and (old.remedy, old.name) == (new.remedy, new.name))

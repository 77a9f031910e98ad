"""Cooldowns: which targets and keys are not used, until when, and why.

Bounded by the configuration: only names of the inventory in force are kept. Pruned on read.
"""

from collections.abc import Collection, Iterator, KeysView
from typing import Any, NamedTuple

from pointsman.config import CooldownSettings as Durations

MODEL_GONE_COOLDOWN = 3600.0
"""Seconds for a model that its provider does not have."""
MAX_RATE_LIMIT_COOLDOWN = 3600.0
MIN_STATED, MAX_STATED = 1.0, 86_400.0
"""Bounds of what a provider may state, in seconds."""
MAX_NEARBY_COOLDOWN = 5.0
"""Seconds at most that a provider on this machine or network cools: it is back in a moment, or dead for good."""
DAY = 86_400.0

type KeyId = tuple[str, str | None]
"""A provider and the label of one of its keys, None for a provider without keys."""


class Cooldown(NamedTuple):
    """`extended_at` is when it was last extended."""

    reason: str
    since: float
    until: float
    extended_at: float


class CooldownTable:
    """Times are those of the routing clock, in seconds. What cools something returns how it now stands: None where the
    configuration switches such cooldowns off.
    """

    def __init__(self, durations: Durations) -> None:
        self.durations = durations
        self._refused: dict[KeyId, float] = {}
        """Last refusal of each key, on the routing clock."""
        self._targets: dict[str, Cooldown] = {}
        self._keys: dict[KeyId, Cooldown] = {}
        self._repeats: dict[KeyId, int] = {}

    @property
    def invalid_keys(self) -> KeysView[KeyId]:
        """Keys that were refused and have not succeeded since."""
        return self._refused.keys()

    def target_cooldown(self, label: str, now: float) -> Cooldown | None:
        return _current(self._targets, label, now)

    def key_cooldown(self, name: KeyId, now: float) -> Cooldown | None:
        return _current(self._keys, name, now)

    def cool_target(self, label: str, reason: str, seconds: float, now: float) -> Cooldown | None:
        return _extend(self._targets, label, reason, seconds, now)

    def cool_rate_limited(self, name: KeyId, stated: float | None, now: float) -> Cooldown | None:
        """For the stated time, else longer and longer. Requests that were in flight together count once."""
        if self.key_cooldown(name, now) is None:
            self._repeats[name] = self._repeats.get(name, 0) + 1
        repeats = self._repeats.get(name, 1)
        doubled = min(self.durations.rate_limit * 2 ** min(repeats - 1, 16), MAX_RATE_LIMIT_COOLDOWN)
        return _extend(self._keys, name, "rate_limit", doubled if stated is None else within_bounds(stated), now)

    def cool_quota(self, name: KeyId, stated: float | None, now: float, wall: float) -> Cooldown | None:
        """For the stated time, else until the next midnight in UTC; `wall` is Unix time."""
        seconds = DAY - wall % DAY if stated is None else within_bounds(stated)
        return _extend(self._keys, name, "quota", seconds, now)

    def cool_invalid(self, name: KeyId, now: float) -> Cooldown | None:
        self._refused[name] = now
        return _extend(self._keys, name, "key_invalid", self.durations.key_invalid, now)

    def on_success(self, label: str, name: KeyId, launched: float) -> None:
        """A whole good answer to a request launched then: whatever was held against the target and its key before that
        is over. What has failed since is not.
        """
        _end(self._targets, label, launched)
        _end(self._keys, name, launched)
        if name not in self._keys:
            self._repeats.pop(name, None)
        if self._refused.get(name, launched) <= launched:
            self._refused.pop(name, None)

    def keep_only(self, labels: Collection[str], names: Collection[KeyId]) -> None:
        """What is no longer configured is forgotten."""
        self._targets = {label: cooldown for label, cooldown in self._targets.items() if label in labels}
        self._keys = {name: cooldown for name, cooldown in self._keys.items() if name in names}
        self._repeats = {name: repeats for name, repeats in self._repeats.items() if name in names}
        self._refused = {name: moment for name, moment in self._refused.items() if name in names}

    def clear(self, now: float) -> int:
        """Forget every cooldown. Returns how many there were."""
        cleared = sum(1 for _ in _all(self._targets, now)) + sum(1 for _ in _all(self._keys, now))
        self._targets.clear()
        self._keys.clear()
        self._repeats.clear()
        self._refused.clear()
        return cleared

    def lift(self, provider: str, model: str | None, key: str | None, now: float) -> int:
        """Forget a provider's cooldowns, or those of one model or key of it. Returns how many there were."""
        labels = [
            label
            for label, _ in _all(self._targets, now)
            if key is None and (label == f"{provider}/{model}" if model else label.startswith(f"{provider}/"))
        ]
        names = [
            name
            for name, _ in _all(self._keys, now)
            if model is None and name[0] == provider and key in (None, name[1])
        ]
        for label in labels:
            del self._targets[label]
        for name in names:
            del self._keys[name]
            self._repeats.pop(name, None)
            self._refused.pop(name, None)
        return len(labels) + len(names)

    def to_dict(self, now: float, wall: float) -> dict[str, list[dict[str, Any]]]:
        """In plain JSON types, with times on the wall clock; `wall` is what it shows at `now`."""
        targets = [
            {"provider": label.partition("/")[0], "model": label.partition("/")[2], **_times(cooldown, wall - now)}
            for label, cooldown in _all(self._targets, now)
        ]
        keys = [
            {"provider": name[0], "key": name[1], **_times(cooldown, wall - now), "invalid": name in self.invalid_keys}
            for name, cooldown in _all(self._keys, now)
        ]
        return {"targets": targets, "keys": keys}


def within_bounds(seconds: float) -> float:
    return min(max(seconds, MIN_STATED), MAX_STATED)


def _current[K](table: dict[K, Cooldown], name: K, now: float) -> Cooldown | None:
    cooldown = table.get(name)
    if cooldown is not None and cooldown.until <= now:
        del table[name]
        return None
    return cooldown


def _extend[K](table: dict[K, Cooldown], name: K, reason: str, seconds: float, now: float) -> Cooldown | None:
    """A repeated failure extends what is there, and never shortens it."""
    before = _current(table, name, now)
    if seconds <= 0:
        return before
    cooldown = Cooldown(reason, now, now + seconds, now)
    if before:
        longer = max(cooldown, before, key=lambda each: each.until)
        cooldown = Cooldown(longer.reason, before.since, longer.until, now)
    table[name] = cooldown
    return cooldown


def _end[K](table: dict[K, Cooldown], name: K, launched: float) -> None:
    cooldown = table.get(name)
    if cooldown is not None and cooldown.extended_at <= launched:
        del table[name]


def _all[K](table: dict[K, Cooldown], now: float) -> Iterator[tuple[K, Cooldown]]:
    return ((name, cooldown) for name in list(table) if (cooldown := _current(table, name, now)))


def _times(cooldown: Cooldown, offset: float) -> dict[str, Any]:
    return {"reason": cooldown.reason, "since": cooldown.since + offset, "until": cooldown.until + offset}

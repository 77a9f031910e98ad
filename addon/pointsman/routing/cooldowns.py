"""Cooldowns: what is not used, until when, and why. A target, a key, or one model of a key cools.

When a cooldown ends, one request tries what cooled; others take it as cooling until that one has its first content.
Bounded by the configuration: only names of the inventory in force are kept.
"""

from collections.abc import Collection, Iterator, KeysView, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never

from pointsman.config import CooldownSettings as Durations
from pointsman.domain.failures import Scope
from pointsman.domain.targets import Candidate, KeyId, PairId
from pointsman.routing.cooldown_changes import EVERYTHING, CooldownChanges, Ending
from pointsman.wire.errors import FaultKind

MAX_RATE_LIMIT_COOLDOWN = 3600.0
MIN_STATED, MAX_STATED = 1.0, 86_400.0
"""Bounds of what a provider may state, in seconds; no cooldown is longer."""
GUESS_RETRY = 3600.0
"""Seconds after which one request tries what cools longer, where the end is a guess."""
MAX_DOUBLINGS = 16
CONNECT_REASONS = frozenset(
    {FaultKind.REFUSED, FaultKind.DNS, FaultKind.TLS, FaultKind.RESET, FaultKind.CONNECT_TIMEOUT}
)
"""Reasons of cooldowns that a failed connection begins."""
KEY_INVALID = "key_invalid"


class Cooldown(NamedTuple):
    """`extended_at` is when it was last extended, `next_try` when one request may try: at the end, or before that
    where the end is a guess. `is_stated`: its provider has named its end.
    """

    reason: str
    since: float
    until: float
    extended_at: float
    next_try: float
    is_stated: bool = False


class Wait(NamedTuple):
    """How long something cools. `doubles_to`: each time in a row it is twice as long, up to so many seconds.
    `is_stated`: the provider has named the end. `is_guess`: when it ends is not known, so that one request tries each
    hour.
    """

    seconds: float
    doubles_to: float | None = None
    is_stated: bool = False
    is_guess: bool = False

    def after(self, repeats: int) -> float:
        """Seconds, the `repeats`th time in a row."""
        if self.doubles_to is None:
            return min(self.seconds, MAX_STATED)
        doubled = self.seconds * 2.0 ** min(repeats - 1, MAX_DOUBLINGS)
        return min(doubled, max(self.doubles_to, self.seconds))


@dataclass(slots=True)
class Slot:
    """A cooldown and the trial after it. It remains until an answer shows that it is over."""

    cooldown: Cooldown
    repeats: int = 0
    trial: object | None = None
    """The exchange that is trying it."""
    trial_since: float = 0.0
    peer_trial_until: float = 0.0
    """Until then at the latest, a peer is trying it."""

    def is_closed(self, now: float) -> bool:
        return now < self.cooldown.next_try


class Slots[Name]:
    """The slots of one scope, by name."""

    def __init__(self) -> None:
        self._slots: dict[Name, Slot] = {}
        self.changed: dict[Name, bool] | None = None
        """Where changes are noted for peers: see `CooldownChanges`."""

    def __len__(self) -> int:
        return len(self._slots)

    def cooldown(self, name: Name, now: float) -> Cooldown | None:
        slot = self._slots.get(name)
        return slot.cooldown if slot and slot.is_closed(now) else None

    def is_tried(self, name: Name, by_others_than: object, now: float) -> bool:
        slot = self._slots.get(name)
        if slot is None or slot.is_closed(now):
            return False
        if slot.trial is None:
            return now < slot.peer_trial_until
        return slot.trial is not by_others_than

    def begin_trial(self, name: Name, holder: object, now: float) -> None:
        """Does nothing if there is no cooldown, if it still lasts, or if a trial is running."""
        slot = self._slots.get(name)
        if slot and not slot.is_closed(now) and slot.trial is None:
            slot.trial, slot.trial_since = holder, now
            self._note(name)

    def end_trial(self, name: Name, holder: object, has_passed: bool) -> None:
        """Without a result, the next request tries it. Does nothing if another exchange is trying it. A trial that
        passed does not undo failures since it began.
        """
        slot = self._slots.get(name)
        if slot is None or slot.trial is not holder:
            return
        slot.trial = None
        self._note(name)
        if has_passed and slot.cooldown.extended_at < slot.trial_since:
            self._end(name)

    def extend(self, name: Name, reason: str, wait: Wait, now: float) -> Cooldown | None:
        """A repeated failure extends the cooldown, and never shortens it. Failures of requests that were in flight
        together double it once.
        """
        slot = self._slots.get(name)
        repeats = slot.repeats if slot else 0
        if wait.doubles_to is not None and not (slot and slot.is_closed(now)):
            repeats += 1
        seconds = wait.after(repeats)
        before = slot.cooldown if slot and now < slot.cooldown.until else None
        if seconds <= 0:
            if slot and before is None:
                self._end(name)
            return before
        until = now + seconds
        next_try = min(until, now + GUESS_RETRY) if wait.is_guess else until
        cooldown = Cooldown(reason, now, until, now, next_try, wait.is_stated)
        slot = self._slots.setdefault(name, Slot(cooldown))  # its trial goes on, whatever else has failed meanwhile
        slot.cooldown, slot.repeats = _merged(before, cooldown, now) if before else cooldown, repeats
        self._note(name)
        return slot.cooldown

    def end_older(self, name: Name, launched: float) -> None:
        """Called when a request launched then has ended well: ends cooldowns that began before."""
        slot = self._slots.get(name)
        if slot and slot.cooldown.extended_at <= launched:
            self._end(name)

    def end_if(self, name: Name, reasons: Collection[str]) -> None:
        """Ends the cooldown if it began for one of these reasons."""
        slot = self._slots.get(name)
        if slot and slot.cooldown.reason in reasons:
            self._end(name)

    def current(self, now: float) -> Iterator[tuple[Name, Cooldown]]:
        """The cooldowns that have not ended."""
        return ((name, slot.cooldown) for name, slot in list(self._slots.items()) if now < slot.cooldown.until)

    def remove(self, names: Collection[Name], now: float) -> int:
        """Removes these cooldowns. Returns how many of them had not ended."""
        removed = [self._end(name) for name in names]
        return sum(now < slot.cooldown.until for slot in removed)

    def clear(self, now: float) -> int:
        """Removes all cooldowns. Returns how many of them had not ended."""
        return self.remove(self.names(), now)

    def names(self) -> list[Name]:
        return list(self._slots)

    def _end(self, name: Name) -> Slot:
        if self.changed is not None:
            self.changed[name] = True
        return self._slots.pop(name)

    def _note(self, name: Name) -> None:
        if self.changed is not None:
            self.changed.setdefault(name, False)

    # What peers say, which is not noted.

    def slot(self, name: Name) -> Slot | None:
        return self._slots.get(name)

    def put(self, name: Name, cooldown: Cooldown, repeats: int) -> None:
        """Replaces the cooldown; a running trial continues."""
        slot = self._slots.setdefault(name, Slot(cooldown))
        slot.cooldown, slot.repeats = cooldown, repeats

    def discard(self, name: Name) -> bool:
        """Removes the cooldown. Returns whether there was one."""
        return self._slots.pop(name, None) is not None


def _merged(before: Cooldown, new: Cooldown, now: float) -> Cooldown:
    """The later end counts. What was closed is not tried earlier than it would have been."""
    later = new if new.until >= before.until else before
    next_try = min(max(new.next_try, before.next_try), later.until)
    if before.next_try <= now and later is before:
        next_try = min(max(new.next_try, now + GUESS_RETRY), later.until)
    return later._replace(since=before.since, extended_at=now, next_try=next_try)


class CooldownTable:
    """Times are those of the routing clock, in seconds."""

    def __init__(self, durations: Durations) -> None:
        self.durations = durations
        self._targets: Slots[str] = Slots()
        self._keys: Slots[KeyId] = Slots()
        self._pairs: Slots[PairId] = Slots()
        self._refused: dict[KeyId, float] = {}
        """Last refusal of each key, on the routing clock."""
        self._changes: CooldownChanges | None = None
        """None: state is not shared, so that changes are not collected."""

    @property
    def invalid_keys(self) -> KeysView[KeyId]:
        """Keys that were refused and have not succeeded since."""
        return self._refused.keys()

    def target_cooldown(self, label: str, now: float) -> Cooldown | None:
        return self._targets.cooldown(label, now)

    def key_cooldown(self, name: KeyId, now: float) -> Cooldown | None:
        """The cooldown of the whole key."""
        return self._keys.cooldown(name, now)

    def candidate_cooldown(self, candidate: Candidate, now: float) -> Cooldown | None:
        """The longer one of the cooldowns of its key, for this model or as a whole."""
        whole = self._keys.cooldown(candidate.key_id, now)
        own = self._pairs.cooldown(candidate.pair_id, now)
        return own if own and not (whole and whole.next_try > own.next_try) else whole

    # Trials.

    def is_target_tried(self, label: str, by_others_than: object, now: float) -> bool:
        """Whether its cooldown has ended and another exchange is trying it."""
        return self._targets.is_tried(label, by_others_than, now)

    def is_key_tried(self, candidate: Candidate, by_others_than: object, now: float) -> bool:
        """Whether its key's cooldown, for this model or as a whole, has ended and another exchange is trying it."""
        return self._keys.is_tried(candidate.key_id, by_others_than, now) or self._pairs.is_tried(
            candidate.pair_id, by_others_than, now
        )

    def begin_trial(self, candidate: Candidate, holder: object, now: float) -> None:
        """`holder` sends a request there, which is a trial for each cooldown that has ended and has none."""
        self._targets.begin_trial(candidate.target.label, holder, now)
        self._keys.begin_trial(candidate.key_id, holder, now)
        self._pairs.begin_trial(candidate.pair_id, holder, now)

    def end_trial(self, candidate: Candidate, holder: object, has_passed: bool = False) -> None:
        """`has_passed`: its request has content, so these cooldowns are over. A failure is reported by `cool`."""
        self._targets.end_trial(candidate.target.label, holder, has_passed)
        self._keys.end_trial(candidate.key_id, holder, has_passed)
        self._pairs.end_trial(candidate.pair_id, holder, has_passed)

    # Failures and successes.

    def cool(self, candidate: Candidate, scope: Scope, reason: str, wait: Wait, now: float) -> Cooldown | None:
        """Returns the resulting cooldown; None if the configuration switches such cooldowns off."""
        match scope:
            case Scope.TARGET:
                return self._targets.extend(candidate.target.label, reason, wait, now)
            case Scope.KEY:
                if reason == KEY_INVALID:
                    self._refused[candidate.key_id] = now
                    self._note_refusal(candidate.key_id)
                return self._keys.extend(candidate.key_id, reason, wait, now)
            case Scope.MODEL_OF_KEY:
                return self._pairs.extend(candidate.pair_id, reason, wait, now)
            case Scope.REQUEST | Scope.PROVIDER:  # of a provider, each key cools
                return None
            case _ as never:
                assert_never(never)

    def on_success(self, candidate: Candidate, launched: float) -> None:
        """Called for a complete, successful answer to a request launched then: ends cooldowns of the target and its key
        that began before. Those for later failures remain.
        """
        self._targets.end_older(candidate.target.label, launched)
        self._keys.end_older(candidate.key_id, launched)
        self._pairs.end_older(candidate.pair_id, launched)
        if candidate.key_id in self._refused and self._refused[candidate.key_id] <= launched:
            self._forget_refusal(candidate.key_id)

    def end_connect_cooldown(self, label: str) -> None:
        """Ends the target's cooldown for a failed connection that was not its fault."""
        self._targets.end_if(label, CONNECT_REASONS)

    def on_key_accepted(self, name: KeyId, now: float) -> int:
        """The provider accepts the key: ends all of its cooldowns. Returns how many there were."""
        self._note_cleared(("K", *name), now)
        return self._lift_keys({name}, None, now)

    # Upkeep.

    def keep_only(self, labels: Collection[str], names: Collection[KeyId]) -> None:
        """Removes what is no longer configured."""
        self._targets.remove([label for label in self._targets.names() if label not in labels], 0.0)
        self._keys.remove([name for name in self._keys.names() if name not in names], 0.0)
        gone = [pair for pair in self._pairs.names() if pair[0] not in labels or key_of_pair(pair) not in names]
        self._pairs.remove(gone, 0.0)
        self._refused = {name: moment for name, moment in self._refused.items() if name in names}

    def clear(self, now: float) -> int:
        """Forget every cooldown. Returns how many there were."""
        self._note_cleared(EVERYTHING, now)
        for name in list(self._refused):
            self._forget_refusal(name)
        return self._targets.clear(now) + self._keys.clear(now) + self._pairs.clear(now)

    def lift(self, provider: str, model: str | None, keys: Collection[KeyId] | None, now: float) -> int:
        """Forget a provider's cooldowns, or those of one model or of these keys. Returns how many there were."""
        if model is None:
            for ending in [("p", provider)] if keys is None else [("K", *name) for name in keys]:
                self._note_cleared(ending, now)
        elif keys is None:
            self._note_cleared(("l", f"{provider}/{model}"), now)
        lifted = self._lift_keys(keys, model, now, provider)
        if keys is not None:
            return lifted
        labels = [label for label in self._targets.names() if _is_of(label, provider, model)]
        return lifted + self._targets.remove(labels, now)

    def _lift_keys(
        self, keys: Collection[KeyId] | None, model: str | None, now: float, provider: str | None = None
    ) -> int:
        """`keys`: None for all of the provider. With a model, only what cools for it."""

        def is_meant(name: KeyId) -> bool:
            return name[0] == provider if keys is None else name in keys

        whole = [name for name in self._keys.names() if model is None and is_meant(name)]
        pairs = [
            pair
            for pair in self._pairs.names()
            if is_meant(key_of_pair(pair)) and _is_of(pair[0], key_of_pair(pair)[0], model)
        ]
        for name in [name for name in self._refused if model is None and is_meant(name)]:
            self._forget_refusal(name)
        return self._keys.remove(whole, now) + self._pairs.remove(pairs, now)

    # What is shared with peers.

    @property
    def shared_slots(self) -> tuple[Slots[str], Slots[KeyId], Slots[PairId]]:
        """The cooldowns of targets, of keys, and of models of keys."""
        return self._targets, self._keys, self._pairs

    def take_changes(self) -> CooldownChanges:
        """The changes since the last call. They are recorded from the first call on."""
        taken, self._changes = self._changes or CooldownChanges(), (fresh := CooldownChanges())
        self._targets.changed, self._keys.changed, self._pairs.changed = fresh.targets, fresh.keys, fresh.pairs
        return taken

    def refused_at(self, name: KeyId) -> float | None:
        return self._refused.get(name)

    def put_refusal(self, name: KeyId, refused: float | None) -> None:
        """Applies what peers report of the key: when it was refused; None: it is accepted."""
        if refused is None:
            self._refused.pop(name, None)
        else:
            self._refused[name] = refused

    def _note_refusal(self, name: KeyId) -> None:
        if self._changes is not None:
            self._changes.refused.add(name)

    def _forget_refusal(self, name: KeyId) -> None:
        del self._refused[name]
        self._note_refusal(name)

    def _note_cleared(self, ending: Ending, now: float) -> None:
        if self._changes is not None:
            self._changes.cleared[ending] = now

    def to_dict(self, labels: Mapping[KeyId, str | None], now: float, wall: float) -> dict[str, list[dict[str, Any]]]:
        """In plain JSON types, with times on the wall clock; `wall` is what it shows at `now`, `labels` what the keys
        are called.
        """
        offset, whole, pairs = wall - now, self._keys.current(now), self._pairs.current(now)
        keys: list[tuple[KeyId, str | None, Cooldown]] = [(name, None, cooldown) for name, cooldown in whole]
        keys += [(key_of_pair(pair), pair[0].partition("/")[2], cooldown) for pair, cooldown in pairs]
        return {
            "targets": [
                {"provider": label.partition("/")[0], "model": label.partition("/")[2], **_times(cooldown, offset)}
                for label, cooldown in self._targets.current(now)
            ],
            "keys": [
                {
                    "provider": name[0],
                    "key": labels.get(name),
                    "model": model,
                    **_times(cooldown, offset),
                    "invalid": name in self.invalid_keys,
                }
                for name, model, cooldown in keys
            ],
        }


def within_bounds(seconds: float) -> float:
    return min(max(seconds, MIN_STATED), MAX_STATED)


def key_of_pair(pair: PairId) -> KeyId:
    return pair[0].partition("/")[0], pair[1]


def _is_of(label: str, provider: str, model: str | None) -> bool:
    return label.startswith(f"{provider}/") if model is None else label == f"{provider}/{model}"


def _times(cooldown: Cooldown, offset: float) -> dict[str, Any]:
    return {"reason": cooldown.reason, "since": cooldown.since + offset, "until": cooldown.until + offset}

"""Cooldowns and refused keys, shared by all instances.

What is exchanged are facts that can be joined in any order: extensions of cooldowns, and endings. An ending ends all
extensions up to its moment; of those that are left, the one with the latest end counts. All times are the engine's.
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf, nextafter
from typing import Any, NamedTuple

import orjson

from pointsman.domain.targets import KeyId
from pointsman.routing.cooldown_changes import CooldownChanges, Ending
from pointsman.routing.cooldowns import Cooldown, CooldownTable, Slots
from pointsman.shared.part import Call, Delta, SharedTime

type Entry = tuple[str | None, ...]
"""What cools: `("t", label)`, `("k", provider, key)`, or `("m", label, key)`, a model of a key. Also an Ending, of
itself alone.
"""
MAX_FACTS = 50
"""Facts in one delta."""
KEPT = 2 * 86_400.0
"""Seconds for which endings are kept: longer than any cooldown."""
EXPIRED = 3600.0
"""Seconds after its end for which an extension is kept."""
PEER_TRIAL = 30.0
"""Seconds for which a peer's trial counts, unless it says that it has ended."""
PRUNE_INTERVAL = 60.0


class Extension(NamedTuple):
    """A cooldown as it stood after a failure. `repeats` is the number of failures in a row, where that counts."""

    extended_at: float
    until: float
    next_try: float
    since: float
    reason: str
    is_stated: bool
    repeats: int


class SharedCooldowns:
    """`instance` is this one's name. `is_known` says whether something is configured here: what is not, is ignored, so
    everything here is bounded by the configuration; endings are bounded by those of all instances, and by KEPT.
    `on_ended` is called when something ended by what a peer says.
    """

    name = "cooldowns"

    def __init__(
        self,
        table: CooldownTable,
        instance: str,
        is_known: Callable[[Entry], bool],
        on_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._table, self._instance, self._is_known, self._on_ended = table, instance, is_known, on_ended
        table.take_changes()
        self._extensions: dict[Entry, tuple[Extension, ...]] = {}
        self._endings: dict[Ending, float] = {}
        self._refusals: dict[KeyId, float] = {}
        self._stands: dict[Entry, tuple[Cooldown, int]] = {}
        """What stands in the table and is known to peers, with its repeats."""
        self._own_trials: dict[Entry, float] = {}
        """When those began that peers know of."""
        self._facts: list[list[Any]] = []
        """To be published."""
        self._pruned = -inf

    # What happened here.

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        self._take_changes(now)
        self._prune(now)
        facts, self._facts = self._facts, []
        for place in range(0, len(facts), MAX_FACTS):
            yield Delta(self.name, orjson.dumps(facts[place : place + MAX_FACTS]))

    def calls(self, now: SharedTime) -> Iterable[Call]:
        return ()

    def publish_all(self, now: SharedTime) -> None:
        self._take_changes(now)
        self._facts = [["x", entry, *each] for entry, known in self._extensions.items() for each in known]
        self._facts += [["e", ending, at] for ending, at in self._endings.items()]
        self._facts += [["r", name, at] for name, at in self._refusals.items()]

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        pass

    def on_disconnected(self, now: SharedTime) -> None:
        pass

    def _take_changes(self, now: SharedTime) -> None:
        changes = self._table.take_changes()
        if not changes:
            return
        for ending, moment in changes.cleared.items():
            self._end(ending, now.to_server(moment), now)
        targets, keys, pairs = self._table.shared_slots
        self._take_slots("t", targets, ((label, (label,), ended) for label, ended in changes.targets.items()), now)
        self._take_slots("k", keys, ((name, name, ended) for name, ended in changes.keys.items()), now)
        self._take_slots("m", pairs, ((pair, pair, ended) for pair, ended in changes.pairs.items()), now)
        self._take_refusals(changes, now)

    def _take_slots(
        self, scope: str, slots: Slots[Any], changed: Iterable[tuple[Any, Any, bool]], now: SharedTime
    ) -> None:
        for name, parts, has_ended in changed:
            entry: Entry = (scope, *parts)
            if has_ended:
                self._stands.pop(entry, None)
                if entry in self._extensions:
                    self._end(entry, 0.0, now)
            slot = slots.slot(name)
            if slot and self._stands.get(entry) != (slot.cooldown, slot.repeats):
                self._extend(entry, slot.cooldown, slot.repeats, now)
            self._take_trial(entry, slot.trial_since if slot and slot.trial is not None else None, now)

    def _end(self, ending: Ending, moment: float, now: SharedTime) -> None:
        """Ends what is known, and what has begun until that moment."""
        concerned = [entry for entry in self._extensions if ending in endings_of(entry)]
        latest = [each.extended_at for entry in concerned for each in self._extensions[entry]]
        latest += [at for name, at in self._refusals.items() if ending in refusal_endings(name)]
        self._endings[ending] = max([moment, self._endings.get(ending, 0.0), *latest])
        self._facts.append(["e", ending, self._endings[ending]])
        for entry in concerned:
            self._drop_ended(entry, now)
        for name in [name for name in self._refusals if ending in refusal_endings(name)]:
            del self._refusals[name]

    def _extend(self, entry: Entry, cooldown: Cooldown, repeats: int, now: SharedTime) -> None:
        extended = max(now.to_server(cooldown.extended_at), nextafter(self._ended_at(entry), inf))
        until, next_try = now.to_server(cooldown.until), now.to_server(cooldown.next_try)
        since = now.to_server(cooldown.since)
        extension = Extension(extended, until, next_try, since, cooldown.reason, cooldown.is_stated, repeats)
        self._extensions[entry] = kept = frontier((*self._extensions.get(entry, ()), extension))
        self._facts.append(["x", entry, *extension])
        if kept == (extension,):
            self._stands[entry] = cooldown, repeats
        else:  # by a clock that is ahead, a peer's is later
            self._put(entry, now)

    def _take_trial(self, entry: Entry, since: float | None, now: SharedTime) -> None:
        known = self._own_trials.get(entry)
        if since == known:
            return
        if since is None:
            del self._own_trials[entry]
            self._facts.append(["t", entry, self._instance, None])
        else:
            self._own_trials[entry] = since
            self._facts.append(["t", entry, self._instance, now.to_server(since)])

    def _take_refusals(self, changes: CooldownChanges, now: SharedTime) -> None:
        for name in changes.refused:
            moment = self._table.refused_at(name)
            if moment is not None:
                ended = max(self._endings.get(each, 0.0) for each in refusal_endings(name))
                self._refusals[name] = max(now.to_server(moment), nextafter(ended, inf))
                self._facts.append(["r", name, self._refusals[name]])
            elif name in self._refusals:
                self._end(("a", *name), 0.0, now)

    # What peers say.

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        self._take_changes(now)
        for kind, subject, *values in orjson.loads(delta.body):
            name = tuple(subject)
            if kind == "x" and self._is_known(name):
                self._on_extension(name, _checked(Extension(*values), now), now)
            elif kind == "e":
                self._on_ending(name, now.validated(values[0]), now)
            elif kind == "r" and self._is_known(("k", *name)):
                self._on_refusal((name[0], name[1]), now.validated(values[0]), now)
            elif kind == "t":
                self._on_trial(name, None if values[1] is None else now.validated(values[1]), now)

    def _on_extension(self, entry: Entry, extension: Extension, now: SharedTime) -> None:
        if extension.extended_at <= self._ended_at(entry) or extension.until < now.server - EXPIRED:
            return
        before = self._extensions.get(entry, ())
        kept = frontier((*before, extension))
        if kept != before:
            self._extensions[entry] = kept
            self._put(entry, now)

    def _on_ending(self, ending: Ending, at: float, now: SharedTime) -> None:
        if at <= self._endings.get(ending, 0.0):
            return
        self._endings[ending] = at
        has_ended = [self._drop_ended(each, now) for each in list(self._extensions) if ending in endings_of(each)]
        for name in [name for name in self._refusals if ending in refusal_endings(name)]:
            if self._refusals[name] <= at:
                del self._refusals[name]
                self._table.put_refusal(name, None)
        if any(has_ended):
            self._on_ended()

    def _on_refusal(self, name: KeyId, at: float, now: SharedTime) -> None:
        ended = max(self._endings.get(each, 0.0) for each in refusal_endings(name))
        if at > max(ended, self._refusals.get(name, 0.0)):
            self._refusals[name] = at
            self._table.put_refusal(name, now.to_local(at))

    def _on_trial(self, entry: Entry, since: float | None, now: SharedTime) -> None:
        """It does not matter whose trial it is: the last delta in the engine's order counts."""
        slots, name = self._slots_of(entry)
        if slot := slots.slot(name):
            slot.peer_trial_until = 0.0 if since is None else now.to_local(since) + PEER_TRIAL

    # What stands.

    def _ended_at(self, entry: Entry) -> float:
        return max(self._endings.get(ending, 0.0) for ending in endings_of(entry))

    def _drop_ended(self, entry: Entry, now: SharedTime) -> bool:
        """What is left counts from now on. Returns whether nothing cools there any more."""
        ended, before = self._ended_at(entry), self._extensions[entry]
        kept = tuple(each for each in before if each.extended_at > ended)
        if kept:
            self._extensions[entry] = kept
            if kept != before:
                self._put(entry, now)
            return False
        del self._extensions[entry]
        self._stands.pop(entry, None)
        slots, name = self._slots_of(entry)
        return slots.discard(name)

    def _put(self, entry: Entry, now: SharedTime) -> None:
        """The latest end counts; nothing is tried before the last of them may be."""
        known = self._extensions[entry]
        last = max(known, key=lambda each: (each.until, *each))
        until, extended = now.to_local(last.until), now.to_local(max(each.extended_at for each in known))
        next_try = min(until, now.to_local(max(each.next_try for each in known)))
        cooldown = Cooldown(last.reason, now.to_local(last.since), until, extended, next_try, last.is_stated)
        repeats = max(each.repeats for each in known)
        slots, name = self._slots_of(entry)
        slots.put(name, cooldown, repeats)
        self._stands[entry] = cooldown, repeats

    def _slots_of(self, entry: Entry) -> tuple[Slots[Any], Any]:
        """Raises LookupError."""
        targets, keys, pairs = self._table.shared_slots
        scopes: dict[str | None, Slots[Any]] = {"t": targets, "k": keys, "m": pairs}
        return scopes[entry[0]], entry[1] if entry[0] == "t" else (entry[1], entry[2])

    def _prune(self, now: SharedTime) -> None:
        if now.now < self._pruned + PRUNE_INTERVAL:
            return
        self._pruned = now.now
        self._endings = {ending: at for ending, at in self._endings.items() if at > now.server - KEPT}
        for entry, known in list(self._extensions.items()):
            if all(each.until < now.server - EXPIRED for each in known) or not self._is_known(entry):
                del self._extensions[entry]
                self._stands.pop(entry, None)
        self._refusals = {name: at for name, at in self._refusals.items() if self._is_known(("k", *name))}


def _checked(told: Extension, now: SharedTime) -> Extension:
    """As a peer has told it. Raises ValueError or TypeError."""
    extended, until, next_try, since = map(now.validated, (told.extended_at, told.until, told.next_try, told.since))
    return Extension(extended, until, next_try, since, str(told.reason), bool(told.is_stated), int(told.repeats))


def endings_of(entry: Entry) -> tuple[Ending, ...]:
    """The endings that end it."""
    scope, name, *key = entry
    provider = str(name).partition("/")[0]
    of_target: tuple[Ending, ...] = (("l", name),) if scope in ("t", "m") else ()
    of_key: tuple[Ending, ...] = (("K", provider, *key),) if scope in ("k", "m") else ()
    return ("*",), ("p", provider), *of_target, *of_key, entry


def refusal_endings(name: KeyId) -> tuple[Ending, ...]:
    return ("*",), ("p", name[0]), ("K", *name), ("a", *name)


def frontier(extensions: Iterable[Extension]) -> tuple[Extension, ...]:
    """The extensions that may still count: none of them was both made earlier and ends earlier than another one."""
    kept: list[Extension] = []
    for each in sorted(set(extensions), reverse=True):
        if not kept or each.until > kept[-1].until:
            kept.append(each)
    return tuple(kept)

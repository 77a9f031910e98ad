"""A sliding window over all instances, such as requests a minute: this instance uses what it has leased, and sees what
the others have used.
"""

from math import ceil
from typing import Any

from pointsman.domain.usage_window import STEPS_PER_WINDOW, UsageWindow
from pointsman.shared.leases.scripts import LEASE_SECONDS, WINDOW
from pointsman.shared.leases.sharing import Leased, Sharing, numbers
from pointsman.shared.part import Call, SharedTime

ASK_AGAIN = 0.1
"""Seconds until it is worth asking again where the window has room that is not leased here."""
AMPLE = 4
"""An instance in use may hold its share of an ample room, divided by this: so much lasts until it is noticed that the
engine does not answer.
"""
AMPLE_ROOM = 100
"""Requests or tokens from which room is ample. Of less, no more is held than is about to be used."""
FULL_REPLY = 1.0
"""Seconds between two replies that show all steps; the others show the newest ones."""


class WindowLease(Leased):
    """`name` is that of the limit at the engine."""

    def __init__(self, sharing: Sharing, name: tuple[str, ...], span: float) -> None:
        super().__init__(sharing, name)
        self.keys = self.key, f"{self.key}:{sharing.hub.instance}"
        self.window = SharedWindow(self, span)
        self.counts_tokens = name[-1].startswith("t")
        self.limit = 0
        """As it was last asked about."""
        self._own = UsageWindow(span)
        self._left = 0
        """Leased and not used."""
        self._room = 0
        """Of the whole window, as the engine last said, beside what is held here."""
        self._since_call = 0
        """Used since the call that is under way was sent."""
        self._last_use: dict[float, float] = {}
        """The moment, of each own step."""
        self._changed: dict[float, int] = {}
        """Own steps that are to be told, with the number of the last call before the change."""
        self._others: dict[int, tuple[float, int]] = {}
        """By the engine's steps: when each began (routing clock), and what is counted of it."""
        self._shown = 0
        """The newest step that is known of others."""
        self._full_at = float("-inf")

    # Used, on the request's way.

    def on_used(self, amount: int, now: float) -> None:
        step = self._own.add(amount, now)
        self._last_use[step] = now
        self._take(step, amount)
        self.demand.on_used(amount, now)

    def on_corrected(self, amount: int, step: float) -> None:
        if self._own.correct(amount, step):
            self._take(step, max(0, amount))  # what was too much is room for all

    def frees_at(self, amount: int, limit: int, now: float) -> float:
        """When this instance may use so much, as the window has room for it."""
        self.limit = limit
        if not self.sharing.gives_leases(now):
            return self._own.frees_at(amount, self.sharing.share(limit), now)
        if amount <= self.left(now):
            return now
        self.on_lacking(amount, now)
        return now + ASK_AGAIN

    def left(self, now: float) -> int:
        return self._left if now < self._until else 0

    def _take(self, step: float, amount: int) -> None:
        self._left -= amount
        self._since_call += amount
        self._changed[step] = self._seq
        self.touch()

    # Told and leased, tick by tick.

    def on_connected(self) -> None:
        super().on_connected()
        self._changed = dict.fromkeys(self._last_use, self._seq)
        self._full_at = float("-inf")

    def is_due(self, now: float) -> bool:
        return super().is_due(now) or bool(self._changed)

    def is_at_rest(self, now: float) -> bool:
        return super().is_at_rest(now) and not self._changed

    def _holds_any(self, now: float) -> bool:
        return self._left > 0  # also after its end: the engine counts it as used until it is told

    def _end_lease(self) -> None:
        super()._end_lease()
        self._left = self._room = 0

    def _make_call(self, now: SharedTime) -> Call:
        self._forget(now.now)
        wanted = kept = 0
        if self.sharing.gives_leases(now.now):
            wanted = self._short + self._ahead(now.now)
            kept = max(0, min(wanted, self.left(now.now)))
        self._left, self._since_call = kept, 0
        shows_all = now.now >= self._full_at
        if shows_all:
            self._full_at = now.now + FULL_REPLY
        window, seq, needed = self.window, self._seq, self._short
        length = round(window.span * 1000 / STEPS_PER_WINDOW)
        since = 0 if shows_all else self._shown - 1
        stated_for = round(max(0.0, window.stated_at + window.span - now.now) * 1000)
        limits = (self.limit, window.stated or 0, stated_for)
        head = (round(window.span * 1000), length, *limits, wanted, kept, needed)
        tail = (round(LEASE_SECONDS * 1000), self.sharing.hub.instances, since, *self._report(now.now))
        return Call(
            WINDOW,
            self.keys,
            (self.sharing.hub.instance, seq, *head, *tail),
            lambda reply, at: self._on_reply(seq, since, needed, reply, at),
        )

    def _ahead(self, now: float) -> int:
        """How much to hold unused."""
        needed, room = self.demand.ahead(now, self._is_tight), self._room + self.left(now)
        if self._is_tight or self.demand.is_idle(now) or room < AMPLE_ROOM:
            return needed
        return max(needed, self.sharing.share(room) // AMPLE)

    def _report(self, now: float) -> list[int]:
        """Of each step that has changed: its name, the milliseconds since its last use, and what was used."""
        used, length = {step.start: step.used for step in self._own.steps(now)}, self._own.span / STEPS_PER_WINDOW
        report = []
        for step in self._changed:
            if step in used:
                report += [round(step / length), ceil((now - self._last_use[step]) * 1000), used[step]]
        return report

    def _on_reply(self, seq: int, since: int, needed: int, reply: Any, now: SharedTime) -> None:
        if not self._is_reply_to(seq, reply):
            return
        server, lease, room, stated, stated_for, others = reply
        self._left, self._room = int(lease) - self._since_call, int(room)
        self._on_replied(int(room), int(lease) < needed, now.now)
        self._changed = {step: number for step, number in self._changed.items() if number >= seq}
        if int(stated):
            self.window.stated, self.window.stated_at = int(stated), now.now + int(stated_for) / 1000 - self.window.span
        if now.now >= self.sharing.settled_at:
            self._show(dict(numbers(others)), since, int(server) / 1000, now.now)

    def _show(self, others: dict[int, int], since: int, server: float, now: float) -> None:
        """Count what others have used, from the step `since` on."""
        length = self._own.span / STEPS_PER_WINDOW
        gone = {step: 0 for step in self._others if step >= since and step not in others}
        for step, amount in (others | gone).items():
            began, counted = self._others.get(step, (now - server + step * length, 0))
            if amount != counted:
                self.window.add_at(amount - counted, began + length / 2, now)
                self._others[step] = began, amount
        self._shown = max(self._shown, int(server / length))

    def _forget(self, now: float) -> None:
        """What no longer counts."""
        oldest = now - self._own.span * (1 + 2 / STEPS_PER_WINDOW)
        if self._last_use and next(iter(self._last_use)) < oldest:
            self._last_use = {step: at for step, at in self._last_use.items() if step >= oldest}
            self._changed = {step: at for step, at in self._changed.items() if step >= oldest}
        if self._others and min(began for began, _ in self._others.values()) < oldest:
            self._others = {step: each for step, each in self._others.items() if each[0] >= oldest}


class SharedWindow(UsageWindow):
    """What all instances have used, as far as this one knows. It may use what it has leased."""

    def __init__(self, lease: WindowLease, span: float) -> None:
        super().__init__(span)
        self.lease = lease

    def add(self, amount: int, now: float) -> float:
        self.lease.on_used(amount, now)
        return super().add(amount, now)

    def correct(self, amount: int, step: float) -> bool:
        self.lease.on_corrected(amount, step)
        return super().correct(amount, step)

    def frees_at(self, amount: int, configured: int, now: float) -> float:
        free, limit = self.room_at(amount, configured, now), self.limit(configured)
        return free if free > now else self.lease.frees_at(min(amount, limit), limit, now)

"""The part of the shared state that is leased: limits, budgets and the locks of guarded providers."""

from collections.abc import Iterable, Iterator
from itertools import islice

from pointsman.clients.budgets import ExpectedTokens
from pointsman.clients.clients import Clients
from pointsman.clients.limits import MINUTE, Counters
from pointsman.config.enums import ProtectionLevel
from pointsman.domain.targets import KeyId, PairId, Target
from pointsman.prices.rates import PICO
from pointsman.routing.concurrency import limited_slots
from pointsman.routing.limits import WINDOW_SECONDS, configured_limits
from pointsman.routing.router import Router
from pointsman.shared.client_names import ClientDigest
from pointsman.shared.leases.budgets import SharedBudgets
from pointsman.shared.leases.guard_lock import GuardLock
from pointsman.shared.leases.sharing import SETTLING, Leased, Place, Sharing
from pointsman.shared.leases.slots import SlotLease
from pointsman.shared.leases.window_lease import SharedWindow, WindowLease
from pointsman.shared.part import Call, Delta, SharedTime

MAX_CALLS = 200
"""Calls in one tick."""
LOOK_PAUSE = 1.0
"""Seconds between two looks at limits that are not in use here: what others use of them is to be seen too."""
LOOKS = 10
"""Limits that are looked at together."""


class Leases:
    """`ledger` is the name of the one that this instance's spending is written to, `digest` names clients at the
    engine. From now on the owners of limits ask here.
    """

    name = "leases"

    def __init__(self, hub: Place, router: Router, clients: Clients, ledger: str, digest: ClientDigest) -> None:
        self.sharing = Sharing(hub, SharedTime(0.0, 0.0, 0.0))
        self._router, self._digest = router, digest
        self._windows: dict[tuple[str, ...], WindowLease] = {}
        self._slots: dict[tuple[str, ...], SlotLease] = {}
        self._locks: dict[str, GuardLock] = {}
        """Each of these is bounded by what was configured since the start."""
        self._of_targets: dict[str, list[tuple[WindowLease | SlotLease, bool]]] = {}
        """By its label, what each target has that is leased, and whether that counts tokens."""
        self._highest_rates = 0, 0
        """For a token of the prompt and of the answer, of all targets."""
        self._was_connected = False
        self._looks: Iterator[Leased] = iter(())
        self._looked = float("-inf")
        state = router.state
        state.limits.make = self._window_of_place
        state.concurrency.shared = self._slots_of_place
        state.in_flight.locks = self._lock
        state.lacks_lease = self.sharing.is_lacking
        clients.limits.make = self._counters
        self.budgets = SharedBudgets(self.sharing, clients.ledger, ledger, digest)
        self.update_settings()

    def update_settings(self) -> None:
        """Every limit that is configured is known from now on, as others may use it."""
        inventory, limits = self._router.inventory, self._router.limits
        self._of_targets = {}
        for target in inventory.targets:
            own: list[tuple[WindowLease | SlotLease, bool]] = []
            for candidate in inventory.keys[target]:
                limits.open(candidate.pair_id, target.model.limits)
                windows = (
                    self._window_of_place(candidate.pair_id, name) for name, _ in configured_limits(target.model.limits)
                )
                own += ((window.lease, window.lease.counts_tokens) for window in windows)
                own += ((self._slots_of_place(each.kind, each.place), False) for each in limited_slots(candidate))
            if own or target.protection_level is ProtectionLevel.PROVIDER_BAN:
                self._of_targets[target.label] = own

        tiers = [
            tier
            for target in inventory.targets
            for rates in target.rates.values()
            if rates
            for period in rates.periods
            for tier in period.tiers
        ]
        self._highest_rates = (
            max((tier.input for tier in tiers), default=0),
            max((tier.output or 0 for tier in tiers), default=0),
        )

    def highest_cost(self, tokens: ExpectedTokens) -> int:
        """Nano-dollars for a request at the most expensive target."""
        prompt, output = self._highest_rates
        return -(-(tokens.input * prompt + tokens.output * output) // PICO)

    @property
    def has_limits(self) -> bool:
        """Some target has something that is leased."""
        return bool(self._of_targets)

    def may_lack(self, target: Target, tokens: int, now: float) -> bool:
        """A request of so many tokens may need more of it than is leased."""
        if target.protection_level is ProtectionLevel.PROVIDER_BAN:
            return True
        return any(
            leased.left(now) < (tokens if counts_tokens else 1)
            for leased, counts_tokens in self._of_targets.get(target.label, ())
        )

    # As the hub calls it.

    def deltas(self, now: SharedTime) -> Iterable[Delta]:
        return ()

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        """There are none."""

    def publish_all(self, now: SharedTime) -> None:
        """Each call reports what the engine does not know yet."""

    def calls(self, now: SharedTime) -> Iterator[Call]:
        yield from islice(self.sharing.due_calls(now), MAX_CALLS)
        if now.now - self._looked >= LOOK_PAUSE:
            self._looked = now.now
            yield from islice(self._look(now), LOOKS)

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        self.sharing.clock = now
        if is_new_engine and self._was_connected:
            self.sharing.settled_at = now.now + SETTLING
        self._was_connected = True
        self.budgets.turn(now.wall)
        for leased in self.all():
            leased.on_connected()
            self.sharing.active[leased] = None

    def on_disconnected(self, now: SharedTime) -> None:
        for leased in self.all():
            leased.on_disconnected(now.now)

    def _look(self, now: SharedTime) -> Iterator[Call]:
        """At the next limits that are not in use here, up to the last one."""
        for leased in self._looks:
            if leased not in self.sharing.active and (call := leased.call(now)):
                yield call
        self._looks = iter(self.all())
        self.budgets.turn(now.wall)

    def all(self) -> list[Leased]:
        return [*self._windows.values(), *self._slots.values(), *self._locks.values(), *self.budgets]

    # As the owners of limits call it.

    def _window(self, span: float, *name: str) -> SharedWindow:
        if name not in self._windows:
            self._windows[name] = WindowLease(self.sharing, name, span)
        return self._windows[name].window

    def _window_of_place(self, place: PairId, name: str) -> SharedWindow:
        label, key = place
        return self._window(WINDOW_SECONDS[name], "limits", label, key or "", name)

    def _slots_of_place(self, kind: str, place: PairId | KeyId) -> SlotLease:
        owner, key = place
        return self._slot("concurrency", kind, owner, key or "")

    def _slot(self, *name: str) -> SlotLease:
        if name not in self._slots:
            self._slots[name] = SlotLease(self.sharing, name)
        return self._slots[name]

    def _lock(self, scope: str) -> GuardLock:
        if scope not in self._locks:
            self._locks[scope] = GuardLock(self.sharing, scope)
        return self._locks[scope]

    def _counters(self, client: str) -> Counters:
        digest = self._digest(client)
        requests, tokens = (self._window(MINUTE, "clients", digest, name) for name in ("rpm", "tpm"))
        return Counters(requests, tokens, shared=self._slot("clients", digest, "concurrency"))

"""Requests at once, over all instances."""

from pointsman.shared.leases.ceiling_lease import CeilingLease
from pointsman.shared.leases.sharing import Sharing


class SlotLease(CeilingLease):
    """Nothing is ever spent: what has ended is free again."""

    def __init__(self, sharing: Sharing, name: tuple[str, ...]) -> None:
        self._running, self._asked = 0, float("-inf")
        super().__init__(sharing, name, 0, sharing.hub.instance)

    @property
    def spent(self) -> int:
        return 0

    @property
    def reserved(self) -> int:
        return self._running

    def left(self, now: float) -> int:
        return self.ceiling - self._running

    def on_running(self, running: int) -> None:
        """Called with the number of requests that run here now."""
        if running > self._running:
            self.demand.on_used(running - self._running, self._asked)
        self._running = running
        self.touch()

    def allowed(self, limit: int, now: float) -> int:
        """How many may run here. When that many do, more are requested."""
        self._asked = now
        if limit != self.limit:
            is_new, self.limit = not self.limit, limit
            if is_new or self._shared_from is not None:
                self.begin(now)
        return self._running + self.may_use(1, now)

"""How long one exchange waits: for limits that keep it from every candidate, or for the trial of one."""

from collections.abc import Callable

from pointsman.exchange.client_request import Planner


def nothing_to_wake() -> None:
    """For an exchange that has no driver."""


class LimitWait:
    """`now` is the exchange's clock, in seconds. The exchange has a place in the plan's line from `go_on` to `end`."""

    def __init__(self, plan: Planner) -> None:
        self._plan = plan
        self._since: float | None = None
        self.waited = 0.0
        """Seconds of the waits that have ended."""
        self.due: float | None = None
        """When to look again; None while it does not wait."""
        self.on_wake: Callable[[], None] = nothing_to_wake
        """Called when it is due at once, though no time has passed."""

    def go_on(self, latest: float, now: float) -> bool:
        """Waits, or waits on, until it is worth asking again or `latest`. False if there is nothing to wait for."""
        self.due = self._plan.wait_until(self._waited_by(now), latest, self._wake, now)
        if self.due is not None and self._since is None:
            self._since = now
        return self.due is not None

    def end(self, now: float) -> None:
        """The exchange no longer waits: it goes on, or ends."""
        self.waited = self._waited_by(now)
        self._since = self.due = None
        self._plan.end_wait()

    def _waited_by(self, now: float) -> float:
        return self.waited + (now - self._since if self._since is not None else 0.0)

    def _wake(self) -> None:
        if self.due is not None:
            self.due = 0.0
            self.on_wake()

"""What limits need to be shared by several instances."""

from typing import Protocol


class SharedSlots(Protocol):
    """One limit of requests at once."""

    def on_running(self, running: int) -> None:
        """Called with the number of requests that run here now."""

    def allowed(self, limit: int, now: float) -> int:
        """How many may run here. When that many do, more are requested."""


class SharedLock(Protocol):
    """Of a scope that serves one session at a time. A session goes by a name that is the same at all instances, one
    without a name by an empty one.
    """

    def is_closed(self, session: str, now: float) -> bool:
        """The scope may be serving another session at another instance."""

    def on_serving(self, session: str | None) -> None:
        """This session is served here from now on; None: none any more."""

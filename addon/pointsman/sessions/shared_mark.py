"""What of a session other instances know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pointsman.sessions.penalties import Ban

if TYPE_CHECKING:
    from pointsman.sessions.store import Pin, Session


class PinState(NamedTuple):
    """Where a session is, and where it goes instead. Times are on the routing clock."""

    pin: "Pin | None" = None
    home: "Pin | None" = None
    home_left: float = 0.0
    detour: "Pin | None" = None


NOT_PINNED = PinState()


class KnownBan(NamedTuple):
    """`ban` is None if it was lifted. `until` is when either is forgotten."""

    stamp: bytes
    ban: Ban | None
    until: float


@dataclass(slots=True)
class SharedMark:
    """The state of a session that was last written or read, and the stamps of its versions; the larger stamp is the
    newer one, and the empty one is older than any.
    """

    pins: PinState = NOT_PINNED
    pins_stamp: bytes = b""
    course_stamp: bytes = b""
    bans: dict[str, KnownBan] = field(default_factory=dict)
    """By scope, at most one for each configured one."""
    names: tuple[bytes, ...] = ()
    """Those that lead to it at the engine."""
    names_at: float = 0.0
    """When all of them were written."""
    has_moved: bool = False
    """Its pin has moved, or it has bans: peers may have what was before."""
    is_alone: bool = False
    """A peer was looked for and not found: what is not known of the conversation, its client has changed."""


class SessionChanges(Protocol):
    """Is told of changes that peers have to know."""

    def on_changed(self, session: "Session") -> None: ...

    def on_lifted(self, label: str | None, scope: str | None, now: float) -> None:
        """Bans were lifted by hand: those of one session or of all, on one scope or on any."""

    def on_forgotten(self, label: str, sessions: "Sequence[Session]") -> None:
        """Sessions were forgotten by hand; those that were known here are given."""

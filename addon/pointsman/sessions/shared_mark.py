"""What other instances know of a session."""

from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.sessions.penalties import Ban
from pointsman.sessions.pin import Pin


class PinState(NamedTuple):
    """Where a session is, and where it goes instead. Times are on the routing clock."""

    pin: Pin | None = None
    home: Pin | None = None
    home_left: float = 0.0
    detour: Pin | None = None


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

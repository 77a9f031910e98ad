"""What an exchange wants done. Transport carries these out in order and decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.records import AttemptRecord

type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Launch:
    """Send this request to a provider and report on it as attempt `n`."""

    n: int
    request: UpstreamRequest


@dataclass(frozen=True, slots=True)
class LaunchLarge:
    """The same, with a request that takes long to make: call `make` in a thread, then report `made` or `not_made` to
    the exchange. Raises Inconvertible.
    """

    n: int
    make: Callable[[], UpstreamRequest] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Break attempt `n` off at once, whatever it is doing."""

    n: int


@dataclass(frozen=True, slots=True)
class Release:
    """The remaining data of attempt `n` is ignored; its connection may be reused if the response ends soon."""

    n: int


@dataclass(frozen=True, slots=True)
class Respond:
    """Open the client's response. A body that is known whole is announced by its Content-Length among the headers."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Send:
    """Whole SSE events, or the whole body; never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The client's response is complete."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Close the connection to the client: it no longer reads."""

    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt has ended; observers get its record, and a notice of what that changes for everyone."""

    record: AttemptRecord
    notice: str | None = None


type Effect = Launch | LaunchLarge | Cancel | Release | Respond | Send | End | Abort | Settled

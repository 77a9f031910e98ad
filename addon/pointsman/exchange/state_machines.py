"""The two small machines of an exchange, as tables. An illegal move is a missing entry, and raises.

The **front** is what the client has seen: nothing (silent), an early head (headers out), the committed answer
(answering), the end. An **attempt** is launched, gets a connection, waits for content, and settles; at most one
attempt of an exchange becomes the winner on its way. An early head moves only the front; commit moves both, and
nothing can be taken back after it. Everything that changes either state goes through `move`, so these tables are the
whole truth about what may follow what.
"""

from collections.abc import Mapping
from enum import Enum, auto


class LocalError(Exception):
    """The router itself made a move that its tables do not know: a fault of ours, never of a client or a provider."""


class Front(Enum):
    SILENT = auto()
    HEADERS_OUT = auto()
    ANSWERING = auto()
    ENDED = auto()


class FrontMove(Enum):
    EARLY_HEAD = auto()
    COMMIT = auto()
    END = auto()
    """The answer is complete, or an error frame ended it."""
    REFUSE = auto()
    """The client gets an answer in the router's own voice, or a provider's client error."""
    LOSE_CLIENT = auto()


FRONT: Mapping[tuple[Front, FrontMove], Front] = {
    (Front.SILENT, FrontMove.EARLY_HEAD): Front.HEADERS_OUT,
    (Front.SILENT, FrontMove.COMMIT): Front.ANSWERING,
    (Front.SILENT, FrontMove.REFUSE): Front.ENDED,
    (Front.SILENT, FrontMove.LOSE_CLIENT): Front.ENDED,
    (Front.HEADERS_OUT, FrontMove.COMMIT): Front.ANSWERING,
    (Front.HEADERS_OUT, FrontMove.REFUSE): Front.ENDED,
    (Front.HEADERS_OUT, FrontMove.LOSE_CLIENT): Front.ENDED,
    (Front.ANSWERING, FrontMove.END): Front.ENDED,
    (Front.ANSWERING, FrontMove.LOSE_CLIENT): Front.ENDED,
}


class Phase(Enum):
    LAUNCHED = auto()
    CONNECTED = auto()
    WAITING = auto()
    """The provider's head is in; its first content is not."""
    WINNER = auto()
    SETTLED = auto()


class AttemptMove(Enum):
    CONNECT = auto()
    HEAD = auto()
    COMMIT = auto()
    SETTLE = auto()


ATTEMPT: Mapping[tuple[Phase, AttemptMove], Phase] = {
    (Phase.LAUNCHED, AttemptMove.CONNECT): Phase.CONNECTED,
    (Phase.LAUNCHED, AttemptMove.HEAD): Phase.WAITING,
    (Phase.LAUNCHED, AttemptMove.SETTLE): Phase.SETTLED,
    (Phase.CONNECTED, AttemptMove.CONNECT): Phase.CONNECTED,
    (Phase.CONNECTED, AttemptMove.HEAD): Phase.WAITING,
    (Phase.CONNECTED, AttemptMove.SETTLE): Phase.SETTLED,
    (Phase.WAITING, AttemptMove.COMMIT): Phase.WINNER,
    (Phase.WAITING, AttemptMove.SETTLE): Phase.SETTLED,
    (Phase.WINNER, AttemptMove.SETTLE): Phase.SETTLED,
}


def move[S: Enum, M: Enum](table: Mapping[tuple[S, M], S], state: S, step: M) -> S:
    """The state after `step`. Raises LocalError for a step that may not follow."""
    try:
        return table[state, step]
    except KeyError:
        raise LocalError(f"{step} may not follow {state}") from None

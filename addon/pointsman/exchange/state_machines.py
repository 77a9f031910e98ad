"""The two state machines of an exchange, as tables. An illegal transition is a missing entry, and raises.

The **response** is what the client has got: nothing, early headers, a committed answer in progress, the end. An
**attempt** is launched, gets a connection, waits for content, and settles; at most one attempt of an exchange becomes
the winner. Early headers change only the response's state; commit changes both, and nothing can be undone after it.
Every change of state goes through `next_state`, so these tables are complete.
"""

from collections.abc import Mapping
from enum import Enum, auto


class IllegalTransition(Exception):
    """A transition that is not in the tables: a bug of the router, never a fault of a client or a provider."""


class ResponseState(Enum):
    NOTHING_SENT = auto()
    HEADERS_SENT = auto()
    ANSWERING = auto()
    ENDED = auto()


class ResponseMove(Enum):
    SEND_EARLY_HEADERS = auto()
    COMMIT = auto()
    END = auto()
    """The answer is complete, or an error frame ended it."""
    SEND_WHOLE = auto()
    """The client gets an answer in the router's own voice, or a provider's client error."""
    CLIENT_DISCONNECTED = auto()


RESPONSE_TRANSITIONS: Mapping[tuple[ResponseState, ResponseMove], ResponseState] = {
    (ResponseState.NOTHING_SENT, ResponseMove.SEND_EARLY_HEADERS): ResponseState.HEADERS_SENT,
    (ResponseState.NOTHING_SENT, ResponseMove.COMMIT): ResponseState.ANSWERING,
    (ResponseState.NOTHING_SENT, ResponseMove.SEND_WHOLE): ResponseState.ENDED,
    (ResponseState.NOTHING_SENT, ResponseMove.CLIENT_DISCONNECTED): ResponseState.ENDED,
    (ResponseState.HEADERS_SENT, ResponseMove.COMMIT): ResponseState.ANSWERING,
    (ResponseState.HEADERS_SENT, ResponseMove.SEND_WHOLE): ResponseState.ENDED,
    (ResponseState.HEADERS_SENT, ResponseMove.CLIENT_DISCONNECTED): ResponseState.ENDED,
    (ResponseState.ANSWERING, ResponseMove.END): ResponseState.ENDED,
    (ResponseState.ANSWERING, ResponseMove.CLIENT_DISCONNECTED): ResponseState.ENDED,
}


class AttemptState(Enum):
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


ATTEMPT_TRANSITIONS: Mapping[tuple[AttemptState, AttemptMove], AttemptState] = {
    (AttemptState.LAUNCHED, AttemptMove.CONNECT): AttemptState.CONNECTED,
    (AttemptState.LAUNCHED, AttemptMove.HEAD): AttemptState.WAITING,
    (AttemptState.LAUNCHED, AttemptMove.SETTLE): AttemptState.SETTLED,
    (AttemptState.CONNECTED, AttemptMove.CONNECT): AttemptState.CONNECTED,
    (AttemptState.CONNECTED, AttemptMove.HEAD): AttemptState.WAITING,
    (AttemptState.CONNECTED, AttemptMove.SETTLE): AttemptState.SETTLED,
    (AttemptState.WAITING, AttemptMove.COMMIT): AttemptState.WINNER,
    (AttemptState.WAITING, AttemptMove.SETTLE): AttemptState.SETTLED,
    (AttemptState.WINNER, AttemptMove.SETTLE): AttemptState.SETTLED,
}


def next_state[S: Enum, M: Enum](table: Mapping[tuple[S, M], S], state: S, step: M) -> S:
    """The state after `step`. Raises IllegalTransition for a step that may not follow."""
    try:
        return table[state, step]
    except KeyError:
        raise IllegalTransition(f"{step} may not follow {state}") from None

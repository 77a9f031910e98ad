"""The tables of the two machines: what can be reached, what cannot be taken back, and what an illegal move is."""

from collections.abc import Mapping
from enum import Enum
from itertools import product
from typing import Any

import pytest

from pointsman.exchange.state_machines import (
    ATTEMPT_TRANSITIONS,
    RESPONSE_TRANSITIONS,
    AttemptMove,
    AttemptState,
    IllegalTransition,
    ResponseMove,
    ResponseState,
    next_state,
)

type Table = Mapping[tuple[Any, Any], Any]

MACHINES = pytest.mark.parametrize(
    ("table", "states", "first", "last"),
    [
        (RESPONSE_TRANSITIONS, ResponseState, ResponseState.NOTHING_SENT, ResponseState.ENDED),
        (ATTEMPT_TRANSITIONS, AttemptState, AttemptState.LAUNCHED, AttemptState.SETTLED),
    ],
    ids=["front", "attempt"],
)


def reachable(table: Table, start: Enum) -> set[Enum]:
    """Every state that some way leads to, with `start` itself."""
    found, new = {start}, {start}
    while new:
        new = {after for (state, _), after in table.items() if state in new} - found
        found |= new
    return found


@MACHINES
def test_every_state_can_be_reached(table: Table, states: type[Enum], first: Enum, last: Enum) -> None:
    assert reachable(table, first) == set(states)


@MACHINES
def test_every_state_leads_to_the_end_and_nothing_follows_it(
    table: Table, states: type[Enum], first: Enum, last: Enum
) -> None:
    assert all(last in reachable(table, state) for state in states)
    assert reachable(table, last) == {last}


@pytest.mark.parametrize(
    ("table", "committed"),
    [(RESPONSE_TRANSITIONS, ResponseState.ANSWERING), (ATTEMPT_TRANSITIONS, AttemptState.WINNER)],
)
def test_a_commit_cannot_be_taken_back(table: Table, committed: Enum) -> None:
    after = reachable(table, committed)
    moves = {step.name for state, step in table if state in after}
    assert moves.isdisjoint({"COMMIT", "EARLY_HEAD", "REFUSE", "CONNECT", "HEAD"})


@pytest.mark.parametrize("state", [ResponseState.NOTHING_SENT, ResponseState.HEADERS_SENT, ResponseState.ANSWERING])
def test_a_client_may_leave_at_any_time(state: ResponseState) -> None:
    assert next_state(RESPONSE_TRANSITIONS, state, ResponseMove.CLIENT_DISCONNECTED) is ResponseState.ENDED


@pytest.mark.parametrize("phase", [phase for phase in AttemptState if phase is not AttemptState.SETTLED])
def test_an_attempt_may_settle_at_any_time(phase: AttemptState) -> None:
    assert next_state(ATTEMPT_TRANSITIONS, phase, AttemptMove.SETTLE) is AttemptState.SETTLED


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ("CONNECT HEAD COMMIT SETTLE", AttemptState.SETTLED),
        ("HEAD COMMIT", AttemptState.WINNER),
        ("CONNECT CONNECT HEAD", AttemptState.WAITING),
    ],
    ids=["one that wins", "one whose connection was not reported", "one that had to connect again"],
)
def test_an_attempt_takes_its_way(steps: str, phase: AttemptState) -> None:
    here = AttemptState.LAUNCHED
    for step in steps.split():
        here = next_state(ATTEMPT_TRANSITIONS, here, AttemptMove[step])
    assert here is phase


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ("COMMIT END", ResponseState.ENDED),
        ("SEND_EARLY_HEADERS COMMIT", ResponseState.ANSWERING),
        ("SEND_EARLY_HEADERS SEND_WHOLE", ResponseState.ENDED),
        ("SEND_WHOLE", ResponseState.ENDED),
    ],
)
def test_the_front_takes_its_way(steps: str, state: ResponseState) -> None:
    here = ResponseState.NOTHING_SENT
    for step in steps.split():
        here = next_state(RESPONSE_TRANSITIONS, here, ResponseMove[step])
    assert here is state


ILLEGAL = [
    *(
        (RESPONSE_TRANSITIONS, *pair)
        for pair in product(ResponseState, ResponseMove)
        if pair not in RESPONSE_TRANSITIONS
    ),
    *((ATTEMPT_TRANSITIONS, *pair) for pair in product(AttemptState, AttemptMove) if pair not in ATTEMPT_TRANSITIONS),
]


@pytest.mark.parametrize(("table", "state", "step"), ILLEGAL, ids=lambda value: getattr(value, "name", ""))
def test_a_transition_outside_the_table_is_an_internal_error_that_names_it(
    table: Table, state: Enum, step: Enum
) -> None:
    with pytest.raises(IllegalTransition) as caught:
        next_state(table, state, step)
    assert str(step) in str(caught.value)
    assert str(state) in str(caught.value)

"""The tables of the two machines: what can be reached, what cannot be taken back, and what an illegal move is."""

from collections.abc import Mapping
from enum import Enum
from itertools import product
from typing import Any

import pytest

from pointsman.exchange.state_machines import (
    ATTEMPT,
    FRONT,
    AttemptMove,
    Front,
    FrontMove,
    LocalError,
    Phase,
    move,
)

type Table = Mapping[tuple[Any, Any], Any]

MACHINES = pytest.mark.parametrize(
    ("table", "states", "first", "last"),
    [(FRONT, Front, Front.SILENT, Front.ENDED), (ATTEMPT, Phase, Phase.LAUNCHED, Phase.SETTLED)],
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


@pytest.mark.parametrize(("table", "committed"), [(FRONT, Front.ANSWERING), (ATTEMPT, Phase.WINNER)])
def test_a_commit_cannot_be_taken_back(table: Table, committed: Enum) -> None:
    after = reachable(table, committed)
    moves = {step.name for state, step in table if state in after}
    assert moves.isdisjoint({"COMMIT", "EARLY_HEAD", "REFUSE", "CONNECT", "HEAD"})


@pytest.mark.parametrize("state", [Front.SILENT, Front.HEADERS_OUT, Front.ANSWERING])
def test_a_client_may_leave_at_any_time(state: Front) -> None:
    assert move(FRONT, state, FrontMove.LOSE_CLIENT) is Front.ENDED


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SETTLED])
def test_an_attempt_may_settle_at_any_time(phase: Phase) -> None:
    assert move(ATTEMPT, phase, AttemptMove.SETTLE) is Phase.SETTLED


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ("CONNECT HEAD COMMIT SETTLE", Phase.SETTLED),
        ("HEAD COMMIT", Phase.WINNER),
        ("CONNECT CONNECT HEAD", Phase.WAITING),
    ],
    ids=["one that wins", "one whose connection was not reported", "one that had to connect again"],
)
def test_an_attempt_takes_its_way(steps: str, phase: Phase) -> None:
    here = Phase.LAUNCHED
    for step in steps.split():
        here = move(ATTEMPT, here, AttemptMove[step])
    assert here is phase


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ("COMMIT END", Front.ENDED),
        ("EARLY_HEAD COMMIT", Front.ANSWERING),
        ("EARLY_HEAD REFUSE", Front.ENDED),
        ("REFUSE", Front.ENDED),
    ],
)
def test_the_front_takes_its_way(steps: str, state: Front) -> None:
    here = Front.SILENT
    for step in steps.split():
        here = move(FRONT, here, FrontMove[step])
    assert here is state


ILLEGAL = [
    *((FRONT, *pair) for pair in product(Front, FrontMove) if pair not in FRONT),
    *((ATTEMPT, *pair) for pair in product(Phase, AttemptMove) if pair not in ATTEMPT),
]


@pytest.mark.parametrize(("table", "state", "step"), ILLEGAL, ids=lambda value: getattr(value, "name", ""))
def test_a_move_that_no_table_knows_is_our_own_fault_and_names_itself(table: Table, state: Enum, step: Enum) -> None:
    with pytest.raises(LocalError) as caught:
        move(table, state, step)
    assert str(step) in str(caught.value)
    assert str(state) in str(caught.value)

"""What a fault rules out for the rest of its exchange."""

from collections.abc import Callable

import pytest

from pointsman.routing.consequences import Consequence, consequence
from pointsman.wire.faults import Fault, FaultKind
from routing.yard import status, wrapped


@pytest.mark.parametrize("made", [status, wrapped])
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (400, Consequence.STOP),
        (422, Consequence.STOP),
        (401, Consequence.SKIP_KEY),
        (403, Consequence.SKIP_KEY),
        (429, Consequence.SKIP_KEY),
        (301, Consequence.SKIP_TARGET),
        (402, Consequence.SKIP_TARGET),
        (404, Consequence.SKIP_TARGET),
        (413, Consequence.SKIP_TARGET),
        (500, Consequence.SKIP_TARGET),
        (503, Consequence.SKIP_TARGET),
        (504, Consequence.SKIP_TARGET),
    ],
)
def test_a_status_speaks_of_the_request_the_key_or_the_target(
    made: Callable[[int], Fault], number: int, expected: Consequence
) -> None:
    assert consequence(made(number)) is expected


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind not in (FaultKind.STATUS, FaultKind.WRAPPED)])
@pytest.mark.parametrize("number", [None, 400, 429])
def test_any_other_fault_speaks_of_the_target_even_with_a_status_beside_it(kind: FaultKind, number: int | None) -> None:
    assert consequence(Fault(kind, status=number)) is Consequence.SKIP_TARGET


def test_a_status_that_nobody_knows_speaks_of_the_target() -> None:
    assert consequence(Fault(FaultKind.WRAPPED)) is Consequence.SKIP_TARGET

"""An exchange at a guarded provider: its entry lives as long as the attempt, and knows when it last heard anything."""

import pytest

from exchange.stage import DONE, ROLE, STOP, WALL, Stage, event
from pointsman.wire.faults import Code, Problem


@pytest.fixture
def stage() -> Stage:
    return Stage(2, protection={"a": "provider-ban"}).begin()


def last_bytes(stage: Stage) -> list[float]:
    """Seconds after the beginning."""
    return [row["last_byte"] - WALL for row in stage.router.active.plain(stage.now, WALL + stage.now - 1000.0)]


def test_it_knows_its_last_byte_without_being_told(stage: Stage) -> None:
    assert last_bytes(stage) == [0.0]
    stage.wait(1.0).connected(1).wait(1.0).head(1)
    assert last_bytes(stage) == [2.0]
    stage.wait(0.5).data(1, ROLE)
    assert last_bytes(stage) == [2.5], "before commit too: a whole answer may take long to arrive"
    stage.wait(0.5).data(1, event("hello"))
    assert last_bytes(stage) == [3.0]
    stage.wait(4.0).data(1, event(" again"))
    assert last_bytes(stage) == [7.0]
    stage.wait(4.0).data(1, b": ping\n\n")
    assert last_bytes(stage) == [11.0]


@pytest.mark.parametrize("committed", [False, True], ids=["before commit", "after commit"])
@pytest.mark.parametrize(
    "end",
    [
        lambda stage: stage.gone(),
        lambda stage: stage.failed(1),
        lambda stage: stage.data(1, STOP, DONE),
        lambda stage: stage.end(1),
        lambda stage: stage.wait(70.0),
        lambda stage: stage.exchange.give_up(Problem(Code.SHUTTING_DOWN, ""), stage.now),
        lambda stage: stage.exchange.plan.abandoned(),
    ],
    ids=["the client leaves", "it breaks", "it ends", "it ends short", "it is silent", "given up", "abandoned"],
)
def test_every_ending_releases_it(stage: Stage, end, committed: bool) -> None:
    stage.connected(1).head(1)
    if committed:
        stage.data(1, event("hello"))
    assert len(stage.router.active) == 1
    end(stage)
    assert len(stage.router.active) == 0

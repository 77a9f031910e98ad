"""An exchange at a guarded provider: its entry lives as long as the attempt, and knows when it last heard anything."""

import pytest

from exchange.exchange_harness import DONE, ROLE, STOP, WALL, ExchangeHarness, event
from pointsman.wire.errors import Code, Problem


@pytest.fixture
def stage() -> ExchangeHarness:
    return ExchangeHarness(2, protection={"a": "provider-ban"}).start()


def last_bytes(stage: ExchangeHarness) -> list[float]:
    """Seconds after the beginning."""
    return [row["last_byte"] - WALL for row in stage.router.in_flight.to_list(stage.now, WALL + stage.now - 1000.0)]


def test_it_has_the_time_of_the_last_byte(stage: ExchangeHarness) -> None:
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
        lambda stage: stage.client_gone(),
        lambda stage: stage.failed(1),
        lambda stage: stage.data(1, STOP, DONE),
        lambda stage: stage.end(1),
        lambda stage: stage.wait(70.0),
        lambda stage: stage.exchange.fail_with(Problem(Code.SHUTTING_DOWN, ""), stage.now),
        lambda stage: stage.exchange.plan.discard(),
    ],
    ids=["the client leaves", "it breaks", "it ends", "it ends short", "it is silent", "given up", "abandoned"],
)
def test_every_ending_releases_it(stage: ExchangeHarness, end, committed: bool) -> None:
    stage.connected(1).head(1)
    if committed:
        stage.data(1, event("hello"))
    assert len(stage.router.in_flight) == 1
    end(stage)
    assert len(stage.router.in_flight) == 0


class TestSeveralAttempts:
    """Each has its own entry, and none teaches what it must not."""

    REFUSAL = b'{"error": {"message": "Unrecognized request argument supplied: stream_options"}}'

    def test_one_that_is_repeated_without_asking_for_usage_is_not_a_failure(self) -> None:
        stage = ExchangeHarness(2, protection={"a": "provider-ban"}, more={"stream_usage": True}, session="7").start()
        stage.connected(1).answers(1, 400, self.REFUSAL)
        assert stage.launched == ["a", "a"]
        assert len(stage.router.in_flight) == 1
        stage.connected(2).head(2).data(2, event("hello"), STOP, DONE)
        assert len(stage.router.in_flight) == 0
        assert stage.exchange.plan.binding.penalties.bans == {}
        stage.router.observe(stage.exchange.to_record())
        assert (
            stage.router.statistics.stats_for("a/m", WALL).attempts
            == stage.router.recent_outcomes.counts_for("a/m", WALL).total
            == 1
        )

    @pytest.mark.parametrize("winner", [1, 2])
    def test_both_of_a_race_have_one_until_it_is_decided(self, winner: int) -> None:
        levels = {"a": "provider-ban", "b": "provider-ban"}
        stage = ExchangeHarness(2, protection=levels, hedge={"after": "2s"}, session="7").start().connected(1).wait(2.0)
        assert len(stage.router.in_flight) == 2
        stage.head(winner).data(winner, event("hello"))
        assert [row["provider"] for row in stage.router.in_flight.to_list(stage.now, WALL)] == ["ab"[winner - 1]]
        stage.data(winner, STOP, DONE)
        assert len(stage.router.in_flight) == 0
        assert stage.exchange.plan.binding.penalties.bans == {}

    def test_one_of_a_race_that_fails_is_banned_and_the_other_goes_on(self) -> None:
        levels = {"a": "provider-ban", "b": "provider-ban"}
        stage = ExchangeHarness(2, protection=levels, hedge={"after": "2s"}, session="7").start().connected(1).wait(2.0)
        stage.answers(1, 503)
        assert (len(stage.router.in_flight), list(stage.exchange.plan.binding.penalties.bans)) == (1, ["a"])
        stage.head(2).data(2, event("hello"), STOP, DONE)
        assert stage.response.status == 200
        assert len(stage.router.in_flight) == 0

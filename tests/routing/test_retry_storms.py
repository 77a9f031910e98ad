"""Retry storms: clients that repeat a failing request in a loop have to wait, and no provider is asked meanwhile."""

from collections.abc import Callable

import pytest

from pointsman.routing.retry_storms import ENTRY_LIFETIME, MAX_ENTRIES, RetryStorms
from pointsman.wire.errors import Code, Fault, FaultKind
from routing.routing_builders import status
from routing.session_driver import WALL, SessionDriver

NOW = 1000.0
ME, YOU = b"me", b"you"


def turn() -> bytes:
    return b"a turn"


class Loop:
    """A client that asks the same again and again; everything fails, unless it is said to be well."""

    def __init__(self) -> None:
        self.storms = RetryStorms()
        self.now = NOW
        self.served: list[float] = []

    def ask(self, well: bool = False) -> float | None:
        """Returns how long it is told to wait."""
        wait = self.storms.required_wait(ME, turn, self.now)
        if wait is None:
            self.served.append(self.now - NOW)
            if well:
                self.storms.on_success(ME, turn)
            else:
                self.storms.on_failure(ME, turn(), self.now)
        return wait

    def until(self, seconds: float, every: Callable[[float | None], float]) -> list[float]:
        """Asks until then. Returns the waits that it was told."""
        waits = []
        while self.now < NOW + seconds:
            wait = self.ask()
            if wait is not None:
                waits.append(wait)
            self.now += every(wait)
        return waits


@pytest.fixture
def loop() -> Loop:
    return Loop()


class TestLoop:
    def test_the_request_and_five_repeats_are_served(self, loop: Loop) -> None:
        assert [loop.ask() for _ in range(8)] == [None] * 6 + [1.0, 2.0]

    def test_the_wait_grows_to_30_seconds(self, loop: Loop) -> None:
        waits = loop.until(30, lambda _: 0.08)
        assert waits[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        assert waits == sorted(waits)
        assert (len(loop.served), len(waits)) == (6, 369)
        assert loop.storms.to_dict(loop.now, WALL)["refused"] == 369

    @pytest.mark.parametrize(
        "every",
        [
            lambda _: 0.001,
            lambda _: 0.08,
            lambda _: 0.5,
            lambda _: 1.0,
            lambda wait: wait or 0.01,
            lambda wait: (wait or 0) + 0.5,
            lambda wait: 10.0 if wait else 0.01,
        ],
        ids=["1 ms", "80 ms", "500 ms", "1 s", "as told", "a little longer", "ten seconds each time"],
    )
    def test_whatever_its_rhythm_it_reaches_providers_ten_times_in_half_a_minute(
        self, loop: Loop, every: Callable[[float | None], float]
    ) -> None:
        loop.until(30, every)
        assert len(loop.served) <= 10

    def test_a_pause_of_the_stated_length_lets_one_attempt_through(self, loop: Loop) -> None:
        for _ in range(8):
            loop.ask()
        loop.now += 2.0
        assert [loop.ask(), loop.ask()] == [None, 8.0], "and its failure counts like a refusal"

    def test_so_does_a_pause_in_which_it_is_no_loop_any_more(self, loop: Loop) -> None:
        loop.until(30, lambda _: 0.08)
        loop.now += 9.9
        assert loop.ask() == 30.0
        loop.now += 10.0
        assert loop.ask() is None

    def test_while_that_attempt_runs_others_wait(self, loop: Loop) -> None:
        for _ in range(8):
            loop.ask()
        loop.now += 2.0
        assert loop.storms.required_wait(ME, turn, loop.now) is None
        assert loop.storms.required_wait(ME, turn, loop.now) is not None

    def test_a_success_ends_it(self, loop: Loop) -> None:
        for _ in range(8):
            loop.ask()
        loop.now += 2.0
        assert loop.ask(well=True) is None
        assert [loop.ask() for _ in range(7)] == [None] * 6 + [1.0]

    def test_failures_that_take_their_time_are_no_storm(self, loop: Loop) -> None:
        for _ in range(30):
            assert loop.ask() is None
            loop.now += 2.1

    def test_others_and_other_requests_are_served(self, loop: Loop) -> None:
        for _ in range(8):
            loop.ask()
        assert loop.storms.required_wait(YOU, turn, loop.now) is None
        assert loop.storms.required_wait(ME, lambda: b"another", loop.now) is None


class TestBounds:
    def test_requests_of_a_client_that_nothing_has_failed_for_are_not_looked_at(self) -> None:
        def never() -> bytes:
            raise AssertionError

        own = RetryStorms()
        own.on_failure(YOU, turn(), NOW)
        assert own.required_wait(ME, never, NOW) is None
        own.on_success(ME, never)
        own.on_success(YOU, turn)
        assert own.required_wait(YOU, never, NOW) is None

    def test_a_request_is_forgotten_after_a_while(self) -> None:
        own = RetryStorms()
        own.on_failure(ME, turn(), NOW)
        own.required_wait(YOU, turn, NOW + ENTRY_LIFETIME - 0.1)
        assert len(own) == 1
        own.required_wait(YOU, turn, NOW + ENTRY_LIFETIME)
        assert len(own) == 0

    def test_only_so_many_are_remembered(self) -> None:
        own = RetryStorms()
        for number in range(MAX_ENTRIES + 10):
            own.on_failure(ME, str(number).encode(), NOW)
        assert len(own) == own._storms_by_client.total() == MAX_ENTRIES


class TestRouting:
    """What a client meets."""

    FAULT = Fault(FaultKind.STALLED)

    @pytest.mark.parametrize(
        "known",
        [{"name": "7"}, {"name": None, "address": "192.0.2.7"}, {"name": None, "credential": "sk-mine"}],
        ids=["a session", "only an address", "a credential"],
    )
    def test_a_loop_is_refused_without_an_attempt(self, known: dict[str, str | None]) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"}, protection={"a": "off"})
        for _ in range(6):
            assert talks.ask(**known).fail(self.FAULT, committed=True)
        assert talks.ask(**known).launch() is None

    def test_it_has_to_wait_and_is_served_after_that(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"}, protection={"a": "off"})
        for _ in range(6):
            assert talks.ask().fail(self.FAULT, committed=True)
        own = talks.ask()
        assert own.launch() is None
        problem = own.plan.final_error(talks.now, WALL)
        assert (problem.code, problem.retry_after) == (Code.RATE_LIMITED, 1.0)
        own.plan.on_ended(True, talks.now)
        talks.now += 1.0
        assert talks.ask().succeed()
        assert talks.ask().succeed()

    def test_a_refused_request_is_no_further_failure(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"}, protection={"a": "off"})
        for _ in range(6):
            talks.ask().fail(self.FAULT, committed=True)
        for _ in range(50):
            talks.ask().plan.on_ended(True, talks.now)
        [running] = talks.router.retry_storms.to_dict(talks.now, WALL)["running"]
        assert (running["refused"], running["until"]) == (50, WALL + 30)

    def test_what_another_candidate_has_hidden_is_no_failure(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"}, protection={"a": "off"})
        for _ in range(20):
            own = talks.ask()
            own.plan.binding.clear_pin_on("b/m", talks.now)
            assert own.fail(status(405))
            assert own.succeed()
        assert len(talks.router.retry_storms) == 0

    def test_strangers_are_distinguished_by_their_addresses(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"}, protection={"a": "off"})
        for _ in range(6):
            talks.ask(None, address="192.0.2.7").fail(self.FAULT, committed=True)
        assert talks.ask(None, address="192.0.2.7").launch() is None
        assert talks.ask(None, address="192.0.2.8").launch()

"""When a session's pin moves, when it stays, and when it goes back."""

from typing import Any

import pytest

from pointsman.sessions.store import Pin, Session
from pointsman.wire.errors import Fault, FaultKind
from routing.routing_builders import status
from routing.session_driver import SessionDriver
from support.settings import provider

THREE = {name: provider(f"https://{name}.test/v1", "m") for name in "abc"}
TOO_LONG = status(400, code="context_length_exceeded", message="This model's maximum context length is 8192 tokens.")
REFUSALS = {
    "parameter": status(400, message="Unsupported parameter: foo"),
    "length": TOO_LONG,
    "unexplained 403": status(403, message="Forbidden"),
}


def driver(**sections: Any) -> SessionDriver:
    """The first turn has pinned the session to a."""
    talks = SessionDriver(THREE, **sections)
    assert talks.ask(said="first").succeed() == "a/m"
    return talks


def session(talks: SessionDriver) -> Session:
    found = talks.ask(said="look").plan.binding.session
    assert found
    return found


class TestRefusals:
    """The pinned target does not take what one request asks."""

    @pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
    def test_the_pin_stays(self, refusal: Fault) -> None:
        talks = driver()
        own = talks.ask(said="odd")
        assert own.fail(refusal) == "a/m"
        assert own.succeed() == "b/m"
        assert session(talks).pin == Pin("a", "m", None)
        assert talks.ask(said="next").launch() == "a/m"

    def test_what_it_refuses_goes_where_it_went_before(self) -> None:
        talks = driver()
        own = talks.ask(said="odd")
        own.fail(REFUSALS["parameter"])
        assert own.launch() == "b/m"
        own.settle(status(503))
        assert own.succeed() == "c/m"
        talks.now += 100
        again = talks.ask(said="odd again")
        assert [again.fail(REFUSALS["parameter"]), again.launch()] == ["a/m", "c/m"]

    def test_a_conversation_that_outgrew_it_is_not_sent_there_again(self) -> None:
        talks = driver()
        own = talks.ask(said="long", tokens=9000)
        assert own.fail(TOO_LONG) == "a/m"
        assert own.succeed() == "b/m"
        assert talks.ask(said="longer", tokens=9100).succeed() == "b/m"
        assert talks.ask(said="short", tokens=500).launch() == "a/m"
        assert session(talks).pin == Pin("a", "m", None)

    def test_but_it_is_asked_when_nothing_else_is_left(self) -> None:
        """What was too long may have been the prompt and the room for the answer together."""
        talks = SessionDriver({"a": THREE["a"]})
        talks.ask(said="long", tokens=9000).fail(TOO_LONG)
        assert talks.ask(said="long, with fewer max_tokens", tokens=9000).succeed() == "a/m"

    def test_what_others_refuse_does_not_matter(self) -> None:
        talks = driver()
        talks.ask("8", said="long", tokens=9000).fail(TOO_LONG)
        assert talks.ask(said="longer", tokens=9100).launch() == "a/m"


class TestFailures:
    @pytest.mark.parametrize(
        "fault", [status(503), status(429), status(401), Fault(FaultKind.REFUSED), Fault(FaultKind.FIRST_BYTE_TIMEOUT)]
    )
    def test_the_pin_follows_the_answer(self, fault: Fault) -> None:
        talks = driver()
        own = talks.ask(said="second")
        assert own.fail(fault) == "a/m"
        assert own.succeed() == "b/m"
        assert session(talks).pin == Pin("b", "m", None)

    def test_a_failure_and_a_refusal_of_one_target_are_a_failure(self) -> None:
        talks = SessionDriver({"a": provider("https://a.test/v1", "m", keys=["sk-one", "sk-two"]), "b": THREE["b"]})
        talks.ask(said="first").succeed()
        own = talks.ask(said="second")
        own.fail(status(429))
        own.fail(REFUSALS["parameter"])
        assert own.succeed() == "b/m"
        assert session(talks).pin == Pin("b", "m", None)


class TestReturn:
    def moved(self, **sticky: Any) -> SessionDriver:
        """The session has moved to b, since a failed."""
        talks = driver(sticky=sticky)
        own = talks.ask(said="second")
        own.fail(Fault(FaultKind.FIRST_BYTE_TIMEOUT))
        assert own.succeed() == "b/m"
        return talks

    def test_it_is_off_unless_configured(self) -> None:
        talks = self.moved()
        talks.now += 1500
        assert talks.ask(said="third").launch() == "b/m"

    def test_once_the_target_has_been_well_for_so_long(self) -> None:
        talks = self.moved(return_after="10m")
        talks.now += 599
        assert talks.ask(said="third").succeed() == "b/m"
        talks.now += 1
        assert talks.ask(said="fourth").succeed() == "a/m"
        assert session(talks).pin == Pin("a", "m", None)
        assert session(talks).home is None

    def test_a_failure_that_others_see_there_restarts_the_time(self) -> None:
        talks = self.moved(return_after="10m")
        talks.now += 500
        talks.ask("8", said="other").fail(status(429))
        talks.now += 100
        assert talks.ask(said="third").succeed() == "b/m"
        talks.now += 500
        assert talks.ask(said="fourth").succeed() == "a/m"

    def test_if_it_fails_again_the_conversation_stays_where_it_was(self) -> None:
        talks = self.moved(return_after="10m")
        talks.now += 600
        own = talks.ask(said="third")
        assert own.fail(Fault(FaultKind.FIRST_BYTE_TIMEOUT)) == "a/m"
        assert own.succeed() == "b/m"
        assert talks.ask(said="fourth").succeed() == "b/m"

    def test_not_while_it_cools_or_is_banned(self) -> None:
        talks = self.moved(return_after="1s", ban="20m")
        talks.now += 10
        assert talks.ask(said="third").launch() == "b/m", "it cools"

    def test_a_broken_stream_is_left_and_returned_to_as_well(self) -> None:
        talks = driver(sticky={"return_after": "10m"})
        talks.ask(said="second").fail(Fault(FaultKind.BROKEN), committed=True)
        assert talks.ask(said="third").succeed() == "b/m"
        talks.now += 600
        assert talks.ask(said="fourth").succeed() == "a/m"

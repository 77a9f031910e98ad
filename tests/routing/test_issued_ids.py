"""What one account holds is asked of that account: who it is, and what happens if it cannot serve."""

import sys
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.domain.failures import classify
from pointsman.domain.records import Outcome
from pointsman.domain.targets import Candidate
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.issued_ids import LIFETIME, MAX_IDS, IssuedIds
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from pointsman.wire.request_facts import NO_IDS, HeldIds, RequestFacts
from routing.routing_builders import called, status
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW, WALL = 0.0, 1_700_000_000.0
TWO_KEYS = ["key-one", "key-two"]
ALL = ["a/m#key-1", "a/m#key-2", "b/m"]
ANSWER, ITEM, FILE = HeldIds(answers=("resp_1",)), HeldIds(items=("msg_1",)), HeldIds(shared=("file-1",))
RESPONSES = Dialect.OPENAI_RESPONSES


def providers(**of_a: Any) -> dict[str, Any]:
    return {
        "a": provider("https://a.test/v1", keys=TWO_KEYS, dialect="openai-responses", **of_a),
        "b": provider("https://b.test/v1", dialect="openai-responses"),
    }


class Yard:
    def __init__(self, **sections: Any) -> None:
        self.router = Router(settings(providers(), **sections), SECRET)

    def plan(self, held: HeldIds = NO_IDS, session: str | None = None, **facts: Any) -> Plan:
        asked = RequestFacts("m", True, frozenset(), 10, held=held, stores_answer=True, **facts)
        headers = {"x-session-id": session} if session else {}
        return self.router.plan(asked, RESPONSES, caller(headers=headers), NOW)

    def answer(self, plan: Plan, place: int = 0, answer_id: str = "resp_1") -> None:
        """The candidate in this place answers."""
        candidate = list(plan.ranked_candidates(NOW))[place]
        plan.on_launched(1, candidate, NOW)
        plan.on_committed(candidate, NOW)
        plan.on_answer_id(answer_id, candidate, NOW)
        plan.on_settled(candidate, attempt_record(outcome=Outcome.REQUEST_SUCCESS, started=WALL), None, NOW)

    def fail(self, plan: Plan, fault: Fault) -> Candidate:
        candidate = plan.next_candidate(NOW)
        assert candidate
        plan.on_launched(1, candidate, NOW)
        record = attempt_record(outcome=Outcome.RETRY_FAILED, failure=classify(fault), started=WALL, settled_ms=0.0)
        plan.on_settled(candidate, record, fault, NOW)
        return candidate


def reasons(plan: Plan) -> set[ExclusionReason]:
    return {exclusion.reason for exclusion in plan.exclusions(NOW)}


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("sticky", [True, False])
def test_an_earlier_answer_is_asked_of_the_account_that_gave_it(place: int, sticky: bool) -> None:
    yard = Yard(sticky={"enabled": sticky})
    yard.answer(yard.plan(), place)
    plan = yard.plan(ANSWER)
    assert called(plan.ranked_candidates(NOW)) == [ALL[place]]
    assert reasons(plan) == {ExclusionReason.NOT_HOLDER}


def test_the_id_is_found_whatever_names_the_session() -> None:
    yard = Yard()
    yard.answer(yard.plan(session="one"), 1)
    assert called(yard.plan(ANSWER, session="two").ranked_candidates(NOW)) == ALL[1:2]


def test_an_id_without_a_known_holder_is_tried_at_all_the_pinned_one_first() -> None:
    yard = Yard()
    yard.answer(yard.plan(session="s"), 1, answer_id="")
    plan = yard.plan(ANSWER, session="s")
    assert called(plan.ranked_candidates(NOW)) == [ALL[1], ALL[0], ALL[2]]
    unknown = status(404, message="Previous response with id 'resp_1' not found.")
    assert called([yard.fail(plan, unknown) for _ in ALL]) == [ALL[1], ALL[0], ALL[2]]
    assert plan.is_refusal(unknown)
    assert yard.router.cooldowns_to_dict(NOW, WALL) == {"targets": [], "keys": []}


def test_a_stored_part_of_an_answer_is_asked_of_the_pin() -> None:
    yard = Yard()
    yard.answer(yard.plan(session="s"), 2)
    assert called(yard.plan(ITEM, session="s").ranked_candidates(NOW)) == ["b/m"]
    assert called(yard.plan(ITEM, session="other").ranked_candidates(NOW)) == ALL


def test_a_file_stays_with_the_provider_that_has_accepted_it() -> None:
    yard = Yard()
    yard.answer(yard.plan(FILE), 1)
    assert called(yard.plan(FILE).ranked_candidates(NOW)) == [ALL[1], ALL[0]]


@pytest.mark.parametrize("number", [400, 404, 429, 500, 503])
def test_the_holders_own_error_is_the_clients(number: int) -> None:
    yard = Yard()
    yard.answer(yard.plan(), 1)
    plan = yard.plan(ANSWER)
    assert plan.is_refusal(status(number))
    yard.fail(plan, status(number))
    assert plan.next_candidate(NOW) is None


def test_but_not_that_its_key_is_refused() -> None:
    yard = Yard()
    yard.answer(yard.plan(), 1)
    assert not yard.plan(ANSWER).is_refusal(status(401))


def test_a_cooling_holder_is_the_last_resort() -> None:
    yard = Yard()
    yard.answer(yard.plan(), 2)
    yard.fail(yard.plan(ANSWER), status(503))
    plan = yard.plan(ANSWER)
    assert called(plan.ranked_candidates(NOW)) == []
    last = plan.next_candidate(NOW)
    assert last
    assert called([last]) == ["b/m"]


def test_a_limited_holder_states_its_wait() -> None:
    yard = Yard()
    yard.answer(yard.plan(), 1)
    yard.fail(yard.plan(ANSWER), status(429, retry_after=40.0))
    plan = yard.plan(ANSWER)
    assert plan.next_candidate(NOW) is None
    problem = plan.final_error(NOW, WALL)
    assert (problem.code, problem.retry_after) == (Code.RATE_LIMITED, 40.0)


def test_a_holder_that_is_no_longer_configured_is_ignored() -> None:
    yard = Yard()
    yard.answer(yard.plan(), 2)
    yard.router.update_settings(settings({"a": providers()["a"]}), NOW)
    assert called(yard.plan(ANSWER).ranked_candidates(NOW)) == ALL[:2]


def test_a_holder_without_the_model_is_named() -> None:
    yard = Yard()
    yard.router.state.issued_ids.record(["resp_1"], Pin("b", "m", None), NOW)
    yard.router.update_settings(settings({**providers(), "b": {**providers()["b"], "models": [{"id": "other"}]}}), NOW)
    plan = yard.plan(ANSWER)
    assert plan.next_candidate(NOW) is None
    assert "held by b" in plan.final_error(NOW, WALL).message


def test_a_converted_answer_has_no_holder() -> None:
    yard = Yard()
    spoken = {**providers(), "b": provider("https://b.test/v1", dialect="anthropic")}
    yard.router.update_settings(settings(spoken), NOW)
    yard.answer(yard.plan(), 2)
    assert called(yard.plan(ANSWER, document={"previous_response_id": "resp_1"}).ranked_candidates(NOW)) == ALL[:2]


def test_the_table_is_bounded_and_expires() -> None:
    table, pin = IssuedIds(), Pin("a", "m", None)
    table.record((str(n) for n in range(MAX_IDS + 1)), pin, NOW)
    assert table.find(["0"], NOW) is None
    assert table.find(["1"], NOW) is pin
    assert table.find([str(MAX_IDS)], NOW + LIFETIME) is None


def test_what_one_tick_takes_costs_the_same_however_many_wait() -> None:
    def calls_made(waiting: int) -> int:
        ids, calls = IssuedIds(), 0
        ids.share()
        ids.record(map(str, range(waiting)), Pin("a", "m", None), 0.0)

        def count(_: object, event: str, __: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        try:
            taken = ids.take_changed(5, 1.0)
        finally:
            sys.setprofile(None)
        assert len(taken) == 5
        return calls

    assert calls_made(5000) == calls_made(10)


def test_what_was_issued_to_one_client_is_not_found_by_another() -> None:
    """What an account has merely accepted belongs to no account, as several may have uploaded or shared it."""
    table, pin = IssuedIds(), Pin("a", "m", None)
    table.record(["resp_1"], pin, NOW, "anna")
    table.record(["resp_1", "file_1"], pin, NOW)
    assert table.find(["resp_1"], NOW, "anna") is pin
    assert table.find(["file_1"], NOW, "ci") is pin
    for other in ("ci", None):
        with pytest.raises(Problem) as caught:
            table.find(["resp_1"], NOW, other)
        assert caught.value.code is Code.NOT_FOUND


class TestStoredAnswers:
    """A request about a stored answer goes to its holder alone."""

    def test_the_model_that_gave_it_is_asked(self) -> None:
        yard = Yard()
        for place, answer_id, label in ((0, "resp_1", "a/m"), (2, "resp_2", "b/m")):
            yard.answer(yard.plan(), place, answer_id)
            plan = self.asked_for(yard, answer_id)
            assert [each.target.label for each in plan.ranked_candidates(NOW)] == [label]

    def test_where_several_may_hold_it_the_request_is_refused(self) -> None:
        with pytest.raises(Problem) as refused:
            self.asked_for(Yard(), "resp_unknown")
        assert refused.value.code is Code.NOT_FOUND

    def test_one_that_changes_nothing_is_sent_once_more(self) -> None:
        yard = Yard()
        yard.answer(yard.plan())
        for method, times in (("GET", 2), ("DELETE", 1)):
            plan = self.asked_for(yard, "resp_1", method)
            for _ in range(times):
                yard.fail(plan, status(503))
            assert plan.next_candidate(NOW) is None
            assert plan.final_error(NOW, WALL).code is Code.UPSTREAM_ERROR

    @staticmethod
    def asked_for(yard: Yard, answer_id: str, method: str = "GET") -> Plan:
        facts = RequestFacts("", False, frozenset(), 0, held=HeldIds(answers=(answer_id,)))
        return yard.router.stored_answer_plan(facts, RESPONSES, method, NOW)


class TestFilesAndBatches:
    """They are held by one account: its keys are asked in turn, and nothing else."""

    @staticmethod
    def plan(yard: Yard, named: str = "a") -> Plan:
        return yard.router.account_plan(RequestFacts("", False, frozenset(), 0), RESPONSES, named, NOW)

    def test_the_accounts_own_error_is_the_answer_except_for_a_refused_key(self) -> None:
        plan = self.plan(Yard())
        for code in (400, 404, 500, 503):
            assert plan.is_final(status(code)), code
        assert not plan.is_final(status(401))
        assert not plan.is_final(Fault(FaultKind.RESET))

    def test_the_client_has_to_name_one_of_several(self) -> None:
        for named in ("", "c"):
            with pytest.raises(Problem) as refused:
                self.plan(Yard(), named)
            assert refused.value.code is Code.INVALID_REQUEST

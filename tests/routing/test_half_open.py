"""What happens when a cooldown ends: one exchange tries, the others go elsewhere until it has content."""

from random import Random

import pytest

from pointsman.domain.records import Outcome
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.wire.errors import Fault, FaultKind
from routing.routing_builders import pin_on, status
from routing.session_driver import DrivenExchange, SessionDriver
from support.audit_records import attempt_record
from support.settings import provider

PROVIDERS = {"a": provider("https://a.test/v1", keys=["sk-one-secret"]), "b": provider("https://b.test/v1")}
TIMEOUT = Fault(FaultKind.FIRST_BYTE_TIMEOUT)
FAULTS = pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (TIMEOUT, 15.0),
        (status(404, code="model_not_found", message="The model `m` does not exist"), 300.0),
        (status(429), 90.0),
        (status(401), 300.0),
    ],
    ids=["target", "gone", "one model of a key", "key"],
)


def cooled(fault: Fault, seconds: float, providers: dict[str, dict[str, object]] = PROVIDERS) -> SessionDriver:
    """Ten sessions are pinned to a/m, which failed and whose cooldown has just ended."""
    talks = SessionDriver(providers, protection={"a": "off"})
    assert talks.ask("first", "a/m").fail(fault)
    for name in "0123456789":
        talks.ask(name).plan.binding.set_pin(pin_on(talks.router, "a/m"), talks.now)
    talks.now += seconds
    return talks


def launch_all(talks: SessionDriver) -> tuple[list[DrivenExchange], list[str | None]]:
    exchanges = [talks.ask(name) for name in "0123456789"]
    return exchanges, [each.launch() for each in exchanges]


def leave(own: DrivenExchange, outcome: Outcome) -> None:
    """The attempt in flight ends without a verdict."""
    candidate = own.running.pop(own.n)
    own.plan.on_settled(candidate, attempt_record(n=own.n, outcome=outcome, first_content_ms=None), None, own.talks.now)


@FAULTS
def test_one_of_ten_pinned_sessions_tries_and_the_others_go_elsewhere(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds)
    exchanges, launched = launch_all(talks)
    assert launched == ["a/m#key-1", *["b/m"] * 9]
    [row] = [each for each in exchanges[5].plan.exclusions(talks.now) if each.reason is ExclusionReason.HALF_OPEN]
    assert row.detail == "another request is trying it"
    assert not exchanges[0].plan.exclusions(talks.now), "it is not in its own way"

    exchanges[0].settle()
    assert talks.ask("another", "a/m").launch() == "a/m#key-1", "it is over for all"
    assert talks.ask("one more", "a/m").launch() == "a/m#key-1"


@FAULTS
def test_its_first_content_is_enough(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds)
    exchanges, _ = launch_all(talks)
    exchanges[0].plan.on_committed(exchanges[0].running[1], talks.now)
    assert talks.ask("another", "a/m").launch() == "a/m#key-1"
    assert not talks.ask("another", "a/m").plan.exclusions(talks.now)


@FAULTS
def test_if_it_fails_too_the_cooldown_begins_again(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds)
    exchanges, _ = launch_all(talks)
    exchanges[0].settle(fault)
    told = talks.router.cooldowns_to_dict(talks.now, talks.now)
    [row] = [*told["targets"], *told["keys"]]
    doubles = row["reason"] in ("rate_limit", "model_gone")
    assert (row["since"], row["until"]) == (talks.now, talks.now + seconds * (2 if doubles else 1))
    talks.now = row["until"]
    assert launch_all(talks)[1] == ["a/m#key-1", *["b/m"] * 9]


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_ABORT, Outcome.HEDGE_LOSER_CANCELLED])
@FAULTS
def test_if_it_ends_without_a_verdict_the_next_one_tries(fault: Fault, seconds: float, outcome: Outcome) -> None:
    talks = cooled(fault, seconds)
    exchanges, _ = launch_all(talks)
    leave(exchanges[0], outcome)
    assert launch_all(talks)[1][0] == "a/m#key-1"


@FAULTS
def test_an_exchange_that_is_discarded_frees_it(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds)
    exchanges, _ = launch_all(talks)
    exchanges[0].plan.discard()
    assert talks.ask("0").launch() == "a/m#key-1"


@FAULTS
def test_a_refusal_of_the_request_is_no_verdict(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds)
    exchanges, _ = launch_all(talks)
    exchanges[0].settle(status(400))
    assert talks.ask("0").launch() == "a/m#key-1"


@FAULTS
def test_where_nothing_else_is_left_the_others_follow(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds, {"a": PROVIDERS["a"]})
    exchanges, launched = launch_all(talks)
    assert launched == ["a/m#key-1"] * 10
    candidate = exchanges[1].running[1]
    why = talks.ask("1").plan.selection_reason(candidate, talks.now, talks.now)
    assert why == "last_resort: half_open (another request is trying it)"


@FAULTS
def test_it_survives_a_reload(fault: Fault, seconds: float) -> None:
    talks = cooled(fault, seconds)
    exchanges, _ = launch_all(talks)
    talks.router.update_settings(talks.router.settings, talks.now)
    assert talks.ask("another", "a/m").plan.ranked_candidates(talks.now)
    assert not list(talks.ask("another", "a/m").plan.ranked_candidates(talks.now))
    exchanges[0].settle()
    assert list(talks.ask("another", "a/m").plan.ranked_candidates(talks.now))


def test_two_exchanges_never_try_at_once_unless_nothing_else_is_left() -> None:
    rng = Random(20)
    talks = cooled(TIMEOUT, 15.0)
    running: list[DrivenExchange] = []
    for step in range(300):
        talks.now += rng.choice([0.0, 1.0, 16.0])
        own = talks.ask(f"session {step}")
        if own.launch():
            running.append(own)
        trying = {each.plan._exclusions for each in running if each.running[each.n].target.label == "a/m"}
        assert sum(slot.trial in trying for slot in talks.router.cooldowns._targets._slots.values()) <= 1
        if rng.random() < 0.7:
            done = running.pop(rng.randrange(len(running)))
            if rng.random() < 0.4:
                leave(done, Outcome.CLIENT_ABORT)
            else:
                fails = done.running[done.n].target.label == "a/m" and rng.random() < 0.5
                done.settle(TIMEOUT if fails else None)
    for each in running:
        leave(each, Outcome.CLIENT_ABORT)
    talks.now += 16
    assert talks.ask("last", "a/m").launch() == "a/m#key-1"
    assert talks.router.cooldowns_to_dict(talks.now, talks.now) == {"targets": [], "keys": []}

"""Cooldowns: what they are charged to, how long, how they add up, what ends them, and who tries what has cooled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import CooldownSettings as Durations
from pointsman.domain.failures import Scope
from pointsman.domain.targets import Candidate
from pointsman.routing.cooldowns import GUESS_RETRY, MAX_STATED, Cooldown, CooldownTable, Wait
from routing.routing_builders import inventory
from support.settings import provider

NOW = 1000.0
HOUR = 3600.0
ALL = inventory(
    {
        "a": provider("https://a.test/v1", "m", "n", keys=["sk-first-secret", "sk-second-secret"]),
        "open": provider("https://open.test/v1", "owner/owl"),
    }
)
AM1, AM2, AN1, AN2, OWL = [each for target in ALL.targets for each in ALL.keys[target]]
DOUBLING = Wait(90.0, HOUR)
SCOPES = pytest.mark.parametrize("scope", [Scope.TARGET, Scope.KEY, Scope.MODEL_OF_KEY])


@pytest.fixture
def own() -> CooldownTable:
    return CooldownTable(Durations())


def cool(own: CooldownTable, scope: Scope, seconds: float, now: float = NOW, reason: str = "503") -> Cooldown:
    cooldown = own.cool(AM1, scope, reason, Wait(seconds), now)
    assert cooldown
    return cooldown


def closed(own: CooldownTable, now: float = NOW) -> list[Candidate]:
    """Those that may not be used, because they cool or because another one tries them."""
    return [
        each
        for each in (AM1, AM2, AN1, AN2, OWL)
        if own.target_cooldown(each.target.label, now)
        or own.candidate_cooldown(each, now)
        or own.is_target_tried(each.target.label, None, now)
        or own.is_key_tried(each, None, now)
    ]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [(Scope.TARGET, [AM1, AM2]), (Scope.KEY, [AM1, AN1]), (Scope.MODEL_OF_KEY, [AM1])],
    ids=["a target", "a key", "one model of a key"],
)
def test_a_scope_closes_no_more_than_itself(own: CooldownTable, scope: Scope, expected: list[Candidate]) -> None:
    cool(own, scope, 15.0)
    assert closed(own) == expected
    assert closed(own, NOW + 14.9) == expected
    assert closed(own, NOW + 15) == []


class TestLengths:
    @SCOPES
    def test_a_repeated_failure_extends_it_and_it_has_begun_with_the_first(
        self, own: CooldownTable, scope: Scope
    ) -> None:
        cool(own, scope, 15.0)
        cooldown = cool(own, scope, 15.0, NOW + 10, "empty")
        assert (cooldown.reason, cooldown.since, cooldown.until) == ("empty", NOW, NOW + 25)

    @SCOPES
    def test_a_shorter_one_does_not_shorten_it(self, own: CooldownTable, scope: Scope) -> None:
        cool(own, scope, HOUR, reason="model_gone")
        cooldown = cool(own, scope, 15.0, NOW + 10)
        assert (cooldown.reason, cooldown.until) == ("model_gone", NOW + HOUR)

    @SCOPES
    def test_it_doubles_up_to_its_bound(self, own: CooldownTable, scope: Scope) -> None:
        now, seconds = NOW, []
        for _ in range(9):
            cooldown = own.cool(AM1, scope, "rate_limit", DOUBLING, now)
            assert cooldown
            seconds.append(cooldown.until - now)
            now = cooldown.until
        assert seconds == [90, 180, 360, 720, 1440, 2880, 3600, 3600, 3600]

    def test_a_bound_below_what_is_written_does_not_shorten_it(self, own: CooldownTable) -> None:
        cooldown = own.cool(AM1, Scope.KEY, "rate_limit", Wait(2 * HOUR, HOUR), NOW)
        assert cooldown
        assert cooldown.until == NOW + 2 * HOUR

    def test_requests_that_were_in_flight_together_count_once(self, own: CooldownTable) -> None:
        for _ in range(10):
            own.cool(AM1, Scope.MODEL_OF_KEY, "rate_limit", DOUBLING, NOW)
        cooldown = own.candidate_cooldown(AM1, NOW)
        assert cooldown
        assert cooldown.until == NOW + 90

    def test_a_good_answer_ends_the_doubling(self, own: CooldownTable) -> None:
        own.cool(AM1, Scope.KEY, "rate_limit", DOUBLING, NOW)
        own.on_success(AM1, NOW + 90)
        cooldown = own.cool(AM1, Scope.KEY, "rate_limit", DOUBLING, NOW + 100)
        assert cooldown
        assert cooldown.until == NOW + 190

    def test_no_time_is_none(self, own: CooldownTable) -> None:
        assert own.cool(AM1, Scope.TARGET, "503", Wait(0.0), NOW) is None
        assert closed(own) == []

    def test_the_longer_of_a_key_and_one_model_of_it_counts(self, own: CooldownTable) -> None:
        cool(own, Scope.KEY, 20.0, reason="whole")
        cool(own, Scope.MODEL_OF_KEY, 10.0, reason="part")
        longer = own.candidate_cooldown(AM1, NOW)
        assert longer
        assert longer.reason == "whole"
        cool(own, Scope.MODEL_OF_KEY, 30.0, reason="part")
        longer = own.candidate_cooldown(AM1, NOW)
        assert longer
        assert longer.reason == "part"


class TestTrials:
    """When a cooldown has ended, one tries."""

    @SCOPES
    def test_others_wait_until_it_has_its_first_content(self, own: CooldownTable, scope: Scope) -> None:
        cool(own, scope, 15.0)
        expected, later = closed(own), NOW + 15
        own.begin_trial(AM1, "one", later)
        assert closed(own, later) == expected
        assert not own.is_target_tried("a/m", "one", later), "not in its own way"
        assert not own.is_key_tried(AM1, "one", later)
        own.begin_trial(AM1, "two", later)
        own.end_trial(AM1, "two", has_passed=True)
        assert closed(own, later) == expected, "it was not the one that tries"
        own.end_trial(AM1, "one", has_passed=True)
        assert closed(own, later) == []
        own.begin_trial(AM1, "three", later)
        assert closed(own, later) == [], "it is over for all"

    @SCOPES
    def test_a_failure_begins_it_again(self, own: CooldownTable, scope: Scope) -> None:
        cool(own, scope, 15.0)
        expected, later = closed(own), NOW + 15
        own.begin_trial(AM1, "one", later)
        cooldown = cool(own, scope, 15.0, later)
        own.end_trial(AM1, "one")
        assert (cooldown.since, cooldown.until) == (later, later + 15)
        assert closed(own, later + 14.9) == expected
        assert closed(own, later + 15) == []

    @SCOPES
    def test_without_a_verdict_the_next_one_tries(self, own: CooldownTable, scope: Scope) -> None:
        cool(own, scope, 15.0)
        own.begin_trial(AM1, "one", NOW + 15)
        own.end_trial(AM1, "one")
        assert closed(own, NOW + 15) == []
        own.begin_trial(AM1, "two", NOW + 15)
        assert closed(own, NOW + 15)

    def test_what_cools_is_not_on_trial(self, own: CooldownTable) -> None:
        cool(own, Scope.TARGET, 15.0)
        own.begin_trial(AM1, "one", NOW + 1)
        own.end_trial(AM1, "one", has_passed=True)
        assert own.target_cooldown("a/m", NOW + 1)

    def test_the_one_that_tries_says_nothing_of_what_has_failed_since(self, own: CooldownTable) -> None:
        cool(own, Scope.TARGET, 15.0)
        own.begin_trial(AM1, "one", NOW + 15)
        cool(own, Scope.TARGET, 15.0, NOW + 16)
        own.end_trial(AM1, "one", has_passed=True)
        assert own.target_cooldown("a/m", NOW + 20)

    @SCOPES
    def test_it_goes_on_where_another_one_has_failed_meanwhile(self, own: CooldownTable, scope: Scope) -> None:
        cool(own, scope, 15.0)
        own.begin_trial(AM1, "one", NOW + 15)
        cool(own, scope, 15.0, NOW + 16)
        own.begin_trial(AM1, "two", NOW + 31)
        assert own.is_target_tried("a/m", "two", NOW + 31) or own.is_key_tried(AM1, "two", NOW + 31)
        own.end_trial(AM1, "one")
        assert closed(own, NOW + 31) == []


class TestGuessedEnds:
    """A day-long cooldown whose end the provider has not stated."""

    DAY = Wait(10 * HOUR, is_guess=True)

    def test_one_tries_each_hour_and_a_failure_continues_it_to_its_end(self, own: CooldownTable) -> None:
        own.cool(AM1, Scope.KEY, "quota", self.DAY, NOW)
        tried, now = [], NOW
        while now < NOW + 10 * HOUR:
            if not closed(own, now):
                tried.append(now - NOW)
                own.begin_trial(AM1, now, now)
                assert closed(own, now)
                left = Wait(NOW + 10 * HOUR - now, is_guess=True)
                cooldown = own.cool(AM1, Scope.KEY, "quota", left, now)
                own.end_trial(AM1, now)
                assert cooldown
                assert (cooldown.since, cooldown.until) == (NOW, NOW + 10 * HOUR)
            now += 60
        assert tried == [HOUR * n for n in range(1, 10)]
        assert closed(own, NOW + 10 * HOUR) == []

    def test_a_shorter_limit_in_a_trial_leaves_the_end_as_it_was(self, own: CooldownTable) -> None:
        own.cool(AM1, Scope.KEY, "quota", self.DAY, NOW)
        cooldown = own.cool(AM1, Scope.KEY, "rate_limit", Wait(90.0), NOW + HOUR)
        assert cooldown
        assert (cooldown.reason, cooldown.until) == ("quota", NOW + 10 * HOUR)
        assert cooldown.next_try == NOW + HOUR + GUESS_RETRY

    def test_a_stated_end_holds(self, own: CooldownTable) -> None:
        own.cool(AM1, Scope.KEY, "quota", Wait(5 * HOUR), NOW)
        cooldown = own.cool(AM1, Scope.KEY, "quota", self.DAY, NOW)
        assert cooldown
        assert (cooldown.next_try, cooldown.until) == (NOW + 5 * HOUR, NOW + 10 * HOUR)

    def test_it_is_listed_to_its_end(self, own: CooldownTable) -> None:
        own.cool(AM1, Scope.KEY, "quota", self.DAY, NOW)
        [row] = own.to_dict(ALL.key_labels, NOW + 2 * HOUR, NOW + 2 * HOUR)["keys"]
        assert row["until"] == NOW + 10 * HOUR


class TestWhatWorked:
    def test_a_key_is_invalid_until_it_works_again(self, own: CooldownTable) -> None:
        cool(own, Scope.KEY, 300.0, reason="key_invalid")
        assert own.key_cooldown(AM1.key_id, NOW + 300) is None
        assert AM1.key_id in own.invalid_keys
        own.on_success(AM1, NOW + 301)
        assert AM1.key_id not in own.invalid_keys

    @SCOPES
    def test_what_was_asked_before_a_failure_says_nothing_about_it(self, own: CooldownTable, scope: Scope) -> None:
        cool(own, scope, 15.0, reason="key_invalid")
        own.on_success(AM1, NOW - 1)
        assert AM1 in closed(own, NOW + 1)
        own.on_success(AM1, NOW + 1)
        assert closed(own, NOW + 1) == []
        assert not own.invalid_keys

    def test_a_key_that_is_accepted_has_no_cooldowns_left(self, own: CooldownTable) -> None:
        cool(own, Scope.KEY, 300.0, reason="key_invalid")
        own.cool(AM1, Scope.MODEL_OF_KEY, "quota", Wait(HOUR), NOW)
        own.cool(AN1, Scope.MODEL_OF_KEY, "quota", Wait(HOUR), NOW)
        own.cool(AM2, Scope.MODEL_OF_KEY, "quota", Wait(HOUR), NOW)
        assert own.on_key_accepted(AM1.key_id, NOW) == 3
        assert closed(own) == [AM2]
        assert not own.invalid_keys


class TestLifting:
    @pytest.fixture
    def own(self) -> CooldownTable:
        own = CooldownTable(Durations())
        for scope in (Scope.TARGET, Scope.KEY, Scope.MODEL_OF_KEY):
            cool(own, scope, 300.0, reason="key_invalid")
        own.cool(AN2, Scope.MODEL_OF_KEY, "rate_limit", Wait(90.0), NOW)
        own.cool(OWL, Scope.TARGET, "503", Wait(15.0), NOW)
        return own

    @pytest.mark.parametrize(
        ("model", "key", "cleared", "left"),
        [
            (None, None, 4, [OWL]),
            ("m", None, 2, [AM1, AN1, AN2, OWL]),
            (None, AM1, 2, [AM1, AM2, AN2, OWL]),
            ("m", AM1, 1, [AM1, AM2, AN1, AN2, OWL]),
            ("n", AN2, 1, [AM1, AM2, AN1, OWL]),
            ("absent", None, 0, [AM1, AM2, AN1, AN2, OWL]),
        ],
    )
    def test_what_is_named_is_forgotten(
        self, own: CooldownTable, model: str | None, key: Candidate | None, cleared: int, left: list[Candidate]
    ) -> None:
        assert own.lift("a", model, None if key is None else {key.key_id}, NOW) == cleared
        assert closed(own) == left
        assert bool(own.invalid_keys) == (model is not None or cleared == 0)

    def test_all_can_be_forgotten_at_once(self, own: CooldownTable) -> None:
        assert own.clear(NOW) == 5
        assert own.to_dict({}, NOW, 0.0) == {"targets": [], "keys": []}
        assert not own.invalid_keys

    def test_what_is_no_longer_configured_is_forgotten(self, own: CooldownTable) -> None:
        own.keep_only({"a/m", "a/n"}, {AN2.key_id})
        assert closed(own) == [AM1, AM2, AN2]
        own.keep_only({"a/n"}, {AM1.key_id})
        assert closed(own) == []


def test_they_are_listed_in_plain_json_with_times_on_the_wall(own: CooldownTable) -> None:
    own.cool(OWL, Scope.TARGET, "503", Wait(15.0), NOW)
    cool(own, Scope.KEY, 300.0, reason="key_invalid")
    own.cool(OWL, Scope.MODEL_OF_KEY, "quota", Wait(60.0), NOW)
    since = NOW + 5000
    assert own.to_dict(ALL.key_labels, NOW, since) == {
        "targets": [
            {"provider": "open", "model": "owner/owl", "reason": "503", "since": since, "until": since + 15},
        ],
        "keys": [
            {
                "provider": "a", "key": "key-1", "model": None, "reason": "key_invalid",
                "since": since, "until": since + 300, "invalid": True,
            },
            {
                "provider": "open", "key": None, "model": "owner/owl", "reason": "quota",
                "since": since, "until": since + 60, "invalid": False,
            },
        ],
    }  # fmt: skip
    assert own.to_dict(ALL.key_labels, NOW + 300, since + 300) == {"targets": [], "keys": []}
    assert own.clear(NOW + 300) == 0


WHAT = st.one_of(
    st.tuples(
        st.just("fail"),
        st.sampled_from([Scope.TARGET, Scope.KEY, Scope.MODEL_OF_KEY]),
        st.sampled_from([Wait(0.0), Wait(15.0), DOUBLING, Wait(30 * HOUR), Wait(9 * HOUR, is_guess=True)]),
    ),
    st.tuples(st.sampled_from(["begin", "pass", "leave", "succeed"]), st.none(), st.none()),
)
STEPS = st.lists(
    st.tuples(st.sampled_from([AM1, AM2, AN1, AN2, OWL]), st.integers(0, 2), st.floats(0, 5000), WHAT), max_size=60
)


@given(STEPS)
def test_whatever_happens_at_most_one_tries_and_nothing_is_lost(
    steps: list[tuple[Candidate, int, float, tuple[str, Scope | None, Wait | None]]],
) -> None:
    own, now, running = CooldownTable(Durations()), NOW, dict[tuple[Candidate, int], float]()
    for candidate, holder, passes, (act, scope, wait) in steps:
        now += passes
        match act:
            case "begin":
                own.begin_trial(candidate, holder, now)
                running.setdefault((candidate, holder), now)
            case "succeed":
                own.on_success(candidate, running.get((candidate, holder), now))
            case "fail":
                assert scope
                assert wait
                until = {each: _until(own, each, scope, now) for each in (AM1, AM2, AN1, AN2, OWL)}
                own.cool(candidate, scope, "503", wait, now)
                assert all(_until(own, each, scope, now) >= before for each, before in until.items()), "later end wins"
                own.end_trial(candidate, holder)
            case _:
                own.end_trial(candidate, holder, has_passed=act == "pass")
        if act != "begin":
            running.pop((candidate, holder), None)
        for each in (AM1, AM2, AN1, AN2, OWL):
            for cooldown in (own.target_cooldown(each.target.label, now), own.candidate_cooldown(each, now)):
                assert cooldown is None or cooldown.since <= now < cooldown.next_try <= cooldown.until
                assert cooldown is None or cooldown.until <= now + MAX_STATED
    for candidate, holder in list(running):
        own.end_trial(candidate, holder)
    assert closed(own, now + MAX_STATED) == [], "no trial outlives its exchange"


def _until(own: CooldownTable, candidate: Candidate, scope: Scope, now: float) -> float:
    of_target, of_key = own.target_cooldown(candidate.target.label, now), own.candidate_cooldown(candidate, now)
    found = of_target if scope is Scope.TARGET else of_key
    return found.next_try if found else 0.0

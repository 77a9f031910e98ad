"""Cooldowns: how long, how they add up, and what ends them."""

import pytest

from pointsman.config import CooldownSettings as Durations
from pointsman.routing.cooldowns import CooldownTable

NOW = 1000.0
KEY = ("a", "key-1")


@pytest.fixture
def own() -> CooldownTable:
    return CooldownTable(Durations())


class TestTargets:
    def test_one_ends_by_itself(self, own: CooldownTable) -> None:
        own.cool_target("a/m", "503", 15.0, NOW)
        assert own.target_cooldown("a/m", NOW + 14.9)
        assert own.target_cooldown("a/m", NOW + 15) is None
        assert own.target_cooldown("b/m", NOW) is None

    def test_a_repeated_failure_extends_it_and_it_has_begun_with_the_first(self, own: CooldownTable) -> None:
        own.cool_target("a/m", "503", 15.0, NOW)
        own.cool_target("a/m", "empty", 15.0, NOW + 10)
        cooldown = own.target_cooldown("a/m", NOW + 20)
        assert cooldown
        assert (cooldown.reason, cooldown.since, cooldown.until) == ("empty", NOW, NOW + 25)

    def test_a_shorter_one_does_not_shorten_it(self, own: CooldownTable) -> None:
        own.cool_target("a/m", "model_gone", 3600.0, NOW)
        own.cool_target("a/m", "503", 15.0, NOW + 10)
        cooldown = own.target_cooldown("a/m", NOW + 20)
        assert cooldown
        assert (cooldown.reason, cooldown.until) == ("model_gone", NOW + 3600)


class TestRateLimits:
    def test_without_a_stated_time_they_double_up_to_an_hour(self, own: CooldownTable) -> None:
        now, seconds = NOW, []
        for _ in range(9):
            cooldown = own.cool_rate_limited(KEY, None, now)
            assert cooldown
            seconds.append(cooldown.until - now)
            now = cooldown.until
        assert seconds == [90, 180, 360, 720, 1440, 2880, 3600, 3600, 3600]

    def test_requests_that_were_in_flight_together_count_once(self, own: CooldownTable) -> None:
        for _ in range(10):
            own.cool_rate_limited(KEY, None, NOW)
        cooldown = own.key_cooldown(KEY, NOW)
        assert cooldown
        assert cooldown.until == NOW + 90

    def test_a_good_answer_ends_the_doubling(self, own: CooldownTable) -> None:
        own.cool_rate_limited(KEY, None, NOW)
        own.on_success("a/m", KEY, NOW + 90)
        cooldown = own.cool_rate_limited(KEY, None, NOW + 100)
        assert cooldown
        assert cooldown.until == NOW + 190


class TestWhatWorked:
    def test_a_key_is_invalid_until_it_works_again(self, own: CooldownTable) -> None:
        own.cool_invalid(KEY, NOW)
        assert own.key_cooldown(KEY, NOW + 300) is None
        assert KEY in own.invalid_keys
        own.on_success("a/m", KEY, NOW + 301)
        assert KEY not in own.invalid_keys

    def test_what_was_asked_before_a_failure_says_nothing_about_it(self, own: CooldownTable) -> None:
        own.cool_target("a/m", "503", 15.0, NOW)
        own.cool_invalid(KEY, NOW)
        own.on_success("a/m", KEY, NOW - 1)
        assert own.target_cooldown("a/m", NOW + 1)
        assert own.key_cooldown(KEY, NOW + 1)
        assert KEY in own.invalid_keys
        own.on_success("a/m", KEY, NOW + 1)
        assert own.to_dict(NOW + 1, 0.0) == {"targets": [], "keys": []}


def test_they_are_told_in_plain_json_with_times_on_the_wall(own: CooldownTable) -> None:
    own.cool_target("openrouter/openrouter/owl", "503", 15.0, NOW)
    own.cool_invalid(KEY, NOW)
    own.cool_quota(("b", None), None, NOW, 86_400.0 * 5 - 60)
    offset = 5000.0
    assert own.to_dict(NOW, NOW + offset) == {
        "targets": [
            {
                "provider": "openrouter",
                "model": "openrouter/owl",
                "reason": "503",
                "since": NOW + offset,
                "until": NOW + offset + 15,
            }
        ],
        "keys": [
            {
                "provider": "a",
                "key": "key-1",
                "reason": "key_invalid",
                "since": NOW + offset,
                "until": NOW + offset + 300,
                "invalid": True,
            },
            {
                "provider": "b",
                "key": None,
                "reason": "quota",
                "since": NOW + offset,
                "until": NOW + offset + 60,
                "invalid": False,
            },
        ],
    }


def test_those_that_are_over_are_not_told_and_not_kept(own: CooldownTable) -> None:
    own.cool_target("a/m", "503", 15.0, NOW)
    assert own.to_dict(NOW + 15, 0.0) == {"targets": [], "keys": []}
    assert own.clear(NOW + 15) == 0


def test_all_can_be_forgotten_at_once(own: CooldownTable) -> None:
    own.cool_target("a/m", "503", 15.0, NOW)
    own.cool_invalid(KEY, NOW)
    assert own.clear(NOW) == 2
    assert own.to_dict(NOW, 0.0) == {"targets": [], "keys": []}
    assert not own.invalid_keys

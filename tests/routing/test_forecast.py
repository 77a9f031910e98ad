"""When daily limits will be used up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import LimitSettings
from pointsman.domain.usage_window import STEPS_PER_WINDOW, UsageWindow
from pointsman.routing.forecast import HOURS_LIFETIME, MAX_HOURS, QuotaHours, forecast, pace, used_up_at
from pointsman.routing.limits import DAY, RateLimits

HOUR, STEP = 3600.0, DAY / STEPS_PER_WINDOW
NOW = 100 * DAY


def used(*uses: tuple[float, int]) -> UsageWindow:
    """So many hours before now, so much."""
    window = UsageWindow(DAY)
    for ago, amount in sorted(uses, reverse=True):
        window.add(amount, NOW - ago * HOUR)
    return window


@pytest.mark.parametrize(
    ("uses", "per_hour"),
    [
        ([(2, 100), (1, 100)], 100),
        ([(0, 40)], 100),  # the first minutes count as 24
        ([(20, 5000), (3, 100), (2, 100)], 50),  # the last four hours, not the night
        ([(20, 5000)], 0),
        ([], 0),
    ],
)
def test_the_pace_is_that_of_the_last_hours(uses: list[tuple[float, int]], per_hour: float) -> None:
    assert pace([used(*uses)], NOW) * HOUR == pytest.approx(per_hour, rel=0.05)


def test_what_is_left_by_the_pace() -> None:
    told = forecast("rpd", used((2, 100), (1, 100)), 1000, NOW)
    assert (told.used, told.limit) == (200, 1000)
    assert told.used_up_at == pytest.approx(NOW + 8 * HOUR, rel=1e-4)


def test_a_limit_that_the_provider_states_counts() -> None:
    window = used((2, 100), (1, 100))
    window.stated = 600
    assert forecast("rpd", window, 1000, NOW).limit == 600


def test_what_expires_makes_room_again() -> None:
    window = used((23, 850), (1, 50))
    assert used_up_at(window, 1000, 100 / HOUR, NOW) == pytest.approx(NOW + HOUR, rel=1e-6)
    later = used_up_at(window, 1000, 45 / HOUR, NOW)
    assert later is not None
    assert later - NOW > 20 * HOUR, "the 850 have expired by then"
    assert used_up_at(window, 1000, 10 / HOUR, NOW) is None


def test_nothing_left_is_now_and_nothing_asked_is_never() -> None:
    assert used_up_at(used((1, 1000)), 1000, 0.0, NOW) == NOW
    assert used_up_at(UsageWindow(DAY), 1000, 0.0, NOW) is None


@given(
    st.lists(st.tuples(st.integers(0, STEPS_PER_WINDOW - 1), st.integers(1, 90)), max_size=20),
    st.integers(0, 60),
)
def test_it_comes_true(uses: list[tuple[int, int]], per_step: int) -> None:
    """Where requests go on so, the window is full in the step that was foretold, and not before."""
    limit, window = 1000, used(*((step * STEP / HOUR, amount) for step, amount in uses))
    if window.used(NOW) >= limit:
        return
    foretold = used_up_at(window, limit, per_step / STEP, NOW)
    for step in range(STEPS_PER_WINDOW + 1):
        moment = NOW + step * STEP
        window.add(per_step, moment)
        if window.used(moment) >= limit:
            assert foretold is not None
            assert abs(foretold - moment) <= 2 * STEP
            return
    assert foretold is None or foretold > NOW + (STEPS_PER_WINDOW - 1) * STEP


class TestKeys:
    PLACES = (("a/m", "one"), ("a/m", "two"))
    LIMITS = LimitSettings(rpd=1000)

    def hours(self, *uses: int) -> list[int]:
        limits = RateLimits()
        for place, amount in zip(self.PLACES, uses, strict=True):
            for _ in range(amount):
                limits.lease(place, self.LIMITS, 10, NOW - 2 * HOUR)
        known = QuotaHours(limits)
        first = known.of("a/m", self.PLACES, self.LIMITS, NOW)
        for _ in range(600):
            limits.lease(self.PLACES[0], self.LIMITS, 10, NOW)
        assert known.of("a/m", self.PLACES, self.LIMITS, NOW + HOURS_LIFETIME / 2) == first
        assert known.of("a/m", self.PLACES, self.LIMITS, NOW + HOURS_LIFETIME) != first
        return [first[place] for place in self.PLACES]

    def test_each_as_if_it_took_all_requests(self) -> None:
        assert self.hours(400, 100) == [2, 4]  # 600 and 900 left, 250 an hour

    def test_where_nothing_is_limited_by_day_all_last(self) -> None:
        known = QuotaHours(RateLimits())
        assert known.of("a/m", self.PLACES, LimitSettings(rpm=5), NOW) == dict.fromkeys(self.PLACES, MAX_HOURS)

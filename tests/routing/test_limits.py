"""Rate limits: sliding windows that count what is in flight, are corrected by what was used, and are lowered by stated
limits.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import LimitSettings as Configured
from pointsman.domain.usage_window import STEPS_PER_WINDOW, UsageWindow
from pointsman.routing.limits import MINUTE, RateLimits

NOW = 6000.0
PLACE = ("a/m", "key-1")


def configured(**limits: int) -> Configured:
    return Configured(**limits)


class TestWindow:
    def test_what_was_used_is_forgotten_when_it_is_as_old_as_the_window_is_long(self) -> None:
        window = UsageWindow(MINUTE)
        window.add(3, NOW)
        window.add(4, NOW + 30)
        assert [window.used(NOW + at) for at in (30, 60, 61, 90, 91)] == [7, 7, 4, 4, 0]

    @pytest.mark.parametrize(
        ("amount", "frees"), [(1, NOW + 40), (3, NOW + 40), (4, NOW + 61), (6, NOW + 61), (7, NOW + 91), (99, NOW + 91)]
    )
    def test_it_says_when_there_is_room_again(self, amount: int, frees: float) -> None:
        window = UsageWindow(MINUTE)
        window.add(3, NOW)
        window.add(4, NOW + 30)
        assert window.frees_at(amount, 10, NOW + 40) == frees

    def test_what_is_larger_than_the_limit_fits_when_nothing_else_is_there(self) -> None:
        assert UsageWindow(MINUTE).frees_at(99, 10, NOW) == NOW

    @given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5), st.integers(-5, 9)), max_size=200))
    def test_no_more_than_the_limit_within_any_span_and_never_less_than_nothing(
        self, given: list[tuple[float, int, int]]
    ) -> None:
        window, now, took = UsageWindow(MINUTE), NOW, []
        for pause, amount, correction in given:
            now += pause
            if window.frees_at(amount, 10, now) <= now:
                step = window.add(amount, now)
                window.correct(max(correction, -amount), step)
                took.append((now, amount + max(correction, -amount), max(0, correction)))
            assert window.used(now) >= 0
            assert len(window) <= STEPS_PER_WINDOW + 2
            late = sum(beyond for at, _, beyond in took if at > now - MINUTE)
            assert sum(used for at, used, _ in took if at > now - MINUTE) <= 10 + late


class TestLimits:
    def test_what_is_in_flight_counts_at_once(self) -> None:
        own, limits = RateLimits(), configured(rpm=2)
        for _ in range(2):
            assert own.frees_at(PLACE, limits, 10, NOW) == NOW
            own.lease(PLACE, limits, 10, NOW)
        assert own.frees_at(PLACE, limits, 10, NOW) == NOW + 61
        assert own.frees_at(("a/m", "key-2"), limits, 10, NOW) == NOW, "another key has a limit of its own"

    @pytest.mark.parametrize(("used", "room"), [(None, 600), (50, 950), (900, 100), (1000, 0)])
    def test_an_estimate_is_corrected_by_what_was_used(self, used: int | None, room: int) -> None:
        own, limits = RateLimits(), configured(tpm=1000)
        lease = own.lease(PLACE, limits, 400, NOW)
        own.settle(lease, used, reached=True)
        assert own.frees_at(PLACE, limits, room, NOW) == NOW
        assert own.frees_at(PLACE, limits, room + 1, NOW) > NOW

    def test_a_request_that_never_arrived_has_used_nothing(self) -> None:
        own, limits = RateLimits(), configured(rpm=1, rpd=1, tpm=100, tpd=100)
        own.settle(own.lease(PLACE, limits, 100, NOW), None, reached=False)
        assert own.frees_at(PLACE, limits, 100, NOW) == NOW
        assert own.headroom(PLACE, limits, NOW) == 1.0

    def test_a_correction_that_comes_when_its_step_is_forgotten_changes_nothing(self) -> None:
        own, limits = RateLimits(), configured(tpm=100)
        lease = own.lease(PLACE, limits, 90, NOW)
        own.lease(PLACE, limits, 90, NOW + 100)
        own.settle(lease, 0, reached=True)
        assert own.headroom(PLACE, limits, NOW + 100) == pytest.approx(0.1)

    def test_the_tightest_limit_is_the_one_that_counts(self) -> None:
        own, limits = RateLimits(), configured(rpm=10, rpd=2)
        own.lease(PLACE, limits, 1, NOW)
        assert own.headroom(PLACE, limits, NOW) == 0.5
        own.lease(PLACE, limits, 1, NOW)
        assert own.frees_at(PLACE, limits, 1, NOW) > NOW + 86_000

    def test_what_is_not_limited_is_not_counted(self) -> None:
        own = RateLimits()
        assert own.lease(PLACE, configured(), 10, NOW) == ()
        assert own.headroom(PLACE, configured(), NOW) == 1.0
        assert len(own) == 0

    def test_a_changed_configuration_counts_at_once(self) -> None:
        own = RateLimits()
        own.lease(PLACE, configured(rpm=5), 1, NOW)
        assert own.frees_at(PLACE, configured(rpm=1), 1, NOW) > NOW
        assert own.frees_at(PLACE, configured(), 1, NOW) == NOW


class TestLearning:
    @pytest.mark.parametrize(
        ("name", "stated", "learnt"),
        [("rpm", 1, True), ("rpm", 2, False), ("rpm", 30, False), ("rpm", 0, False), ("tpm", 1, False)],
    )
    def test_only_downward_and_only_what_is_configured(self, name: str, stated: int, learnt: bool) -> None:
        own, limits = RateLimits(), configured(rpm=2)
        assert own.lower_limit(PLACE, limits, name, stated, NOW) is learnt
        own.lease(PLACE, limits, 1, NOW)
        assert (own.frees_at(PLACE, limits, 1, NOW) > NOW) is learnt

    def test_never_upward_again(self) -> None:
        own, limits = RateLimits(), configured(rpm=30)
        own.lower_limit(PLACE, limits, "rpm", 5, NOW)
        assert not own.lower_limit(PLACE, limits, "rpm", 6, NOW)
        assert own.lower_limit(PLACE, limits, "rpm", 4, NOW)


def test_what_is_no_longer_configured_is_forgotten() -> None:
    own, limits = RateLimits(), configured(rpm=1)
    own.lease(PLACE, limits, 1, NOW)
    own.lease(("b/m", None), limits, 1, NOW)
    own.keep_only({PLACE})
    assert len(own) == 1
    assert own.frees_at(("b/m", None), limits, 1, NOW) == NOW

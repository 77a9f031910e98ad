"""What a session knows of the caches of its targets."""

import pytest

from pointsman.sessions.prompt_caches import MAX_CACHES, PromptCaches, band_of
from pointsman.wire.frames import Usage

HOUR = 3600.0


@pytest.mark.parametrize(("age", "band"), [(0.0, 0), (300.0, 0), (300.1, 1), (3600.0, 1), (3600.1, 2)])
def test_ages_are_up_to_five_minutes_up_to_an_hour_or_longer(age: float, band: int) -> None:
    assert band_of(age) == band


def turns(*known: tuple[int, Usage, float], key: str | None = "k") -> tuple[PromptCaches, list[float | None]]:
    """The shares that each turn of a conversation with one target shows."""
    caches = PromptCaches()
    shown = [caches.observe("a/m", key, prompt, usage, at)[1] for prompt, usage, at in known]
    return caches, [found and round(found.share, 3) for found in shown]


class TestTheShareThatWasRead:
    def test_it_is_of_what_the_target_had_seen(self) -> None:
        """In the provider's own tokens, of which there are twice as many."""
        first, second = Usage(input=8000, output=2000), Usage(input=2000, output=100, cache_read=10_000)
        _, shares = turns((4000, first, 0.0), (6000, second, 60.0))
        assert shares == [None, 1.0]

    def test_half_of_it_is_half(self) -> None:
        _, shares = turns((4000, Usage(input=4000), 0.0), (8000, Usage(input=6000, cache_read=2000), 60.0))
        assert shares == [None, 0.5]

    def test_a_short_prompt_shows_nothing(self) -> None:
        _, shares = turns((500, Usage(input=500), 0.0), (900, Usage(input=900), 60.0))
        assert shares == [None, None]

    def test_neither_does_a_conversation_that_was_cut(self) -> None:
        _, shares = turns((8000, Usage(input=8000), 0.0), (2000, Usage(input=2000), 60.0))
        assert shares == [None, None]

    def test_another_key_is_another_cache(self) -> None:
        caches = PromptCaches()
        caches.observe("a/m", "one", 4000, Usage(input=4000), 0.0)
        assert caches.observe("a/m", "two", 5000, Usage(input=5000), 60.0)[1] is None


@pytest.mark.parametrize(
    ("usage", "lifetime"),
    [
        (Usage(input=4000), None),
        (Usage(input=100, cache_write_5m=3900), 300.0),
        (Usage(input=100, cache_write_1h=3900), HOUR),
        (Usage(input=100, cache_write_5m=3000, cache_write_1h=900), 300.0),
    ],
)
def test_the_lifetime_is_the_one_that_the_usage_reports(usage: Usage, lifetime: float | None) -> None:
    caches, _ = turns((4000, usage, 0.0))
    assert caches.by_target["a/m"].lifetime == lifetime


def test_a_read_keeps_the_lifetime_of_what_was_written() -> None:
    caches, _ = turns((4000, Usage(input=1, cache_write_1h=3999), 0.0), (4001, Usage(input=1, cache_read=4000), 60.0))
    assert caches.by_target["a/m"].lifetime == HOUR


def test_the_caches_of_the_last_targets_are_known() -> None:
    caches = PromptCaches()
    for number in range(MAX_CACHES + 2):
        caches.observe(f"{number}/m", None, 2000, Usage(input=2000), float(number))
    assert list(caches.by_target) == [f"{number}/m" for number in range(2, MAX_CACHES + 2)]


def test_growth_and_answers_are_those_of_the_conversation_and_a_little_those_of_all() -> None:
    caches, _ = turns(*((4000 + 1000 * n, Usage(input=4000 + 1000 * n, output=300), 60.0 * n) for n in range(4)))
    assert caches.turns == 4
    assert caches.growth(8000, usual=1000) == 1000
    assert caches.growth(8000, usual=400) == 800
    assert caches.output(usual=300) == 300


def test_a_copy_goes_its_own_way() -> None:
    caches, _ = turns((4000, Usage(input=4000), 0.0))
    twin = caches.copy()
    twin.observe("b/m", None, 5000, Usage(input=5000), 60.0)
    assert (list(caches.by_target), caches.pauses, caches.turns) == (["a/m"], [0, 0, 0], 1)

"""Active requests: one entry for each attempt, whose ends are its own."""

import pytest

from pointsman.config.enums import KeySource
from pointsman.domain.targets import Target
from pointsman.routing.in_flight import STALE_AFTER, InFlight
from pointsman.sessions.store import SessionStore
from routing.routing_builders import inventory, labels
from support.settings import provider

NOW = 1000.0
HOUSE = {"a": provider(), "b": provider(), "c": provider()}
A, B, C = inventory(HOUSE, protection={"a": "provider-ban", "b/m": "provider-ban"}).targets


@pytest.fixture
def active() -> InFlight:
    return InFlight()


def held(active: InFlight, target: Target, holder: object, now: float = NOW) -> bool:
    return active.serves_another_session(target, holder, now)


def silent() -> float:
    """Nothing was heard since."""
    return NOW


def test_a_scope_is_held_by_the_session_that_has_an_attempt_there(active: InFlight) -> None:
    active.begin("a", "one", silent, NOW)
    assert held(active, A, "two")
    assert not held(active, A, "one")
    assert not held(active, B, "two")


def test_a_level_that_names_one_target_guards_that_target(active: InFlight) -> None:
    active.begin("b/m", "one", silent, NOW)
    assert held(active, B, "two")


def test_what_is_not_guarded_serves_all_sessions(active: InFlight) -> None:
    active.begin("c", "one", silent, NOW)
    assert not held(active, C, "two")


def test_the_end_of_one_attempt_does_not_release_another_of_the_same_session(active: InFlight) -> None:
    first, second = (active.begin("a", "one", silent, NOW) for _ in range(2))
    active.end(first)
    active.end(first)
    assert held(active, A, "two")
    active.end(second)
    assert not held(active, A, "two")
    assert len(active) == 0


def test_those_that_serve_another_session_come_last_and_the_order_stays(active: InFlight) -> None:
    assert labels(active.busy_last((A, B, C), "two", NOW)) == ["a/m", "b/m", "c/m"]
    active.begin("a", "one", silent, NOW)
    assert labels(active.busy_last((A, B, C), "two", NOW)) == ["b/m", "c/m", "a/m"]
    assert labels(active.busy_last((A, B, C), "one", NOW)) == ["a/m", "b/m", "c/m"]


class TestStale:
    def test_an_entry_holds_for_ten_minutes_after_the_last_byte(self, active: InFlight) -> None:
        heard = [NOW]
        active.begin("a", "one", lambda: heard[0], NOW)
        heard[0] = NOW + 500
        assert held(active, A, "two", NOW + STALE_AFTER)
        assert held(active, A, "two", NOW + 500 + STALE_AFTER - 0.1)
        assert not held(active, A, "two", NOW + 500 + STALE_AFTER)
        assert len(active) == 0

    def test_an_entry_is_asked_only_when_it_could_be_stale(self, active: InFlight) -> None:
        asked = []

        def last_byte() -> float:
            asked.append(1)
            return NOW + 100

        active.begin("a", "one", last_byte, NOW)
        for second in range(600):
            assert held(active, A, "two", NOW + second)
        assert asked == []
        assert held(active, A, "two", NOW + STALE_AFTER)
        assert held(active, A, "two", NOW + STALE_AFTER + 99)
        assert asked == [1]

    def test_each_goes_by_itself_and_may_be_ended_afterwards(self, active: InFlight) -> None:
        old = active.begin("a", "one", silent, NOW)
        active.begin("a", "two", lambda: NOW + 300, NOW + 300)
        assert held(active, A, "two", NOW + STALE_AFTER - 1)
        assert not held(active, A, "two", NOW + STALE_AFTER)
        active.end(old)
        assert held(active, A, "one", NOW + STALE_AFTER)


def test_they_are_reported_in_plain_json(active: InFlight) -> None:
    active.begin("a", "one", silent, NOW)
    active.begin("a", "one", lambda: NOW + 5, NOW)
    active.begin("b/m", "two", silent, NOW)
    assert active.to_list(NOW + 10, 5010.0) == [
        {"provider": "a", "model": None, "requests": 2, "sessions": 1, "last_byte": 5005.0},
        {"provider": "b", "model": "m", "requests": 1, "sessions": 1, "last_byte": 5000.0},
    ]


class Lock:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.served: list[str | None] = []

    def is_closed(self, session: str, now: float) -> bool:
        return False

    def on_serving(self, session: str | None) -> None:
        self.served.append(session)


def test_the_lock_has_the_name_of_a_session_that_is_still_served(active: InFlight) -> None:
    lock, store = Lock(), SessionStore(10, 60.0)
    active.locks = lambda _: lock
    one, two = (store.adopt(bytes([n]) * 16, KeySource.SESSION_HEADER, 0, NOW) for n in range(2))
    entries = [active.begin("a", each, silent, NOW) for each in (one, two, two)]
    names = [one.id.hex(), two.id.hex()]
    for entry in reversed(entries):
        active.end(entry)
    assert lock.served == [names[0], names[1], names[1], names[0], None]

"""The ticket: what an exchange prefers, what it may say of its session, and what is counted."""

import pytest

from pointsman.config.enums import KeySource
from pointsman.sessions.binding import SessionBinding, Stickiness
from pointsman.sessions.store import Pin, SessionStore
from sessions.session_builders import HERE, THERE, named, words

TARGET = (HERE.provider, HERE.model)
ELSEWHERE = (THERE.provider, THERE.model)


@pytest.fixture
def store() -> SessionStore:
    return SessionStore(10, 60.0)


def ticket(store: SessionStore, pin: Pin | None = None, prefers: bool = True) -> SessionBinding:
    key = named("a")._replace(echo="as sent")
    session = store.find_or_begin(key, 0.0)
    session.pin = pin
    return SessionBinding(store, key, session, prefers, pin)


class TestStickiness:
    @pytest.mark.parametrize(
        ("pin", "answered", "prefers", "outcome"),
        [
            (None, TARGET, True, "miss"),
            (None, None, True, "miss"),
            (HERE, TARGET, True, "hit"),
            (HERE, ELSEWHERE, True, "repin"),
            (HERE, (HERE.provider, "another model"), True, "repin"),
            (HERE, None, True, "repin"),
            (None, TARGET, False, "disabled"),
            (HERE, TARGET, False, "disabled"),
            (HERE, ELSEWHERE, False, "disabled"),
            (HERE, None, False, "disabled"),
        ],
    )
    def test_it_compares_who_answered_with_the_pin_there_was(
        self, store: SessionStore, pin: Pin | None, answered: tuple[str, str] | None, prefers: bool, outcome: str
    ) -> None:
        assert ticket(store, pin, prefers).stickiness(answered) == outcome

    def test_another_key_of_the_pinned_target_is_a_hit_and_the_pin_takes_it(self, store: SessionStore) -> None:
        own = ticket(store, HERE)
        own.set_pin(Pin(HERE.provider, HERE.model, "key-2"), 1.0)
        assert own.stickiness(TARGET) is Stickiness.HIT
        assert own.session
        assert own.session.pin == Pin(HERE.provider, HERE.model, "key-2")

    def test_the_pin_that_the_exchange_itself_sets_does_not_count(self, store: SessionStore) -> None:
        own = ticket(store)
        own.set_pin(HERE, 1.0)
        assert own.stickiness(TARGET) is Stickiness.MISS

    @pytest.mark.parametrize("own", [SessionBinding(None), SessionBinding(SessionStore(1, 1))], ids=["off", "no key"])
    def test_without_a_session_it_is_disabled(self, own: SessionBinding) -> None:
        assert own.stickiness(TARGET) is Stickiness.DISABLED
        assert own.headers("X-", TARGET) == (("X-Sticky-Session", "disabled"),)
        assert own.early_headers("X-") == ()
        assert own.label is None


class TestPin:
    def test_it_is_preferred_where_the_mode_prefers_pins(self, store: SessionStore) -> None:
        assert ticket(store, HERE).preferred_pin == HERE
        assert ticket(store, HERE, prefers=False).preferred_pin is None

    def test_it_is_kept_where_the_mode_does_not(self, store: SessionStore) -> None:
        own = ticket(store, prefers=False)
        own.set_pin(HERE, 1.0)
        assert store.find_or_begin(named("a"), 2.0).pin == HERE

    def test_pinning_is_use(self, store: SessionStore) -> None:
        own = ticket(store)
        own.set_pin(HERE, 30.0)
        assert own.session
        assert own.session.pin_used == 30.0
        assert store.find_or_begin(named("a"), 89.0) is own.session

    def test_so_is_the_end_of_an_attempt(self, store: SessionStore) -> None:
        own = ticket(store, HERE)
        own.touch(30.0)
        assert store.find_or_begin(named("a"), 89.0) is own.session

    def test_only_the_target_that_broke_loses_it(self, store: SessionStore) -> None:
        own = ticket(store, HERE)
        assert own.session
        own.clear_pin_on("/".join(ELSEWHERE), 1.0)
        assert own.session.pin == HERE
        own.clear_pin_on("/".join(TARGET), 1.0)
        assert own.session.pin is None

    def test_a_session_that_is_gone_is_not_brought_back(self, store: SessionStore) -> None:
        own = ticket(store)
        store.expire(60.0)
        own.set_pin(HERE, 60.0)
        assert len(store) == 0

    @pytest.mark.parametrize("own", [SessionBinding(None), SessionBinding(SessionStore(1, 1))], ids=["off", "no key"])
    def test_without_a_session_there_is_nothing_to_pin(self, own: SessionBinding) -> None:
        own.set_pin(HERE, 1.0)
        own.clear_pin_on("/".join(TARGET), 1.0)
        own.touch(1.0)
        own.count_outcome(TARGET)
        assert own.preferred_pin is None
        assert own.store is None or len(own.store) == own.store.counts.misses == 0


class TestHeaders:
    def test_an_answer_says_how_it_went_by_which_source_and_the_clients_own_id(self, store: SessionStore) -> None:
        assert ticket(store, HERE).headers("X-Olla-", TARGET) == (
            ("X-Olla-Sticky-Session", "hit"),
            ("X-Olla-Sticky-Key-Source", "session_header"),
            ("X-Olla-Session-ID", "as sent"),
        )

    def test_before_an_answer_nothing_is_said_of_how_it_went(self, store: SessionStore) -> None:
        assert ticket(store, HERE).early_headers("X-") == (
            ("X-Sticky-Key-Source", "session_header"),
            ("X-Session-ID", "as sent"),
        )

    def test_only_an_id_from_a_header_is_echoed(self, store: SessionStore) -> None:
        key = words("Hi")
        own = SessionBinding(store, key, store.find_or_begin(key, 0.0))
        assert dict(own.headers("X-", None)) == {"X-Sticky-Session": "miss", "X-Sticky-Key-Source": "prefix_hash"}

    def test_a_mode_that_does_not_prefer_pins_shows_the_source(self, store: SessionStore) -> None:
        assert dict(ticket(store, HERE, prefers=False).headers("X-", TARGET)) == {
            "X-Sticky-Session": "disabled",
            "X-Sticky-Key-Source": "session_header",
            "X-Session-ID": "as sent",
        }


class TestCounts:
    def test_each_outcome_counts_where_it_belongs(self, store: SessionStore) -> None:
        ticket(store).count_outcome(TARGET)
        ticket(store).count_outcome(None)
        for _ in range(3):
            ticket(store, HERE).count_outcome(TARGET)
        ticket(store, HERE).count_outcome(ELSEWHERE)
        counts = store.counts
        assert (counts.misses, counts.hits, counts.repins) == (2, 3, 1)
        assert counts.by_source == {KeySource.SESSION_HEADER: 6}

    def test_what_is_disabled_counts_by_its_source_alone(self, store: SessionStore) -> None:
        ticket(store, HERE, prefers=False).count_outcome(TARGET)
        SessionBinding(store).count_outcome(TARGET)
        counts = store.counts
        assert (counts.misses, counts.hits, counts.repins) == (0, 0, 0)
        assert counts.by_source == {KeySource.SESSION_HEADER: 1}

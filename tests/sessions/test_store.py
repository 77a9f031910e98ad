"""The store: who is found, who has to go, and what happens where two conversations opened alike."""

import pytest

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import SessionKey
from pointsman.sessions.penalties import Ban, FailureStreak, SessionPenalties
from pointsman.sessions.store import MAX_BOUNDARIES, MAX_FURTHER_NAMES, Session, SessionStore
from pointsman.wire.conversation import Message
from sessions.session_builders import HERE, THERE, named, words

TTL = 60.0


@pytest.fixture
def store() -> SessionStore:
    return SessionStore(max_sessions=3, idle_ttl=TTL)


def ask(store: SessionStore, *said: str, now: float = 0.0, preamble: str = "Be brief.") -> tuple[Session, SessionKey]:
    key = words(*said, preamble=preamble)
    return store.find_or_begin(key, now), key


def turn(store: SessionStore, *said: str, now: float = 0.0, preamble: str = "Be brief.") -> Session:
    """A request with all but the last thing said, which is its answer."""
    *request, answer = said
    session, key = ask(store, *request, now=now, preamble=preamble)
    assert key.chain
    key.chain.add(Message("assistant", answer.encode()))
    store.extend(session, key.own, key.chain.exact[-1])
    store.add_name(session, key.chain.outlines[-1])
    return session


class TestNamedSessions:
    def test_one_name_is_one_session(self, store: SessionStore) -> None:
        assert store.find_or_begin(named("a"), 0) is store.find_or_begin(named("a"), 1)
        assert store.find_or_begin(named("a"), 2) is not store.find_or_begin(named("b"), 2)
        assert store.counts.insertions == len(store) == 2

    def test_a_name_of_another_source_is_another_session(self, store: SessionStore) -> None:
        assert store.find_or_begin(named("a"), 0) is not store.find_or_begin(named("a", KeySource.SESSION_BODY), 0)

    def test_a_session_has_a_short_id_of_its_own(self, store: SessionStore) -> None:
        labels = [store.find_or_begin(named(name), 0).label for name in "abc"]
        assert len(set(labels)) == 3
        assert all(len(label) == 8 for label in labels)

    def test_a_session_that_began_like_one_that_is_gone_has_another_id(self, store: SessionStore) -> None:
        first = store.find_or_begin(named("a"), 0)
        assert store.find_or_begin(named("a"), TTL).label != first.label

    def test_further_names_lead_to_it_too_the_last_ones(self, store: SessionStore) -> None:
        session = store.find_or_begin(named("a"), 0)
        answers = [named(f"answer {n}", KeySource.SESSION_BODY) for n in range(MAX_FURTHER_NAMES + 1)]
        for answer in answers:
            store.add_name(session, answer.own)
        assert all(store.find_or_begin(answer, 1) is session for answer in answers[1:])
        assert store.find_or_begin(answers[0], 1) is not session
        assert store.find_or_begin(named("a"), 1) is session


class TestTime:
    def test_a_session_lives_until_it_has_not_been_used_for_the_whole_time(self, store: SessionStore) -> None:
        session = store.find_or_begin(named("a"), 0)
        store.touch(session, TTL - 0.001)
        assert store.find_or_begin(named("a"), 2 * TTL - 0.002) is session
        assert store.find_or_begin(named("a"), 2 * TTL - 0.001) is not session

    def test_to_be_found_is_not_to_be_used(self, store: SessionStore) -> None:
        session = store.find_or_begin(named("a"), 0)
        assert store.find_or_begin(named("a"), TTL - 1) is session
        assert store.find_or_begin(named("a"), TTL) is not session

    def test_its_pin_goes_with_it(self, store: SessionStore) -> None:
        store.find_or_begin(named("a"), 0).pin = HERE
        assert store.find_or_begin(named("a"), TTL).pin is None

    def test_a_session_in_use_does_not_expire(self, store: SessionStore) -> None:
        session = store.find_or_begin(named("a"), 0)
        store.touch(session, TTL - 1)
        assert store.find_or_begin(named("a"), 2 * TTL - 2) is session

    def test_to_be_used_brings_nothing_back(self, store: SessionStore) -> None:
        session = store.find_or_begin(named("a"), 0)
        store.expire(TTL)
        store.touch(session, TTL)
        store.add_name(session, named("b").own)
        store.extend(session, named("a").own, named("b").own)
        assert len(store) == 0
        assert store.find_or_begin(named("b"), TTL) is not session

    def test_what_expires_is_no_eviction(self, store: SessionStore) -> None:
        store.find_or_begin(named("a"), 0)
        store.expire(TTL)
        assert (len(store), store.counts.evictions) == (0, 0)


class TestRoom:
    def test_the_least_recently_used_goes_first(self, store: SessionStore) -> None:
        first, second, third = (store.find_or_begin(named(name), 0) for name in "abc")
        store.touch(first, 1)
        store.find_or_begin(named("d"), 2)
        assert second not in store
        assert store.counts.evictions == 1
        assert store.find_or_begin(named("a"), 3) is first
        assert store.find_or_begin(named("c"), 3) is third

    def test_what_was_answered_last_is_used_last(self, store: SessionStore) -> None:
        first, second, _ = (store.find_or_begin(named(name), 0) for name in "abc")
        store.touch(first, 1)
        store.find_or_begin(named("d"), 2)
        assert first in store
        assert second not in store

    def test_with_room_for_one_there_is_one(self) -> None:
        store = SessionStore(1, TTL)
        for name in "abc":
            store.find_or_begin(named(name), 0)
        assert (len(store), store.counts.insertions, store.counts.evictions) == (1, 3, 2)

    def test_a_split_needs_room_as_well(self) -> None:
        store = SessionStore(1, TTL)
        turn(store, "Hi", "Hello.").pin = HERE
        turn(store, "Hi", "Good day.")
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert twin.pin == HERE
        assert list(store) == [twin]

    def test_less_room_keeps_those_that_were_used_last(self, store: SessionStore) -> None:
        _, second, third = (store.find_or_begin(named(name), 0) for name in "abc")
        store.resize(2, TTL, 1)
        assert list(store) == [second, third]
        assert store.counts.evictions == 1

    def test_a_shorter_life_counts_from_the_last_use(self, store: SessionStore) -> None:
        store.find_or_begin(named("a"), 0)
        later = store.find_or_begin(named("b"), 10)
        store.resize(3, 5, 12)
        assert list(store) == [later]
        store.expire(15)
        assert len(store) == 0

    def test_a_longer_life_is_for_those_who_still_live(self, store: SessionStore) -> None:
        session = store.find_or_begin(named("a"), 0)
        store.resize(3, 10 * TTL, TTL - 1)
        assert store.find_or_begin(named("a"), 5 * TTL) is session


class TestConversations:
    def test_each_turn_is_found_by_the_answer_before_it(self, store: SessionStore) -> None:
        session = turn(store, "one", "two")
        assert turn(store, "one", "two", "three", "four") is session
        assert turn(store, "one", "two", "three", "four", "five", "six") is session
        assert len(store) == 1

    def test_or_by_the_request_before_it_if_the_answer_was_written_again(self, store: SessionStore) -> None:
        session = turn(store, "one", "two")
        assert turn(store, "one", "TWO", "three", "four") is session

    def test_the_same_first_message_twice_is_the_same_session(self, store: SessionStore) -> None:
        assert ask(store, "one")[0] is ask(store, "one")[0]

    def test_other_first_messages_are_others_whatever_stands_above_them(self, store: SessionStore) -> None:
        above = "You are careful. " * 3000
        assert ask(store, "one", preamble=above)[0] is not ask(store, "another", preamble=above)[0]

    def test_the_same_first_message_under_another_preamble_is_another_session(self, store: SessionStore) -> None:
        one, other = (turn(store, "one", "two", preamble=preamble) for preamble in ("Be brief.", "Be long."))
        assert one is not other
        assert turn(store, "one", "two", "three", "four", preamble="Be brief.") is one
        assert turn(store, "one", "two", "three", "four", preamble="Be long.") is other

    def test_a_preamble_that_changes_on_the_way_does_not_end_a_session(self, store: SessionStore) -> None:
        session = turn(store, "one", "two", preamble="It is Monday.")
        assert turn(store, "one", "two", "three", "four", preamble="It is Tuesday.") is session
        assert turn(store, "one", "two", "three", "four", "five", "six", preamble="It is Tuesday.") is session

    def test_nor_does_one_that_changes_each_time_though_all_answers_are_new(self, store: SessionStore) -> None:
        session, said = turn(store, "one", "two", preamble="It is day 0."), ["one"]
        for n in range(1, MAX_BOUNDARIES):
            said += [f"anew {n}", f"question {n}"]
            assert turn(store, *said, f"answer {n}", preamble=f"It is day {n}.") is session

    def test_what_a_request_merely_passes_through_leads_nowhere(self, store: SessionStore) -> None:
        """A worked example stands above many a chat."""
        session = turn(store, "example", "its answer", "one", "two")
        assert ask(store, "example", "its answer", "another")[0] is not session
        assert ask(store, "example")[0] is not session


class TestEdits:
    @pytest.fixture
    def session(self, store: SessionStore) -> Session:
        """After two turns."""
        turn(store, "one", "two")
        return turn(store, "one", "two", "three", "four")

    def test_an_answer_made_again_stays(self, store: SessionStore, session: Session) -> None:
        assert turn(store, "one", "two", "three", "FOUR") is session
        assert turn(store, "one", "two", "three", "FOUR", "five", "six") is session
        assert len(store) == 1

    def test_the_same_answer_made_again_stays_too(self, store: SessionStore, session: Session) -> None:
        assert turn(store, "one", "two", "three", "four") is session
        assert turn(store, "one", "two", "three", "four", "five", "six") is session

    def test_an_edited_last_message_stays(self, store: SessionStore, session: Session) -> None:
        assert turn(store, "one", "two", "THREE", "four") is session
        assert turn(store, "one", "two", "THREE", "four", "five", "six") is session
        assert len(store) == 1

    def test_an_edited_first_message_is_another_conversation(self, store: SessionStore, session: Session) -> None:
        assert turn(store, "ONE", "two") is not session

    def test_who_goes_back_to_what_was_edited_away_starts_with_what_was_known(
        self, store: SessionStore, session: Session
    ) -> None:
        session.pin = HERE
        turn(store, "one", "two", "THREE", "four")
        back, _ = ask(store, "one", "two", "three", "four", "five")
        assert back is not session
        assert back.pin == HERE


def suffered() -> SessionPenalties:
    past = SessionPenalties()
    past.bans["longcat"], past.failures["groq"], past.used_keys["longcat"] = (
        Ban("three failures", 0.0, 99.0, True),
        FailureStreak(2, b"a turn", 0.0),
        "key-1",
    )
    return past


def is_as_it_was(past: SessionPenalties | None) -> bool:
    then = suffered()
    return past is not None and (past.bans, past.failures, past.used_keys) == (then.bans, then.failures, then.used_keys)


class TestSplits:
    @pytest.fixture
    def first(self, store: SessionStore) -> Session:
        """Two clients have asked the same, and got different answers; the second one's is on the line."""
        session = turn(store, "Hi", "Hello.")
        session.pin, session.pin_used = HERE, 7.0
        session.penalties = suffered()
        assert turn(store, "Hi", "Good day.") is session
        return session

    def test_as_soon_as_they_differ_each_has_its_own(self, store: SessionStore, first: Session) -> None:
        assert turn(store, "Hi", "Good day.", "Why?", "Because.") is first
        twin = turn(store, "Hi", "Hello.", "Why?", "Because.")
        assert twin is not first
        assert twin.label != first.label
        assert turn(store, "Hi", "Hello.", "Why?", "Because.", "So?", "So.") is twin
        assert turn(store, "Hi", "Good day.", "Why?", "Because.", "So?", "So.") is first
        assert len(store) == 2

    def test_the_new_one_starts_with_all_that_was_known(self, store: SessionStore, first: Session) -> None:
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert (twin.pin, twin.pin_used) == (HERE, 7.0)
        assert is_as_it_was(twin.penalties)

    def test_from_then_on_they_are_independent(self, store: SessionStore, first: Session) -> None:
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert twin.penalties
        twin.pin, twin.penalties.bans["groq"], twin.penalties.used_keys["groq"] = (
            THERE,
            Ban("gone", 0.0, 99.0, True),
            "key-2",
        )
        twin.penalties.record_failure("groq", b"a turn", False, 1.0, 2.0)
        again, _ = ask(store, "Hi", "Hello.", "Why?", "Because.", "So?")
        assert again is twin
        assert first.pin == HERE
        assert is_as_it_was(first.penalties)
        first.pin = None
        assert ask(store, "Hi", "Hello.", "Why?")[0].pin == THERE

    def test_nothing_known_is_nothing_shared(self, store: SessionStore) -> None:
        first = turn(store, "Hi", "Hello.")
        first.penalties = SessionPenalties()
        turn(store, "Hi", "Good day.")
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert twin.penalties
        twin.penalties.bans["groq"] = Ban("gone", 0.0, 99.0, True)
        assert not first.penalties.bans

    def test_the_new_one_is_known_though_its_preamble_changes(self, store: SessionStore, first: Session) -> None:
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert ask(store, "Hi", "Hello.", "Why?", "Because.", "So?", preamble="It is Tuesday.")[0] is twin

    def test_an_answer_that_comes_when_its_question_has_been_edited_away_leads_to_a_new_one(
        self, store: SessionStore
    ) -> None:
        session = turn(store, "one", "two")
        running, key = ask(store, "one", "two", "three")
        assert running is session
        assert turn(store, "one", "two", "THREE", "four") is session
        assert key.chain
        key.chain.add(Message("assistant", b"four"))
        store.extend(session, key.own, key.chain.exact[-1])
        assert session.abandoned[-1] == key.chain.exact[-1]
        back, _ = ask(store, "one", "two", "three", "four", "five")
        assert back is not session
        assert session.abandoned == ()

    def test_an_answer_that_is_known_already_is_known_once(self, store: SessionStore) -> None:
        """Its question, asked twice at once, has left the window when it is answered for the second time."""
        session, key = ask(store, "one")
        assert turn(store, "one", "two") is session
        said = ["one", "two"]
        for n in range(MAX_BOUNDARIES // 2 - 1):
            said += [f"more {n}", "and more"]
            assert turn(store, *said) is session
        ask(store, *said, "a last word")
        ask(store, "one", "two", "another way")
        assert key.own not in session.names
        assert key.chain
        key.chain.add(Message("assistant", b"two"))
        answer = key.chain.exact[-1]
        assert answer in session.boundaries
        store.extend(session, key.own, answer)
        assert session.names.count(answer) == 1
        assert ask(store, "one", "two", "a third way")[0] is session

    def test_the_new_one_takes_its_own_way_along(self, store: SessionStore) -> None:
        """One turn more has been made by both; one that edits it, or asks it again, is found by what lies before."""
        first = turn(store, "Hi", "Hello.")
        turn(store, "Hi", "Hello.", "Why?", "Because.")
        assert turn(store, "Hi", "Hello.", "How?", "So.") is first
        twin = turn(store, "Hi", "Hello.", "Why?", "Because.", "So?", "So.")
        assert twin is not first
        assert turn(store, "Hi", "Hello.", "Why?", "In fact.") is twin


class TestWindow:
    def test_a_session_is_found_by_its_last_boundaries(self, store: SessionStore) -> None:
        said = [str(n) for n in range(2 * MAX_BOUNDARIES)]
        for length in range(2, len(said) + 1, 2):
            session = turn(store, *said[:length])
        assert len(session.boundaries) == MAX_BOUNDARIES
        oldest = len(said) - MAX_BOUNDARIES + 1
        assert ask(store, *said[: oldest - 1], "edited")[0] is not session
        assert ask(store, *said[:oldest], "edited", "edited")[0] is session

    def test_what_was_edited_away_goes_before_what_was_not(self, store: SessionStore) -> None:
        session = turn(store, "one", "two")
        for n in range(MAX_BOUNDARIES):
            turn(store, "one", "two", f"three {n}", "four")
        assert len(session.boundaries) + len(session.abandoned) == MAX_BOUNDARIES
        said = ["one", "two", f"three {MAX_BOUNDARIES - 1}", "four"]
        for n in range(MAX_BOUNDARIES):
            said += [f"five {n}", "six"]
            assert turn(store, *said) is session
        assert session.abandoned == ()

    def test_a_name_leads_to_the_last_one_who_took_it(self, store: SessionStore) -> None:
        """A conversation that opened like one that is further on, and got the same answer."""
        said = ["one", "two"]
        first = turn(store, *said)
        for n in range(MAX_BOUNDARIES // 2 - 1):
            said += [f"more {n}", "and more"]
            turn(store, *said)
        ask(store, *said, "a last word")
        second = turn(store, "one", "two")
        assert second is not first
        assert ask(store, "one", "two", "another way")[0] is second
        assert ask(store, *said, "a last word")[0] is first
        assert not set(first.names) & set(second.names)

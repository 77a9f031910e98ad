"""The store: who is found, who has to go, and what happens where two conversations opened alike."""

import pytest

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import Key
from pointsman.sessions.penalties import Past, Row
from pointsman.sessions.store import FURTHER, WINDOW, Session, Store
from pointsman.wire.conversation import Message
from sessions.session_builders import HERE, THERE, named, words

TTL = 60.0


@pytest.fixture
def store() -> Store:
    return Store(max_sessions=3, idle_ttl=TTL)


def ask(store: Store, *said: str, now: float = 0.0, preamble: str = "Be brief.") -> tuple[Session, Key]:
    key = words(*said, preamble=preamble)
    return store.enter(key, now), key


def turn(store: Store, *said: str, now: float = 0.0, preamble: str = "Be brief.") -> Session:
    """A request with all but the last thing said, which is its answer."""
    *request, answer = said
    session, key = ask(store, *request, now=now, preamble=preamble)
    assert key.chain
    key.chain.add(Message("assistant", answer.encode()))
    store.go_on(session, key.own, key.chain.exact[-1])
    store.note(session, key.chain.outlines[-1])
    return session


class TestNamedSessions:
    def test_one_name_is_one_session(self, store: Store) -> None:
        assert store.enter(named("a"), 0) is store.enter(named("a"), 1)
        assert store.enter(named("a"), 2) is not store.enter(named("b"), 2)
        assert store.counts.insertions == len(store) == 2

    def test_a_name_of_another_source_is_another_session(self, store: Store) -> None:
        assert store.enter(named("a"), 0) is not store.enter(named("a", KeySource.SESSION_BODY), 0)

    def test_a_session_has_a_short_id_of_its_own(self, store: Store) -> None:
        labels = [store.enter(named(name), 0).label for name in "abc"]
        assert len(set(labels)) == 3
        assert all(len(label) == 8 for label in labels)

    def test_a_session_that_began_like_one_that_is_gone_has_another_id(self, store: Store) -> None:
        first = store.enter(named("a"), 0)
        assert store.enter(named("a"), TTL).label != first.label

    def test_further_names_lead_to_it_too_the_last_ones(self, store: Store) -> None:
        session = store.enter(named("a"), 0)
        answers = [named(f"answer {n}", KeySource.SESSION_BODY) for n in range(FURTHER + 1)]
        for answer in answers:
            store.note(session, answer.own)
        assert all(store.enter(answer, 1) is session for answer in answers[1:])
        assert store.enter(answers[0], 1) is not session
        assert store.enter(named("a"), 1) is session


class TestTime:
    def test_a_session_lives_until_it_has_not_been_used_for_the_whole_time(self, store: Store) -> None:
        session = store.enter(named("a"), 0)
        assert store.enter(named("a"), TTL - 0.001) is session
        assert store.enter(named("a"), 2 * TTL - 0.002) is session
        assert store.enter(named("a"), 3 * TTL - 0.002) is not session

    def test_its_pin_goes_with_it(self, store: Store) -> None:
        store.enter(named("a"), 0).pin = HERE
        assert store.enter(named("a"), TTL).pin is None

    def test_a_session_in_use_does_not_expire(self, store: Store) -> None:
        session = store.enter(named("a"), 0)
        store.touch(session, TTL - 1)
        assert store.enter(named("a"), 2 * TTL - 2) is session

    def test_to_be_used_brings_nothing_back(self, store: Store) -> None:
        session = store.enter(named("a"), 0)
        store.settle(TTL)
        store.touch(session, TTL)
        store.note(session, named("b").own)
        store.go_on(session, named("a").own, named("b").own)
        assert len(store) == 0
        assert store.enter(named("b"), TTL) is not session

    def test_what_expires_is_no_eviction(self, store: Store) -> None:
        store.enter(named("a"), 0)
        store.settle(TTL)
        assert (len(store), store.counts.evictions) == (0, 0)


class TestRoom:
    def test_the_least_recently_used_goes_first(self, store: Store) -> None:
        first, second, third = (store.enter(named(name), 0) for name in "abc")
        store.enter(named("a"), 1)
        store.enter(named("d"), 2)
        assert second not in store
        assert store.counts.evictions == 1
        assert store.enter(named("a"), 3) is first
        assert store.enter(named("c"), 3) is third

    def test_what_was_answered_last_is_used_last(self, store: Store) -> None:
        first, second, _ = (store.enter(named(name), 0) for name in "abc")
        store.touch(first, 1)
        store.enter(named("d"), 2)
        assert first in store
        assert second not in store

    def test_with_room_for_one_there_is_one(self) -> None:
        store = Store(1, TTL)
        for name in "abc":
            store.enter(named(name), 0)
        assert (len(store), store.counts.insertions, store.counts.evictions) == (1, 3, 2)

    def test_a_split_needs_room_as_well(self) -> None:
        store = Store(1, TTL)
        turn(store, "Hi", "Hello.").pin = HERE
        turn(store, "Hi", "Good day.")
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert twin.pin == HERE
        assert list(store) == [twin]

    def test_less_room_keeps_those_that_were_used_last(self, store: Store) -> None:
        _, second, third = (store.enter(named(name), 0) for name in "abc")
        store.resize(2, TTL, 1)
        assert list(store) == [second, third]
        assert store.counts.evictions == 1

    def test_a_shorter_life_counts_from_the_last_use(self, store: Store) -> None:
        store.enter(named("a"), 0)
        later = store.enter(named("b"), 10)
        store.resize(3, 5, 12)
        assert list(store) == [later]
        store.settle(15)
        assert len(store) == 0

    def test_a_longer_life_is_for_those_who_still_live(self, store: Store) -> None:
        session = store.enter(named("a"), 0)
        store.resize(3, 10 * TTL, TTL - 1)
        assert store.enter(named("a"), 5 * TTL) is session


class TestConversations:
    def test_each_turn_is_found_by_the_answer_before_it(self, store: Store) -> None:
        session = turn(store, "one", "two")
        assert turn(store, "one", "two", "three", "four") is session
        assert turn(store, "one", "two", "three", "four", "five", "six") is session
        assert len(store) == 1

    def test_or_by_the_request_before_it_if_the_answer_was_written_anew(self, store: Store) -> None:
        session = turn(store, "one", "two")
        assert turn(store, "one", "TWO", "three", "four") is session

    def test_the_same_first_message_twice_is_the_same_session(self, store: Store) -> None:
        assert ask(store, "one")[0] is ask(store, "one")[0]

    def test_other_first_messages_are_others_whatever_stands_above_them(self, store: Store) -> None:
        above = "You are careful. " * 3000
        assert ask(store, "one", preamble=above)[0] is not ask(store, "another", preamble=above)[0]

    def test_the_same_first_message_under_another_preamble_is_another_session(self, store: Store) -> None:
        one, other = (turn(store, "one", "two", preamble=preamble) for preamble in ("Be brief.", "Be long."))
        assert one is not other
        assert turn(store, "one", "two", "three", "four", preamble="Be brief.") is one
        assert turn(store, "one", "two", "three", "four", preamble="Be long.") is other

    def test_a_preamble_that_changes_on_the_way_does_not_end_a_session(self, store: Store) -> None:
        session = turn(store, "one", "two", preamble="It is Monday.")
        assert turn(store, "one", "two", "three", "four", preamble="It is Tuesday.") is session
        assert turn(store, "one", "two", "three", "four", "five", "six", preamble="It is Tuesday.") is session

    def test_nor_does_one_that_changes_each_time_though_all_answers_are_written_anew(self, store: Store) -> None:
        session, said = turn(store, "one", "two", preamble="It is day 0."), ["one"]
        for n in range(1, WINDOW):
            said += [f"anew {n}", f"question {n}"]
            assert turn(store, *said, f"answer {n}", preamble=f"It is day {n}.") is session

    def test_what_a_request_merely_passes_through_leads_nowhere(self, store: Store) -> None:
        """A worked example stands above many a chat."""
        session = turn(store, "example", "its answer", "one", "two")
        assert ask(store, "example", "its answer", "another")[0] is not session
        assert ask(store, "example")[0] is not session


class TestEdits:
    @pytest.fixture
    def session(self, store: Store) -> Session:
        """After two turns."""
        turn(store, "one", "two")
        return turn(store, "one", "two", "three", "four")

    def test_an_answer_made_anew_stays(self, store: Store, session: Session) -> None:
        assert turn(store, "one", "two", "three", "FOUR") is session
        assert turn(store, "one", "two", "three", "FOUR", "five", "six") is session
        assert len(store) == 1

    def test_the_same_answer_made_anew_stays_too(self, store: Store, session: Session) -> None:
        assert turn(store, "one", "two", "three", "four") is session
        assert turn(store, "one", "two", "three", "four", "five", "six") is session

    def test_an_edited_last_message_stays(self, store: Store, session: Session) -> None:
        assert turn(store, "one", "two", "THREE", "four") is session
        assert turn(store, "one", "two", "THREE", "four", "five", "six") is session
        assert len(store) == 1

    def test_an_edited_first_message_is_another_conversation(self, store: Store, session: Session) -> None:
        assert turn(store, "ONE", "two") is not session

    def test_who_goes_back_to_what_was_edited_away_starts_with_what_was_known(
        self, store: Store, session: Session
    ) -> None:
        session.pin = HERE
        turn(store, "one", "two", "THREE", "four")
        back, _ = ask(store, "one", "two", "three", "four", "five")
        assert back is not session
        assert back.pin == HERE


def suffered() -> Past:
    past = Past()
    past.bans["longcat"], past.failures["groq"], past.keys["longcat"] = "three failures", Row(2, b"a turn"), "key-1"
    return past


def is_as_it_was(past: Past | None) -> bool:
    then = suffered()
    return past is not None and (past.bans, past.failures, past.keys) == (then.bans, then.failures, then.keys)


class TestSplits:
    @pytest.fixture
    def first(self, store: Store) -> Session:
        """Two clients have asked the same, and got different answers; the second one's is on the line."""
        session = turn(store, "Hi", "Hello.")
        session.pin, session.pin_used = HERE, 7.0
        session.past = suffered()
        assert turn(store, "Hi", "Good day.") is session
        return session

    def test_as_soon_as_they_differ_each_has_its_own(self, store: Store, first: Session) -> None:
        assert turn(store, "Hi", "Good day.", "Why?", "Because.") is first
        twin = turn(store, "Hi", "Hello.", "Why?", "Because.")
        assert twin is not first
        assert twin.label != first.label
        assert turn(store, "Hi", "Hello.", "Why?", "Because.", "So?", "So.") is twin
        assert turn(store, "Hi", "Good day.", "Why?", "Because.", "So?", "So.") is first
        assert len(store) == 2

    def test_the_new_one_starts_with_all_that_was_known(self, store: Store, first: Session) -> None:
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert (twin.pin, twin.pin_used) == (HERE, 7.0)
        assert is_as_it_was(twin.past)

    def test_and_from_then_on_neither_learns_of_the_other(self, store: Store, first: Session) -> None:
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert twin.past
        twin.pin, twin.past.bans["groq"], twin.past.keys["groq"] = THERE, "gone", "key-2"
        twin.past.failed("groq", b"a turn", False)
        again, _ = ask(store, "Hi", "Hello.", "Why?", "Because.", "So?")
        assert again is twin
        assert first.pin == HERE
        assert is_as_it_was(first.past)
        first.pin = None
        assert ask(store, "Hi", "Hello.", "Why?")[0].pin == THERE

    def test_nothing_known_is_nothing_shared(self, store: Store) -> None:
        first = turn(store, "Hi", "Hello.")
        first.past = Past()
        turn(store, "Hi", "Good day.")
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert twin.past
        twin.past.bans["groq"] = "gone"
        assert not first.past.bans

    def test_the_new_one_is_known_though_its_preamble_changes(self, store: Store, first: Session) -> None:
        twin, _ = ask(store, "Hi", "Hello.", "Why?")
        assert ask(store, "Hi", "Hello.", "Why?", "Because.", "So?", preamble="It is Tuesday.")[0] is twin

    def test_an_answer_that_comes_when_its_question_has_been_edited_away_leads_to_a_new_one(self, store: Store) -> None:
        session = turn(store, "one", "two")
        running, key = ask(store, "one", "two", "three")
        assert running is session
        assert turn(store, "one", "two", "THREE", "four") is session
        assert key.chain
        key.chain.add(Message("assistant", b"four"))
        store.go_on(session, key.own, key.chain.exact[-1])
        assert session.off_line[-1] == key.chain.exact[-1]
        back, _ = ask(store, "one", "two", "three", "four", "five")
        assert back is not session
        assert session.off_line == ()

    def test_an_answer_that_is_known_already_is_known_once(self, store: Store) -> None:
        """Its question, asked twice at once, has left the window when it is answered for the second time."""
        session, key = ask(store, "one")
        assert turn(store, "one", "two") is session
        said = ["one", "two"]
        for n in range(WINDOW // 2 - 1):
            said += [f"more {n}", "and more"]
            assert turn(store, *said) is session
        ask(store, *said, "a last word")
        ask(store, "one", "two", "another way")
        assert key.own not in session.names
        assert key.chain
        key.chain.add(Message("assistant", b"two"))
        answer = key.chain.exact[-1]
        assert answer in session.line
        store.go_on(session, key.own, answer)
        assert session.names.count(answer) == 1
        assert ask(store, "one", "two", "a third way")[0] is session

    def test_the_new_one_takes_its_own_way_along(self, store: Store) -> None:
        """One turn more has been made by both; who edits it, or has it answered anew, is found by what lies before."""
        first = turn(store, "Hi", "Hello.")
        turn(store, "Hi", "Hello.", "Why?", "Because.")
        assert turn(store, "Hi", "Hello.", "How?", "So.") is first
        twin = turn(store, "Hi", "Hello.", "Why?", "Because.", "So?", "So.")
        assert twin is not first
        assert turn(store, "Hi", "Hello.", "Why?", "In fact.") is twin


class TestWindow:
    def test_a_session_is_found_by_its_last_boundaries(self, store: Store) -> None:
        said = [str(n) for n in range(2 * WINDOW)]
        for length in range(2, len(said) + 1, 2):
            session = turn(store, *said[:length])
        assert len(session.line) == WINDOW
        oldest = len(said) - WINDOW + 1
        assert ask(store, *said[: oldest - 1], "edited")[0] is not session
        assert ask(store, *said[:oldest], "edited", "edited")[0] is session

    def test_what_was_edited_away_goes_before_what_was_not(self, store: Store) -> None:
        session = turn(store, "one", "two")
        for n in range(WINDOW):
            turn(store, "one", "two", f"three {n}", "four")
        assert len(session.line) + len(session.off_line) == WINDOW
        said = ["one", "two", f"three {WINDOW - 1}", "four"]
        for n in range(WINDOW):
            said += [f"five {n}", "six"]
            assert turn(store, *said) is session
        assert session.off_line == ()

    def test_a_name_leads_to_the_last_one_who_took_it(self, store: Store) -> None:
        """A conversation that opened like one that is further on, and got the same answer."""
        said = ["one", "two"]
        first = turn(store, *said)
        for n in range(WINDOW // 2 - 1):
            said += [f"more {n}", "and more"]
            turn(store, *said)
        ask(store, *said, "a last word")
        second = turn(store, "one", "two")
        assert second is not first
        assert ask(store, "one", "two", "another way")[0] is second
        assert ask(store, *said, "a last word")[0] is first
        assert not set(first.names) & set(second.names)

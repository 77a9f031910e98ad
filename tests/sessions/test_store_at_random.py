"""Whatever happens to the store, in whatever order: its bounds hold, and every name leads to who goes by it."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pointsman.sessions.key_sources import SessionKey
from pointsman.sessions.store import MAX_BOUNDARIES, MAX_FURTHER_NAMES, Session, SessionStore
from pointsman.wire.conversation import Message
from sessions.session_builders import HERE, THERE, named, words

WORDS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=12)
PREAMBLES = st.sampled_from(["", "Be brief."])
PINS = st.sampled_from([HERE, THERE])


class AnySequence(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now, self.room, self.ttl = 0.0, 4, 60.0
        self.store = SessionStore(self.room, self.ttl)
        self.running: list[tuple[Session, SessionKey]] = []
        self.pins: dict[Session, object] = {}

    @rule(said=WORDS, preamble=PREAMBLES)
    def ask_by_words(self, said: list[str], preamble: str) -> None:
        self.enter(words(*said, preamble=preamble))

    @rule(name=st.sampled_from("xyz"))
    def ask_by_name(self, name: str) -> None:
        self.enter(named(name))

    def enter(self, key: SessionKey) -> None:
        before = set(self.store)
        holders = {name: session for session in before for name in session.names if self.lives(session)}
        session = self.store.find_or_begin(key, self.now)
        found = next((holders[name] for name in key.names if name in holders), None)
        if found is None:
            assert session not in before
            assert session.pin is None
        else:
            assert session is found or session not in before
            assert session.pin is self.pins.get(found)
        assert key.own in session.names
        assert session in self.store
        assert session.used == self.now or session in before
        self.store.touch(session, self.now)
        self.pins[session] = session.pin
        self.running = [*self.running[-3:], (session, key)]

    @precondition(lambda self: self.running)
    @rule(pin=PINS, which=st.integers(0, 3))
    def commit(self, pin: object, which: int) -> None:
        session, _ = self.running[which % len(self.running)]
        session.pin = self.pins[session] = pin  # type: ignore[assignment]
        self.store.touch(session, self.now)

    @precondition(lambda self: self.running)
    @rule(text=st.sampled_from(["a", "b"]), which=st.integers(0, 3))
    def answer(self, text: str, which: int) -> None:
        session, key = self.running.pop(which % len(self.running))
        if key.chain:
            key.chain.add(Message("assistant", text.encode()))
            self.store.extend(session, key.own, key.chain.exact[-1])
            self.store.add_name(session, key.chain.outlines[-1])
        self.store.add_name(session, named(f"answer {text}").own)

    @precondition(lambda self: self.running)
    @rule(exchange=st.sampled_from([b"one", b"two"]), which=st.integers(0, 3))
    def end_with(self, exchange: bytes, which: int) -> None:
        session, _ = self.running[which % len(self.running)]
        self.store.set_exchange(session, exchange)

    @rule(seconds=st.sampled_from([0.0, 1.0, 20.0, 59.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(room=st.integers(1, 5), ttl=st.sampled_from([30.0, 60.0]))
    def resize(self, room: int, ttl: float) -> None:
        self.room, self.ttl = room, ttl
        self.store.resize(room, ttl, self.now)
        assert all(self.lives(session) for session in self.store)

    def lives(self, session: Session) -> bool:
        return session.used + self.ttl > self.now

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.store) <= self.room
        for session in self.store:
            assert len(session.boundaries) + len(session.abandoned) <= MAX_BOUNDARIES
            assert len(session.further_names) <= MAX_FURTHER_NAMES

    @invariant()
    def every_name_leads_to_who_goes_by_it(self) -> None:
        """And to no other; no name outlives its session."""
        listed = [(name, session) for session in self.store for name in session.names]
        assert len({name for name, _ in listed}) == len(listed)
        assert dict(listed) == self.store._names

    @invariant()
    def every_exchange_leads_to_all_who_ended_with_it(self) -> None:
        ended = {session.exchange for session in self.store} - {None}
        found = {exchange: {each for each in self.store if each.exchange == exchange} for exchange in ended}
        assert found == self.store._by_exchange

    @invariant()
    def those_used_last_stand_last(self) -> None:
        used = [session.used for session in self.store]
        assert used == sorted(used)

    @invariant()
    def no_session_moves_the_pin_of_another(self) -> None:
        for session in self.store:
            assert session.pin is self.pins.get(session)

    @invariant()
    def the_counts_add_up(self) -> None:
        counts = self.store.counts
        assert 0 <= counts.evictions <= counts.insertions - len(self.store)


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

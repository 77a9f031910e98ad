"""Sessions of two and three instances in virtual time: whatever gets lost, the newest version wins in the end."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Mode
from pointsman.sessions.binding import SessionBinding, Stickiness
from pointsman.sessions.key_sources import Caller
from pointsman.sessions.store import Pin
from pointsman.shared.part import Delta
from pointsman.wire.conversation import Message
from sessions.session_builders import HERE, THERE, talk
from shared.session_network import Instance, ScriptedEngine, settle
from support.clients_in_core import caller

PINS = (HERE, THERE, Pin("a", "m", "key-2"))
ANSWERS = [f"answer {n}, which is long enough to tell this conversation from any other one" for n in range(9)]


def network(count: int = 2) -> list[Instance]:
    engine = ScriptedEngine()
    return [Instance(number, engine) for number in range(count)]


def said(turn: int, about: str = "one") -> tuple[str, ...]:
    """What a request of this turn holds, from 1 on."""
    parts: list[str] = []
    for n in range(turn):
        parts += (f"{about}: question {n}", ANSWERS[n])
    return tuple(parts[:-1])


def by_words(turn: int, about: str = "one") -> Caller:
    return caller(conversation=lambda: talk(*said(turn, about)))


def by_header(name: str) -> Caller:
    return caller(headers={"x-session-id": name})


def answer(instance: Instance, binding: SessionBinding, pin: Pin, server: float, text: str | None = None) -> None:
    now = instance.time(server).now
    binding.set_pin(pin, now)
    binding.touch(now, (pin.provider, pin.model))
    if text is not None:
        instance.registry.on_answer(binding, Message("assistant", text.encode()))


def exchange(senders: list[Instance], server: float) -> None:
    for sender in senders:
        for delta in sender.tick(server):
            for receiver in senders:
                if receiver is not sender:
                    receiver.receive(delta, server)


class TestAlternating:
    @pytest.mark.parametrize("count", [2, 3])
    def test_a_conversation_known_by_its_words_is_hit_from_turn_2(self, count: int) -> None:
        instances = network(count)
        for turn in range(1, 9):
            instance, server = instances[turn % count], 100.0 + turn
            binding = instance.ask(by_words(turn), server)
            assert binding.stickiness((HERE.provider, HERE.model)) is (Stickiness.MISS if turn == 1 else Stickiness.HIT)
            answer(instance, binding, HERE, server, ANSWERS[turn - 1])
            exchange(instances, server + 0.5)

    def test_a_new_pin_is_written_at_once_and_further_turns_behind(self) -> None:
        """The next request may come to a peer before the next tick. Later ones find the pin there, or here."""
        one, _ = network()
        first = one.ask(by_words(1), 100.0)
        assert one.hastened == 0
        answer(one, first, HERE, 100.0, ANSWERS[0])
        assert one.hastened > 0
        one.tick(100.01)
        one.hastened = 0
        answer(one, one.ask(by_words(2), 101.0), HERE, 101.0, ANSWERS[1])
        assert one.hastened == 0
        answer(one, one.ask(by_words(3), 102.0), THERE, 102.0, ANSWERS[2])
        assert one.hastened > 0

    def test_a_header_names_it_everywhere(self) -> None:
        one, two = network()
        first = one.ask(by_header("chat-1"), 100.0)
        answer(one, first, HERE, 100.0)
        exchange([one, two], 100.5)
        again = two.ask(by_header("chat-1"), 101.0)
        assert again.pin == HERE
        assert again.label == first.label

    def test_a_known_one_is_not_looked_up(self) -> None:
        one, _ = network()
        for turn in range(1, 4):
            binding = one.ask(by_words(turn), 100.0 + turn)
            answer(one, binding, HERE, 100.0 + turn, ANSWERS[turn - 1])
            assert one.registry.key_to_look_up(by_words(turn), one.time(100.0 + turn).now) is None
        assert one.registry.key_to_look_up(by_words(4), one.time(104.0).now) is None

    def test_what_went_on_elsewhere_is_looked_up_again(self) -> None:
        one, two = network()
        answer(one, one.ask(by_words(1), 100.0), HERE, 100.0, ANSWERS[0])
        one.tick(100.1)
        answer(two, two.ask(by_words(2), 101.0), THERE, 101.0, ANSWERS[1])
        two.tick(101.1)  # its delta does not arrive
        assert one.ask(by_words(3), 102.0).pin == THERE

    def test_a_client_that_changes_answers_is_looked_up_once(self) -> None:
        one, _ = network()
        answer(one, one.ask(by_words(1), 100.0), HERE, 100.0, "what the client will not repeat")
        one.tick(100.1)
        assert one.registry.key_to_look_up(by_words(2), one.time(101.0).now)
        answer(one, one.ask(by_words(2), 101.0), HERE, 101.0, "nor this")
        assert one.registry.key_to_look_up(by_words(3), one.time(102.0).now) is None

    def test_a_moved_pin_is_published(self) -> None:
        one, two = network()
        answer(one, one.ask(by_header("chat-1"), 100.0), HERE, 100.0)
        exchange([one, two], 100.1)
        answer(two, two.ask(by_header("chat-1"), 101.0), THERE, 101.0)
        exchange([one, two], 101.1)
        binding = one.registry.bind(by_header("chat-1"), Mode.BALANCED, one.time(102.0).now)
        assert binding.pin == THERE
        assert binding.session
        assert binding.session.home == HERE

    def test_two_that_begin_at_the_same_time_become_one(self) -> None:
        one, two = network()
        first, second = one.ask(by_header("chat-1"), 100.0), two.ask(by_header("chat-1"), 100.0)
        answer(one, first, HERE, 100.1)
        answer(two, second, THERE, 100.2)
        for turn in range(3):
            exchange([one, two], 101.0 + turn)
        assert first.session
        assert second.session
        assert first.label == second.label
        assert first.session.pin == second.session.pin == THERE

    def test_an_edited_turn_keeps_the_pin_at_the_peer(self) -> None:
        one, two = network()
        for turn in (1, 2):
            answer(one, one.ask(by_words(turn), 100.0 + turn), HERE, 100.0 + turn, ANSWERS[turn - 1])
        one.tick(103.0)
        edited = caller(conversation=lambda: talk(*said(1), ANSWERS[0], "another question"))
        assert two.ask(edited, 104.0).pin == HERE
        assert two.ask(by_words(1), 104.0).pin == HERE  # once more from the start

    def test_sub_agents_have_sessions_of_their_own(self) -> None:
        one, two = network()
        answer(one, one.ask(by_header("chat-1"), 100.0), HERE, 100.0)
        one.tick(100.1)
        agent = caller(headers={"x-session-id": "chat-1", "x-claude-code-agent-id": "helper"})
        assert two.ask(agent, 101.0).pin is None

    def test_a_retried_turn_is_one_failure(self) -> None:
        one, two = network()
        failed = one.ask(by_words(1), 100.0)
        failed.record_failure("a/m", True, one.time(100.0).now, one.time(101.0).now)
        one.tick(101.1)
        retry = two.ask(caller(headers={"x-stainless-retry-count": "1"}, conversation=lambda: talk(*said(1))), 102.0)
        assert retry.failure_count("a/m") == 1
        retry.record_failure("a/m", True, two.time(102.0).now, two.time(103.0).now)
        assert retry.failure_count("a/m") == 1


class TestBans:
    def test_a_ban_at_one_is_a_ban_at_the_other(self) -> None:
        one, two = network()
        for instance in (one, two):
            answer(instance, instance.ask(by_header("chat-1"), 100.0), HERE, 100.0)
            exchange([one, two], 100.1)
        binding = one.ask(by_header("chat-1"), 101.0)
        binding.ban("groq", "503, provider-ban", 600.0, False, one.time(101.0).now)
        exchange([one, two], 101.1)
        there = two.ask(by_header("chat-1"), 102.0)
        ban = there.ban_on("groq", "groq/llama", two.time(102.0).now)
        assert ban
        assert ban.reason == "503, provider-ban"
        assert ban.until == pytest.approx(two.time(701.0).now)
        assert there.pin is None

    @pytest.mark.parametrize("label", [None, "own"])
    def test_lifted_by_hand_anywhere_it_is_lifted_everywhere(self, label: str | None) -> None:
        one, two, three = instances = network(3)
        binding = one.ask(by_header("chat-1"), 100.0)
        answer(one, binding, HERE, 100.0)
        binding.ban("groq", "503", 600.0, False, one.time(100.0).now)
        exchange(instances, 100.1)
        two.ask(by_header("chat-1"), 101.0)
        now = three.time(102.0).now
        three.registry.lift_bans(binding.label if label else None, "groq", now)  # which has never seen the session
        exchange(instances, 102.1)
        exchange(instances, 102.2)
        for each in instances:
            late = each.ask(by_header("chat-1"), 103.0)
            assert late.ban_on("groq", "groq/llama", each.time(103.0).now) is None

    def test_a_lift_counts_for_what_is_read_later(self) -> None:
        one, two = network()
        binding = one.ask(by_header("chat-1"), 100.0)
        binding.ban("groq", "503", 600.0, False, one.time(100.0).now)
        one.tick(100.1)
        two.registry.lift_bans(None, None, two.time(101.0).now)
        two.tick(101.1)  # `one` is gone by now
        assert two.ask(by_header("chat-1"), 102.0).ban_on("groq", "groq/llama", two.time(102.0).now) is None

    def test_forgotten_by_hand_it_is_forgotten_everywhere(self) -> None:
        one, two = network()
        binding = one.ask(by_header("chat-1"), 100.0)
        answer(one, binding, HERE, 100.0)
        exchange([one, two], 100.1)
        assert binding.label
        two.registry.forget(binding.label, two.time(101.0).now)
        exchange([one, two], 101.1)
        exchange([one, two], 101.2)
        for each in (one, two):
            assert each.ask(by_header("chat-1"), 102.0).pin is None


def test_after_a_restart_of_the_engine_all_is_written_again() -> None:
    one, two = network()
    answer(one, one.ask(by_words(1), 100.0), HERE, 100.0, ANSWERS[0])
    one.tick(100.1)
    one.engine.hashes.clear()
    one.engine.texts.clear()
    one.part.on_connected(one.time(101.0), True)
    one.tick(101.1)
    assert two.ask(by_words(2), 102.0).pin == HERE


def test_sessions_that_are_gone_do_not_wait_for_the_engine() -> None:
    [one] = network(1)
    for n in range(20):
        answer(one, one.ask(by_header(f"chat-{n}"), 100.0), HERE, 100.0)
    one.registry.store.resize(5, 60.0, one.time(100.0).now)
    assert list(one.part._changed) == list(one.registry.store)


@pytest.mark.parametrize("value", [b"", b"0" * 20, b"zz" * 10 + b"[]", b"0" * 20 + b"[1]"])
def test_what_cannot_be_read_changes_nothing(value: bytes) -> None:
    one, two = network()
    answer(one, one.ask(by_header("chat-1"), 100.0), HERE, 100.0)
    one.tick(100.1)
    for fields in one.engine.hashes.values():
        fields.update(dict.fromkeys(fields, value))
    assert two.ask(by_header("chat-1"), 101.0).pin is None


def test_nothing_that_people_say_is_written() -> None:
    one, _ = network()
    binding = one.ask(by_words(2, "lavender"), 100.0)
    one.registry.on_request(binding, "client-Zoe", "model-Quince", lambda: "lavender")
    answer(one, binding, HERE, 100.0, f"lavender {ANSWERS[0]}")
    binding.ban("groq", "503", 600.0, False, one.time(100.0).now)
    one.tick(100.1)
    dump = repr(one.engine.__dict__)
    assert "groq" in dump
    assert not [word for word in ("lavender", "Zoe", "Quince", "question", "answer") if word in dump]


OPERATIONS = st.one_of(
    st.tuples(st.just("turn"), st.sampled_from(PINS), st.sampled_from([True, True, False])),
    st.tuples(st.just("turn"), st.sampled_from(PINS), st.just(True)),
    st.tuples(st.just("ban"), st.sampled_from(["groq", "a/m"])),
    st.tuples(st.just("lift"), st.sampled_from(["groq", None])),
    st.tuples(st.just("tick"), st.sampled_from(["whole", "without reply", "not at all"])),
    st.tuples(st.just("deliver"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("lose"), st.integers(0, 9)),
)
NAME = "chat-1"


class AnyOrder:
    """One conversation at several instances. Most ticks work, and most of what they publish takes long to arrive."""

    def __init__(self, count: int) -> None:
        self.instances = network(count)
        self.under_way: list[tuple[Instance, Delta]] = []

    def do(self, instance: Instance, operation: tuple[Any, ...], server: float) -> None:
        handlers: dict[str, Callable[..., None]] = {
            "turn": self.turn,
            "ban": self.ban,
            "lift": self.lift,
            "tick": self.tick,
            "deliver": self.deliver,
            "lose": self.lose,
        }
        handlers[operation[0]](instance, server, *operation[1:])

    def turn(self, instance: Instance, server: float, pin: Pin, is_written: bool) -> None:
        answer(instance, instance.ask(by_header(NAME), server), pin, server)
        if is_written:
            self.tick(instance, server, "whole")

    def ban(self, instance: Instance, server: float, scope: str) -> None:
        instance.ask(by_header(NAME), server).ban(scope, "503", 600.0, False, instance.time(server).now)

    def lift(self, instance: Instance, server: float, scope: str | None) -> None:
        instance.registry.lift_bans(None, scope, instance.time(server).now)

    def tick(self, instance: Instance, server: float, how: str) -> None:
        for delta in instance.tick(server, how != "whole", how != "not at all"):
            self.under_way += [(each, delta) for each in self.instances if each is not instance]

    def deliver(self, _: Instance, server: float, which: int, again: bool) -> None:
        if self.under_way:
            place = which % len(self.under_way)
            receiver, delta = self.under_way[place]
            receiver.receive(delta, server)
            if not again:
                del self.under_way[place]

    def lose(self, _: Instance, __: float, which: int) -> None:
        if self.under_way:
            del self.under_way[which % len(self.under_way)]


@pytest.mark.parametrize("count", [2, 3])
@given(operations=st.lists(st.tuples(st.integers(0, 2), OPERATIONS), max_size=40))
def test_after_quiet_all_instances_have_the_same(count: int, operations: list[tuple[int, tuple[Any, ...]]]) -> None:
    world = AnyOrder(count)
    for step, (who, operation) in enumerate(operations):
        world.do(world.instances[who % count], operation, 100.0 + step)
    settle(world.instances, 200.0)
    seen = set()
    for each in world.instances:
        session = each.registry.bind(by_header(NAME), Mode.BALANCED, each.time(210.0).now).session
        if session and session.mark:  # else it has never been asked
            bans = session.penalties.current_bans(each.time(210.0).now) if session.penalties else {}
            seen.add((session.pin, session.home, session.detour, *sorted(bans)))
    assert len(seen) <= 1, seen

"""The hub in virtual time: its clock, its bounds, and how it handles deltas that it cannot read."""

from collections.abc import Iterable
from typing import Any

import pytest

from pointsman.shared.hub import MAX_ENTRIES_A_TICK, MAX_ENTRY, Hub
from pointsman.shared.part import Call, Delta, Script, SharedState, SharedTime
from shared.fake_engine import FakeEngine, VirtualInstance


class Notes:
    """A part that sends what it is given, and keeps what it gets."""

    name = "notes"

    def __init__(self) -> None:
        self.due: list[Delta] = []
        self.got: list[bytes] = []
        self.due_calls: list[Call] = []
        self.connected: list[bool] = []
        """For each time, whether the engine was new."""

    def deltas(self, now: SharedTime) -> Iterable[Delta]:
        due, self.due = self.due, []
        return due

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        if delta.body == b"bad":
            raise ValueError("bad")
        self.got.append(delta.body)

    def calls(self, now: SharedTime) -> Iterable[Call]:
        due, self.due_calls = self.due_calls, []
        return due

    def publish_all(self, now: SharedTime) -> None:
        pass

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        self.connected.append(is_new_engine)

    def on_disconnected(self, now: SharedTime) -> None:
        pass


def made(engine: FakeEngine, name: str) -> tuple[VirtualInstance, Notes]:
    notes = Notes()
    made = VirtualInstance(engine, name, 50.0, notes)
    made.tick()
    return made, notes


def tick_that_takes(one: VirtualInstance, there: float, back: float) -> None:
    """Seconds until the engine runs it, and until its reply is here."""
    sent = one.time
    tick = one.hub.begin_tick(sent)
    one.engine.now += there
    replies = [one.engine.run(call) for call in tick.calls]
    one.engine.now += back
    one.hub.end_tick(tick, replies, sent, one.time)


def test_a_slow_reply_does_not_move_the_clock() -> None:
    one, _ = made(FakeEngine(), "one")
    tick_that_takes(one, 0.001, 0.001)
    tick_that_takes(one, 0.0, 0.4)
    assert one.time.server == pytest.approx(one.engine.now, abs=0.002)


def test_clocks_that_drift_apart_are_followed() -> None:
    one, _ = made(FakeEngine(), "one")
    tick_that_takes(one, 0.001, 0.001)
    one.ahead += 0.5
    for _ in range(100):
        tick_that_takes(one, 0.005, 0.005)
    assert one.time.server == pytest.approx(one.engine.now, abs=0.002)


def test_what_cannot_be_read_is_dropped_and_the_rest_is_applied() -> None:
    engine = FakeEngine()
    (one, sender), (two, receiver) = made(engine, "one"), made(engine, "two")
    sender.due = [Delta("notes", b"bad"), Delta("a part of a newer version", b"1"), Delta("notes", b'"good"')]
    one.tick()
    two.tick()
    assert receiver.got == [b'"good"']
    assert two.hub.malformed == 1
    assert two.hub.is_connected


def test_much_is_sent_in_several_entries_and_ticks_in_order() -> None:
    engine = FakeEngine()
    (one, sender), (two, receiver) = made(engine, "one"), made(engine, "two")
    sender.due = [Delta("notes", b"%d" % number + b" " * 1000) for number in range(300)]
    one.tick()
    assert max(len(body) for _, _, body in engine.data.stream) <= MAX_ENTRY + 100
    assert len(engine.data.stream) <= MAX_ENTRIES_A_TICK + 2
    for _ in range(10):
        one.tick()
        two.tick()
    assert [int(body) for body in receiver.got] == list(range(300))


def test_what_was_not_sent_is_sent_later_and_in_order() -> None:
    engine = FakeEngine()
    (one, sender), (two, receiver) = made(engine, "one"), made(engine, "two")
    sender.due = [Delta("notes", b"1"), Delta("notes", b"2")]
    one.tick(fails="before")
    assert one.hub.state is SharedState.DEGRADED
    sender.due = [Delta("notes", b"3")]
    one.tick()
    one.tick()
    two.tick()
    assert receiver.got == [b"1", b"2", b"3"]


def test_a_call_gets_its_own_reply() -> None:
    engine = FakeEngine()
    one, notes = made(engine, "one")
    engine.handlers["double"] = lambda call, _: 2 * int(call.args[0])
    script, got = Script("double", ""), list[Any]()
    notes.due_calls = [Call(script, ("k",), (number,), lambda reply, _: got.append(reply)) for number in (3, 4)]
    one.tick()
    assert got == [6, 8]


def test_a_reply_that_cannot_be_applied_costs_no_other_one() -> None:
    engine = FakeEngine()
    one, notes = made(engine, "one")
    engine.handlers["number"] = lambda call, _: call.args[0]
    got, told = list[int](), list[tuple[str, str]]()
    one.hub.on_fault = lambda script, problem: told.append((script, problem))
    script = Script("number", "")
    notes.due_calls = [
        Call(script, ("k",), (word,), lambda reply, _: got.append(int(reply))) for word in ("1", "two", "3")
    ]
    one.tick()
    assert got == [1, 3]
    [(name, problem)] = told
    assert name == "number"
    assert "ValueError" in problem
    assert one.hub.is_connected


async def test_an_engine_that_does_not_answer_delays_no_request() -> None:
    hub = Hub("test", "one", lambda: "name")

    async def never(calls: object) -> bool:
        raise AssertionError("asked")

    hub.asker = never
    assert not await hub.prepare([Call(Script("s", ""), ("k",))])


def test_instances_that_come_back_later_still_count() -> None:
    engine = FakeEngine()
    (one, _), _ = made(engine, "one"), made(engine, "two")
    one.tick()
    engine.restart(is_empty=True)
    one.tick()
    assert one.hub.instances == 2
    engine.now += 3.1
    one.tick()
    assert one.hub.instances == 1


def test_an_engine_that_lost_a_tick_is_known_though_others_come_first() -> None:
    engine = FakeEngine()
    (one, notes), (two, _) = made(engine, "one"), made(engine, "two")
    engine.save()
    one.tick()
    engine.restart(is_empty=False)
    two.tick()
    two.tick()
    assert notes.connected == [True]
    one.tick()
    assert notes.connected == [True, True]


def test_an_instance_that_is_silent_for_three_seconds_does_not_count() -> None:
    engine = FakeEngine()
    (one, _), _ = made(engine, "one"), made(engine, "two")
    one.tick()
    assert one.hub.instances == 2
    engine.now += 3.1
    one.tick()
    assert one.hub.instances == 1

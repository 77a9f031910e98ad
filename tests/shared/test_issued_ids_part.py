"""Issued ids over two instances: who holds what, and whose it is."""

from typing import Any

import pytest

from pointsman.routing.issued_ids import IssuedIds
from pointsman.sessions.store import Pin
from pointsman.shared.issued_ids_part import STORE, IssuedIdsPart
from pointsman.shared.part import SharedTime
from pointsman.wire.errors import Problem
from pointsman.wire.request_facts import HeldIds

PIN = Pin("alpha", "m", "key-1")


class Instance:
    def __init__(self, engine: dict[str, Any]) -> None:
        self.engine, self.ids = engine, IssuedIds(lambda name: b"digest of " + name.encode()[:1])
        self.part = IssuedIdsPart(self.ids, lambda *names: "{" + ":".join(names) + "}")

    def run(self, calls: Any, now: float) -> int:
        calls = list(calls)
        for call in calls:
            if call.script is STORE:
                self.engine.update(zip(call.keys, call.args[1:], strict=True))
            found = [self.engine.get(key) for key in call.keys]
            call.on_reply(found, SharedTime(now, now, now))
        return len(calls)

    def tick(self, now: float) -> int:
        return self.run(self.part.calls(SharedTime(now, now, now)), now)

    def look_up(self, now: float, *answers: str, items: tuple[str, ...] = (), with_items: bool = False) -> int:
        return self.run(self.part.look_up(HeldIds(answers, items), with_items, now), now)


def pair() -> tuple[Instance, Instance]:
    engine: dict[str, Any] = {}
    return Instance(engine), Instance(engine)


def test_an_id_of_one_is_known_at_the_other() -> None:
    one, two = pair()
    one.ids.record(["resp_1"], PIN, 0.0)
    one.tick(0.1)
    assert two.ids.find(["resp_1"], 1.0) is None
    two.look_up(1.0, "resp_1")
    assert two.ids.find(["resp_1"], 1.0) == PIN


def test_it_stays_that_of_the_client_that_it_was_issued_to() -> None:
    one, two = pair()
    one.ids.record(["resp_1"], PIN, 0.0, "zoe")
    one.tick(0.1)
    two.look_up(1.0, "resp_1")
    assert two.ids.find(["resp_1"], 1.0, "zoe") == PIN
    with pytest.raises(Problem):
        two.ids.find(["resp_1"], 1.0, "adam")
    two.ids.record(["resp_1"], PIN, 2.0)  # it was accepted
    with pytest.raises(Problem):
        two.ids.find(["resp_1"], 2.0, "adam")
    assert "zoe" not in repr(one.engine)


def test_what_is_known_is_neither_asked_nor_sent_again() -> None:
    one, two = pair()
    one.ids.record(["resp_1"], PIN, 0.0)
    assert one.tick(0.1) == 1
    assert one.look_up(1.0, "resp_1") == 0
    one.ids.record(["resp_1"], PIN, 2.0)
    assert one.tick(2.1) == 0
    assert two.look_up(3.0, "resp_2") == 1
    assert two.look_up(3.1, "resp_2") == 0  # for a while


def test_parts_of_answers_are_asked_for_where_the_session_is_unknown() -> None:
    one, two = pair()
    one.ids.record(["rs_1"], PIN, 0.0)
    one.tick(0.1)
    assert two.look_up(1.0, items=("rs_1",)) == 0
    assert two.look_up(1.0, items=("rs_1",), with_items=True) == 1
    assert two.ids.find(["rs_1"], 1.0) == PIN


def test_what_an_engine_has_lost_is_sent_again() -> None:
    one, two = pair()
    one.ids.record(["resp_1"], PIN, 0.0)
    one.tick(0.1)
    one.engine.clear()
    one.part.on_connected(SharedTime(1.0, 1.0, 1.0), True)
    one.tick(1.1)
    two.look_up(2.0, "resp_1")
    assert two.ids.find(["resp_1"], 2.0) == PIN


@pytest.mark.parametrize(
    "value", [b"", b"{}", b'["alpha"]', b'["alpha", "m", 1, null]', b'["alpha", "m", null, "zoe"]']
)
def test_what_cannot_be_read_is_unknown(value: bytes) -> None:
    one, two = pair()
    one.ids.record(["resp_1"], PIN, 0.0)
    one.tick(0.1)
    one.engine.update(dict.fromkeys(one.engine, value))
    two.look_up(1.0, "resp_1")
    assert two.ids.find(["resp_1"], 1.0) is None
    assert two.part.malformed == 1

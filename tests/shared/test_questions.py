"""Questions to the peers: who answers, who is missing, and what stands at the engine meanwhile."""

from typing import Any

import pytest

from pointsman import shared_questions
from pointsman.sessions.digests import Digests
from pointsman.shared.part import SharedTime
from pointsman.shared.questions import ALIVE, PUT, Question, SharedQuestions
from pointsman.shared_questions import SecretSeal

NOW = SharedTime(0.0, 0.0, 0.0)
SECRET = b"s" * 32


class World:
    def __init__(self, *names: str) -> None:
        self.lists: dict[str, list[bytes]] = {}
        self.deltas: list[bytes] = []
        self.parts = {name: self.join(name) for name in names}

    def join(self, name: str, secret: bytes = SECRET) -> SharedQuestions:
        def answer(id: str, asked: Any) -> None:
            part.answer(id, part.sealed_answer(f"{name} on {asked}"))

        seal = SecretSeal(Digests(secret), "pointsman")
        part = SharedQuestions(lambda *names: ":".join(names), "instances", name, f"title of {name}", seal, answer)
        return part

    def tick(self, *silent: str) -> None:
        for name, part in self.parts.items():
            if name in silent:
                continue
            for delta in part.deltas(NOW):
                self.deltas.append(delta.body)
                for other, peer in self.parts.items():
                    if other not in (name, *silent):
                        peer.on_delta(delta, NOW)
            for call in part.calls(NOW):
                if call.script is ALIVE:
                    call.on_reply([each.encode() for each in self.parts], NOW)
                elif call.script is PUT:
                    sealed: Any = call.args[1]
                    self.lists.setdefault(call.keys[0], []).append(sealed)
                else:
                    call.on_reply(self.lists.get(call.keys[0], [])[call.args[0] :], NOW)  # type: ignore[misc]


def asked(world: World, what: str = "lavender") -> Question:
    question = world.parts["a"].ask("q-1", what)
    assert question
    return question


def test_all_peers_answer() -> None:
    world, done = World("a", "b", "c"), []
    question = asked(world)
    question.on_complete = lambda: done.append(True)
    for _ in range(3):
        world.tick()
    assert question.answers == {"b": "b on lavender", "c": "c on lavender"}
    assert question.is_complete
    assert done
    assert world.parts["a"].title_of("b") == "title of b"


def test_one_that_is_silent_is_missing() -> None:
    world = World("a", "b", "c")
    question = asked(world)
    for _ in range(3):
        world.tick("c")
    assert not question.is_complete
    assert question.alive == {"b", "c"}
    assert question.answers == {"b": "b on lavender"}


def test_a_single_instance_does_not_wait() -> None:
    world = World("a")
    question = asked(world)
    world.tick()
    assert question.is_complete


def test_what_is_said_cannot_be_read_at_the_engine() -> None:
    world = World("a", "b")
    asked(world)
    for _ in range(3):
        world.tick()
    held = repr((world.lists, world.deltas))
    assert "lavender" not in held
    assert "title" not in held


def test_a_peer_with_another_secret_can_neither_read_nor_be_read() -> None:
    world = World("a", "b")
    world.parts["b"] = world.join("b", b"x" * 32)
    question = asked(world)
    for _ in range(3):
        world.tick()
    assert question.answers == {}


def test_a_closed_question_asks_no_more() -> None:
    world = World("a", "b")
    question = asked(world)
    world.parts["a"].close(question)
    world.tick()
    assert not list(world.parts["a"].calls(NOW))


def test_what_is_damaged_is_not_read() -> None:
    seal = SecretSeal(Digests(SECRET), "pointsman")
    assert seal.open(seal.close(b"said")) == b"said"
    assert seal.open(seal.close(b"said")[:-1]) is None
    assert seal.open(b"") is None


def test_what_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_questions, "MAX_CLEAR", 1000)
    seal = SecretSeal(Digests(SECRET), "pointsman")
    assert seal.open(seal.close(bytes(999))) == bytes(999)
    assert seal.open(seal.close(bytes(1001))) is None

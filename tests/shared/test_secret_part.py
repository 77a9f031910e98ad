"""The hashing secret: one for all instances, and never in clear at the engine."""

from secrets import token_bytes
from typing import Any

from pointsman.shared.part import SharedTime
from pointsman.shared.secret_part import CHECKED_AGAIN, SecretPart, Wrapping

KEY = "{pointsman}:secret"


class TextEngine:
    """Keeps one text, as the script does."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    def run(self, part: SecretPart, now: float) -> None:
        time = SharedTime(now, now, now)
        for call in part.calls(time):
            offer: Any = call.args[0]
            self.kept = offer if self.kept is None or call.args[1] else self.kept
            call.on_reply(self.kept, time)


def instance(password: str = "secret-word", own: bytes | None = None) -> tuple[SecretPart, list[bytes]]:
    used: list[bytes] = []
    part = SecretPart(own or token_bytes(32), Wrapping(password, "pointsman", token_bytes), KEY, used.append)
    return part, used


def test_the_first_one_counts_for_all() -> None:
    engine = TextEngine()
    (first, own), (second, theirs) = instance(own=b"1" * 32), instance(own=b"2" * 32)
    engine.run(first, 0.0)
    engine.run(second, 0.0)
    assert own == theirs == [b"1" * 32]
    assert engine.kept
    assert b"1" * 4 not in engine.kept


def test_the_one_that_was_kept_is_offered_to_an_empty_engine() -> None:
    engine = TextEngine()
    part, used = instance(own=b"1" * 32)
    engine.run(part, 0.0)
    engine.kept = None
    engine.run(part, CHECKED_AGAIN)
    other, theirs = instance()
    engine.run(other, CHECKED_AGAIN)
    assert used == theirs == [b"1" * 32]


def test_another_one_at_the_engine_is_used_from_then_on() -> None:
    engine = TextEngine()
    part, used = instance(own=b"1" * 32)
    engine.run(part, 0.0)
    engine.kept = Wrapping("secret-word", "pointsman", token_bytes).wrap(b"2" * 32)
    engine.run(part, CHECKED_AGAIN - 1)
    assert used == [b"1" * 32]
    engine.run(part, CHECKED_AGAIN)
    assert used == [b"1" * 32, b"2" * 32]


def test_one_of_another_password_is_replaced_but_once() -> None:
    engine = TextEngine()
    (old, _), (new, used) = instance("before", b"1" * 32), instance("after", b"2" * 32)
    engine.run(old, 0.0)
    engine.run(new, 1.0)
    assert used == []
    engine.run(new, 1.1)
    assert used == [b"2" * 32]
    engine.run(old, CHECKED_AGAIN)
    engine.run(old, CHECKED_AGAIN + 0.1)  # which it does as well
    engine.run(new, 1.1 + CHECKED_AGAIN)
    engine.run(new, 1.2 + CHECKED_AGAIN)
    assert old.is_foreign
    assert new.is_foreign
    assert used == [b"2" * 32]


def test_what_is_damaged_or_of_another_prefix_is_no_secret() -> None:
    wrapping = Wrapping("secret-word", "pointsman", token_bytes)
    wrapped = wrapping.wrap(b"1" * 32)
    assert wrapping.unwrap(wrapped) == b"1" * 32
    assert wrapping.unwrap(b"") is None
    assert wrapping.unwrap(wrapped[:-1] + b"x") is None
    assert Wrapping("secret-word", "another", token_bytes).unwrap(wrapped) is None

"""The bounded tape."""

import pytest

from pointsman.masking import Masker
from pointsman.transport.body_capture import MAX_BODY, MAX_MARKS, SPARE, Tape, bounded


def as_it_is(data: bytes) -> bytes:
    return data


def recorded(*pieces: tuple[bytes, float], start: float = 0.0) -> Tape:
    tape = Tape(start)
    for data, now in pieces:
        tape.add(data, now)
    return tape


class TestBody:
    def test_pieces_are_joined(self) -> None:
        assert recorded((b"one ", 0), (b"two", 1)).body(as_it_is) == b"one two"

    def test_the_beginning_is_kept_and_the_whole_counted(self) -> None:
        tape = recorded((b"a" * MAX_BODY, 0), (b"b" * MAX_BODY, 0), (b"c" * MAX_BODY, 0))
        assert tape.body(as_it_is) == b"a" * MAX_BODY
        assert tape.size == 3 * MAX_BODY

    def test_what_comes_when_it_is_full_is_not_held(self) -> None:
        tape = recorded(*[(b"x" * 1000, 0)] * 1000)
        assert sum(map(len, tape._pieces)) < MAX_BODY + SPARE + 1000

    @pytest.mark.parametrize("before", [0, 1, 7, 15, 16])
    def test_a_secret_across_the_bound_leaves_nothing(self, before: int) -> None:
        """Neither its beginning nor any more of it."""
        secret = b"sk-secret-000001"
        body = b"." * (MAX_BODY - before) + secret + b"."
        kept = bounded(body, Masker([secret.decode()]).data)
        assert len(kept) <= MAX_BODY
        assert b"sk-" not in kept


class TestMarks:
    def test_a_mark_says_where_and_when(self) -> None:
        assert recorded((b"one", 10.5), (b"two", 11.75), start=10.0).marks == [[0, 0.5], [3, 1.75]]

    def test_what_comes_right_after_is_not_marked(self) -> None:
        assert recorded((b"one", 0.0), (b"two", 0.009), (b"three", 0.02)).marks == [[0, 0.0], [6, 0.02]]

    def test_there_are_only_so_many(self) -> None:
        assert len(recorded(*[(b"x", float(n)) for n in range(1000)]).marks) == MAX_MARKS

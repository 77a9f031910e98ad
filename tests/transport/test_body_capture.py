"""The bounded tape."""

import tracemalloc

import pytest

from pointsman.masking import Masker
from pointsman.transport.body_capture import (
    MASKING_MARGIN,
    MAX_CAPTURED_BYTES,
    MAX_CHUNK_TIMES,
    BodyCapture,
    masked_prefix,
)


def as_it_is(data: bytes) -> bytes:
    return data


def recorded(*pieces: tuple[bytes, float], start: float = 0.0) -> BodyCapture:
    capture = BodyCapture(start)
    for data, now in pieces:
        capture.add(data, now)
    return capture


class TestBody:
    def test_pieces_are_joined(self) -> None:
        assert recorded((b"one ", 0), (b"two", 1)).body(as_it_is) == b"one two"

    def test_the_beginning_is_kept_and_the_whole_counted(self) -> None:
        capture = recorded(
            (b"a" * MAX_CAPTURED_BYTES, 0), (b"b" * MAX_CAPTURED_BYTES, 0), (b"c" * MAX_CAPTURED_BYTES, 0)
        )
        assert capture.body(as_it_is) == b"a" * MAX_CAPTURED_BYTES
        assert capture.size == 3 * MAX_CAPTURED_BYTES

    def test_what_comes_when_it_is_full_is_not_held(self) -> None:
        capture = recorded(*[(b"x" * 1000, 0)] * 1000)
        assert sum(map(len, capture._pieces)) < MAX_CAPTURED_BYTES + MASKING_MARGIN + 1000

    @pytest.mark.parametrize("before", [0, 1, 7, 15, 16])
    def test_a_secret_across_the_bound_leaves_nothing(self, before: int) -> None:
        """Neither its beginning nor any more of it."""
        secret = b"sk-secret-000001"
        body = b"." * (MAX_CAPTURED_BYTES - before) + secret + b"."
        kept = masked_prefix(body, Masker([secret.decode()]).data)
        assert len(kept) <= MAX_CAPTURED_BYTES
        assert b"sk-" not in kept


class TestMarks:
    def test_a_mark_says_where_and_when(self) -> None:
        assert recorded((b"one", 10.5), (b"two", 11.75), start=10.0).chunk_times == [[0, 0.5], [3, 1.75]]

    def test_what_comes_right_after_is_not_marked(self) -> None:
        assert recorded((b"one", 0.0), (b"two", 0.009), (b"three", 0.02)).chunk_times == [[0, 0.0], [6, 0.02]]

    def test_there_are_only_so_many(self) -> None:
        assert len(recorded(*[(b"x", float(n)) for n in range(1000)]).chunk_times) == MAX_CHUNK_TIMES


def test_no_more_of_a_large_piece_is_kept_than_of_others() -> None:
    size = 8 << 20
    tracemalloc.start()
    try:
        capture = BodyCapture(0.0)
        capture.add(b"x" * size, 0.0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (capture.size, len(capture.body(lambda body: body))) == (size, MAX_CAPTURED_BYTES)
    assert kept < size / 8

"""Durations and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import parse_duration, parse_size
from pointsman.config.values import BYTE_UNITS, MAX_COUNT, SECOND_UNITS, Unit, written


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("15s", 15.0),
        ("3m", 180.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2h", 7200.0),
        ("30d", 2592000.0),
        ("45", 45.0),
        ("15 s", 15.0),
        (45, 45.0),
        (0.25, 0.25),
        (0, 0.0),
    ],
)
def test_a_duration_is_a_number_with_a_unit_or_a_number_of_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "s",
            "15x",
            "-1s",
            "1h30m",
            "15S",
            "1e3s",
            "\N{ARABIC-INDIC DIGIT THREE}s",
            "off",
            " 15s",
            "15s\n",
            "9" * 40,
        ),
        *(None, True, -1, [15], float("nan"), float("inf"), MAX_COUNT * 10),
    ],
)
def test_anything_else_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 500ms, 15s, 3m, 2h or 7d"):
        parse_duration(written)


@given(st.integers(0, 10**9), st.sampled_from(sorted(SECOND_UNITS)))
def test_a_duration_says_as_many_seconds_as_its_unit_has(amount: int, unit: str) -> None:
    assert parse_duration(f"{amount}{unit}") == pytest.approx(amount * SECOND_UNITS[unit])


@given(st.floats(0, 10**9).map(lambda seconds: round(seconds, 3)))
def test_a_duration_written_in_seconds_reads_back_as_itself(seconds: float) -> None:
    assert parse_duration(f"{seconds:.3f}s") == pytest.approx(seconds)
    assert parse_duration(seconds) == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("64MiB", 64 * 2**20), ("10MB", 10**7), ("1KiB", 1024), ("2 GiB", 2**31), ("500kB", 500_000), ("7", 7), (7, 7)],
)
def test_a_size_is_a_number_with_a_unit_or_a_number_of_bytes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "MiB", "1.5MiB", "-1", "64mib", "64 Mi", None, True, -1, 1.0, [1]])
def test_anything_else_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="must be a size such as 64MiB, 500kB or a number of bytes"):
        parse_size(written)


@given(st.integers(0, 10**9), st.sampled_from(sorted(BYTE_UNITS)))
def test_a_size_says_as_many_bytes_as_its_unit_has(amount: int, unit: str) -> None:
    assert parse_size(f"{amount}{unit}") == amount * BYTE_UNITS[unit]


@given(st.one_of(st.integers(1, 10**11), st.floats(0.001, 1e9).map(lambda value: round(value, 3))))
def test_what_is_shown_with_its_unit_is_read_as_the_same(value: float) -> None:
    assert parse_duration(written(value, Unit.SECONDS)) == pytest.approx(value)
    assert parse_size(written(int(value) + 1, Unit.BYTES)) == int(value) + 1

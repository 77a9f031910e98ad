"""Digests: what differs in kind, in parts or in secret differs."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import KeySource
from pointsman.sessions.digests import DIGEST_BYTES, Digests

DIGESTS = Digests(b"one installation")


def test_one_value_has_one_digest() -> None:
    assert DIGESTS.digest("ip", "10.0.0.1") == DIGESTS.digest("ip", b"10.0.0.1")
    assert len(DIGESTS.digest("ip", "10.0.0.1")) == DIGEST_BYTES


@pytest.mark.parametrize("keyed", [False, True])
def test_one_value_has_a_digest_of_its_own_in_each_kind(keyed: bool) -> None:
    kinds = [*KeySource, "scope"]
    assert len({DIGESTS.digest(kind, "value", keyed=keyed) for kind in kinds}) == len(kinds)


PARTS = [(), ("",), ("", ""), ("abc",), ("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("a\0b",), ("a", "b")]


@pytest.mark.parametrize(("one", "other"), list(combinations(PARTS, 2)))
def test_parts_are_distinguished(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert DIGESTS.digest("ip", *one) != DIGESTS.digest("ip", *other)


def test_a_length_cannot_be_written_into_a_value() -> None:
    """The bytes that come before each part, put into one part."""
    forged = "ab" + "\0" * 7 + "\1" + "c"
    assert DIGESTS.digest("ip", forged) != DIGESTS.digest("ip", "ab", "c")


def test_only_what_is_keyed_depends_on_the_installation() -> None:
    other = Digests(b"another installation")
    assert DIGESTS.digest("ip", "10.0.0.1", keyed=True) != other.digest("ip", "10.0.0.1", keyed=True)
    assert DIGESTS.digest("ip", "10.0.0.1") == other.digest("ip", "10.0.0.1")
    assert DIGESTS.digest("ip", "10.0.0.1") != DIGESTS.digest("ip", "10.0.0.1", keyed=True)


@pytest.mark.parametrize("text", ["\udcff", "é\ud800", "x" * 10_000_000], ids=["a byte", "half a letter", "long"])
def test_any_text_has_one_and_it_is_no_longer_than_others(text: str) -> None:
    assert len(DIGESTS.digest("ip", text)) == DIGEST_BYTES


def test_a_byte_that_is_no_text_is_not_the_letter_it_looks_like() -> None:
    assert DIGESTS.digest("ip", "\udce9") != DIGESTS.digest("ip", "é")


@given(
    st.tuples(st.sampled_from([*KeySource]), st.lists(st.text(st.characters(codec=None)), max_size=4)),
    st.tuples(st.sampled_from([*KeySource]), st.lists(st.text(st.characters(codec=None)), max_size=4)),
)
def test_two_values_meet_only_if_they_are_one(
    one: tuple[KeySource, list[str]], other: tuple[KeySource, list[str]]
) -> None:
    same = DIGESTS.digest(one[0], *one[1]) == DIGESTS.digest(other[0], *other[1])
    assert same == (one == other)

"""Masking: a configured secret is found wherever it stands, and nothing else is touched."""

import pytest

from pointsman.secrets import MASK, SHORTEST, Masker, masked_credential


@pytest.mark.parametrize(
    ("secrets", "text", "masked"),
    [
        (["sk-secret"], "key sk-secret is bad", "key *** is bad"),
        (["sk-secret"], "sk-secret", "***"),
        (["sk-secret"], "sk-secretsk-secret,sk-secret", "******,***"),
        (["sk-secret"], "xsk-secrety", "x***y"),
        (["sk-secret"], "SK-SECRET sk-secre.", "SK-SECRET sk-secre."),
        (["sk-secret"], "", ""),
        (["sk-secret", "sk-secret-longer"], "sk-secret-longer sk-secret", "*** ***"),
        (["sk-secret-longer", "sk-secret"], "sk-secret-longer sk-secret", "*** ***"),
        (["first-key", "second-key"], "second-key first-key", "*** ***"),
        (["short"], "a short word", "a short word"),
        (["longer"], "a longer word", "a *** word"),
        ([""], "text", "text"),
        ([], "sk-secret", "sk-secret"),
        (["a.c+d(e"], "abc+d(e a.c+d(e", "abc+d(e ***"),
        (["schlüssel"], "ein schlüssel", "ein ***"),
    ],
)
def test_every_occurrence_is_masked_and_nothing_else(secrets: list[str], text: str, masked: str) -> None:
    masker = Masker(secrets)
    assert masker.text(text) == masked
    assert masker.data(text.encode()) == masked.encode()


def test_bytes_that_are_no_text_are_left_as_they_are() -> None:
    assert Masker(["sk-secret"]).data(b"\xff\x00sk-secret\xfe") == b"\xff\x00***\xfe"


def test_secrets_may_be_given_only_once_and_by_anything_that_can_be_walked() -> None:
    assert Masker(secret for secret in ("sk-secret", "sk-other")).text("sk-secret sk-other") == "*** ***"


def test_a_masker_does_not_print_what_it_hides() -> None:
    assert "sk-secret" not in repr(Masker(["sk-secret"]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Bearer sk-0123456789abcdef", "Bearer sk-…cdef"),
        ("sk-0123456789abcdef", "sk-…cdef"),
        ("Bearer 0123456789abcdef", "Bearer …cdef"),
        ("Bearer 0123456789abcde", "Bearer ***"),
        ("short", "***"),
        ("", "***"),
        ("basic  c2VjcmV0LW9mLXNvbWVib2R5==", "basic  …R5=="),
    ],
)
def test_of_a_credential_only_the_scheme_and_the_end_of_a_long_one_are_shown(value: str, shown: str) -> None:
    assert masked_credential(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        "Bearer sk-0123456789abcdef and more",
        "sk-0123456789abcdef sk-0123456789abcdef",
        'Digest username="me", response="0123456789abcdef"',
        "session=0123456789abcdef; theme=dark-as-the-night",
        "Bearer sk-0123456789abcdef, Bearer sk-0123456789abcdef",
        "Unknown 0123456789abcdef",
    ],
)
def test_where_nobody_can_say_which_part_is_the_secret_nothing_is_shown(value: str) -> None:
    assert masked_credential(value) == "***"


def test_the_mask_is_no_secret_of_its_own() -> None:
    assert len(MASK) < SHORTEST


def test_a_text_that_was_cut_within_a_secret_does_not_show_its_beginning() -> None:
    assert Masker(["sk-secret"]).text("the key sk-secre") == "the key ***"
    assert Masker(["sk-secret"]).text("the key sk-se") == "the key sk-se", "too short to be told from a word"

"""Masking: a configured secret is found wherever it stands, and nothing else is touched."""

import json

import pytest

from pointsman.masking import MASK, MIN_SECRET_LENGTH, Masker, masked_credential
from support.spellings import SPELLINGS, spelled, traces

ODD = "sk-A/b'c\"d%4&e0123456789"


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
def test_where_the_secret_part_is_unknown_nothing_is_shown(value: str) -> None:
    assert masked_credential(value) == "***"


def test_the_mask_is_no_secret_of_its_own() -> None:
    assert len(MASK) < MIN_SECRET_LENGTH


def test_a_text_that_was_cut_within_a_secret_does_not_show_its_beginning() -> None:
    assert Masker(["sk-secret"]).text("the key sk-secre") == "the key ***"
    assert Masker(["sk-secret"]).text("the key sk-se") == "the key sk-se", "too short to be told from a word"


class TestSpellings:
    @pytest.mark.parametrize("secret", ["sk-Ab/c0123456789xyz", ODD], ids=["usual", "odd"])
    @pytest.mark.parametrize("name", SPELLINGS)
    def test_each_is_found(self, name: str, secret: str) -> None:
        told = f"({SPELLINGS[name](secret)})"
        masked = Masker([secret]).text(told)
        assert MASK in masked
        assert masked[0] + masked[-1] == "()"
        assert not any(trace.decode() in masked for trace in traces(secret))

    def test_what_is_left_is_still_json(self) -> None:
        forms = [spell for name, spell in SPELLINGS.items() if "entities" not in name]
        for spell in forms:
            body = f'{{"before": "\\u00e9\\n\\"", "key": "{spell("sk-Ab/c0123456789xyz")}", "after": "\\\\"}}'
            document = json.loads(Masker(["sk-Ab/c0123456789xyz"]).data(body.encode()))
            assert (document["before"], document["after"]) == ('\u00e9\n"', "\\")

    def test_other_text_that_is_escaped_is_left_alone(self) -> None:
        body = spelled("another-thing").encode() + b' \\ \\\\ \\u \\u00 % %zz %4 & &# &#; &amp; &#999; \\"'
        assert Masker(["sk-Ab/c0123456789xyz"]).data(body) is body

    def test_a_body_that_was_cut_within_an_escaped_secret_does_not_show_its_beginning(self) -> None:
        cut = SPELLINGS["JSON, lower case"]("sk-secret")[: 6 * MIN_SECRET_LENGTH]
        assert Masker(["sk-secret"]).cut_data(b"key " + cut.encode()) == b"key ***"
        assert Masker(["sk-secret"]).data(b"key sk-secre") == b"key sk-secre"


class TestHeaders:
    MASKER = Masker(["sk-secret", "123456"])

    def test_most_are_given_back_as_they_are(self) -> None:
        headers = (("Content-Type", "text/plain"), ("X-Odd", "caf\u00e9\tbar"))
        assert self.MASKER.headers(headers[:1]) is not None
        assert self.MASKER.headers(headers) == headers

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("of sk-secret.", "of ***."),
            ("one\r\n two", "one two"),
            ("one\rInjected: 1", "one Injected: 1"),
            ("one\0\x1btwo", "one two"),
            ("%73k-secret", "***"),
        ],
    )
    def test_a_value_is_one_line_without_secrets(self, value: str, shown: str) -> None:
        assert self.MASKER.headers((("X-One", "1"), ("X-Odd", value))) == (("X-One", "1"), ("X-Odd", shown))

    def test_how_long_a_message_is_stays(self) -> None:
        headers = (("Content-Length", "123456"), ("X-Number", "123456"))
        assert self.MASKER.headers(headers) == (("Content-Length", "123456"), ("X-Number", "***"))

    @pytest.mark.parametrize("name", ["X-Auth-Token", "Set-Cookie", "apikey", "X-Client-Secret", "Proxy-Authorization"])
    def test_what_is_shown_has_no_credentials(self, name: str) -> None:
        assert self.MASKER.displayed_headers(((name, "short"), ("X-Tokens", "9"))) == ((name, "***"), ("X-Tokens", "9"))
        assert self.MASKER.headers(((name, "short"),)) == ((name, "short"),)

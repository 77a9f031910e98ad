"""Multipart forms are read where they stand, and only one field of them is replaced."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.errors import Problem
from pointsman.wire.multipart_form import MAX_PARTS, boundary_of, fields_of, text_of, with_text

BOUNDARY = b"the-boundary"
CONTENT = st.binary(max_size=200).filter(lambda content: BOUNDARY not in content)
PARTS = st.lists(
    st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), CONTENT, st.booleans()), min_size=1, max_size=6
)


def form(*parts: tuple[str, bytes, bool], preamble: bytes = b"") -> bytes:
    written = [preamble]
    for name, content, is_file in parts:
        head = f'form-data; name="{name}"' + ('; filename="x"\r\nContent-Type: audio/mpeg' if is_file else "")
        written += [b"--", BOUNDARY, b"\r\nContent-Disposition: ", head.encode(), b"\r\n\r\n", content, b"\r\n"]
    return b"".join((*written, b"--", BOUNDARY, b"--\r\n"))


@given(PARTS)
def test_every_field_is_found_where_it_stands(parts: list[tuple[str, bytes, bool]]) -> None:
    body = form(*parts)
    found = [(field.name, body[slice(*field.span)], field.is_file) for field in fields_of(body, BOUNDARY)]
    assert found == parts


@given(PARTS, st.text(max_size=40).filter(lambda value: "the-boundary" not in value))
def test_another_value_changes_no_other_field(parts: list[tuple[str, bytes, bool]], value: str) -> None:
    others = [part for part in parts if part[0] != "model"]
    for given_form in (form(*others, ("model", b"old", False)), form(("model", b"old", False), *others), form(*others)):
        if given_form == form():
            continue
        _, span = text_of(given_form, fields_of(given_form, BOUNDARY), "model")
        body = with_text(given_form, BOUNDARY, span, "model", value)
        found = [(field.name, body[slice(*field.span)], field.is_file) for field in fields_of(body, BOUNDARY)]
        assert [each for each in found if each[0] != "model"] == others
        assert [each for each in found if each[0] == "model"] == [("model", value.encode(), False)]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_form_or_a_problem(body: bytes) -> None:
    with suppress(Problem):
        assert fields_of(body, b"b")


@given(PARTS, st.integers(min_value=1, max_value=300))
def test_a_form_that_is_cut_off_is_a_problem(parts: list[tuple[str, bytes, bool]], missing: int) -> None:
    body = form(*parts)[: -len(b"\r\n--the-boundary--\r\n") - missing]
    with pytest.raises(Problem):
        fields_of(body, BOUNDARY)


def test_what_stands_before_the_first_part_is_ignored() -> None:
    body = form(("model", b"m", False), preamble=b"an old mail reader shows this\r\n")
    assert text_of(body, fields_of(body, BOUNDARY), "model")[0] == "m"


def test_a_file_is_no_text() -> None:
    body = form(("model", b"m", True))
    assert text_of(body, fields_of(body, BOUNDARY), "model") == (None, None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (form(("model", b"m", False), ("model", b"n", False)), "given once"),
        (form(("model", b"\xff", False)), "text in UTF-8"),
    ],
)
def test_what_cannot_be_a_name_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Problem, match=re.escape(why)):
        text_of(body, fields_of(body, BOUNDARY), "model")


def test_there_is_an_end_to_the_parts() -> None:
    with pytest.raises(Problem, match="more than"):
        fields_of(form(*[("a", b"", False)] * (MAX_PARTS + 1)), BOUNDARY)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b c"', b"a b c"),
        ("application/json", b""),
        ("", b""),
    ],
)
def test_the_boundary(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=ä",
        'multipart/form-data; boundary=" "',
        "multipart/form-data; boundary*=undefined''abc",
    ],
)
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(Problem, match="boundary"):
        boundary_of(content_type)


@pytest.mark.parametrize("charset", ["undefined", "a\0b", "no-such-charset", "utf-8"])
def test_the_character_set_of_a_file_name_does_not_matter(charset: str) -> None:
    """Some of those that Python knows raise errors."""
    head = f"form-data; name=\"file\"; filename*={charset}''x".encode()
    body = b"--%b\r\nContent-Disposition: %b\r\n\r\nabc\r\n--%b--" % (BOUNDARY, head, BOUNDARY)
    assert [(field.name, field.is_file) for field in fields_of(body, BOUNDARY)] == [("file", True)]


def test_a_part_of_a_file_name_with_a_number_beyond_all_bounds_is_refused() -> None:
    head = b'form-data; name="file"; filename*%b=x' % (b"9" * 5000)
    with pytest.raises(Problem, match="RFC 2231"):
        fields_of(b"--%b\r\nContent-Disposition: %b\r\n\r\nabc\r\n--%b--" % (BOUNDARY, head, BOUNDARY), BOUNDARY)

"""JSON as text: what parses, where a member stands, and that a splice touches nothing else."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire import jsontext
from pointsman.wire.jsontext import DuplicateMember, insert_member, loads, member_span, splice, without_member

spaces = st.sampled_from(["", "", "", " ", "\n", "\t\r\n "])
# Names and texts that look like the member sought, plain, escaped, or at the end of something longer.
quoted = st.sampled_from(
    [
        '"model"',
        '"mod\\u0065l"',
        '"\\u006D\\u006F\\u0064\\u0065\\u006C"',
        '"Model"',
        '"m\\\\u006fdel"',
        '"x\\"model"',
        '"x\\"model\\" : 1"',
        '"\\"model\\":"',
        '"\\\\"',
        '"\\""',
        '"a"',
        '""',
        '"model-0"',
        '"é{[,]}:"',
        '"\\ud83d"',
    ]
)
scalars = quoted | st.sampled_from(["1", "-0.5e3", "true", "null", "123456789012345678901234567890", "NaN"])


@st.composite
def containers(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    def spaced(text: str) -> str:
        return draw(spaces) + text + draw(spaces)

    if draw(st.booleans()):
        return "[" + (",".join(spaced(value) for value in draw(st.lists(values, max_size=4))) or draw(spaces)) + "]"
    members = draw(st.lists(st.tuples(quoted, values), max_size=5))
    return "{" + (",".join(spaced(key) + ":" + spaced(value) for key, value in members) or draw(spaces)) + "}"


values = st.recursive(scalars, containers, max_leaves=20)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    members = draw(st.lists(st.tuples(spaces, quoted, spaces, spaces, values, spaces), max_size=6))
    inside = ",".join(f"{a}{key}{b}:{c}{value}{d}" for a, key, b, c, value, d in members)
    return f"{draw(spaces)}{{{inside or draw(spaces)}}}{draw(spaces)}".encode()


def top_level(body: bytes) -> list[tuple[str, Any]]:
    """The root's members in order, doubles included, as the standard library reads them."""
    pairs: list[tuple[str, Any]] = json.JSONDecoder(object_pairs_hook=list).decode(body.decode())
    return pairs


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # a NaN is not equal to itself


class TestLoads:
    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (b' {"a": [1, "\xc3\xa9", null]}\n', {"a": [1, "é", None]}),
            (b'"\\ud83d"', "\ud83d"),
            (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890.0}),
            (b"[" * 500 + b"]" * 500, json.loads("[" * 500 + "]" * 500)),
            (b'{"a": 1, "a": 2}', {"a": 2}),
            (b"[-Infinity]", [-math.inf]),
            (b"1e999", math.inf),
            (b"9" * 5000, math.inf),
        ],
    )
    def test_what_others_write_is_read(self, body: bytes, value: Any) -> None:
        assert loads(body) == value

    def test_nan_is_read(self) -> None:
        assert math.isnan(loads(b'{"a": NaN}')["a"])

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", r"not JSON: Expecting value \(line 1, column 1\)"),
            (b"<html>", r"not JSON: Expecting value \(line 1, column 1\)"),
            (b'{"a": 1,\n "b" 2}', r"not JSON: Expecting ':' delimiter \(line 2, column 6\)"),
            (b'{"a": 1', r"not JSON: .* \(line 1, column 8\)"),
            (b"{} {}", r"not JSON: Extra data \(line 1, column 4\)"),
            (b'{"a": "\xff"}', r"not valid UTF-8 at byte 8"),
            (b'{"a": "\xed\xa0\x80"}', r"not valid UTF-8 at byte 8"),
            (b"\xef\xbb\xbf{}", r"not plain UTF-8: starts like a byte order mark"),
            ("{}".encode("utf-16"), r"not plain UTF-8: starts like UTF-16"),
            ("{}".encode("utf-16-le"), r"not plain UTF-8: starts like UTF-16"),
            ("{}".encode("utf-16-be"), r"not plain UTF-8: starts like UTF-16 or UTF-32"),
            ("{}".encode("utf-32-be"), r"not plain UTF-8: starts like UTF-16 or UTF-32"),
            (b"[" * 1_000_000, r"nested too deeply"),
            (b'{"a":' * 300_000, r"nested too deeply"),
            (b"[" * 1_000_000 + b"]" * 1_000_000, r"nested too deeply"),
        ],
    )
    def test_the_reason_of_a_refusal_is_for_people(self, body: bytes, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}$"):
            loads(body)

    @given(st.binary(max_size=40))
    def test_no_other_error_is_raised(self, body: bytes) -> None:
        with suppress(ValueError):
            loads(body)


class TestMembers:
    @given(objects())
    def test_they_agree_with_the_standard_library(self, body: bytes) -> None:
        read = json.JSONDecoder(object_pairs_hook=list).decode
        found = [(name, read(body[slice(*span)].decode())) for name, span in jsontext.members(body)]
        assert same(found, top_level(body))

    @given(objects())
    def test_an_object_can_be_put_together_again(self, body: bytes) -> None:
        members = [(name, body[slice(*span)]) for name, span in jsontext.members(body)]
        assert same(top_level(jsontext.object_of(members)), top_level(body))


class TestMemberSpan:
    @given(objects())
    def test_it_agrees_with_the_standard_library(self, body: bytes) -> None:
        document = loads(body)
        found = [value for name, value in top_level(body) if name == "model"]
        if len(found) > 1:
            with pytest.raises(DuplicateMember):
                member_span(body, "model", document)
            return
        span = member_span(body, "model", document)
        assert (span is None) == (not found)
        if span:
            raw = body[slice(*span)]
            assert same(json.JSONDecoder(object_pairs_hook=list).decode(raw.decode()), found[0])
            assert raw == raw.strip()

    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (b'{"model":"m"}', b'"m"'),
            (b' \n{ "model" :\t"m" , "a": 1}', b'"m"'),
            (b'{"role":"model","model":"m"}', b'"m"'),
            (b'{"messages":[{"role":"model"}],"model":"m"}', b'"m"'),
            (b'{"a":{"model":1},"model":"m","b":[{"model":2}]}', b'"m"'),
            (b'{"mod\\u0065l":"m"}', b'"m"'),
            (b'{"m\\\\u006fdel":1,"model":"m"}', b'"m"'),
            (b'{"x\\"model":1,"model":"m"}', b'"m"'),
            (b'{"a":"\\"model\\":","model":"m"}', b'"m"'),
            (b'{"model":"a\\"b\\\\","c":1}', b'"a\\"b\\\\"'),
            (b'{"model":null}', b"null"),
            (b'{"model":-1.5e3,"a":1}', b"-1.5e3"),
            (b'{"model":{"a":["}"]},"b":1}', b'{"a":["}"]}'),
            (b'{"model":[[],{"a":{}}]}', b'[[],{"a":{}}]'),
            (b'{"model-0":1,"a":{"model":2},"model":"m"}', b'"m"'),
        ],
    )
    def test_the_value_is_found(self, body: bytes, value: bytes) -> None:
        span = member_span(body, "model", loads(body))
        assert span
        assert body[slice(*span)] == value

    @pytest.mark.parametrize("body", [b"{}", b'{"a":{"model":1}}', b'{"role":"model"}', b'{"x\\"model":1}'])
    def test_there_is_none(self, body: bytes) -> None:
        assert member_span(body, "model", loads(body)) is None

    @pytest.mark.parametrize(
        "body",
        [
            b'{"model":1,"model":2}',
            b'{"model":1,"a":{"model":3},"mod\\u0065l":2}',
            b'{"\\u006dodel":1,"\\u006Dodel":2}',
        ],
    )
    def test_two_are_one_too_many(self, body: bytes) -> None:
        with pytest.raises(DuplicateMember, match="model is given twice"):
            member_span(body, "model", loads(body))

    def test_a_large_body(self) -> None:
        image = b"A" * 8_000_000
        text = b'\\"model\\": \\n' * 400_000
        nested = b'{"model":' * 400 + b"1" + b"}" * 400
        body = b'{"a":"%b","b":"%b","c":%b,"model":"m","d":[%b{}]}' % (image, text, nested, b"[],{}," * 100_000)
        span = member_span(body, "model", loads(body))
        assert span
        assert body[slice(*span)] == b'"m"'


class TestSplice:
    @given(objects(), st.text(max_size=8))
    def test_only_the_value_changes(self, body: bytes, value: str) -> None:
        pairs = top_level(body)
        if [name for name, _ in pairs].count("model") != 1:
            return
        span = member_span(body, "model", loads(body))
        assert span
        spliced = splice(body, span, value)
        assert spliced.startswith(body[: span[0]])
        assert spliced.endswith(body[span[1] :])
        assert same(top_level(spliced), [(name, value if name == "model" else old) for name, old in pairs])

    def test_large_integers_surrogates_and_inner_doubles_survive(self) -> None:
        body = b'{"seed":12345678901234567890123,"x":{"a":1,"a":"\\ud83d"},"model" : "old","f":1.0}'
        span = member_span(body, "model", loads(body))
        assert span
        assert splice(body, span, 'a "new" é') == body.replace(b'"old"', b'"a \\"new\\" \\u00e9"')


class TestInsertMember:
    @given(objects())
    def test_it_comes_first_and_the_rest_stays(self, body: bytes) -> None:
        inserted = insert_member(body, "stream_options", b'{"include_usage":true}')
        assert same(top_level(inserted), [("stream_options", [("include_usage", True)]), *top_level(body)])
        assert inserted.endswith(body[body.index(b"{") + 1 :])

    @pytest.mark.parametrize(
        ("body", "inserted"),
        [
            (b"{}", b'{"model":"m"}'),
            (b" { \n} ", b' {"model":"m" \n} '),
            (b'{ "a": 1}', b'{"model":"m", "a": 1}'),
        ],
    )
    def test_the_comma_is_where_it_belongs(self, body: bytes, inserted: bytes) -> None:
        assert insert_member(body, "model", b'"m"') == inserted
        assert jsontext.loads(inserted)["model"] == "m"


class TestWithoutMember:
    @pytest.mark.parametrize(
        ("body", "left"),
        [
            (b'{"a":1}', b"{}"),
            (b'{ "a" : "x" }', b"{ }"),
            (b'{"a":[1,{"a":2}],"b":{"a":3}}', b'{"b":{"a":3}}'),
            (b'{"b":1, "a":"}\\",", "c":2}', b'{"b":1, "c":2}'),
            (b'{"b":12345678901234567890123 ,\n "a":null\n}', b'{"b":12345678901234567890123\n}'),
            (b'{"b":{"a":1}}', b'{"b":{"a":1}}'),
        ],
    )
    def test_the_rest_stays_as_it_is(self, body: bytes, left: bytes) -> None:
        assert without_member(body, "a", loads(body)).replace(b" ", b"") == left.replace(b" ", b"")

    def test_a_member_given_twice_is_refused(self) -> None:
        body = b'{"a":1,"a":2}'
        with pytest.raises(DuplicateMember):
            without_member(body, "a", loads(body))

    @given(
        st.dictionaries(
            st.sampled_from(["a", "b", "c", "aa", '"a"']), st.one_of(st.integers(), st.text(), st.lists(st.text()))
        )
    )
    def test_it_is_as_if_it_had_never_been_there(self, document: dict[str, Any]) -> None:
        for body in (json.dumps(document).encode(), json.dumps(document, indent=1).encode()):
            left = loads(without_member(body, "a", document))
            assert left == loads(json.dumps({name: value for name, value in document.items() if name != "a"}).encode())

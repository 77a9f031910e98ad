"""How much structure a request may have, whatever its texts say."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.wire import structure
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Code, Problem
from pointsman.wire.structure import MAX_ITEMS, MAX_VALUES, has_too_many_values

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
ODD_CHARACTERS = st.sampled_from('a,[]{}":\\\n\u00e9')
ODD_TEXTS = st.text(ODD_CHARACTERS, max_size=12)


def marks(body: bytes) -> int:
    """Commas and opening brackets outside of strings."""
    return sum(STRING.sub(b"", body).count(mark) for mark in structure.MARKS)


@given(
    st.recursive(
        ODD_TEXTS | st.integers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXTS, inner, max_size=4),
        max_leaves=12,
    ),
    st.integers(1, 9),
)
def test_only_what_stands_outside_of_strings_counts(value: Any, window: int) -> None:
    """However the body falls into pieces."""
    body = json.dumps(value, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "WINDOW", window)
        assert not structure._exceeds(body, marks(body))
        assert structure._exceeds(body, marks(body) - 1)


@pytest.mark.parametrize("text", [b"a, [b], {c}", rb"\", \\\\\", [{", b"," * 999, rb"\\"], ids=repr)
def test_a_text_may_be_full_of_commas(text: bytes) -> None:
    assert not has_too_many_values(
        b'{"messages":[{"role":"user","content":"%b"}]}' % (text * (20_000_000 // len(text)))
    )


@pytest.mark.parametrize(
    "values",
    [b"{}", b"[]", b"1.5", b'""', b'"\\","', b'{"a":1}', b"[" * 900 + b"]" * 900],
    ids=["objects", "lists", "numbers", "texts", "odd texts", "members", "deep lists"],
)
def test_too_many_values_are_too_many_whatever_they_are(values: bytes) -> None:
    each = max(1, values.count(b"["))
    assert has_too_many_values(b"[" + b",".join([values] * (2 * MAX_VALUES // each)) + b"]")


def test_ten_thousand_messages_with_calls_of_tools_are_few() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "read", "arguments": '{"path": "a,b"}' * 20}}
    said = [
        {"role": "user", "content": [{"type": "text", "text": "a, b {c} [d] " * 40}]},
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "tool_call_id": "c", "content": "x, y, z " * 40},
    ]
    assert marks(body := json.dumps({"model": "m", "messages": said * 3_333}).encode()) < MAX_VALUES / 3
    assert DIALECTS[Dialect.OPENAI_CHAT].facts(body, "/v1/chat/completions").model == "m"


@pytest.mark.parametrize(
    ("dialect", "path", "member"),
    [
        (Dialect.OPENAI_CHAT, "/v1/chat/completions", "messages"),
        (Dialect.OPENAI_RESPONSES, "/v1/responses", "input"),
        (Dialect.ANTHROPIC, "/v1/messages", "messages"),
        (Dialect.GEMINI, "/v1beta/models/m:generateContent", "contents"),
    ],
)
def test_every_dialect_has_its_bounds(dialect: Dialect, path: str, member: str) -> None:
    items = b'{"%b":[%b]}' % (member.encode(), b",".join([b"{}"] * (MAX_ITEMS + 1)))
    with pytest.raises(Problem) as refused:
        DIALECTS[dialect].facts(items, path)
    assert (refused.value.code, refused.value.param) == (Code.REQUEST_TOO_LARGE, member)
    with pytest.raises(Problem) as refused:
        DIALECTS[dialect].facts(b'{"x":[%b]}' % b",".join([b"{}"] * MAX_VALUES), path)
    assert refused.value.code is Code.REQUEST_TOO_LARGE
    assert f"{MAX_VALUES:,}" in refused.value.message


@given(st.text(ODD_CHARACTERS, max_size=60), st.integers(1, 9))
def test_no_mark_is_missed_however_far_apart_they_are(text: str, stretch: int) -> None:
    body = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "STRETCH", stretch)
        assert [structure._count(body, mark) for mark in structure.MARKS] == [
            body.count(mark) for mark in structure.MARKS
        ]

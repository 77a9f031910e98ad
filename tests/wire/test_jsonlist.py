"""Elements of a JSON list, wherever the network cuts it."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.jsonlist import END, ROOT, ListCutter
from pointsman.wire.sse import Event, OversizedEvent

ELEMENTS: list[Any] = [{"a": [1, {"b": "]}"}]}, {}, [[]], {"t": 'a\\"}{[\\\\', "é": "\ud83d\n"}]
LIST = b" [" + b",\r\n".join(json.dumps(element, indent=1).encode() for element in ELEMENTS) + b"\n]"


def cut(*chunks: bytes) -> list[Event]:
    cutter = ListCutter()
    return [event for chunk in chunks for event in cutter.feed(chunk)]


@given(st.lists(st.integers(0, len(LIST)), max_size=20))
def test_the_elements_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(LIST)]
    events = cut(*(LIST[a:b] for a, b in itertools.pairwise(borders)))
    *elements, end = events
    assert [json.loads(event.data or b"") for event in elements] == ELEMENTS
    assert (end.event, end.data) == (END, b"]")
    assert b"".join(event.raw for event in events) == LIST


def test_byte_by_byte_is_the_same() -> None:
    assert cut(*(LIST[n : n + 1] for n in range(len(LIST)))) == cut(LIST)


def test_what_stands_before_an_element_belongs_to_it() -> None:
    assert [event.raw for event in cut(b'[{"a":1}\n, {"b":2} ]')] == [b'[{"a":1}', b'\n, {"b":2}', b" ]"]


def test_an_object_without_a_list_says_so() -> None:
    assert cut(b' {"error": {}}') == [Event(b' {"error": {}}', b'{"error": {}}', ROOT)]


def test_an_empty_list_is_only_its_end() -> None:
    assert cut(b"[", b" ]") == [Event(b"[ ]", b"]", END)]


def test_an_incomplete_element_is_held_back() -> None:
    cutter = ListCutter()
    assert cutter.feed(b'[{"a": "') == []
    assert cutter.pending == 8
    assert [event.data for event in cutter.feed(b'}"}')] == [b'{"a": "}"}']
    assert cutter.pending == 0


def test_an_element_that_is_too_large_is_refused_with_those_before_it() -> None:
    cutter = ListCutter(limit=20)
    with pytest.raises(OversizedEvent, match="more than 20 bytes") as raised:
        cutter.feed(b'[{"a":1},{"a":"' + b"x" * 20)
    assert [event.data for event in raised.value.events] == [b'{"a":1}']


@given(st.lists(st.binary(max_size=12), max_size=8))
def test_nothing_is_lost_or_moved_whatever_comes(chunks: list[bytes]) -> None:
    cutter = ListCutter()
    raws = b"".join(event.raw for chunk in chunks for event in cutter.feed(chunk))
    whole = b"".join(chunks)
    assert whole.startswith(raws)
    assert cutter.pending == len(whole) - len(raws)

"""A stream that comes in one piece means what it means event by event, and most of it is one frame."""

import re
from collections.abc import Callable, Sequence

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS as ALL
from pointsman.wire.frames import Frame, Reader
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import EVENT_STREAM
from pointsman.wire.stream_reader import EDGE, middle

CHAT = 'data: {"id":"a","choices":[{"index":0,"delta":{%s},"finish_reason":%s}],"usage":%s}\n\n'
DELTA = (
    'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"w%d"}}\n\n'
)
TEXT = (
    "event: response.output_text.delta\n"
    'data: {"type":"response.output_text.delta","sequence_number":%d,"delta":"w"}\n\n'
)
WORDS = 50


def chat(words: int = WORDS) -> bytes:
    told = [CHAT % (f'"content":"word {n}"', "null", "null") for n in range(words)]
    end = CHAT % ("", '"stop"', '{"prompt_tokens":3,"completion_tokens":50}')
    return "".join([CHAT % ('"role":"assistant"', "null", "null"), *told, end, "data: [DONE]\n\n"]).encode()


def messages(words: int = WORDS) -> bytes:
    opening = (
        'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","content_block":{"type":"text","text":""}}\n\n'
        "event: ping\ndata: {}\n\n"
    )
    ending = (
        'event: content_block_stop\ndata: {"type":"content_block_stop"}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        '"usage":{"output_tokens":50}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    return "".join([opening, *(DELTA % n for n in range(words)), ending]).encode()


def responses(words: int = WORDS) -> bytes:
    opening = (
        'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
        'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":1}\n\n'
    )
    ending = (
        'event: response.completed\ndata: {"type":"response.completed","sequence_number":99,'
        '"response":{"id":"r","status":"completed","usage":{"input_tokens":3,"output_tokens":50}}}\n\n'
    )
    return "".join([opening, *(TEXT % (n + 2) for n in range(words)), ending]).encode()


def reader(dialect: Dialect) -> Reader:
    return ALL[dialect].reader(RequestFacts("m", True, frozenset(), 0), EVENT_STREAM)


DIALECTS: dict[str, tuple[bytes, Callable[[], Reader]]] = {
    "chat": (chat(), lambda: reader(Dialect.OPENAI_CHAT)),
    "messages": (messages(), lambda: reader(Dialect.ANTHROPIC)),
    "responses": (responses(), lambda: reader(Dialect.OPENAI_RESPONSES)),
}


def read(reader: Reader, pieces: Sequence[bytes]) -> list[Frame]:
    frames = [frame for piece in pieces for frame in reader.read(piece)]
    return [*frames, *reader.close()]


def events_of(stream: bytes) -> list[bytes]:
    return re.findall(rb".+?\n\n", stream, re.DOTALL)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "spoil", [None, b"data: {oops\n\n", b": a comment\n\n", b'data: {"error":{"message":"no"}}\n\n']
)
def test_in_one_piece_it_means_the_same(dialect: str, spoil: bytes | None) -> None:
    stream, make = DIALECTS[dialect]
    events = events_of(stream)
    if spoil:
        events.insert(WORDS // 2, spoil)
    singly, at_once = make(), make()
    one_by_one, whole = read(singly, events), read(at_once, [b"".join(events)])
    assert b"".join(frame.data for frame in whole) == b"".join(frame.data for frame in one_by_one)
    assert [frame.fault for frame in whole if frame.fault] == [frame.fault for frame in one_by_one if frame.fault]
    for told in ("finish_reason", "finished", "usage", "opening"):
        assert getattr(at_once, told) == getattr(singly, told)
    assert len(whole) < len(one_by_one) / 2 or spoil


@pytest.mark.parametrize("dialect", DIALECTS)
def test_wherever_it_is_cut_it_means_the_same(dialect: str) -> None:
    stream, make = DIALECTS[dialect]
    whole = make()
    read(whole, [stream])
    for cut in range(0, len(stream), 97):
        reader = make()
        frames = read(reader, [stream[:cut], stream[cut:]])
        assert b"".join(frame.data for frame in frames) == stream
        assert (reader.finish_reason, reader.usage) == (whole.finish_reason, whole.usage)


@pytest.mark.parametrize("before", [0, EDGE])
@pytest.mark.parametrize("count", range(3 * EDGE))
@pytest.mark.parametrize("tail", [[], [b"half"]])
def test_the_middle_is_what_the_edges_leave(count: int, before: int, tail: list[bytes]) -> None:
    events = [b"e%d\n\n" % n for n in range(count)] + tail
    start, end = middle(b"".join(events), before)
    assert b"".join(events)[start:end] == b"".join(events[before:-EDGE])


WORD = (CHAT % ('"content":"a word of some length"', "null", "null")).encode()
END = (CHAT % ("", '"stop"', "null")).encode() + b"data: [DONE]\n\n"


@pytest.mark.parametrize("before", [WORD + b"\n" * 6, WORD * 2 + b"\n\n", b"\n\n\n\n"])
def test_blank_lines_before_a_run_stay_where_they_are(before: bytes) -> None:
    stream = before + WORD * 40 + END
    assert b"".join(frame.data for frame in read(reader(Dialect.OPENAI_CHAT), [stream])) == stream


def test_unreadable_events_apart_are_borne_whatever_comes_between() -> None:
    bad = b"data: {oops\n\n"
    pieces = [WORD, bad * 2, WORD * 40, bad * 2, WORD * 40 + bad + WORD * 5, END]
    frames = read(reader(Dialect.OPENAI_CHAT), pieces)
    assert not any(frame.fault for frame in frames)
    assert b"".join(frame.data for frame in frames) == b"".join(pieces)

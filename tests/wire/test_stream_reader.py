"""What streamed readers share: odd events, missing ends, cut tails, and bodies that are no stream at all."""

import json

import pytest

from pointsman.wire import jsontext
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.sse import MAX_EVENT, Event
from pointsman.wire.stream_reader import StreamReader

GOOD = b'data: {"n": 1}\n\n'
BAD = b"data: {oops\n\n"
LIST = b"data: [1]\n\n"
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

CONTENT, NEUTRAL, ERROR, MALFORMED, END = (
    FrameKind.CONTENT,
    FrameKind.NEUTRAL,
    FrameKind.ERROR,
    FrameKind.MALFORMED,
    FrameKind.END,
)


class NumbersReader(StreamReader):
    """A dialect of objects, each of them content."""

    def frame_of(self, event: Event) -> Frame:
        if event.data == b"[DONE]":
            return Frame(END, event.raw)
        if not isinstance(jsontext.loads(event.data or b""), dict):
            raise ValueError("not an object")
        return Frame(CONTENT, event.raw)


def read(*chunks: bytes) -> list[Frame]:
    reader = NumbersReader()
    frames = [frame for chunk in chunks for frame in reader.read(chunk)]
    return [*frames, *reader.close()]


def kinds(*chunks: bytes) -> list[FrameKind]:
    return [frame.kind for frame in read(*chunks)]


class TestEvents:
    def test_whole_events_pass_as_they_came_and_a_tail_waits(self) -> None:
        reader = NumbersReader()
        assert reader.read(PING + GOOD + GOOD[:5]) == [Frame(FrameKind.PING, PING), Frame(CONTENT, GOOD)]
        assert reader.read(GOOD[5:]) == [Frame(CONTENT, GOOD)]

    @pytest.mark.parametrize("event", [PING, b"event: ping\n\n", b"id: 1\n\n", b"data:\n\n", b"\n\n: x\n\n"])
    def test_an_event_without_data_is_a_ping(self, event: bytes) -> None:
        assert NumbersReader().read(event) == [Frame(FrameKind.PING, event)]

    def test_nothing_comes_after_the_end_marker(self) -> None:
        reader = NumbersReader()
        assert [frame.kind for frame in reader.read(GOOD + DONE + GOOD)] == [CONTENT, END]
        assert reader.read(GOOD) == ()
        assert reader.close() == ()


class TestUnreadableEvents:
    @pytest.mark.parametrize("event", [BAD, LIST])
    def test_one_passes_as_neutral(self, event: bytes) -> None:
        assert read(GOOD, event, GOOD)[1] == Frame(NEUTRAL, event)

    def test_three_in_a_row_are_malformed(self) -> None:
        *before, last = read(GOOD + BAD + LIST + BAD + GOOD)
        assert [frame.kind for frame in before] == [CONTENT, NEUTRAL, NEUTRAL]
        assert last.kind is MALFORMED
        assert last.fault
        assert last.fault.kind is FaultKind.MALFORMED

    def test_a_good_one_starts_the_count_again(self) -> None:
        assert kinds(BAD, BAD, GOOD, BAD, BAD, GOOD) == [NEUTRAL, NEUTRAL, CONTENT] * 2

    def test_a_ping_does_not(self) -> None:
        assert kinds(GOOD, BAD, PING, BAD, PING, BAD)[-1] is MALFORMED

    def test_an_oversized_event_is_malformed_behind_what_was_good(self) -> None:
        reader = NumbersReader()
        frames = reader.read(GOOD + b"data: " + b"x" * MAX_EVENT)
        assert [frame.kind for frame in frames] == [CONTENT, MALFORMED]
        assert reader.read(GOOD) == ()
        assert reader.close() == ()


class TestTheLastEvent:
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
    @pytest.mark.parametrize("ends", [0, 1], ids=["no line end", "one line end"])
    @pytest.mark.parametrize("data", [b'{"n": 2}', b"[DONE]"])
    def test_its_missing_blank_line_is_added(self, data: bytes, ends: int, line_end: bytes) -> None:
        tail = b"data: " + data + line_end * ends
        last = read(GOOD, tail)[-1]
        assert last.kind is (END if data == b"[DONE]" else CONTENT)
        assert last.data.removeprefix(tail) in (b"\n", b"\n\n")
        assert read(last.data) == [last]

    @pytest.mark.parametrize(
        "tail",
        [
            b'data: {"n": "hel',
            b'data: {"n": 2}\ndata: {"n"',
            b"data: [DO",
            b"data",
            b"da",
            b"event: x\n",
            b": pin",
            b"data: " + b"1" * (MAX_EVENT - 6),
        ],
    )
    def test_an_event_cut_off_does_not_reach_the_client(self, tail: bytes) -> None:
        assert read(GOOD, tail) == [Frame(CONTENT, GOOD)]


class TestTheVerdict:
    @pytest.mark.parametrize(
        "body", [b"", b"\n\n", PING, PING + b": pi", b"event: x\n\n", b"<html>no</html>", b"hello"]
    )
    def test_a_body_without_an_event_is_empty(self, body: bytes) -> None:
        last = read(body)[-1]
        assert last.kind is MALFORMED
        assert last.fault
        assert last.fault.kind is FaultKind.EMPTY

    @pytest.mark.parametrize("body", [BAD, BAD + BAD, LIST, BAD + PING, b"data: {cut off", b"data: [1]"])
    def test_a_body_without_a_good_event_is_malformed(self, body: bytes) -> None:
        last = read(body)[-1]
        assert last.kind is MALFORMED
        assert last.fault
        assert last.fault.kind is FaultKind.MALFORMED

    def test_a_bare_json_error_in_place_of_a_stream_is_read(self) -> None:
        document = {"error": {"code": 429, "message": "slow down"}}
        for body in (json.dumps(document).encode(), json.dumps(document, indent=2).encode() + b"\n"):
            [frame] = read(body)
            assert frame.kind is ERROR
            assert frame.fault
            assert frame.fault.label == "wrapped_429"

    def test_the_verdict_is_given_once(self) -> None:
        reader = NumbersReader()
        assert len(reader.close()) == 1
        assert reader.close() == ()
        assert reader.read(GOOD) == ()

"""The SSE codec: what an event is, when it ends, and that no byte is lost, whatever the chunks."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.sse import MAX_EVENT, Decoder, Event, OversizedEvent

CHUNK = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'

FIELDS = [b"data:", b"data: a", b"data", b":", b": note", b"event: e", b"id:1", b"retry: 9", b" ", b"x"]
FIELDS += [b"\xef\xbb\xbf", b"\xef", b"\xff"]
LF = [b"\n", b"\n\n"]
CR = [b"\r", b"\r\n", b"\r\n\r\n"]

streams = st.one_of(
    st.lists(st.sampled_from(FIELDS + LF), max_size=40).map(b"".join),
    st.lists(st.sampled_from(FIELDS + LF + CR), max_size=40).map(b"".join),
    st.lists(st.sampled_from([b"data: a", *LF, *CR]), max_size=20).map(b"".join),
    st.binary(max_size=60),
)


def decode(*chunks: bytes) -> tuple[list[Event], bytes]:
    decoder = Decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events, decoder.close()


def only(stream: bytes) -> Event:
    events, tail = decode(stream)
    assert tail == b""
    assert len(events) == 1
    return events[0]


def reference_cut(stream: bytes) -> tuple[list[bytes], bytes]:
    """The rule of `sse`, one byte at a time."""
    raws: list[bytes] = []
    start = line_start = at = 0
    previous = b""  # how the line before ended; empty while the event has no line yet
    while at < len(stream):
        if stream[at : at + 1] not in (b"\r", b"\n"):
            at += 1
            continue
        is_blank = at == line_start
        is_last = at + 1 == len(stream)
        if stream[at : at + 1] == b"\n":
            end = b"\n"
        elif is_blank and previous in (b"\r", b"\n"):
            end = b"\r"
        elif is_last:
            break
        else:
            end = b"\r\n" if stream[at + 1 : at + 2] == b"\n" else b"\r"
        at = line_start = at + len(end)
        if not is_blank:
            previous = end
        elif previous:
            raws.append(stream[start:at])
            start, previous = at, b""
    return raws, stream[start:]


def reference_data(raw: bytes) -> bytes | None:
    lines = [line.partition(b":") for line in re.split(rb"\r\n|\r|\n", raw)]
    data = [value.removeprefix(b" ") for name, _, value in lines if name == b"data"]
    return b"\n".join(data) if data else None


class TestInvariants:
    @given(streams)
    def test_events_are_cut_as_the_rule_says(self, stream: bytes) -> None:
        events, tail = decode(stream)
        raws, rest = reference_cut(stream)
        assert ([event.raw for event in events], tail) == (raws, rest)
        for place, event in enumerate(events):
            first = place == 0
            assert event.data == reference_data(event.raw.removeprefix(b"\xef\xbb\xbf") if first else event.raw)

    @given(streams, st.lists(st.integers(0, 60)))
    def test_chunk_borders_change_nothing(self, stream: bytes, cuts: list[int]) -> None:
        borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        chunks = [stream[a:b] for a, b in itertools.pairwise(borders)]
        assert decode(*chunks) == decode(stream)

    @given(streams)
    def test_single_bytes_change_nothing(self, stream: bytes) -> None:
        assert decode(*(bytes([byte]) for byte in stream)) == decode(stream)

    @given(streams)
    def test_no_byte_is_lost(self, stream: bytes) -> None:
        events, tail = decode(stream)
        assert b"".join(event.raw for event in events) + tail == stream


class TestFields:
    @pytest.mark.parametrize(
        ("stream", "data", "event"),
        [
            (b"data: x\n\n", b"x", ""),
            (b"data:x\n\n", b"x", ""),
            (b"data:  x\n\n", b" x", ""),
            (b"data: x\r\n\r\n", b"x", ""),
            (b"data: x\ndata: y\n\n", b"x\ny", ""),
            (b"data: x\r\r", b"x", ""),
            (b"data: x\rdata: y\n\n", b"x\ny", ""),
            (b"data: x\ndata: y\r\ndata:z\n\n", b"x\ny\nz", ""),
            (b"data: \n\n", b"", ""),
            (b"data:\n\n", b"", ""),
            (b"data\n\n", b"", ""),
            (b"data\ndata\n\n", b"\n", ""),
            (b"event: ping\n\n", None, "ping"),
            (b"event: delta\ndata: {}\n\n", b"{}", "delta"),
            (b"event:\xff\ndata: {}\n\n", b"{}", "\N{REPLACEMENT CHARACTER}"),
            (b": comment\n\n", None, ""),
            (b": comment\ndata: x\n\n", b"x", ""),
            (b":\n\n", None, ""),
            (b"id: 7\nretry: 100\ndata: x\n\n", b"x", ""),
            (b"unknown: 1\n\n", None, ""),
            (b"Data: x\n\n", None, ""),
            (b"data : x\n\n", None, ""),
            (b"\xef\xbb\xbfdata: x\n\n", b"x", ""),
            (b"\n\n\r\ndata: x\n\n", b"x", ""),
        ],
    )
    def test_an_event_is_read(self, stream: bytes, data: bytes | None, event: str) -> None:
        assert only(stream) == Event(stream, data, event)

    def test_a_byte_order_mark_counts_only_at_the_start_of_the_stream(self) -> None:
        events, _ = decode(b"data: x\n\n\xef\xbb\xbfdata: y\n\n")
        assert [event.data for event in events] == [b"x", None]


class TestEnds:
    def test_an_event_is_not_delayed(self) -> None:
        decoder = Decoder()
        assert decoder.feed(b"data: x\n") == []
        assert [event.data for event in decoder.feed(b"\n")] == [b"x"]
        assert decoder.pending == 0

    @pytest.mark.parametrize("line_end", [b"\n", b"\r"])
    def test_the_cr_of_a_blank_line_ends_the_event_at_once(self, line_end: bytes) -> None:
        decoder = Decoder()
        assert decoder.feed(b"data: x" + line_end) == []
        assert [event.raw for event in decoder.feed(b"\r")] == [b"data: x" + line_end + b"\r"]
        assert [event.raw for event in decoder.feed(b"\ndata: y\n\n")] == [b"\ndata: y\n\n"]

    def test_behind_a_crlf_the_cr_of_a_blank_line_waits_for_its_lf(self) -> None:
        decoder = Decoder()
        assert decoder.feed(b"data: x\r\n\r") == []
        assert [event.raw for event in decoder.feed(b"\n")] == [b"data: x\r\n\r\n"]

    def test_behind_a_crlf_a_cr_without_lf_ends_the_event_when_the_next_byte_shows_it(self) -> None:
        decoder = Decoder()
        assert decoder.feed(b"data: x\r\n\r") == []
        assert [event.raw for event in decoder.feed(b"d")] == [b"data: x\r\n\r"]
        assert decoder.close() == b"d"

    def test_a_crlf_is_one_line_end_though_a_chunk_ended_within_it(self) -> None:
        decoder = Decoder()
        assert len(decoder.feed(CHUNK + b"data: x\r")) == 1
        assert [event.raw for event in decoder.feed(b"\n\n")] == [b"data: x\r\n\n"]

    def test_a_cut_event_is_the_tail(self) -> None:
        decoder = Decoder()
        assert decoder.feed(CHUNK + CHUNK[:20]) == [Event(CHUNK, CHUNK[6:-2])]
        assert decoder.pending == 20
        assert decoder.close() == CHUNK[:20]
        assert decoder.pending == 0

    def test_nothing_is_held_back_of_nothing(self) -> None:
        decoder = Decoder()
        assert decoder.feed(b"") == []
        assert decoder.close() == b""


class TestSize:
    FULL = b"data: " + b"x" * (MAX_EVENT - 8) + b"\n\n"

    def test_the_largest_event_passes(self) -> None:
        assert len(only(self.FULL).raw) == MAX_EVENT

    @pytest.mark.parametrize("step", [MAX_EVENT + 64, 4096])
    @pytest.mark.parametrize(
        "stream",
        [b"d" + FULL, b"x" * (MAX_EVENT + 1), b"\n" * (MAX_EVENT + 1), b"data: x\r\n" + b":" * MAX_EVENT],
        ids=["complete", "one line", "empty lines", "CRLF"],
    )
    def test_a_larger_one_is_refused(self, stream: bytes, step: int) -> None:
        with pytest.raises(OversizedEvent, match="more than 1048576 bytes"):
            decode(*(stream[at : at + step] for at in range(0, len(stream), step)))

    @pytest.mark.parametrize("rest", [b"d" + FULL + CHUNK, b"x" * (MAX_EVENT + 1)], ids=["complete", "incomplete"])
    def test_the_events_before_it_are_not_lost(self, rest: bytes) -> None:
        with pytest.raises(OversizedEvent) as raised:
            decode(CHUNK + CHUNK + rest)
        assert [event.raw for event in raised.value.events] == [CHUNK, CHUNK]

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
    def test_a_large_event_in_small_chunks(self, line_end: bytes) -> None:
        stream = b"event: big" + line_end + b"data: " + b"x" * 500_000 + line_end + line_end
        events, tail = decode(*(stream[at : at + 64] for at in range(0, len(stream), 64)))
        assert [event.raw for event in events] == [stream]
        assert tail == b""

"""Long strings are left out in reading, and never out of what goes on."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire import jsontext
from pointsman.wire.dialects.openai_chat.answers import ChatStreamReader, ChatWholeReader
from pointsman.wire.jsonlist import ListCutter
from pointsman.wire.long_strings import LONG, STAND_IN, LongStrings, shortened
from pointsman.wire.sse import LARGE_EVENT, Decoder

IMAGE = "A" * (LONG + 1)
SHORT = STAND_IN.decode()


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


class TestShortened:
    @pytest.mark.parametrize("size", [LONG + 1, 3 * LONG, 10 * LONG + 7])
    def test_a_long_string_is_replaced_wherever_it_stands(self, size: int) -> None:
        image = "A" * size
        for value in ({"a": image}, {"a": 1, "b": [image, "c", image]}, {"x" * 9000: {"y": "z" * 9000, "a": image}}):
            short = json.loads(shortened(encoded(value)))
            assert short == json.loads(encoded(value).replace(image.encode(), STAND_IN))

    @pytest.mark.parametrize("value", [{"a": "A" * (LONG // 2)}, ["word"] * LONG, {}, "a"])
    def test_what_has_none_is_itself(self, value: Any) -> None:
        text = encoded(value)
        assert shortened(text) is text

    def test_a_string_that_goes_on_behind_an_escaped_quote_stays_one(self) -> None:
        value = {"a": IMAGE + '"' + IMAGE + "\\", "b": 1}
        assert json.loads(shortened(encoded(value)))["b"] == 1

    @given(st.lists(st.sampled_from(["", "a", '"', "\\", "é", IMAGE, IMAGE + "\\", "{" * 9000]), max_size=5))
    def test_a_text_that_can_be_read_short_has_the_same_members(self, words: list[str]) -> None:
        value = {f"m{place}": word for place, word in enumerate(words)}
        short = jsontext.parsed(shortened(json.dumps(value, ensure_ascii=False).encode()))
        assert short is None or list(short) == list(value)


class TestLongStrings:
    def test_what_was_taken_out_is_put_back_at_any_depth_of_escapes(self) -> None:
        long = LongStrings("r-1")
        short = long.take_out(encoded({"a": IMAGE, "b": IMAGE + "B"}))
        assert len(short) < 1000
        deep = encoded({"deep": encoded({"deeper": json.loads(short)}).decode()})
        back = json.loads(long.put_back(deep))
        assert json.loads(back["deep"])["deeper"] == {"a": IMAGE, "b": IMAGE + "B"}

    @pytest.mark.parametrize("text", [IMAGE + "\n", "é" * LONG])
    def test_a_string_that_may_need_escapes_stays(self, text: str) -> None:
        written = json.dumps({"a": text}, ensure_ascii=False).encode()
        assert LongStrings("r").take_out(written) == written

    def test_a_stand_in_of_another_answer_is_a_text(self) -> None:
        one, two = LongStrings("r-1"), LongStrings("r-2")
        short = one.take_out(encoded({"a": IMAGE}))
        two.take_out(encoded({"a": "B" * 2 * LONG}))
        assert two.put_back(short) == short

    def test_sizes_are_those_of_the_originals(self) -> None:
        long = LongStrings("r-1")
        short = json.loads(long.take_out(encoded({"a": IMAGE})))["a"]
        assert long.size_of(short) == len(IMAGE)
        assert long.size_of("word") == 4


class TestReading:
    LARGE = b'data: {"a":"' + b"A" * (1 << 20) + b'","b":[1]}'

    @pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n"])
    @pytest.mark.parametrize("step", [1 << 22, 65536, 65537, 70001])
    def test_events_are_cut_where_they_end(self, end: bytes, step: int) -> None:
        sent = b": ping\n\n" + (self.LARGE + end) * 2 + b'data: {"c":2}\n\n' + self.LARGE + end + b"data: x\n"
        decoder = Decoder(LARGE_EVENT, shortens=True)
        events = [each for at in range(0, len(sent), step) for each in decoder.feed(sent[at : at + step])]
        told = [each.data for each in events if each.data]
        assert b"".join(each.raw for each in events) + decoder.close() == sent
        large = b'{"a":"long-string","b":[1]}'
        assert told == [large, large, b'{"c":2}', large]

    @pytest.mark.parametrize("split", range(-4, 3))
    @pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\r"])
    def test_an_end_that_is_cut_is_found(self, end: bytes, split: int) -> None:
        sent, small = self.LARGE + end, b"data: 1\n\n"
        whole, at = sent + small, len(sent) + split
        decoder = Decoder(LARGE_EVENT, shortens=True)
        events = decoder.feed(whole[:at]) + decoder.feed(whole[at:])
        assert [each.data for each in events if each.data] == [b'{"a":"long-string","b":[1]}', b"1"]
        assert b"".join(each.raw for each in events) == whole

    def test_what_is_no_string_is_read_as_it_is(self) -> None:
        gap = b" " * 2 * LONG
        sent = b'data: {"choices":[{"delta":{"content":"a"},' + gap + b'"index":0}]}\n\n'
        [frame] = ChatStreamReader(False).read(sent)
        assert (frame.kind.name, frame.data) == ("CONTENT", sent)

    def test_elements_of_a_list(self) -> None:
        element, gap = encoded({"a": IMAGE}), b"[" + b" " * 2 * LONG + b'{"a":"b"}]'
        cutter = ListCutter(LARGE_EVENT, shortens=True)
        [one, two] = cutter.feed(b"[" + element + b",\n" + element)
        assert [one.raw, two.raw] == [b"[" + element, b",\n" + element]
        assert [one.data, two.data] == [encoded({"a": SHORT})] * 2
        assert [cutter.unshortened(each).data for each in (one, two)] == [element] * 2
        assert ListCutter(LARGE_EVENT).feed(gap)[0].data == b'{"a":"b"}'

    def test_a_whole_answer_is_held_once(self) -> None:
        own = ChatWholeReader()
        size = 32 << 20
        message = {"content": "", "images": [{"image_url": {"url": "A" * size}}]}
        sent = encoded({"choices": [{"message": message, "finish_reason": "stop"}]})
        chunks = [sent[at : at + 65536] for at in range(0, len(sent), 65536)]
        tracemalloc.start()
        try:
            for chunk in chunks:
                own.read(chunk)
            content, _ = own.close()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert content.data == sent
        assert peak < 1.5 * size

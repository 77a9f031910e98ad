"""Answers written in every dialect: always well-formed, and read by the dialect's own reader as what was said."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.wire.conversation import answer_message
from pointsman.wire.conversion.answer_writer import AnswerWriter, DialectWriter
from pointsman.wire.conversion.ir import Identity, Inconvertible, Kind, Piece
from pointsman.wire.dialects.anthropic.answer_writer import MessagesWriter
from pointsman.wire.dialects.gemini.answer_writer import GeminiWriter
from pointsman.wire.dialects.openai_chat.answer_writer import ChatWriter
from pointsman.wire.dialects.openai_responses.answer_writer import ResponsesWriter
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import FrameKind, Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder
from pointsman.wire.thinking_signatures import MARK

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
WHO = Identity("7", "m", 1_700_000_000)
USED = Usage(input=6, output=5, cache_read=4)
WRITERS: dict[Dialect, Callable[[], DialectWriter]] = {
    CHAT: lambda: ChatWriter(sends_usage=True),
    RESPONSES: lambda: ResponsesWriter({}, {}),
    ANTHROPIC: MessagesWriter,
    GEMINI: lambda: GeminiWriter(is_list=False),
}
every_dialect = pytest.mark.parametrize("dialect", Dialect)


def text(said: str) -> Piece:
    return Piece(Kind.TEXT, said)


def call(call_id: str, arguments: str, name: str = "") -> Piece:
    return Piece(Kind.CALL, arguments, call_id, name)


def written(form: DialectWriter, pieces: Iterable[Piece], finish: str = "stop", free: Iterable[str] = ()) -> bytes:
    writer = AnswerWriter(form, frozenset(free))
    return form.begin(WHO, None) + b"".join(writer.take([piece]) for piece in pieces) + writer.end(finish, USED)


def documents(stream: bytes) -> list[Any]:
    decoder = Decoder(1 << 24)
    events = decoder.feed(stream)
    assert decoder.close() == b""
    return [json.loads(each.data) for each in events if each.data and each.data != b"[DONE]"]


def facts(dialect: Dialect, stream: bool) -> RequestFacts:
    return RequestFacts("m", stream, frozenset(), 0, query="?alt=sse" if dialect is GEMINI and stream else "")


MIXED = [
    Piece(Kind.THOUGHT, "hm "), Piece(Kind.THOUGHT, "ok"), text("Take "), text("left"),
    call("a", "", "points"), call("a", '{"side":'), call("a", '"l"}'), call("b", "{}", "stop"), text("!"),
]  # fmt: skip


@every_dialect
class TestEveryDialect:
    @pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
    def test_its_own_reader_takes_a_stream_for_whole(self, dialect: Dialect, finish: str) -> None:
        reader = DIALECTS[dialect].reader(facts(dialect, True), "text/event-stream")
        stream = written(WRITERS[dialect](), MIXED, finish)
        frames = [*reader.read(stream), *reader.close()]
        assert not any(frame.fault for frame in frames)
        assert FrameKind.CONTENT in {frame.kind for frame in frames}
        assert reader.finished
        says_calls = dialect is not GEMINI and finish == "stop"
        assert reader.finish_reason == ("tool_calls" if says_calls else finish)
        assert reader.usage == USED

    def test_a_whole_answer_says_the_same(self, dialect: Dialect) -> None:
        whole = AnswerWriter(WRITERS[dialect]()).whole(WHO, merged(MIXED), "stop", USED)
        reader = DIALECTS[dialect].reader(facts(dialect, False), "application/json")
        frames = [*reader.read(whole), *reader.close()]
        assert (frames[0].kind, reader.usage) == (FrameKind.CONTENT, USED)
        streamed = answer_message(dialect, written(WRITERS[dialect](), MIXED), True)
        assert answer_message(dialect, whole, False) == streamed is not None

    def test_calls_whose_pieces_are_mixed_are_written_one_after_the_other(self, dialect: Dialect) -> None:
        mixed = [
            call("a", "", "t"), call("b", "", "u"), call("a", '{"x"'), call("b", '{"y"'), call("a", ":1}"),
            call("c", "{}", "v"), call("b", ":2}"),
        ]  # fmt: skip
        straight = [call("a", '{"x":1}', "t"), call("b", '{"y":2}', "u"), call("c", "{}", "v")]
        both = [answer_message(dialect, written(WRITERS[dialect](), each), True) for each in (mixed, straight)]
        assert both[0] == both[1] is not None

    def test_a_call_without_arguments_has_an_empty_object(self, dialect: Dialect) -> None:
        empty, written = ([call("a", arguments, "t")] for arguments in ("", "{}"))
        said = [
            answer_message(dialect, AnswerWriter(WRITERS[dialect]()).whole(WHO, each, "stop", None), False)
            for each in (empty, written)
        ]
        assert said[0] == said[1] is not None

    def test_lone_surrogates_and_controls_are_written(self, dialect: Dialect) -> None:
        for odd in ("\ud83d", "\x00\x1f", "\u2028 \u2029", "\r\n\n"):
            reader = DIALECTS[dialect].reader(facts(dialect, True), "text/event-stream")
            assert not any(frame.fault for frame in reader.read(written(WRITERS[dialect](), [text(odd)])))

    @given(pieces=st.lists(st.one_of(
        st.builds(
            Piece, st.sampled_from([Kind.TEXT, Kind.THOUGHT, Kind.REFUSAL]), st.text(min_size=1)
        ),
        st.integers(0, 3).map(lambda n: call(f"c{n}", "", f"t{n}")),
    ), max_size=12))  # fmt: skip
    def test_any_row_of_pieces_is_well_formed(self, dialect: Dialect, pieces: list[Piece]) -> None:
        check(dialect, documents(written(WRITERS[dialect](), pieces)))


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """As a whole answer brings them."""
    parts: list[Piece] = []
    for piece in pieces:
        last = parts[-1] if parts else None
        if last and last.kind is piece.kind and (piece.kind is not Kind.CALL or last.id == piece.id):
            parts[-1] = last._replace(text=last.text + piece.text)
        else:
            parts.append(piece)
    return parts


def check(dialect: Dialect, events: list[Any]) -> None:
    """The rules of a dialect's streams."""
    match dialect:
        case Dialect.ANTHROPIC:
            assert [events[0]["type"], *(each["type"] for each in events[-2:])] == [
                "message_start", "message_delta", "message_stop",
            ]  # fmt: skip
            opened = -1
            is_open = False
            for each in events[1:-2]:
                if each["type"] == "content_block_start":
                    assert not is_open
                    opened, is_open = opened + 1, True
                assert is_open
                assert each["index"] == opened
                is_open = each["type"] != "content_block_stop"
            assert not is_open
        case Dialect.OPENAI_RESPONSES:
            assert [each["sequence_number"] for each in events] == list(range(len(events)))
            assert [each["type"] for each in events[:2]] == ["response.created", "response.in_progress"]
            added = [each["item"]["id"] for each in events if each["type"] == "response.output_item.added"]
            done = [each["item"]["id"] for each in events if each["type"] == "response.output_item.done"]
            assert added == done == [item["id"] for item in events[-1]["response"]["output"]]
            assert len(set(added)) == len(added)
            places = {item_id: place for place, item_id in enumerate(added)}
            assert all(each["output_index"] == places[each["item_id"]] for each in events if "item_id" in each)
        case Dialect.OPENAI_CHAT:
            assert len({each["id"] for each in events}) == 1
            finishes = [each["choices"][0]["finish_reason"] for each in events if each["choices"]]
            assert [finish for finish in finishes if finish] == finishes[-1:]
        case Dialect.GEMINI:
            assert [bool(each["candidates"][0].get("finishReason")) for each in events] == [False] * (
                len(events) - 1
            ) + [True]


class TestResponses:
    def test_an_answer_cut_short_is_incomplete(self) -> None:
        last = documents(written(ResponsesWriter({}, {}), [text("left")], "length"))[-1]
        assert last["type"] == "response.incomplete"
        assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}

    def test_a_tool_that_takes_any_text_gets_it_unwrapped_and_whole(self) -> None:
        pieces = [call("a", "", "apply_patch"), call("a", '{"input": "*** Be'), call("a", 'gin"}')]
        events = documents(written(ResponsesWriter({}, {}), pieces, free=["apply_patch"]))
        [item] = events[-1]["response"]["output"]
        assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", "*** Begin")
        assert [each["delta"] for each in events if each["type"].endswith("input.delta")] == ["*** Begin"]

    def test_a_tool_of_a_namespace_is_called_in_it(self) -> None:
        spaces = {"close": ("agents", "close"), "doors_open": ("doors", "open")}
        pieces = [call("a", "{}", "close"), call("b", "{}", "doors_open"), call("c", "{}", "open")]
        items = documents(written(ResponsesWriter({}, spaces), pieces))[-1]["response"]["output"]
        named = [(item.get("namespace"), item["name"]) for item in items]
        assert named == [("agents", "close"), ("doors", "open"), (None, "open")]

    def test_thoughts_bear_the_mark(self) -> None:
        events = documents(written(ResponsesWriter({}, {}), [Piece(Kind.THOUGHT, "hm")]))
        assert events[-1]["response"]["output"][0]["encrypted_content"] == MARK

    def test_what_the_request_said_is_repeated(self) -> None:
        created = documents(written(ResponsesWriter({"instructions": "be brief", "tool_choice": "none"}, {}), []))[0]
        assert (created["response"]["instructions"], created["response"]["tool_choice"]) == ("be brief", "none")


class TestUsage:
    def test_of_a_cache_is_counted_apart_by_anthropic(self) -> None:
        delta = documents(written(MessagesWriter(), [text("x")]))[-2]
        assert delta["usage"]["input_tokens"] + delta["usage"]["cache_read_input_tokens"] == USED.prompt
        assert delta["usage"]["cache_read_input_tokens"] == USED.cache_read

    def test_is_sent_to_a_client_of_chat_completions_only_if_it_asked(self) -> None:
        assert b'"usage"' not in written(ChatWriter(sends_usage=False), [text("x")])


def test_an_endless_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.wire.conversion.answer_writer.LONGEST", 10)
    with pytest.raises(Inconvertible, match="more than 10 characters"):
        written(MessagesWriter(), [text("123456")] * 2)

"""Whatever a conversation holds comes over whole and in order, and back; whatever is wrong in it raises nothing."""

import copy
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.answer_reader import AnswerReader
from pointsman.wire.conversion.answer_writer import AnswerWriter
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.conversion.history import ASSISTANT, SYSTEM, USER, arranged, result_text
from pointsman.wire.conversion.identifiers import NAMES, Identifiers
from pointsman.wire.conversion.ir import Identity, Inconvertible, Kind, Piece
from pointsman.wire.conversion.requests import convert, identifiers_between
from pointsman.wire.conversion.unsupported import unsupported
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind, Problem
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder
from wire.conversation_strategies import WORDS, Talk, calls, requested, spoil, talks

PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c}-{p}" for c, p in PAIRS])
few = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=8)
some = settings(few, max_examples=20)
PATHS = {
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
    Dialect.ANTHROPIC: "/v1/messages",
    Dialect.GEMINI: "/v1beta/models/m:generateContent",
}
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")
NOTES = ("[see below]", "[from the result of ")
"""What chat completions say of the images of results, which follow there as the user's."""


class Told(NamedTuple):
    """What a conversation says. Results stand in the order of their calls; an image in a result is just an image."""

    system: str
    texts: list[tuple[str, str]]
    calls: list[tuple[str, dict[str, Any]]]
    results: list[str]
    images: list[str]


def meant(talk: Talk) -> Told:
    texts, images = [], []
    for each in talk.exchanges:
        texts += [(USER, words) for words in each.asked] + ([(ASSISTANT, each.said)] if each.said else [])
        images += [*each.images, *(call.image for call in each.calls if call.image)]
    made = [(call.name, call.arguments) for call in talk.calls]
    return Told(talk.system, texts, made, [call.result for call in talk.calls], images)


def told(dialect: Dialect, request: dict[str, Any], names: Identifiers | None = None) -> Told:
    """Read as the provider would. `names` are those of tools on their way home."""
    system, texts, made, results, images = [], [], [], [], []
    for message in arranged(DIALECTS[dialect].conversion.history.read(copy.deepcopy(request))):
        for part in message["content"]:
            match part["type"]:
                case "text" if message["role"] == SYSTEM:
                    system.append(part["text"])
                case "text" if not part["text"].startswith(NOTES):
                    texts.append((message["role"], part["text"]))
                case "media":
                    images.append(part["media"].data)
                case "tool_call":
                    name = part["tool_name"]
                    made.append((_at_home(names, name) if names else name, part["tool_input"]))
                case "tool_result":
                    results.append("" if (words := result_text(part)).startswith(NOTES) else words)
                    images += [each["media"].data for each in part["result"] if each["type"] == "media"]
    return Told("\n".join(system), texts, made, results, images)


def _at_home(names: Identifiers, name: str) -> str:
    [piece] = names.answer([Piece(Kind.CALL, "", "", name)])
    return piece.name


def ids(dialect: Dialect, request: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Of calls and of results, as they stand in the request."""
    parts = [p for message in DIALECTS[dialect].conversion.history.read(request) for p in message["content"]]
    return tuple([p["tool_call_id"] for p in parts if p["type"] == kind] for kind in ("tool_call", "tool_result"))


@every_pair
class TestConversations:
    @some
    @given(talk=talks())
    def test_come_over_whole_and_back(self, client: Dialect, provider: Dialect, talk: Talk) -> None:
        there, back = DIALECTS[client].conversion, DIALECTS[provider].conversion
        names = identifiers_between(there, back)
        sent = convert(there, back, requested(client, talk), Recipient("m"), names)
        assert told(provider, sent, names) == meant(talk)
        made, answered = ids(provider, sent)
        assert made == answered
        assert len(set(made)) == len(made)
        assert all(map(back.call_ids.fits, made))
        assert all(NAMES.fits(name) for name, _ in told(provider, sent).calls)
        names = identifiers_between(back, there)
        returned = convert(back, there, copy.deepcopy(sent), Recipient("m"), names)
        assert told(client, returned, names) == told(provider, sent)

    @few
    @given(talk=talks())
    def test_that_are_sent_again_are_the_same(self, client: Dialect, provider: Dialect, talk: Talk) -> None:
        """What a conversation has begun with stays as it was, for the sake of caches and ids."""
        there, back = DIALECTS[client].conversion, DIALECTS[provider].conversion
        asked = requested(client, talk)
        shorter = Talk(talk.system, talk.exchanges[:-1], talk.has_nulls, talk.shuffled)
        sent = convert(there, back, copy.deepcopy(asked), Recipient("m"))
        assert convert(there, back, copy.deepcopy(asked), Recipient("m")) == sent
        if shorter.exchanges:
            before = ids(provider, convert(there, back, requested(client, shorter), Recipient("m")))[0]
            assert ids(provider, sent)[0][: len(before)] == before


@st.composite
def answers(draw: st.DrawFn) -> list[Piece]:
    """Thoughts, a text, and calls."""
    pieces = [Piece(Kind.THOUGHT, draw(WORDS))] if draw(st.booleans()) else []
    made = draw(st.lists(calls(), max_size=3, unique_by=lambda call: call.id))
    if not made or draw(st.booleans()):
        pieces.append(Piece(Kind.TEXT, draw(WORDS)))
    return [*pieces, *(Piece(Kind.CALL, json.dumps(c.arguments), c.id, c.name, is_last=True) for c in made)]


def facts(dialect: Dialect, stream: bool) -> RequestFacts:
    return DIALECTS[dialect].conversion.asked_in_path(RequestFacts("m", stream, frozenset(), 0, document={}))


def written(dialect: Dialect, pieces: Sequence[Piece], stream: bool) -> bytes:
    """The answer of a provider of the dialect."""
    writer = AnswerWriter(DIALECTS[dialect].conversion.writer(facts(dialect, stream)))
    identity, finish = Identity("1", "m", 1), "tool_calls" if pieces[-1].kind is Kind.CALL else "stop"
    if not stream:
        return writer.whole(identity, pieces, finish, Usage(3, 4))
    begun = writer.writer.begin(identity, Usage(3))
    return begun + writer.take(pieces) + writer.end(finish, Usage(3, 4))


def documents(stream: bytes) -> list[Any]:
    decoder = Decoder()
    return [json.loads(each.data) for each in decoder.feed(stream) if each.data and each.data.strip() != b"[DONE]"]


def said(dialect: Dialect, answer: bytes, stream: bool) -> list[tuple[Kind, str, Any]]:
    """The parts of an answer: texts, and calls with their names and arguments."""
    reader = AnswerReader(DIALECTS[dialect].conversion, Identity("1", "m", 1))
    if stream:
        pieces = [piece for document in documents(answer) for piece in reader.event(document)]
    else:
        pieces = reader.whole(json.loads(answer))
    return of_pieces(pieces)


def of_pieces(pieces: Sequence[Piece]) -> list[tuple[Kind, str, Any]]:
    parts: dict[object, list[str]] = {}
    for piece in pieces:
        key = (piece.kind, piece.id if piece.kind is Kind.CALL else "")
        name, words = parts.get(key, ["", ""])
        parts[key] = [name or piece.name, words + piece.text]
    return [
        (kind, name, json.loads(words or "{}") if kind is Kind.CALL else words)
        for (kind, _), (name, words) in parts.items()
    ]


def converted(client: Dialect, provider: Dialect, answer: bytes, streams: tuple[bool, bool]) -> list[Any]:
    """The frames for a client whose request asks for a stream (the first) or not, of an answer that is one or not."""
    asked = Listener(facts(client, streams[0]), request_id="r", started=1.0)
    codec = codec_for(DIALECTS[client], DIALECTS[provider], asked, ENTRY, True)
    reader = codec.reader(200, "text/event-stream" if streams[1] else "application/json")
    return [*reader.read(answer), *reader.close()]


@every_pair
class TestAnswers:
    @some
    @given(pieces=answers(), streams=st.tuples(st.booleans(), st.booleans()))
    def test_come_home_whole(
        self, client: Dialect, provider: Dialect, pieces: list[Piece], streams: tuple[bool, bool]
    ) -> None:
        given_answer = written(provider, pieces, streams[1])
        assert said(provider, given_answer, streams[1]) == of_pieces(pieces)
        frames = converted(client, provider, given_answer, streams)
        assert [frame.fault for frame in frames if frame.fault] == []
        got = said(client, b"".join(frame.data for frame in frames), streams[0])
        names = identifiers_between(DIALECTS[client].conversion, DIALECTS[provider].conversion)
        assert got == [(kind, _at_home(names, name) if name else name, what) for kind, name, what in of_pieces(pieces)]


@every_pair
class TestWhatIsWrong:
    @some
    @given(data=st.data(), talk=talks())
    def test_in_a_request_is_converted_or_refused(
        self, client: Dialect, provider: Dialect, data: st.DataObject, talk: Talk
    ) -> None:
        document = requested(client, talk)
        spoil(data.draw, document)
        body = json.dumps(document).encode()
        try:
            asked = DIALECTS[client].facts(body, PATHS[client])
            if unsupported(DIALECTS[client], DIALECTS[provider], asked):
                return
            listener = Listener(asked, request_id="r", started=1.0)
            sent, _ = codec_for(DIALECTS[client], DIALECTS[provider], listener, ENTRY, True).outbound(body, "m")
        except (Problem, Inconvertible):
            return
        told(provider, json.loads(sent))

    @some
    @given(data=st.data(), pieces=answers(), streams=st.tuples(st.booleans(), st.booleans()))
    def test_in_an_answer_is_never_an_error_of_the_routers_own(
        self, client: Dialect, provider: Dialect, data: st.DataObject, pieces: list[Piece], streams: tuple[bool, bool]
    ) -> None:
        answer = written(provider, pieces, streams[1])
        events = documents(answer) if streams[1] else [json.loads(answer)]
        spoil(data.draw, events)
        if streams[1]:
            answer = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events)
        else:
            answer = json.dumps(events[0] if events else {}).encode()
        frames = converted(client, provider, answer, streams)
        assert [frame.fault for frame in frames if frame.fault and frame.fault.kind is FaultKind.INTERNAL] == []

"""Every dialect of the registry, through everything that a dialect must be able to do.

Nothing here knows a dialect by its name: requests are made by conversion, answers by the dialect's own demo.
"""

import json

import pytest

from pointsman.config import Provider
from pointsman.config.enums import Dialect as Name
from pointsman.demo import ReceivedRequest
from pointsman.demo.behaviours.errors import demo_error
from pointsman.demo.behaviours.streaming import plain
from pointsman.wire.conversation import answer_message, conversation
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Dialect, ListedModel, Listener, ModelPage, Purpose
from pointsman.wire.dialects.registry import DEFAULT, DIALECTS, Route, count_body, dialect_of_asker, route_of_path
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader
from pointsman.wire.request_facts import RequestFacts

QUESTION, ANSWER = "Which track?", "the left one"
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")
SSE, JSON = "text/event-stream", "application/json"
PROBLEM = Problem(Code.STREAM_BROKEN, "The provider went away.", details=(("trail", "a@503"),))

every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
every_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
PAIRS = [(client, provider) for client in DIALECTS.values() for provider in DIALECTS.values()]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c.name}-{p.name}" for c, p in PAIRS])


def request_of(dialect: Dialect, stream: bool) -> tuple[bytes, str]:
    """A request of that dialect, and its path: a chat request, taken across."""
    body = json.dumps({"model": "x", "stream": stream, "messages": [{"role": "user", "content": QUESTION}]}).encode()
    listener = Listener(DEFAULT.facts(body, "/v1/chat/completions"), request_id="r", started=1.0)
    body, path = codec_for(DEFAULT, dialect, listener, ENTRY, False).outbound(body, "m")
    return body, f"/v1{path}"


def facts_of(dialect: Dialect, stream: bool) -> RequestFacts:
    return dialect.facts(*request_of(dialect, stream))


def answer_of(dialect: Dialect, stream: bool) -> bytes:
    """What the demo answers to that request."""
    body, path = request_of(dialect, stream)
    request = ReceivedRequest("POST", path, [], body=body, number=1)
    demo = dialect.demo()
    assert request.dialect is dialect
    assert (request.question, request.wants_stream) == (QUESTION, stream)
    if not stream:
        return demo.whole(plain(ANSWER), request)
    return b"".join(event.encode() for event in demo.events(plain(ANSWER), request))


def read(reader: Reader, data: bytes) -> list[Frame]:
    return [*reader.read(data), *reader.close()]


def content_type(stream: bool) -> str:
    return SSE if stream else JSON


def text_of(dialect: Dialect, answer: bytes, stream: bool) -> str:
    message = answer_message(dialect.name, answer, stream)
    return message.content.decode() if message else ""


def test_the_registry_has_every_name_of_the_configuration() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {name: name for name in Name}


@every_dialect
@every_way
class TestEveryDialect:
    def test_reads_requests_and_recognizes_their_path(self, dialect: Dialect, stream: bool) -> None:
        body, path = request_of(dialect, stream)
        facts = dialect.facts(body, path)
        assert (facts.model, facts.stream) == ("m", stream)
        assert facts.tokens < 100
        assert route_of_path(f"/some/prefix{path}?x=1") == Route(dialect.name, Purpose.CHAT)
        [message] = conversation(dialect.name, facts.document).messages
        assert message.content.decode() == QUESTION
        sent, its_path = dialect.outbound(body, facts, "other")
        again = dialect.facts(sent, f"/v1{its_path}")
        assert (again.model, again.stream) == ("other", stream)

    def test_reads_answers(self, dialect: Dialect, stream: bool) -> None:
        answer = answer_of(dialect, stream)
        reader = dialect.reader(facts_of(dialect, stream), content_type(stream))
        frames = read(reader, answer)
        assert b"".join(frame.data for frame in frames) == answer
        assert [frame.fault for frame in frames if frame.fault] == []
        assert FrameKind.CONTENT in [frame.kind for frame in frames]
        assert (reader.finished, reader.finish_reason) == (True, "stop")
        assert text_of(dialect, answer, stream) == ANSWER

    def test_shows_chats_to_people(self, dialect: Dialect, stream: bool) -> None:
        facts = facts_of(dialect, stream)
        asked = dialect.transcript.request(facts.document)
        assert asked
        assert QUESTION in [piece.text for said in asked.entries for piece in said.pieces]
        documents = [json.loads(line) for line in json_texts(answer_of(dialect, stream), stream)]
        answered = dialect.transcript.answer(documents)
        assert [piece.text for said in answered.entries for piece in said.pieces] == [ANSWER]
        assert answered.finish

    def test_says_what_a_provider_reports(self, dialect: Dialect, stream: bool) -> None:
        request = ReceivedRequest("POST", request_of(dialect, stream)[1], [], number=1)
        if stream:
            reader = dialect.reader(facts_of(dialect, True), SSE)
            frames = read(reader, dialect.demo().error_event(demo_error(503), request).encode())
            assert [frame.kind for frame in frames if frame.fault] == [FrameKind.ERROR]
        else:
            fault = dialect.fault(429, dialect.demo().error_body(demo_error(429)), JSON)
            assert (fault.status, fault.message) == (429, demo_error(429).message)


def json_texts(answer: bytes, stream: bool) -> list[bytes]:
    if not stream:
        return [answer]
    lines = [line.removeprefix(b"data: ") for line in answer.split(b"\n") if line.startswith(b"data: ")]
    return [line for line in lines if line.startswith(b"{")]


@every_dialect
class TestTheRouterItself:
    def test_fails_a_stream_with_an_event_that_is_an_error(self, dialect: Dialect) -> None:
        facts = facts_of(dialect, True)
        events = dialect.control_events(Listener(facts, request_id="r", started=1.0))
        assert events.stream_type
        reader = dialect.reader(facts, SSE)
        frames = read(reader, events.error_event(PROBLEM) + events.end_marker())
        assert [frame.fault.message for frame in frames if frame.fault] == [PROBLEM.message]
        assert not reader.finished or reader.finish_reason is None

    def test_keeps_a_stream_alive_without_content(self, dialect: Dialect) -> None:
        facts = facts_of(dialect, True)
        events = dialect.control_events(Listener(facts))
        said = events.keep_alive() + events.comment("routed-via a/b") + events.keep_alive(Opening())
        reader = dialect.reader(facts, SSE)
        frames = read(reader, said + answer_of(dialect, True))
        assert [frame.fault for frame in frames if frame.fault] == []
        assert reader.finished

    def test_writes_errors_that_can_be_read_again(self, dialect: Dialect) -> None:
        fault = dialect.fault(PROBLEM.status, dialect.error_body(PROBLEM), JSON)
        assert (fault.message, fault.structured) == (PROBLEM.message, True)

    def test_shows_a_providers_key(self, dialect: Dialect) -> None:
        assert any("the-key" in value for _, value in dialect.auth_headers("the-key"))
        assert all(name and value for name, value in dialect.own_headers)

    def test_lists_models(self, dialect: Dialect) -> None:
        models = [ListedModel("auto", "pointsman"), ListedModel("p/m", "p", "M", 4096, "nick")]
        text = json.dumps(dialect.model_list.document(ModelPage(models), 1_700_000_000.5))
        assert '"auto"' in text.replace("models/", "")
        assert "p/m" in text

    def test_counts_tokens_where_the_dialect_has_such_a_question(self, dialect: Dialect) -> None:
        if dialect.count_tokens is None:
            return
        assert 17 in json.loads(count_body(dialect.name, 17)).values()


def test_a_client_without_a_dialect_gets_the_default_list_of_models() -> None:
    assert dialect_of_asker("/v1/models", {"authorization": "Bearer k"}) is DEFAULT


@every_pair
@every_way
class TestEveryPair:
    def test_a_chat_goes_through_both_ways(self, client: Dialect, provider: Dialect, stream: bool) -> None:
        body, path = request_of(client, stream)
        listener = Listener(client.facts(body, path), request_id="r", started=1.0)
        way = codec_for(client, provider, listener, ENTRY, False)
        sent, its_path = way.outbound(body, "theirs")
        asked = provider.facts(sent, f"/v1{its_path}")
        assert (asked.model, asked.stream) == ("theirs", stream)
        assert conversation(provider.name, asked.document).messages[-1].content.decode() == QUESTION
        assert dict(way.headers(())).items() >= dict(provider.own_headers).items()
        converted = b"".join(
            frame.data for frame in read(way.reader(200, content_type(stream)), answer_of(provider, stream))
        )
        own = client.reader(listener.facts, content_type(stream))
        frames = read(own, converted)
        assert [frame.fault for frame in frames if frame.fault] == []
        assert (own.finished, own.finish_reason) == (True, "stop")
        assert text_of(client, converted, stream) == ANSWER
        assert stream or (own.usage and own.usage.output == len(ANSWER.split()))

    def test_an_error_is_reported_in_the_clients_words(self, client: Dialect, provider: Dialect, stream: bool) -> None:
        body, path = request_of(client, stream)
        listener = Listener(client.facts(body, path), request_id="r", started=1.0)
        way = codec_for(client, provider, listener, ENTRY, False)
        way.outbound(body, "theirs")
        [frame] = read(way.reader(429, JSON), provider.demo().error_body(demo_error(429)))
        assert frame.fault
        assert (frame.fault.status, frame.fault.message) == (429, demo_error(429).message)
        assert frame.fault.converted is (client is not provider)

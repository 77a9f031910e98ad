"""What is fuzzed: for each part that reads what others wrote, what must hold whatever they wrote.

A target takes bytes, checks, and returns; what it raises is a bug. `seeds` are good inputs to begin with. They are made
here, not kept in files: only inputs that have found a bug are kept, in the corpus beside the tests.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial

from pointsman import config
from pointsman.config import ConfigError, Provider, document
from pointsman.config.enums import Dialect as Name
from pointsman.demo import ReceivedRequest
from pointsman.demo.behaviours.errors import demo_error
from pointsman.demo.behaviours.streaming import plain
from pointsman.wire.conversation import answer_message, body_ids, conversation
from pointsman.wire.conversion.codec import Codec, codec_for
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.demo_base import DemoDialect, DemoEvent
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Fault, FaultKind, Problem
from pointsman.wire.frames import Frame, FrameKind, Reader
from pointsman.wire.headers import to_client, to_provider
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.retry_after import dated, retry_after, stated_limits
from pointsman.wire.sse import Decoder, OversizedEvent
from support import fuzzing_of_others

WALL = 1_445_412_470.0
STREAM, WHOLE = "text/event-stream", "application/json"
OTHER = "another-model"
PROVIDER = Provider(name="p", base_url="http://127.0.0.1:9/v1")
CONFIGURATION = b"""
server: {client_key: a-client-key-0123456789, header_prefix: X-, max_body: 64MiB, drain: 10s}
routing: {max_attempts: 3, aliases: {nick: one/m}, deadline: 2m}
stream: {heartbeat: 500ms, stall: off}
hedge: {after: auto, max_parallel: 2}
providers:
  one: {base_url: "http://127.0.0.1:1/v1", keys: [{value: "${KEY}", label: first}], models: [{id: m, limits: {rpm: 3}}]}
  groq: {keys: [another-key], redirects: [{match: regex, source: "q(.*)", target: "z"}]}
"""

type Target = Callable[[bytes], None]


def pieces(data: bytes) -> list[bytes]:
    """Cut where the data itself says: its first byte is the length of a piece."""
    size = data[0] % 61 + 1 if data else 1
    return [data[start : start + size] for start in range(1, len(data), size)]


def sse(data: bytes) -> None:
    """However a stream is cut, its events are the same, and no byte is lost or moved."""
    whole, cut = Decoder(), Decoder()
    try:
        at_once = whole.feed(data[1:])
        piecewise = [event for piece in pieces(data) for event in cut.feed(piece)]
    except OversizedEvent:
        return
    assert [event.raw for event in piecewise] == [event.raw for event in at_once]
    assert [event.data for event in piecewise] == [event.data for event in at_once]
    tails = whole.close(), cut.close()
    assert tails[0] == tails[1]
    assert b"".join(event.raw for event in at_once) + tails[0] == data[1:]


def facts(name: Name, path: str, data: bytes) -> None:
    """A request is read, or refused in words; another model's name changes nothing else in it."""
    dialect = DIALECTS[name]
    try:
        known = dialect.facts(data, path)
    except Problem as problem:
        dialect.error_body(problem)
        return
    body_ids(known.document)
    conversation(name, known.document)
    body, sent_to = dialect.outbound(data, known, OTHER)
    before, after = json.loads(data), json.loads(body)
    assert {**after, "model": None} == {**before, "model": None} or str(before) == str({**after, "model": None})
    assert after.get("model", OTHER) == OTHER or OTHER in sent_to


def frames(name: Name, form: "Form", data: bytes) -> None:
    """An answer never makes its reader raise, and what is passed on is what came, in order; a blank line that the last
    event lacks may be added.
    """
    reader = form.reader(name)
    passed = b"".join(frame.data for frame in heard(reader, data))
    assert data[1:].startswith(passed.rstrip(b"\r\n"))
    assert isinstance(reader.finished, bool)
    answer_message(name, passed, form is not Form.WHOLE)


def heard(reader: Reader, data: bytes) -> list[Frame]:
    """What becomes of an answer that comes in pieces, to its end."""
    out: list[Frame] = []
    for piece in pieces(data):
        for frame in reader.read(piece):
            assert (frame.fault is None) == (frame.kind not in (FrameKind.ERROR, FrameKind.MALFORMED)), frame
            out.append(frame)
            if frame.kind in (FrameKind.MALFORMED, FrameKind.ERROR, FrameKind.END):
                return out
    return [*out, *reader.close()]


def asked(name: Name, data: bytes) -> None:
    """A request is told to a provider of another dialect as a JSON object, or refused in words."""
    try:
        known = DIALECTS[name].facts(data[1:], PATHS[name])
    except Problem:
        return
    way = _crossing(name, _other(name, data), known)
    with suppress(Inconvertible):
        body, path = way.outbound(data[1:], OTHER)
        assert isinstance(json.loads(body), dict)
        assert path.startswith("/")


def told(name: Name, data: bytes) -> None:
    """An answer is told to a client of another dialect in words that its own reader takes, whatever the provider has
    said.
    """
    client, form = _other(name, data), Form.STREAM if data[:1] < b"\x80" else Form.WHOLE
    reader = _crossing(client, name, form.asked).reader(200, form.content_type)
    frames = heard(reader, data[1:])
    if all(frame.fault is None for frame in frames):
        again = form.reader(client)
        out = b"".join(frame.data for frame in frames)
        assert all(frame.kind is not FrameKind.MALFORMED for frame in [*again.read(out), *again.close()] if out), out


def errors(name: Name, data: bytes) -> None:
    """Whatever body an error status has, it means something."""
    fault = DIALECTS[name].fault(400 + data[0] % 200 if data else 500, data[1:], WHOLE)
    assert fault.label
    dated(fault, {}, WALL)


def configuration(data: bytes) -> None:
    """A file is taken, or refused with the places at fault."""
    with suppress(UnicodeDecodeError):
        text = data.decode()
        _refused_in_words(lambda: document.parse(text, "pointsman.yaml"), {"KEY": "a-key"})


def environment(data: bytes) -> None:
    """Lines are variables: they are taken, or refused with the names of those at fault."""
    lines = (line.partition("=") for line in data.decode(errors="replace").splitlines())
    variables = {name: value for name, _, value in lines if name}
    _refused_in_words(lambda: document.parse(CONFIGURATION.decode(), "pointsman.yaml"), {"KEY": "a-key", **variables})


def _refused_in_words(read: Callable[[], document.Document], env: Mapping[str, str]) -> None:
    """If at all."""
    refused: ConfigError | None = None
    try:
        found = read()
        config.build(found.tree, env, found.issues)
    except ConfigError as error:
        refused = error
    assert refused is None or (refused.issues and str(refused))


def headers(data: bytes) -> None:
    """Whatever headers say, what goes on is sendable and no secret."""
    lines = (line.partition(": ") for line in data.decode("latin-1").splitlines())
    given = [(name, value) for name, _, value in lines if name]
    lower = {name.lower(): value for name, value in given}
    for name, value in (*to_provider(given), *to_client(lower)):
        assert not {"\r", "\n", "\0"} & set(value), (name, value)
        assert not name.lower().endswith(("-api-key", "authorization")), name
    waits = retry_after(lower, WALL), dated(Fault(FaultKind.STATUS, status=429), lower, WALL).retry_after
    assert all(wait is None or wait >= 0 for wait in waits)
    assert all(limit >= 0 for _, limit in stated_limits(lower, WALL))


PATHS = {
    Name.OPENAI_CHAT: "/v1/chat/completions",
    Name.OPENAI_RESPONSES: "/v1/responses",
    Name.ANTHROPIC: "/v1/messages",
    Name.GEMINI: "/v1beta/models/m:streamGenerateContent?alt=sse",
}


class Form(Enum):
    """Of an answer: its content type, and the query of a request to Gemini that asks for it."""

    STREAM = STREAM, "?alt=sse"
    LIST = WHOLE, "?"
    """Gemini's streams are elements of one list unless events are asked for."""
    WHOLE = WHOLE, ""

    def __init__(self, content_type: str, query: str) -> None:
        self.content_type, self.query = content_type, query

    @property
    def asked(self) -> RequestFacts:
        return RequestFacts("m", self is not Form.WHOLE, frozenset(), 1, query=self.query)

    def reader(self, name: Name) -> Reader:
        return DIALECTS[name].reader(self.asked, self.content_type)


TARGETS: Mapping[str, Target] = {
    "sse": sse,
    "headers": headers,
    "configuration": configuration,
    "environment": environment,
    **{f"facts-{name}": partial(facts, name, path) for name, path in PATHS.items()},
    **{f"stream-{name}": partial(frames, name, Form.STREAM) for name in PATHS},
    "list-gemini": partial(frames, Name.GEMINI, Form.LIST),
    **{f"whole-{name}": partial(frames, name, Form.WHOLE) for name in PATHS},
    **{f"asked-{name}": partial(asked, name) for name in PATHS},
    **{f"told-{name}": partial(told, name) for name in PATHS},
    **{f"error-{name}": partial(errors, name) for name in PATHS},
    **fuzzing_of_others.TARGETS,
}


def seeds(target: str) -> list[bytes]:
    """Good inputs for that target."""
    if target in fuzzing_of_others.SEEDS:
        return fuzzing_of_others.SEEDS[target]
    match target.partition("-"):
        case "headers", _, _:
            return [b"Content-Type: a\r\nRetry-After: 3\r\nX-RateLimit-Reset-Requests: 1m3s\r\nAuthorization: Bearer x"]
        case "configuration", _, _:
            return [CONFIGURATION]
        case "environment", _, _:
            return [
                b"POINTSMAN_SERVER__HEADER_PREFIX=X-Other-\nPOINTSMAN_STREAM__STALL=3m\n"
                b"POINTSMAN_STICKY__MODES=smart,fast\nPOINTSMAN_PROVIDERS__ONE__BASE_URL=http://127.0.0.1:2/v1\n"
                b"THREAD_PROTECTION_PLATFORMS=one:provider-ban,groq:model-skip"
            ]
        case "sse", _, _:
            return [b"\x07" + _stream(name) for name in PATHS]
        case "facts", _, name:
            return [_asked(name).body]
        case "stream", _, name:
            return [b"\x07" + _stream(name), b"\x30" + _stream(name) + _told_off(name)]
        case "whole", _, name:
            return [b"\x20" + _demo(name).whole(plain(), _asked(name))]
        case "list", _, name:
            return [b"\x07[" + b",\n".join(_chunks(name)) + b"]"]
        case "asked", _, name:
            return [bytes([n]) + _asked(name).body for n in range(3)]
        case "told", _, name:
            whole = _demo(name).whole(plain(), _asked(name))
            streamed = [bytes([n, 7]) + _stream(name) for n in range(3)]
            return [*streamed, *(bytes([0x80 + n, 0x20]) + whole for n in range(3))]
        case _, _, name:
            return [bytes([code - 400]) + _demo(name).error_body(demo_error(code)) for code in (400, 429, 503)]


def _other(name: Name, data: bytes) -> Name:
    """One of the other dialects: the first byte says which."""
    others = [each for each in PATHS if each is not name]
    return others[data[0] % len(others) if data else 0]


def _crossing(client: Name, provider: Name, known: RequestFacts) -> Codec:
    listener = Listener(known, request_id="r", started=1.0)
    return codec_for(DIALECTS[client], DIALECTS[provider], listener, PROVIDER, True)


def _asked(name: str) -> ReceivedRequest:
    said = [{"role": "user", "content": "Which track?"}]
    usual = {"model": "m", "stream": True, "max_tokens": 9}
    body = {**usual, "messages": said, "input": said, "contents": [{"role": "user", "parts": [{"text": "Which?"}]}]}
    return ReceivedRequest("POST", PATHS[Name(name)], [], body=json.dumps(body).encode())


def _stream(name: str) -> bytes:
    return b"".join(map(DemoEvent.encode, _demo(name).events(plain(), _asked(name))))


def _chunks(name: str) -> list[bytes]:
    return [event.data.encode() for event in _demo(name).events(plain(), _asked(name))]


def _told_off(name: str) -> bytes:
    return _demo(name).error_event(demo_error(503), _asked(name)).encode()


def _demo(name: str) -> DemoDialect:
    return DIALECTS[Name(name)].demo()

"""More of what is fuzzed: options of a request, endpoints besides chats, forms, messages of WebSocket connections."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from pointsman.config.enums import Dialect as Name
from pointsman.wire import multipart_form
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.openai_responses.websocket import ResponsesSocket
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Problem
from pointsman.wire.request_body import parse_object
from pointsman.wire.request_options import is_option, read_options, without_options
from pointsman.wire.sse import Decoder, OversizedEvent

WALL = 1_445_412_470.0
OTHER, BOUNDARY = "another-model", b"frontier"
ENDPOINTS = {
    "embeddings": b'{"model": "m", "input": ["one", "two"]}',
    "completions": b'{"model": "m", "prompt": "Which?", "suffix": "!", "stream": true}',
    "audio-speech": b'{"model": "m", "input": "Which?", "voice": "alloy", "stream_format": "sse"}',
    "rerank": b'{"model": "m", "query": "Which?", "documents": ["one", {"text": "two"}]}',
    "moderations": b'{"input": "Which?"}',
}
"""A good request of each, by its path with dashes."""
FORM = (
    b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--frontier\r\n'
    b'Content-Disposition: form-data; name="model"\r\n\r\nm\r\n--frontier--\r\n'
)
SAID = b'{"type": "response.create", "model": "m", "store": false, "input": [{"role": "user", "content": "Which?"}]}'
EVENTS = (
    b'event: response.output_item.done\ndata: {"output_index": 0, "item": {"type": "message", "id": "i"}}\n\n'
    b'event: response.completed\ndata: {"response": {"id": "r", "status": "completed"}}\n\n'
)


def options(data: bytes) -> None:
    """They are read, or refused with a message; the request without them has all its other members."""
    try:
        document = parse_object(data)
        metadata = document.get("metadata")
        if not isinstance(metadata, dict):
            return
        read_options({}, metadata)
        rest = json.loads(without_options(data, document))
    except Problem:
        return
    kept = {name: value for name, value in metadata.items() if not is_option(name)}
    expected = {name: kept if name == "metadata" else value for name, value in document.items()}
    assert str(rest) == str({name: value for name, value in expected.items() if name != "metadata" or kept})


def endpoint(path: str, data: bytes) -> None:
    """A request is read, or refused with a message; another model's name changes nothing else in it."""
    dialect = _endpoint(path)
    try:
        known = dialect.facts(data, path)
    except Problem as problem:
        dialect.error_body(problem)
        return
    body, sent_to = dialect.outbound(data, known, OTHER)
    assert path.endswith(sent_to)
    before, after = json.loads(data), json.loads(body)
    assert {**after, "model": None} == {**before, "model": None} or str(before) == str({**after, "model": None})
    assert after["model"] == OTHER
    for kind in ("application/json", "text/event-stream", "audio/mpeg"):
        reader = dialect.reader(known, kind)
        with suppress(OversizedEvent):
            [*reader.read(data), *reader.close()]


def form(data: bytes) -> None:
    """Another value of a field changes nothing else."""
    try:
        fields = multipart_form.fields_of(data, BOUNDARY)
        value, span = multipart_form.text_of(data, fields, "model")
        body = multipart_form.with_text(data, BOUNDARY, span, "model", OTHER)
        again = multipart_form.text_of(body, multipart_form.fields_of(body, BOUNDARY), "model")
    except Problem:
        return
    assert again[0] == OTHER
    if span:
        assert (body[: span[0]], body[span[0] + len(OTHER) :]) == (data[: span[0]], data[span[1] :])
    else:
        assert value is None
        assert len(body) > len(data)


def socket(data: bytes) -> None:
    """A message becomes a request or replies, or is refused with an error; each event becomes one message or none."""
    message, _, events = data.partition(b"\0")
    conversation = ResponsesSocket()
    with suppress(Problem):
        asked = conversation.request(message, "resp_own", WALL)
        for each in [asked] if isinstance(asked, bytes) else asked:
            assert isinstance(json.loads(each), dict)
        assert not isinstance(asked, bytes) or json.loads(asked)["stream"] is True
    with suppress(OversizedEvent):
        for event in Decoder().feed(events):
            answer = conversation.answer(event)
            assert answer is None or isinstance(answer, bytes)
    assert isinstance(json.loads(conversation.error(502, data, ())), dict)


def _endpoint(path: str) -> Dialect:
    return next(each for each in DIALECTS[Name.OPENAI_CHAT].endpoints if each.purpose_of(path))


def _path(name: str) -> str:
    return f"/v1/{name.replace('-', '/')}"


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "options": options,
    "form": form,
    "socket": socket,
    **{f"endpoint-{name}": partial(endpoint, _path(name)) for name in ENDPOINTS},
}
SEEDS: Mapping[str, list[bytes]] = {
    "options": [b'{"model": "m", "metadata": {"X-Pointsman-Mode": "fast", "x-pointsman-timeout": "3s", "own": 1}}'],
    "form": [FORM, FORM.replace(b'name="model"', b'name="language"')],
    "socket": [SAID + b"\0" + EVENTS, SAID[:-1] + b', "generate": false}'],
    **{f"endpoint-{name}": [body] for name, body in ENDPOINTS.items()},
}

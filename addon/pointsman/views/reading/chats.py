"""Chats of every dialect, read from their bytes for people."""

from collections.abc import Iterator, Mapping

from pointsman.config.enums import Dialect
from pointsman.wire import jsontext
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.jsonlist import END, ListCutter
from pointsman.wire.sse import Decoder, Event
from pointsman.wire.transcript import Transcript, written

LARGEST = 64 << 20
"""Bytes of an event; a body in mitmproxy's memory is what it is."""
LARGEST_LIST = 1 << 20
"""Bytes of a list that is cut into elements, which is slow: a whole one need not be, and of a stream less is kept."""
MOST_EVENTS = 200_000
"""More are not an answer, but an attempt to keep the router busy."""
FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
"""How the lines of server-sent events begin."""


def read_request(dialect: Dialect, body: bytes) -> Transcript | None:
    """None for what is no chat request. Never raises."""
    document = jsontext.parsed(body)
    return DIALECTS[dialect].transcript.request(document) if isinstance(document, Mapping) else None


def read_answer(dialect: Dialect, body: bytes) -> Transcript | None:
    """An answer, whole or not, or a provider's error; None for what is neither. Never raises."""
    documents = _Documents(body)
    read = DIALECTS[dialect].transcript.answer(documents)
    read.error = documents.error
    return None if read.is_empty() else read


class _Documents:
    """The documents of a body, and the error that one of them reports."""

    def __init__(self, body: bytes) -> None:
        self.error: str | None = None
        self._body = body

    def __iter__(self) -> Iterator[Members]:
        for document in _documents(self._body):
            said = document.get("error") or mapping(document.get("response")).get("error")
            if said:
                self.error = said if isinstance(said, str) else written(said)
            yield document


def is_stream(body: bytes) -> bool:
    """Bytes that begin as server-sent events do."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").startswith(FIELDS)


def events_of(body: bytes) -> list[Event]:
    """The events of a stream, or the elements of a list, also where the last one is cut off. Never raises."""
    if is_stream(body):
        if body.count(b"\n\n") > MOST_EVENTS:
            return []
        decoder = Decoder(max(LARGEST, len(body) + 2))
        found = decoder.feed(body)
        rest = decoder.close()
        if rest.strip():
            found.append(Decoder(len(rest) + 2).feed(rest + b"\n\n")[0]._replace(raw=rest))
        return found
    if body.lstrip().startswith(b"[") and len(body) <= LARGEST_LIST:
        return [event for event in ListCutter(len(body) + 1).feed(body) if event.event != END]
    return []


def _documents(body: bytes) -> Iterator[Members]:
    found = None if is_stream(body) else jsontext.parsed(body)
    if found is not None:
        yield from mappings(found if isinstance(found, list) else [found])
        return
    for event in events_of(body):  # also of a list that was cut off
        if event.data and isinstance(document := jsontext.parsed(event.data), Mapping):
            yield document

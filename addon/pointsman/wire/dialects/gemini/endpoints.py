"""Gemini's endpoints besides chats: embeddings, one at a time and in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pointsman.config.enums import Kind
from pointsman.wire import jsontext, query
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.dialects.base import Dialect, Purpose
from pointsman.wire.dialects.gemini.answers import usage_of
from pointsman.wire.dialects.gemini.request import asked, full_name, outbound_path
from pointsman.wire.endpoint_readers import document_reader
from pointsman.wire.frames import Reader
from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.jsontext import DuplicateMember, Span
from pointsman.wire.messages import Conversation, MessageDraft
from pointsman.wire.request_body import parse_object, refusal, text_size
from pointsman.wire.request_facts import BYTES_PER_TOKEN, RequestFacts

EMBED, EMBED_MANY = "embedContent", "batchEmbedContents"
ACTIONS = (EMBED, EMBED_MANY)
REQUESTS = "requests"
"""Where a batch has its requests, each of which repeats the model's name."""


def endpoints(chat: Dialect) -> tuple[Dialect, ...]:
    """What they do not have of their own is that of `chat`."""
    embeddings = replace(
        chat,
        purpose_of=lambda path: Purpose.OTHER if asked(path, ACTIONS) else None,
        facts=facts,
        outbound=outbound,
        kind=Kind.EMBEDDING,
        count_tokens=None,
        signed_parts=None,
        reader=reader,
        conversation=lambda _: Conversation(b"", ()),
        answer_message=lambda _: MessageDraft("assistant"),
    )
    return (embeddings,)


def facts(body: bytes, path: str) -> RequestFacts:
    what = asked(path, ACTIONS)
    if what is None:
        raise refusal("The path", f"…/models/<model>:{EMBED}", "of another form")
    document = parse_object(body)
    contents = [mapping(request.get("content")) for request in _requests(document)]
    size = sum(text_size(part.get("text")) for content in contents for part in mappings(content.get("parts")))
    return RequestFacts(
        model=what.model,
        stream=False,
        needs=frozenset(),
        tokens=size // BYTES_PER_TOKEN,
        document=document,
        action=what.action,
        query=query.forwarded(path),
        kind=Kind.EMBEDDING,
    )


def outbound(body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
    """The model stands in the path, and perhaps once more in each request."""
    name = full_name(model)
    if any("model" in request and request["model"] != name for request in _requests(facts.document)):
        try:
            body = _with_models(body, facts.document, name)
        except DuplicateMember as error:
            raise Inconvertible(f"the request gives {error} more than once") from None
    return body, outbound_path(facts, model)


def reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    return document_reader(content_type, _lacks, usage_of)


def _lacks(document: Members) -> str:
    found = mappings(document.get("embeddings")) or [mapping(document.get("embedding"))]
    return "" if all(each.get("values") for each in found) else "embeddings"


def _requests(document: Members) -> Sequence[Members]:
    return mappings(document[REQUESTS]) if REQUESTS in document else [document]


def _with_models(body: bytes, document: Mapping[str, Any], name: str) -> bytes:
    """All else stays byte for byte as the client sent it."""
    spans = list(_model_spans(body, document))
    for span in reversed(spans):
        body = jsontext.splice(body, span, name)
    return body


def _model_spans(body: bytes, document: Mapping[str, Any]) -> Iterator[Span]:
    if REQUESTS not in document:
        if span := jsontext.member_span(body, "model", document):
            yield span
        return
    outer = jsontext.member_span(body, REQUESTS, document)
    assert outer, "the document has it"
    for (start, end), request in zip(jsontext.element_spans(body, outer), document[REQUESTS], strict=True):
        if isinstance(request, Mapping) and (span := jsontext.member_span(body[start:end], "model", request)):
            yield start + span[0], start + span[1]

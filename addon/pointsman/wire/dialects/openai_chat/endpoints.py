"""OpenAI's endpoints besides chats, and those that others have added in its manner.

Each has its path, the kind of its models, the texts that count for limits, and what its answer must have.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from pointsman.config.enums import Kind
from pointsman.wire import multipart_form
from pointsman.wire.dialects.base import Dialect, Purpose
from pointsman.wire.dialects.openai_chat.answers import (
    ChatStreamReader,
    ChatWholeReader,
    choices_of,
    finish_reason_of,
)
from pointsman.wire.endpoint_readers import TextReader, bytes_reader, document_reader, events_reader
from pointsman.wire.finish_reasons import Finish, finish_of
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.json_access import Members, count, mapping, mappings
from pointsman.wire.messages import Conversation, MessageDraft
from pointsman.wire.request_body import flag, json_size, model_of, parse_object, with_model
from pointsman.wire.request_facts import BYTES_PER_TOKEN, RequestFacts
from pointsman.wire.usage_counts import billed, is_possible
from pointsman.wire.whole_reader import is_json, reader_for

VERSIONS = ("/v1", "/v2")
"""What stands before an endpoint's path; any prefix may stand before it. The provider's version is in its base URL."""
TEXT_FORMATS = ("text", "srt", "vtt")
"""Values of `response_format` for which a transcription is no JSON."""

type MakeAnswerReader = Callable[[RequestFacts, str], Reader]


class Endpoint(NamedTuple):
    """`texts`: the members of a request whose size is what it costs. `streams_bytes`: its answer is a file."""

    path: str
    kind: Kind
    texts: tuple[str, ...]
    reader: MakeAnswerReader
    is_form: bool = False
    streams_bytes: bool = False


# What an answer must have.


def lacks_embeddings(document: Members) -> str:
    rows = mappings(document.get("data"))
    return "" if rows and all(row.get("embedding") for row in rows) else "embeddings"


def lacks_images(document: Members) -> str:
    rows = mappings(document.get("data"))
    return "" if any(row.get("url") or row.get("b64_json") for row in rows) else "images"


def lacks_results(document: Members) -> str:
    """Jina and Cohere list `results`, Voyage lists them in `data`."""
    return "" if document.get("results") or document.get("data") else "results"


def lacks_text(document: Members) -> str:
    """Silence is transcribed as an empty text."""
    return "" if isinstance(document.get("text"), str) else "text"


def usage_in(document: Members) -> Usage | None:
    """Embeddings count `prompt_tokens`, audio and images `input_tokens`, rerankers `total_tokens` alone."""
    usage = mapping(document.get("usage"))
    if not usage or not is_possible(usage):
        return None
    prompt = count(usage.get("prompt_tokens")) or count(usage.get("input_tokens"))
    output = count(usage.get("completion_tokens")) or count(usage.get("output_tokens"))
    return Usage(prompt or max(0, count(usage.get("total_tokens")) - output), output, cost=billed(usage))


# Readers.


class CompletionStreamReader(ChatStreamReader):
    """`may_be_empty`: the client asks what belongs between two texts, and that may be nothing."""

    def __init__(self, drop_usage: bool, choices: int, may_be_empty: bool) -> None:
        super().__init__(drop_usage, choices)
        self._may_be_empty = may_be_empty

    def _frame_of_chunk(self, chunk: Mapping[str, Any], raw: bytes) -> Frame:
        frame = super()._frame_of_chunk(chunk, raw)
        if frame.kind is FrameKind.NEUTRAL and self._may_be_empty and ends_well(chunk):
            return Frame(FrameKind.CONTENT, raw)
        return frame


class CompletionWholeReader(ChatWholeReader):
    def __init__(self, may_be_empty: bool) -> None:
        super().__init__()
        self._may_be_empty = may_be_empty

    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        frames = super().frames_of(document, body)
        if self._may_be_empty and frames[0].kind is FrameKind.END and ends_well(document):
            return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]
        return frames


def ends_well(document: Members) -> bool:
    return finish_of(finish_reason_of(choices_of(document))) is Finish.STOP


def completion_reader(facts: RequestFacts, content_type: str) -> Reader:
    asked, may_be_empty = facts.document.get("n"), bool(facts.document.get("suffix"))
    prompts = facts.document.get("prompt")
    many = len(prompts) if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int) else 1
    choices = (asked if isinstance(asked, int) else 1) * many
    return reader_for(
        facts.stream,
        content_type,
        lambda: CompletionStreamReader(False, choices, may_be_empty),
        lambda: CompletionWholeReader(may_be_empty),
    )


def completed(documents: Iterable[Members]) -> MessageDraft:
    """All texts of a completion; nothing of other answers."""
    draft = MessageDraft("assistant")
    for document in documents:
        for choice in choices_of(document):
            draft.add_text(choice.get("text"))
    return draft


def image_reader(facts: RequestFacts, content_type: str) -> Reader:
    return events_reader(content_type, usage_in) if facts.stream else of_document(lacks_images)(facts, content_type)


def speech_reader(facts: RequestFacts, content_type: str) -> Reader:
    return events_reader(content_type, usage_in) if facts.stream else bytes_reader(content_type)


def transcript_reader(facts: RequestFacts, content_type: str) -> Reader:
    if facts.stream:
        return events_reader(content_type, usage_in)
    is_text = facts.action in TEXT_FORMATS and not is_json(content_type)
    return TextReader() if is_text else document_reader(content_type, lacks_text, usage_in)


def of_document(lacks: Callable[[Members], str]) -> MakeAnswerReader:
    return lambda facts, content_type: document_reader(content_type, lacks, usage_in)


ENDPOINTS = (
    Endpoint("/embeddings", Kind.EMBEDDING, ("input",), of_document(lacks_embeddings)),
    Endpoint("/completions", Kind.COMPLETION, ("prompt", "suffix"), completion_reader),
    Endpoint("/fim/completions", Kind.COMPLETION, ("prompt", "suffix"), completion_reader),
    Endpoint("/images/generations", Kind.IMAGE, ("prompt",), image_reader),
    Endpoint("/images/edits", Kind.IMAGE, ("prompt",), image_reader, is_form=True),
    Endpoint("/images/variations", Kind.IMAGE, (), image_reader, is_form=True),
    Endpoint("/audio/speech", Kind.AUDIO, ("input", "instructions"), speech_reader, streams_bytes=True),
    Endpoint("/audio/transcriptions", Kind.AUDIO, ("prompt",), transcript_reader, is_form=True),
    Endpoint("/audio/translations", Kind.AUDIO, ("prompt",), transcript_reader, is_form=True),
    Endpoint("/rerank", Kind.RERANK, ("query", "documents"), of_document(lacks_results)),
    Endpoint("/moderations", Kind.MODERATION, ("input",), of_document(lacks_results)),
)


def endpoints(chat: Dialect) -> tuple[Dialect, ...]:
    """The dialects of all endpoints; what they do not have of their own is that of `chat`."""
    return tuple(_dialect(endpoint, chat) for endpoint in ENDPOINTS)


def _dialect(endpoint: Endpoint, chat: Dialect) -> Dialect:
    paths = tuple(f"{version}{endpoint.path}" for version in VERSIONS)
    own_reader = endpoint.reader
    return replace(
        chat,
        purpose_of=lambda path: Purpose.OTHER if path.endswith(paths) else None,
        facts=partial(_facts, endpoint),
        form_facts=partial(_form_facts, endpoint) if endpoint.is_form else None,
        outbound=lambda body, facts, model: (_with_model(body, facts, model), endpoint.path),
        kind=endpoint.kind,
        usage_option=None,
        quirks=None,
        signed_parts=None,
        reader=lambda facts, content_type, drop_usage=False, /: own_reader(facts, content_type),
        conversation=lambda _: Conversation(b"", ()),
        answer_message=completed,
    )


def _facts(endpoint: Endpoint, body: bytes, path: str) -> RequestFacts:
    document = parse_object(body)
    model, span = model_of(body, document)
    stream = document.get("stream_format") == "sse" if endpoint.streams_bytes else flag(document, "stream")
    return RequestFacts(
        model=model,
        stream=stream,
        needs=frozenset(),
        tokens=sum(json_size(document.get(name)) for name in endpoint.texts) // BYTES_PER_TOKEN,
        model_span=span,
        document=document,
        kind=endpoint.kind,
        passes_bytes=endpoint.streams_bytes and not stream,
    )


def _form_facts(endpoint: Endpoint, body: bytes, path: str, content_type: str) -> RequestFacts:
    """Some providers take the same request as JSON."""
    boundary = multipart_form.boundary_of(content_type)
    if not boundary:
        return _facts(endpoint, body, path)
    fields = multipart_form.fields_of(body, boundary)
    text = partial(multipart_form.text_of, body, fields)
    model, span = text("model")
    sizes = (field.size for field in fields if field.name in endpoint.texts)
    return RequestFacts(
        model=model or None,
        stream=(text("stream")[0] or "").lower() in ("true", "1"),
        needs=frozenset(),
        tokens=sum(sizes) // BYTES_PER_TOKEN,
        model_span=span,
        action=text("response_format")[0] or "",
        kind=endpoint.kind,
        boundary=boundary,
    )


def _with_model(body: bytes, facts: RequestFacts, model: str) -> bytes:
    if facts.boundary:
        return multipart_form.with_text(body, facts.boundary, facts.model_span, "model", model)
    return with_model(body, facts.model_span, model)

"""The dialect of Anthropic's Messages, as Claude Code speaks it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pointsman.config.words import Capability
from pointsman.config.words import Dialect as DialectName
from pointsman.wire import query, sse
from pointsman.wire.dialects.anthropic.answers import messages_reader
from pointsman.wire.dialects.base import Listener, Voice
from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Fault, Problem
from pointsman.wire.frames import Opening, Reader
from pointsman.wire.headers import Headers
from pointsman.wire.json_access import mapping, mappings
from pointsman.wire.request_body import flag, json_size, model_of, objects, parse_object, text_size, with_model
from pointsman.wire.request_facts import BYTES_PER_TOKEN, IMAGE_TOKENS, RequestFacts
from pointsman.wire.whole_reader import CountReader

PATH = "/messages"
COUNT_TOKENS = "/count_tokens"
COUNTED = "input_tokens"
"""Where the answer to that has the number."""

VERSION = "2023-06-01"
"""Of the interface, for clients that name none."""

IMAGE_BLOCKS = ("image",)
TEXT_MEMBERS = ("text", "thinking")
JSON_MEMBERS = ("input",)

TYPES_OF_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class Anthropic:
    """See `pointsman.wire.dialects.base.Dialect` and `Voice`: it speaks alike to all its clients."""

    name = DialectName.ANTHROPIC
    own_headers: Headers = (("anthropic-version", VERSION),)
    stream_type = sse.EVENT_STREAM

    def facts(self, body: bytes, path: str) -> RequestFacts:
        document = parse_object(body)
        model, span = model_of(body, document)
        messages = objects(document, "messages", "message")
        blocks = [block for said in (document.get("system"), *_contents(messages)) for block in _blocks(said)]
        is_count = path.partition("?")[0].endswith(COUNT_TOKENS)
        return RequestFacts(
            model=model,
            stream=flag(document, "stream") and not is_count,
            needs=frozenset(_needs(document, blocks)),
            tokens=_tokens(document, blocks),
            model_span=span,
            document=document,
            action=COUNT_TOKENS if is_count else "",
            query=query.forwarded(path),
        )

    def outbound(self, body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
        return with_model(body, facts.model_span, model), PATH + facts.action + facts.query

    def auth_headers(self, key: str) -> list[tuple[str, str]]:
        return [("x-api-key", key)]

    def reader(self, facts: RequestFacts, content_type: str, drop_usage: bool = False) -> Reader:
        return CountReader(COUNTED) if facts.action else messages_reader(facts.stream, content_type)

    def fault(self, status: int, body: bytes, content_type: str) -> Fault:
        return error_fault(status, body, content_type)

    def error_body(self, problem: Problem) -> bytes:
        error = {
            **dict(problem.details),
            "type": _error_type(problem),
            "message": problem.message,
            "code": problem.code.value,
        }
        return json.dumps({"type": "error", "error": error}).encode()

    def voice(self, listener: Listener) -> Voice:
        return self

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        return sse.event("error", self.error_body(problem))

    def end_marker(self) -> bytes:
        """Clients raise at the error; `message_stop` after it would make half an answer look whole."""
        return b""

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        return sse.event("ping", b'{"type": "ping"}')

    def comment(self, text: str) -> bytes:
        return sse.comment(text)


def _contents(messages: Sequence[Mapping[str, Any]]) -> Iterator[object]:
    return (message.get("content") for message in messages)


def _blocks(content: object) -> Iterator[Mapping[str, Any]]:
    """The blocks of a content, those within the results of tools too; a plain text is one block."""
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    for block in mappings(content):
        yield block
        if block.get("type") == "tool_result":
            yield from _blocks(block.get("content"))


def _needs(document: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> set[Capability]:
    """What a model must be able to do. `thinking` is a preference that any model may ignore, not a need."""
    formats = (document.get("output_format"), mapping(document.get("output_config")).get("format"))
    needed = {
        Capability.TOOLS: bool(document.get("tools")),
        Capability.VISION: any(block.get("type") in IMAGE_BLOCKS for block in blocks),
        Capability.JSON: any(mapping(form).get("type") == "json_schema" for form in formats),
    }
    return {capability for capability, is_needed in needed.items() if is_needed}


def _tokens(document: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> int:
    """An estimate from the sizes of all that is text; images and documents are base64, not text."""
    size = sum(text_size(block.get(member)) for block in blocks for member in TEXT_MEMBERS)
    size += sum(json_size(block.get(member)) for block in blocks for member in JSON_MEMBERS)
    size += json_size(document.get("tools")) + json_size(document.get("output_format"))
    size += json_size(mapping(document.get("output_config")).get("format"))
    images = sum(block.get("type") in IMAGE_BLOCKS for block in blocks)
    return size // BYTES_PER_TOKEN + images * IMAGE_TOKENS


def _error_type(problem: Problem) -> str:
    return TYPES_OF_STATUS.get(problem.status, "api_error" if problem.status >= 500 else "invalid_request_error")

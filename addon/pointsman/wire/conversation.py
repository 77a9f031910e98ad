"""A conversation as sessions know it: who said what, and the ids that its client gives it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pointsman.config.enums import Dialect
from pointsman.wire import jsontext
from pointsman.wire.dialects.base import Dialect as Form
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.messages import SEPARATOR, USER, Conversation, Message, MessageDraft
from pointsman.wire.sse import Decoder

__all__ = [
    "Conversation",
    "Message",
    "answer_draft",
    "answer_message",
    "body_ids",
    "conversation",
    "draft_in",
    "first_words",
]

MAX_WORDS = 400
"""Characters of a conversation's first words."""
_SECTION = re.compile(r"\s*<([a-z_-]{1,60})>")
"""The beginning of a section in tags."""
_OBJECT_LINE = re.compile(rb"^data: ?(\{.*)", re.MULTILINE)
"""An event's data, as nearly every provider writes it."""


def conversation(dialect: Dialect, document: Mapping[str, Any]) -> Conversation:
    """What a request says; malformed parts are ignored. Never raises."""
    return DIALECTS[dialect].conversation(document)


def first_words(dialect: Dialect, document: Mapping[str, Any]) -> str:
    """The first text of the user in one line, without the sections in tags that agents put before it; empty where
    there is none. At most MAX_WORDS characters.
    """
    for message in conversation(dialect, document).messages:
        text = message.content.partition(SEPARATOR)[0].decode("utf-8", "replace")
        if message.role == USER and (words := _without_sections(text) or text.strip()):
            return " ".join(words[: 2 * MAX_WORDS].split())[:MAX_WORDS]
    return ""


def _without_sections(text: str) -> str:
    """Without the sections at its beginning. Takes no longer than to look at each character once."""
    at = 0
    while section := _SECTION.match(text, at):
        end = f"</{section[1]}>"
        closed = text.find(end, section.end())
        if closed < 0:
            break
        at = closed + len(end)
    return text[at:].strip()


def answer_message(dialect: Dialect, answer: bytes, streamed: bool) -> Message | None:
    """What the assistant said, as its client will send it back; None where the answer says nothing. Never raises."""
    said = answer_draft(dialect, answer, streamed)
    return None if said.is_empty() else said.message()


def answer_draft(dialect: Dialect, answer: bytes, streamed: bool) -> MessageDraft:
    """The same before it is a message, with what was thought beside it. Never raises."""
    return draft_in(DIALECTS[dialect], answer, streamed)


def draft_in(form: Form, answer: bytes, streamed: bool) -> MessageDraft:
    """The same for the dialect of an endpoint, which shares its name with that of chats. Never raises."""
    return form.answer_message(_documents(form.with_texts_joined(answer)) if streamed else [_document(answer)])


def _documents(stream: bytes) -> Iterator[Members]:
    """Of events, or of one list."""
    if stream.lstrip().startswith(b"["):
        yield from mappings(jsontext.parsed(stream))
        return
    try:
        yield from _documents_in_lines(stream)
    except ValueError:
        for event in Decoder(len(stream) + 2).feed(stream + b"\n\n"):
            yield _document(event.data or b"")


def _documents_in_lines(stream: bytes) -> list[Members]:
    """All at once, where each event is one line of JSON. Raises ValueError where one is not."""
    if b"\r" in stream:
        raise ValueError("lines may end otherwise")
    if stream.startswith(b"data: {") and b"\n:" not in stream and b"\nevent:" not in stream:
        events = stream.removesuffix(b"data: [DONE]\n\n").removeprefix(b"data: ")
        return mappings(orjson.loads(b"[%b]" % events.rstrip(b"\n").replace(b"\n\ndata: ", b",")))
    return mappings(orjson.loads(b"[%b]" % b",".join(_OBJECT_LINE.findall(stream))))


def _document(data: bytes) -> Members:
    return mapping(jsontext.parsed(data))


def body_ids(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ids in a body that can name its conversation, the best first: where each stands, and what it says."""
    metadata = mapping(document.get("metadata"))
    found = [
        ("session_id", document.get("session_id")),
        ("conversation_id", document.get("conversation_id")),
        ("prompt_cache_key", document.get("prompt_cache_key")),
        ("session_id", metadata.get("session_id")),
        ("session_id", _session_in(metadata.get("user_id"))),
        ("conversation", _id_of(document.get("conversation"))),
        ("previous_response_id", document.get("previous_response_id")),
    ]
    return [(name, value) for name, value in found if isinstance(value, str) and value.strip()]


def _session_in(user_id: Any) -> str | None:
    """Agents put a session id into the user's: `user_…_session_<id>`, or JSON in a string."""
    if not isinstance(user_id, str):
        return None
    if user_id.lstrip().startswith("{"):
        session = _document(user_id.encode("utf-8", "replace")).get("session_id")
        return session if isinstance(session, str) else None
    _, marker, session = user_id.rpartition("_session_")
    return session if marker else None


def _id_of(conversation: Any) -> str | None:
    found = conversation.get("id") if isinstance(conversation, Mapping) else conversation
    return found if isinstance(found, str) else None

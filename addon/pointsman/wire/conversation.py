"""A conversation as sessions know it: who said what, in a form that is the same whenever a client sends it again.

Texts are joined, tool calls and results stand by their content, images by their digest. Ids, cache markers and
reasoning are left out: clients change or drop them between turns.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import takewhile
from typing import Any

import orjson

from pointsman.config.words import Dialect
from pointsman.wire import jsontext

SEPARATOR = b"\x1f"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is canonical and unambiguous, of any length."""

    role: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Conversation:
    """`preamble` is the system prompt and the tools."""

    preamble: bytes = field(repr=False)
    messages: tuple[Message, ...]


def conversation(dialect: Dialect, document: Mapping[str, Any]) -> Conversation | None:
    """What a request says, None where it cannot be read as a conversation. Never raises."""
    if dialect is not Dialect.OPENAI_CHAT:
        return None
    messages = [message for message in document.get("messages") or () if isinstance(message, Mapping)]
    system = list(takewhile(lambda message: message.get("role") in ("system", "developer"), messages))
    preamble = [*(_content(message.get("content")) for message in system), _plain(document.get("tools"))]
    return Conversation(SEPARATOR.join(preamble), tuple(map(_message, messages[len(system) :])))


def answer_message(dialect: Dialect, answer: bytes, streamed: bool) -> Message | None:
    """What the assistant said, as its client will send it back; None where the answer says nothing. Never raises."""
    if dialect is not Dialect.OPENAI_CHAT:
        return None
    documents = _events(answer) if streamed else [_document(answer)]
    text: list[str] = []
    calls: dict[int, list[str]] = {}
    for document in documents:
        for choice in _mappings(document.get("choices"))[:1]:
            said = choice.get("delta") or choice.get("message")
            if isinstance(said, Mapping):
                text.append(str(said.get("content") or ""))
                for place, call in enumerate(_mappings(said.get("tool_calls"))):
                    function = call.get("function") or {}
                    parts = calls.setdefault(call.get("index", place), ["", ""])
                    parts[0] += str(function.get("name") or "")
                    parts[1] += str(function.get("arguments") or "")
    if not calls and not any(text):
        return None
    return Message("assistant", _said("".join(text).encode("utf-8", "surrogatepass"), calls.values()))


def _message(message: Mapping[str, Any]) -> Message:
    functions = [call.get("function") or {} for call in _mappings(message.get("tool_calls"))]
    calls = [(str(function.get("name") or ""), str(function.get("arguments") or "")) for function in functions]
    return Message(str(message.get("role")), _said(_content(message.get("content")), calls))


def _said(text: bytes, calls: Iterable[Iterable[str]]) -> bytes:
    called = [part.encode("utf-8", "surrogatepass") for call in calls for part in call]
    return SEPARATOR.join([text, *called])


def _content(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass")
    return b"".join(_part(part) for part in _mappings(content))


def _part(part: Mapping[str, Any]) -> bytes:
    if isinstance(part.get("text"), str):
        return str(part["text"]).encode("utf-8", "surrogatepass")
    shown = {name: value for name, value in part.items() if name != "cache_control"}
    return blake2b(_plain(shown), digest_size=16).digest()


def _plain(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        return repr(value).encode("utf-8", "surrogatepass")


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _events(answer: bytes) -> Iterator[Mapping[str, Any]]:
    for line in answer.splitlines():
        if line.startswith(b"data:"):
            yield _document(line[5:])


def _document(data: bytes) -> Mapping[str, Any]:
    try:
        document = jsontext.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}


def body_ids(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ids in a body that can name its conversation, the best first: where each stands, and what it says."""
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    found = [
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

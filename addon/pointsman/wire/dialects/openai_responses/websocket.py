"""Responses over a WebSocket connection, as Codex speaks it.

The client sends `{"type": "response.create", …}` with the members of a request, and gets the events of the answer as
one message each. It may send only what is new, with `previous_response_id`: the conversation so far is remembered here
and put in front, so that any provider can go on with it, even one that stores nothing.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pointsman.wire import jsontext
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.json_access import Document, mapping, mappings, text
from pointsman.wire.request_body import bad_member, flag, parse_object
from pointsman.wire.sse import Event

CREATE = "response.create"
NOT_FOR_PROVIDERS = frozenset({"type", "generate", "stream", "background"})
"""Members of a message that have no meaning in a request, or whose value is given by the connection."""
MAX_REMEMBERED = 16
"""Answers of a connection that can be continued; the oldest go first."""
MAX_REMEMBERED_BYTES = 64 << 20
"""Of the conversations that lead to them, all together. They live as long as the connection."""
LAST_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
ITEM_DONE = "response.output_item.done"
OF_THE_BODY = frozenset({"content-type", "content-length", "transfer-encoding", "connection", "x-content-type-options"})
"""Headers of an error that have no meaning in a message."""
WITHOUT_ID = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
"""Items that are sent back without their id, which only the provider that has stored them would know."""


class Conversation(NamedTuple):
    """Items as JSON texts, each of one or several items joined by commas."""

    items: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        return sum(map(len, self.items))


class ResponsesSocket:
    """One connection. See `SocketConversation`."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[str, Conversation] = OrderedDict()
        self._asked: Conversation | None = None
        """The whole input of the request that is being answered; None if the router does not know its beginning."""
        self._stores = True
        self._said: dict[str, Document] = {}
        """The items of the answer so far, by their index."""
        self._is_answered = False

    @property
    def is_answered(self) -> bool:
        return self._is_answered

    # What the client says.

    def request(self, message: bytes, answer_id: str, now: float) -> bytes | Sequence[bytes]:
        document = parse_object(message)
        _require_create(document)
        self._asked, self._said, self._is_answered = None, {}, False
        self._stores = document.get("store") is not False
        members = jsontext.members(message)
        earlier = document.get("previous_response_id")
        before = self._recall(earlier)
        if before is None and not self._stores:
            return [_not_found(earlier)]
        own: list[tuple[str, bytes]] = [("stream", b"true")]
        left_out = set(NOT_FOR_PROVIDERS)
        if before is not None:
            self._asked = Conversation((*before.items, _items(message, members, document)))
            if before.items:
                left_out |= {"input", "previous_response_id"}
                own.append(("input", jsontext.list_of(self._asked.items)))
        if document.get("generate") is False:
            return self._warmed_up(document, answer_id, now)
        kept = [(name, message[slice(*span)]) for name, span in members if name not in left_out]
        return jsontext.object_of([*own, *kept])

    def _recall(self, earlier: object) -> Conversation | None:
        """What leads to an answer; None for one that is not known here."""
        if earlier is None:
            return Conversation()
        return self._remembered.get(earlier) if isinstance(earlier, str) else None

    def _warmed_up(self, document: Mapping[str, Any], answer_id: str, now: float) -> Sequence[bytes]:
        """The client announces a conversation without asking for an answer. Providers are told once it asks."""
        answer: Document = {
            "id": answer_id,
            "object": "response",
            "created_at": int(now),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": document.get("model") or "auto",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        }
        usage: Document = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        self._remember(answer_id, self._asked)
        self._is_answered = True
        done = {**answer, "status": "completed", "usage": usage}
        return [
            jsontext.dumps({"type": kind, "sequence_number": number, "response": each})
            for number, (kind, each) in enumerate((("response.created", answer), ("response.completed", done)))
        ]

    # What it gets.

    def answer(self, event: Event) -> bytes | None:
        if event.data is None or not event.data.lstrip().startswith(b"{"):
            return None
        kind = event.event or text(mapping(jsontext.parsed(event.data)).get("type"))
        if kind == ITEM_DONE:
            document = mapping(jsontext.parsed(event.data))
            self._said[str(document.get("output_index"))] = dict(mapping(document.get("item")))
        elif kind in LAST_EVENTS:
            self._is_answered = True
            document = mapping(jsontext.parsed(event.data))
            if kind == "error":
                return _as_message(document)
            self._conclude(mapping(document.get("response")))
        return event.data

    def _conclude(self, answer: Mapping[str, Any]) -> None:
        if self._asked is None or answer.get("status") == "failed":
            return
        items = list(self._said.values()) or mappings(answer.get("output"))
        said = [jsontext.dumps(kept) for item in items if (kept := _sent_back(item, self._stores))]
        self._remember(text(answer.get("id")), Conversation((*self._asked.items, *said)))

    def _remember(self, answer_id: str, conversation: Conversation | None) -> None:
        if not answer_id or conversation is None or conversation.size > MAX_REMEMBERED_BYTES:
            return
        self._remembered[answer_id] = conversation
        self._remembered.move_to_end(answer_id)
        while len(self._remembered) > MAX_REMEMBERED or self._size() > MAX_REMEMBERED_BYTES:
            self._remembered.popitem(last=False)

    def _size(self) -> int:
        """What several conversations have in common is kept once, and counted once."""
        parts = {id(part): len(part) for each in self._remembered.values() for part in each.items}
        return sum(parts.values())

    def error(self, status: int, body: bytes, headers: Headers) -> bytes:
        self._is_answered = True
        document = mapping(jsontext.parsed(body))
        said = mapping(document.get("error")) or {"message": body.decode("utf-8", "replace")[:1000], "code": None}
        shown = {name.lower(): value for name, value in headers if name.lower() not in OF_THE_BODY}
        return jsontext.dumps({"type": "error", "status": status, "error": said, "headers": shown})


def _require_create(document: Mapping[str, Any]) -> None:
    """Raises Problem for a message that asks for anything else."""
    if document.get("type") != CREATE:
        message = f"Unknown message type {str(document.get('type'))[:100]!r}; only {CREATE!r} is supported."
        raise Problem(Code.INVALID_REQUEST, message, param="type")
    if document.get("stream_id") is not None:
        message = "`stream_id` is not supported: a connection answers one request at a time. Open another connection."
        raise Problem(Code.INVALID_REQUEST, message, param="stream_id")
    flag(document, "generate")


def _items(message: bytes, members: Sequence[tuple[str, jsontext.Span]], document: Mapping[str, Any]) -> bytes:
    """The input of a message as items. Raises Problem."""
    given, span = document.get("input"), dict(members).get("input")
    if given is None or span is None:
        return b""
    raw = message[slice(*span)]
    if isinstance(given, str):
        return b'{"type":"message","role":"user","content":%b}' % raw
    if not isinstance(given, list):
        raise bad_member("input", "a text or a list of items", given)
    return raw[1:-1].strip()


def _sent_back(item: Mapping[str, Any], stores: bool) -> Document | None:
    """An item of an answer as part of the next request; None for thoughts that no provider could read again."""
    kind = item.get("type")
    if kind == "reasoning" and not item.get("encrypted_content"):
        return dict(item) if stores else None
    return {name: value for name, value in item.items() if name != "id" or kind not in WITHOUT_ID}


def _as_message(error: Mapping[str, Any]) -> bytes:
    """An error event of a stream has its members at the top, and no status: clients of a connection expect both."""
    inner = mapping(error.get("error")) or {name: error.get(name) for name in ("type", "code", "message", "param")}
    return jsontext.dumps({"status": 502, **error, "error": inner})


def _not_found(earlier: object) -> bytes:
    error = {
        "type": "invalid_request_error",
        "code": "previous_response_not_found",
        "message": f"Previous response with id {json.dumps(earlier)[:200]} not found on this connection.",
        "param": "previous_response_id",
    }
    return jsontext.dumps({"type": "error", "status": 400, "error": error})

"""Chat completions: chunks joined into one answer, and an answer split into chunks. Unknown members stay."""

from collections.abc import Iterator
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.conversion.arguments import normalized
from pointsman.wire.conversion.ir import AnswerState, Identity, stem_of
from pointsman.wire.dialects.base import OtherForm
from pointsman.wire.dialects.openai_chat.conversion import piece_of_call
from pointsman.wire.json_access import Document, Members, count, dicts, mapping, text
from pointsman.wire.request_facts import RequestFacts

WHOLE, CHUNK = "chat.completion", "chat.completion.chunk"
REPEATED = ("id", "created", "model", "service_tier", "system_fingerprint")
"""What every chunk says of its answer; the first one has the rest."""
TEXTS = ("content", "reasoning_content", "reasoning", "refusal", "arguments", "input", "data", "transcript", "text")
"""Members whose every piece is more of them, even if it is the same once more."""
NAMES = ("id", "type", "role", "name", "format", "model", "object")
"""Members that are said again, not gone on with."""
ARGUMENTS = {"function": "arguments", "custom": "input"}
"""Members of a call, and what in them holds its arguments."""
NOISE = "obfuscation"
"""Hides the length of chunks from those who watch the line."""


class _Calls:
    """Those of one message, told apart as in conversion: providers may leave out indexes and ids, or repeat them. As a
    whole, each has an id of its own, and its arguments are a text.
    """

    def __init__(self, answer_id: object) -> None:
        self._state = AnswerState(Identity(stem_of(text(answer_id)), "", 0))
        self.known: dict[str, Document] = {}
        """By their ids."""

    def add(self, calls: object) -> None:
        for place, call in enumerate(dicts(calls)):
            piece = piece_of_call(self._state, call, place)
            said = {name: value for name, value in call.items() if name != "index"} | {"id": piece.id}
            for holder, member in ARGUMENTS.items():
                if isinstance(call.get(holder), dict):
                    said[holder] = {**call[holder], member: piece.text}
            merge(self.known.setdefault(piece.id, {}), said)

    def whole(self) -> list[Document]:
        calls = [{"type": "function", **call} for call in self.known.values()]
        for call in calls:
            if "custom" not in call:
                function = {"name": "", **mapping(call.get("function"))}
                call["function"] = {**function, "arguments": normalized(text(function.get("arguments")))}
        return calls


class _Choice:
    def __init__(self, answer_id: object) -> None:
        self._document: Document = {"finish_reason": None}
        self._message: Document = {}
        self._calls = _Calls(answer_id)

    def add(self, choice: Document) -> None:
        """Some providers repeat the whole message at the end: of that, only what was not said is added."""
        delta, message = (dict(mapping(choice.pop(name, None))) for name in ("delta", "message"))
        self._add_message(delta)
        self._add_message({name: value for name, value in message.items() if not self._has(name)})
        merge(self._document, {name: choice.pop(name) for name in ("logprobs", "text") if name in choice})
        _replace_members(self._document, choice)

    def _has(self, name: str) -> bool:
        return bool(self._calls.known if name == "tool_calls" else self._message.get(name))

    def _add_message(self, said: Document) -> None:
        self._calls.add(said.pop("tool_calls", None))
        merge(self._message, said)

    def whole(self, index: int) -> Document:
        message = {"role": "assistant", "content": None, **self._message}
        if calls := self._calls.whole():
            message["tool_calls"] = calls
        return {**self._document, "index": index, "message": message}


class ChatJoiner:
    def __init__(self) -> None:
        self._answer: Document = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, document: Document) -> None:
        choices = dicts(document.pop("choices", None))
        document.pop(NOISE, None)
        _replace_members(self._answer, document)
        for choice in choices:
            index = count(choice.get("index"))
            if index not in self._choices:
                self._choices[index] = _Choice(self._answer.get("id"))
            self._choices[index].add(choice)

    def whole(self) -> Document:
        choices = [choice.whole(index) for index, choice in sorted(self._choices.items())]
        return {**self._answer, "object": WHOLE, "choices": choices}


def _replace_members(held: Document, said: Members) -> None:
    """The last value counts; an object keeps the members that it is not told again."""
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(held.get(name), dict):
            held[name] = {**held[name], **value}
        elif value is not None or name not in held:
            held[name] = value


def merge(held: Document, said: Members) -> None:
    """Adds pieces to what they are pieces of: texts grow, lists grow, elements with an index grow by it."""
    for name, value in said.items():
        before = held.get(name)
        if value is None or before is None:
            held[name] = before if value is None else value
        elif isinstance(before, str) and isinstance(value, str):
            is_repeated = name in NAMES or (name not in TEXTS and value == before)
            held[name] = (value or before) if is_repeated else before + value
        elif isinstance(before, dict) and isinstance(value, dict):
            merge(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            _merge_lists(before, value)
        else:
            held[name] = value


def _merge_lists(held: list[Any], said: list[Any]) -> None:
    for each in said:
        index = each.get("index") if isinstance(each, dict) else None
        same = [one for one in held if isinstance(one, dict) and one.get("index") == index] if index is not None else []
        if same:
            merge(same[-1], each)
        else:
            held.append(each)


def split(document: Document, facts: RequestFacts) -> bytes:
    """The usage goes to those alone who asked for it, as in a stream."""
    usage = document.pop("usage", None)
    choices = dicts(document.pop("choices", None))
    repeated = {name: document[name] for name in REPEATED if name in document}
    chunks = [
        {**repeated, "object": CHUNK, "choices": [each]}
        for choice in choices
        for each in _choices(choice, document.get("id"))
    ]
    if chunks:
        chunks[0] = {**document, **chunks[0]}
    if facts.asks_usage and usage:
        chunks.append({**repeated, "object": CHUNK, "choices": [], "usage": usage})
    return b"".join(b"data: " + jsontext.dumps(each) + b"\n\n" for each in chunks) + b"data: [DONE]\n\n"


def _choices(choice: Document, answer_id: object) -> Iterator[Document]:
    """What one choice says, and how it ends."""
    message, finish = dict(mapping(choice.pop("message", None))), choice.pop("finish_reason", None)
    index = count(choice.pop("index", None))
    calls = _Calls(answer_id)
    calls.add(message.pop("tool_calls", None))
    if told := calls.whole():
        message["tool_calls"] = [{"index": place, **call} for place, call in enumerate(told)]
    yield {**choice, "index": index, "delta": message, "finish_reason": None}
    yield {"index": index, "delta": {}, "finish_reason": finish or "stop"}


OTHER_FORM = OtherForm(ChatJoiner, split)

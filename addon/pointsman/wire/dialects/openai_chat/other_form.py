"""Chat completions: chunks joined into one answer, and an answer split into chunks. Unknown members stay."""

from collections.abc import Iterator
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.dialects.base import OtherForm
from pointsman.wire.json_access import Document, Members, count, dicts, mapping, text
from pointsman.wire.request_facts import RequestFacts

WHOLE, CHUNK = "chat.completion", "chat.completion.chunk"
REPEATED = ("id", "created", "model", "service_tier", "system_fingerprint")
"""What every chunk says of its answer; the first one has the rest."""
TEXTS = ("content", "reasoning_content", "reasoning", "refusal", "arguments", "input", "data", "transcript", "text")
"""Members whose every piece is more of them, even if it is the same once more."""
NAMES = ("id", "type", "role", "name", "format", "model", "object")
"""Members that are said again, not gone on with."""
NOISE = "obfuscation"
"""Hides the length of chunks from those who watch the line."""


class ChatJoiner:
    def __init__(self) -> None:
        self._answer: Document = {}
        self._choices: dict[int, Document] = {}

    def add(self, document: Document) -> None:
        choices = dicts(document.pop("choices", None))
        document.pop(NOISE, None)
        replace_members(self._answer, document)
        for choice in choices:
            held = self._choices.setdefault(count(choice.get("index")), {"message": {}, "finish_reason": None})
            said = choice.pop("delta", None) or choice.pop("message", None)
            merge_message(held["message"], dict(mapping(said)))
            merge(held, {name: choice.pop(name) for name in ("logprobs", "text") if name in choice})
            choice.pop("message", None)  # once more, at the end
            replace_members(held, choice)

    def whole(self) -> Document:
        choices = [{**choice, "index": index} for index, choice in sorted(self._choices.items())]
        for choice in choices:
            calls = dicts(choice["message"].get("tool_calls"))
            message = {"role": "assistant", "content": None, **choice["message"]}
            if calls:
                message["tool_calls"] = [_whole_call(call) for call in calls]
            choice["message"] = message
        return {**self._answer, "object": WHOLE, "choices": choices}


def _whole_call(call: Members) -> Document:
    return {"type": "function", **{name: value for name, value in call.items() if name != "index"}}


def replace_members(held: Document, said: Members) -> None:
    """The last value counts; an object keeps the members that it is not told again."""
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(held.get(name), dict):
            held[name] = {**held[name], **value}
        elif value is not None or name not in held:
            held[name] = value


def merge_message(held: Document, said: Document) -> None:
    calls = dicts(said.pop("tool_calls", None))
    if calls:
        known = held.setdefault("tool_calls", [])
        for place, call in enumerate(calls):
            _merge_call(known, call, place)
    merge(held, said)


def _merge_call(known: list[Document], call: Document, place: int) -> None:
    """Providers may leave out indexes, or give one to several calls with different ids."""
    index, given_id = call.get("index"), text(call.get("id"))
    if not isinstance(index, int):
        index = next((each.get("index") for each in known if given_id and each.get("id") == given_id), place)
    of_index = [each for each in known if each.get("index") == index]
    held = of_index[-1] if of_index else None
    if held is None or (given_id and text(held.get("id")) and held["id"] != given_id):
        known.append({**call, "index": index})
    else:
        merge(held, call)


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
    chunks = [{**repeated, "object": CHUNK, "choices": [each]} for choice in choices for each in _choices(choice)]
    if chunks:
        chunks[0] = {**document, **chunks[0]}
    if facts.asks_usage and usage:
        chunks.append({**repeated, "object": CHUNK, "choices": [], "usage": usage})
    return b"".join(b"data: " + jsontext.dumps(each) + b"\n\n" for each in chunks) + b"data: [DONE]\n\n"


def _choices(choice: Document) -> Iterator[Document]:
    """What one choice says, and how it ends."""
    message, finish = dict(mapping(choice.pop("message", None))), choice.pop("finish_reason", None)
    index = count(choice.pop("index", None))
    if calls := dicts(message.get("tool_calls")):
        message["tool_calls"] = [{"index": place, **call} for place, call in enumerate(calls)]
    yield {**choice, "index": index, "delta": message, "finish_reason": None}
    yield {"index": index, "delta": {}, "finish_reason": finish or "stop"}


OTHER_FORM = OtherForm(ChatJoiner, split)

"""A conversation in the library's neutral form, as every dialect reads and writes it: messages with parts.

    [{"role": "user", "content": [{"type": "text", "text": "go"}]},
     {"role": "assistant", "content": [{"type": "tool_call", "tool_call_id": "a", "tool_name": "t", "tool_input": {}}]},
     {"role": "tool", "content": [{"type": "tool_result", "tool_call_id": "a", "result": [...]}]}]

Dialects read and write it themselves (`history.py` in their folders), because the library's own way loses results,
media, refusals and whatever it does not know.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.conversion import cache_marks
from pointsman.wire.conversion.arguments import WRAPPED
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.media import Media
from pointsman.wire.json_access import Document, Members, mappings

SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"
NO_RESULT = "[no result]"
"""Of a call that its client has not answered: every dialect but Gemini's requires a result."""
LONGEST_TOLD = 2000
"""Characters of JSON in the text that stands for something that the other dialect cannot express."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """How a dialect reads and writes conversations."""

    member: str
    """The member of a request that lists its turns."""
    system: tuple[str, ...] = ()
    """Members that hold the system prompt."""
    may_be_empty: bool = False
    """A provider of the dialect takes a request without turns: other members may say it all."""
    stand_in: Any
    """What the library reads instead of the turns."""
    read: Callable[[Members], list[Document]]
    """The neutral messages of a request, in order."""
    is_answer: Callable[[Members], bool]
    """Whether a turn is the model's."""
    write: Callable[[Document, Sequence[Document]], None]
    """Puts arranged messages into a request."""
    media: Callable[[Media], Document | None]
    """The part of a user's message; None if the dialect has no place for such media."""


def text_part(words: str) -> Document:
    return {"type": "text", "text": words}


def media_part(media: Media) -> Document:
    return {"type": "media", "media": media}


def media_as_text(part: Document) -> Document:
    """Any part; media become the text that stands for them, as where answers have no place for media."""
    return {**text_part(part["media"].placeholder()), **cache_marks.kept(part)} if part["type"] == "media" else part


def thought_part(words: str) -> Document:
    return {"type": "reasoning", "reasoning": words}


def parts_of(content: object, read: Callable[[Members], Iterable[Document]]) -> Iterator[Document]:
    """Of a content that is a text, a list of parts or one part. What is none of these is told as JSON."""
    if isinstance(content, list):
        for each in content:
            yield from read(each) if isinstance(each, dict) else [text_part(json_or_text(each))]
    elif isinstance(content, dict) and "type" in content:
        yield from read(content)
    elif content is not None:
        yield text_part(json_or_text(content))


def messages_of_turn(role: str, parts: Sequence[Document]) -> Iterator[Document]:
    """Of a turn that may have results of tools among its parts: these come first, in a message of their own."""
    results = [part for part in parts if part["type"] == "tool_result"]
    others = [part for part in parts if part["type"] != "tool_result"]
    for said_by, said in ((TOOL, results), (role, others)):
        if said:
            yield {"role": said_by, "content": said}


def unknown_part(kind: object, told: object) -> Document:
    """Something that no other dialect can express: `told` describes it to the model."""
    words = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)[:LONGEST_TOLD]
    return {"type": "unknown", "kind": str(kind)[:40], "text": f"[{kind}: {words}]" if words else f"[{kind}]"}


def call_part(call_id: str, name: str, arguments: object, signature: str = "") -> Document:
    """`arguments` as the client has them: an object, or a text that should be one. A text is kept, so that dialects
    which have texts too pass on the same.
    """
    value = arguments_of(arguments)
    part: Document = {"type": "tool_call", "tool_call_id": call_id, "tool_name": name, "tool_input": value}
    if isinstance(arguments, str) and value and arguments.lstrip().startswith("{") and WRAPPED not in value:
        part["arguments"] = arguments
    if signature:
        part["signature"] = signature
    return part


def arguments_of(given: object) -> dict[str, Any]:
    """An object, whatever a model wrote: a text in a text is read, and what is no object is wrapped in one."""
    value = given
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = jsontext.loads(value.encode("utf-8", "surrogatepass")) if value.strip() else {}
        except ValueError:
            break
    if isinstance(value, dict):
        return value
    return {} if value is None else {WRAPPED: value}


def arguments_text(part: Members) -> str:
    """The arguments of a call as JSON."""
    return part["arguments"] if "arguments" in part else dumps(part["tool_input"]).decode()


def result_part(call_id: str, contents: list[Document], is_error: bool = False, name: str = "") -> Document:
    """`contents` are texts and media."""
    part: Document = {"type": "tool_result", "tool_call_id": call_id, "result": contents, "is_error": is_error}
    return {**part, "tool_name": name} if name else part


def result_text(part: Members) -> str:
    """The texts of a result. An error that says nothing is said to be one."""
    said = "\n".join(each["text"] for each in part["result"] if each["type"] == "text")
    return said or ("[error]" if part["is_error"] and not part["result"] else "")


def result_media(part: Members) -> list[Media]:
    return [each["media"] for each in part["result"] if each["type"] == "media"]


def json_or_text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def asked_last(history: History, document: Members) -> list[Document]:
    """The messages since the model's last answer."""
    turns = mappings(document.get(history.member))
    if not turns:
        return history.read(document)
    last = max((place for place, turn in enumerate(turns) if history.is_answer(turn)), default=-1)
    return history.read({history.member: turns[last + 1 :]})


def arranged(messages: Iterable[Document]) -> list[Document]:
    """The same conversation in the order that every dialect accepts: what the model says at once is one turn, each call
    has exactly one result, which follows its turn. A result without a call becomes text of the user.
    """
    calls = _Calls()
    turns: list[Document] = []
    goes_on = False
    for message in messages:
        role, parts = message["role"], message["content"]
        parts = _plain(_with_whole_texts(parts) if role == ASSISTANT else parts)
        if role == TOOL:
            goes_on = goes_on and not parts
            role, parts = USER, [told for part in parts if (told := calls.answer(part))]
        elif role == USER and message["content"] and not parts:
            parts = [text_part("")]  # what a user did not say is still a turn
        if not parts:
            continue
        if role == ASSISTANT and goes_on:
            turns[-1]["content"] += parts
        else:
            calls.next_turn()
            turns.append({"role": role, "content": parts})
        goes_on = role == ASSISTANT
        if goes_on:
            calls.add(parts)
    return list(_with_results(turns, calls))


@dataclass(slots=True, eq=False)
class _Calls:
    """The calls so far, and what came of them."""

    open: dict[str, list[Document]] = field(default_factory=dict)
    """By id, those of the last turn that had the id."""
    results: dict[int, Document] = field(default_factory=dict)
    """By the identity of the call's part."""
    _renewed: set[str] = field(default_factory=set)

    def next_turn(self) -> None:
        self._renewed.clear()

    def add(self, parts: Sequence[Document]) -> None:
        for part in parts:
            if part["type"] == "tool_call":
                call_id = part["tool_call_id"]
                if call_id not in self._renewed:
                    self._renewed.add(call_id)
                    self.open[call_id] = []
                self.open[call_id].append(part)

    def answer(self, result: Document) -> Document | None:
        """Takes a result; gives words for the user to say where there was no such call."""
        calls = self.open.get(result["tool_call_id"])
        if result["type"] != "tool_result":
            return result
        if not calls:
            return text_part(f"[result of {result.get('tool_name') or 'a call'}: {result_text(result)}]")
        waiting = next((call for call in calls if id(call) not in self.results), None)
        if waiting is not None:
            self.results[id(waiting)] = result
            return None
        before = self.results[id(calls[-1])]
        if before["result"] != result["result"]:
            before["result"] = before["result"] + result["result"]
        return None

    def result_of(self, call: Document) -> Document:
        result = self.results.get(id(call)) or result_part("", [text_part(NO_RESULT)])
        return {**result, "tool_call_id": call["tool_call_id"], "tool_name": call["tool_name"]}


def _with_results(turns: Iterable[Document], calls: _Calls) -> Iterator[Document]:
    for turn in turns:
        yield turn
        answered = [calls.result_of(part) for part in turn["content"] if part["type"] == "tool_call"]
        if answered:
            yield {"role": TOOL, "content": answered}


def _plain(parts: Iterable[Document]) -> list[Document]:
    """Without empty texts; text documents and what is unknown are texts."""
    plain: list[Document] = []
    for part in parts:
        match part["type"]:
            case "text" | "reasoning" | "refusal" as kind if not part["reasoning" if kind == "reasoning" else kind]:
                continue
            case "unknown":
                plain.append({**text_part(part["text"]), **cache_marks.kept(part)})
            case "media":
                words = part["media"].as_text()
                plain.append(part if words is None else {**text_part(words), **cache_marks.kept(part)})
            case "tool_result":
                plain.append({**part, "result": _plain(part["result"])})
            case _:
                plain.append(part)
    return plain


def _with_whole_texts(parts: Iterable[Document]) -> list[Document]:
    """Texts that follow each other in one answer are one text."""
    whole: list[Document] = []
    for part in parts:
        if part["type"] == "text" and whole and whole[-1]["type"] == "text":
            whole[-1] = {**whole[-1], **part, "text": whole[-1]["text"] + part["text"]}
        else:
            whole.append(part)
    return whole


def merged(turns: Iterable[Document], member: str) -> list[Document]:
    """Turns of one role that follow each other as one; `member` lists their parts. Empty turns are dropped."""
    kept: list[Document] = []
    for turn in turns:
        if kept and kept[-1]["role"] == turn["role"]:
            kept[-1][member] += turn[member]
        elif turn[member]:
            kept.append(turn)
    return kept


def joined_texts(parts: Iterable[Document], separator: str = "\n\n") -> str:
    return separator.join(part["text"] for part in parts if part["type"] == "text")

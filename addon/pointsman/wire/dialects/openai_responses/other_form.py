"""OpenAI's Responses: the last event of a stream has the whole answer, which is split into the events before it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pointsman.wire import jsontext, sse
from pointsman.wire.conversion.arguments import normalized
from pointsman.wire.conversion.ir import distinct_ids, json_text
from pointsman.wire.dialects.base import OtherForm
from pointsman.wire.json_access import Document, Members, count, dicts, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts


class PartForm(NamedTuple):
    """Where a part stands in its item, what has its text, and how its deltas are called."""

    parts: str
    place: str
    member: str
    delta: str
    frame: str
    """What the events are called that add a part and say that it is done."""


PARTS: Mapping[str, PartForm] = {
    "output_text": PartForm("content", "content_index", "text", "response.output_text", "response.content_part"),
    "refusal": PartForm("content", "content_index", "refusal", "response.refusal", "response.content_part"),
    "reasoning_text": PartForm("content", "content_index", "text", "response.reasoning_text", "response.content_part"),
    "summary_text": PartForm(
        "summary", "summary_index", "text", "response.reasoning_summary_text", "response.reasoning_summary_part"
    ),
}
"""By the `type` of the part."""
INPUTS: Mapping[str, tuple[str, str]] = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
}
"""By the `type` of a call: what has its arguments, and how their events are called."""
DELTA = ".delta"
PART_OF_DELTA = {form.delta + DELTA: kind for kind, form in PARTS.items()}
INPUT_OF_DELTA = {event + DELTA: member for member, event in INPUTS.values()}


class ResponsesJoiner:
    """Of a last event that repeats nothing, the items are those that the events before it brought."""

    def __init__(self) -> None:
        self._answer: Document = {}
        self._items: dict[int, Document] = {}

    def add(self, document: Document) -> None:
        kind, place = text(document.get("type")), count(document.get("output_index"))
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._items[place] = dict(mapping(document.get("item")))
        elif kind in PART_OF_DELTA:
            self._add_text(place, PART_OF_DELTA[kind], document)
        elif kind in INPUT_OF_DELTA:
            item = self._items.setdefault(place, {})
            member = INPUT_OF_DELTA[kind]
            item[member] = text(item.get(member)) + text(document.get("delta"))
        elif isinstance(answer := document.get("response"), dict):
            self._answer |= answer

    def _add_text(self, place: int, kind: str, document: Members) -> None:
        form = PARTS[kind]
        default = {"type": "reasoning", "summary": []} if form.place == "summary_index" else {"type": "message"}
        item = self._items.setdefault(place, {**default, "id": document.get("item_id")})
        parts = item[form.parts] = dicts(item.get(form.parts))
        index = min(count(document.get(form.place)), len(parts))
        if index == len(parts):
            parts.append({"type": kind})
        parts[index][form.member] = text(parts[index].get(form.member)) + text(document.get("delta"))

    def whole(self) -> Document:
        output = self._answer.get("output") or [item for _, item in sorted(self._items.items())]
        return {"object": "response", **self._answer, "output": _well_formed(output, self._answer.get("id"))}


def _well_formed(output: object, answer_id: object) -> list[Document]:
    """The same items. Each call has an id of its own, and its arguments are a text, even if its provider wrote none."""
    items = dicts(output)
    calls = [item for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    for call, call_id in zip(calls, distinct_ids(answer_id, [each.get("call_id") for each in calls]), strict=True):
        member = INPUTS[call["type"]][0]
        given = "" if call.get(member) is None else json_text(call[member])
        call |= {"call_id": call_id, member: normalized(given) if member == "arguments" else given}
    return items


def split(document: Document, facts: RequestFacts) -> bytes:
    events = enumerate(_events(document))
    return b"".join(
        sse.event(each["type"], jsontext.dumps({**each, "sequence_number": number})) for number, each in events
    )


def _events(document: Document) -> Iterator[Document]:
    document["output"] = _well_formed(document.get("output"), document.get("id"))
    opened = {**document, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield {"type": "response.created", "response": opened}
    yield {"type": "response.in_progress", "response": opened}
    for place, item in enumerate(mappings(document.get("output"))):
        yield {"type": "response.output_item.added", "output_index": place, "item": _opened(item)}
        where = {"output_index": place, "item_id": text(item.get("id"))}
        for kind, members in _inside(item):
            yield {"type": kind, **where, **members}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    is_cut = document.get("status") == "incomplete"
    yield {"type": "response.incomplete" if is_cut else "response.completed", "response": document}


def _opened(item: Members) -> Document:
    """The item before it says anything. One of an unknown kind opens whole."""
    opened = dict(item)
    if item.get("status"):
        opened["status"] = "in_progress"
    if item.get("type") in ("message", "reasoning"):
        opened |= {name: [] for name in ("content", "summary") if isinstance(item.get(name), list)}
    elif member := INPUTS.get(text(item.get("type")), ("",))[0]:
        opened[member] = ""
    return opened


def _inside(item: Members) -> Iterator[tuple[str, Members]]:
    """The events of an item beside its own, as their type and members."""
    kind = text(item.get("type"))
    if kind in INPUTS:
        member, event = INPUTS[kind]
        said = text(item.get(member))
        named = {"name": item.get("name")} if kind == "function_call" else {}
        if said:
            yield event + DELTA, {"delta": said}
        yield event + ".done", {member: said, **named}
    if kind in ("message", "reasoning"):
        for name in ("summary", "content"):
            for index, part in enumerate(mappings(item.get(name))):
                form = PARTS.get(text(part.get("type")))
                if form and form.parts == name:
                    yield from _part(form, index, part)


def _part(form: PartForm, index: int, part: Members) -> Iterator[tuple[str, Members]]:
    place, said = {form.place: index}, text(part.get(form.member))
    notes = part.get("annotations")
    more = {"logprobs": _without_bytes(part.get("logprobs"))} if part["type"] == "output_text" else {}
    empty = {**part, form.member: "", **{name: [] for name in ("annotations", "logprobs") if name in part}}
    yield form.frame + ".added", {**place, "part": empty}
    if said:
        yield form.delta + DELTA, {**place, "delta": said, **more}
    for number, note in enumerate(notes if isinstance(notes, list) else ()):
        members: dict[str, Any] = {**place, "annotation_index": number, "annotation": note}
        yield form.delta + ".annotation.added", members
    yield form.delta + ".done", {**place, form.member: said, **more}
    yield form.frame + ".done", {**place, "part": part}


def _without_bytes(logprobs: object) -> list[Document]:
    """As deltas have them: the part that is done says all of it."""
    told = [{name: value for name, value in each.items() if name != "bytes"} for each in mappings(logprobs)]
    return [
        {**each, "top_logprobs": _without_bytes(each["top_logprobs"])} if "top_logprobs" in each else each
        for each in told
    ]


OTHER_FORM = OtherForm(ResponsesJoiner, split)

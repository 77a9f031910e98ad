"""OpenAI's Responses, as people read them: a turn is a row of items."""

from collections.abc import Iterable

from pointsman.wire.dialects.openai_responses.answers import finish_reason_of, usage_of
from pointsman.wire.dialects.openai_responses.tools import CALLS
from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.transcript import ASSISTANT, Draft, Entry, Transcript, data_url, parameters_of, tool_names

USER = "user"
"""Kinds of calls, and where their arguments stand."""
OUTPUT = "_output"
LAST = ("response.completed", "response.incomplete", "response.failed")
PLAIN_DELTAS = {"response.output_text.delta": "", "response.refusal.delta": "refusal"}


def request(document: Members) -> Transcript | None:
    if "input" not in document:
        return None
    said = [Entry("instructions")]
    said[0].add(document.get("instructions"))
    given = document["input"]
    items = [{"role": USER, "content": given}] if isinstance(given, str) else mappings(given)
    said += [_item(item) for item in items]
    return Transcript(
        model=text(document.get("model")),
        parameters=parameters_of(document, "model", "input", "instructions", "tools"),
        tools=tool_names(document.get("tools")),
        entries=[each for each in said if each.pieces],
    )


def answer(documents: Iterable[Members]) -> Transcript:
    """The last event repeats all that was said, if it came; else the items that were done count, and what had begun."""
    done: dict[object, Members] = {}
    begun: dict[object, Draft] = {}
    response: Members = {}
    for document in documents:
        kind = text(document.get("type"))
        if kind == "response.output_item.done":
            done[str(document.get("output_index"))] = mapping(document.get("item"))
        elif kind.endswith(".delta"):
            key = str(document.get("output_index"))
            begun.setdefault(key, Draft()).add(kind, document.get("delta"), _delta_label(kind))
        elif "response" in document or document.get("object") == "response":
            response = mapping(document.get("response")) or document
    items = mappings(response.get("output")) or list(done.values())
    said = [_item(item) for item in items]
    if not said:
        said = [draft.entry() for draft in begun.values()]
    ended = response.get("status") not in (None, "in_progress", "queued")
    return Transcript(
        model=text(response.get("model")),
        entries=[each for each in said if each.pieces],
        usage=usage_of(response),
        finish=finish_reason_of(response) if ended else None,
    )


def _delta_label(kind: str) -> str:
    if kind in PLAIN_DELTAS:
        return PLAIN_DELTAS[kind]
    return "reasoning" if "reasoning" in kind else kind.removeprefix("response.").removesuffix(".delta")


def _item(item: Members) -> Entry:
    kind = text(item.get("type")) or "message"
    if kind == "message":
        said = Entry(text(item.get("role")) or USER)
        _add_content(said, item.get("content"))
    elif kind in CALLS:
        said = Entry(ASSISTANT)
        label = f"call {text(item.get('name'))} {text(item.get('call_id'))}".rstrip()
        said.add(item.get(CALLS[kind]) or "{}", label)
    elif kind.endswith(OUTPUT):
        said = Entry(f"tool {text(item.get('call_id'))}".rstrip())
        _add_content(said, item.get("output"))
    elif kind == "reasoning":
        said = Entry(ASSISTANT)
        for part in (*mappings(item.get("summary")), *mappings(item.get("content"))):
            said.add(part.get("text"), "reasoning")
    else:
        said = Entry(ASSISTANT)
        said.add({name: value for name, value in item.items() if name != "type"}, kind)
    return said


def _add_content(said: Entry, content: object) -> None:
    if not isinstance(content, list):
        said.add(content)
        return
    for part in mappings(content):
        if "text" in part:
            said.add(part["text"])
        elif "refusal" in part:
            said.add(part["refusal"], "refusal")
        elif "image_url" in part:
            said.add(data_url(part["image_url"]), "image")
        else:
            said.add(f"{len(str(part))} characters", text(part.get("type")) or "part")

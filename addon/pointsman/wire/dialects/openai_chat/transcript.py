"""OpenAI's chat completions, as people read them."""

from collections.abc import Iterable, Sequence

from pointsman.wire.dialects.openai_chat.answers import choices_of, finish_reason_of, usage_of
from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.transcript import Draft, Entry, Transcript, data_url, parameters_of, tool_names

THOUGHTS = ("reasoning_content", "reasoning")


def request(document: Members) -> Transcript | None:
    if not isinstance(document.get("messages"), list):
        return None
    return Transcript(
        model=text(document.get("model")),
        parameters=parameters_of(document, "model", "messages", "tools", "functions"),
        tools=tool_names(document.get("tools") or document.get("functions")),
        entries=[_message(message) for message in mappings(document["messages"])],
    )


def answer(documents: Iterable[Members]) -> Transcript:
    read = Transcript()
    drafts: dict[object, Draft] = {}
    for document in documents:
        read.model = text(document.get("model")) or read.model
        choices = choices_of(document)
        read.usage = usage_of(document) or read.usage
        read.finish = finish_reason_of(choices) or read.finish
        for choice in choices:
            draft = drafts.setdefault(str(choice.get("index")), Draft())
            _add(draft, mapping(choice.get("delta") or choice.get("message")) or choice)
    read.entries = [said for draft in drafts.values() if (said := draft.entry()).pieces]
    return read


def _message(message: Members) -> Entry:
    role = " ".join(part for name in ("role", "name", "tool_call_id") if (part := text(message.get(name))))
    said = Entry(role or "?")
    for name in THOUGHTS:
        said.add(message.get(name), "reasoning")
    _add_content(said, message.get("content"))
    said.add(message.get("refusal"), "refusal")
    for call in mappings(message.get("tool_calls")):
        said.add(text(mapping(call.get("function")).get("arguments")) or "{}", _label(call))
    return said


def _add_content(said: Entry, content: object) -> None:
    if isinstance(content, str):
        said.add(content)
        return
    for part in mappings(content):
        if "text" in part:
            said.add(part["text"])
        elif "image_url" in part:
            said.add(data_url(mapping(part["image_url"]).get("url")), "image")
        else:
            said.add(f"{len(str(part))} characters", text(part.get("type")) or "part")


def _add(draft: Draft, said: Members) -> None:
    """A delta, or a whole message."""
    for name in THOUGHTS:
        if said.get(name):
            draft.add("reasoning", said[name], "reasoning")
    for name in ("content", "text"):
        if said.get(name):
            draft.add("content", _text_of(said[name]))
    if said.get("refusal"):
        draft.add("refusal", said["refusal"], "refusal")
    calls = mappings(said.get("tool_calls"))
    if function := mapping(said.get("function_call")):
        calls = [*calls, {"function": function}]
    for place, call in enumerate(calls):
        index = call.get("index")
        key = ("call", index if isinstance(index, int) else place)
        draft.add(key, mapping(call.get("function")).get("arguments"), _label(call))


def _text_of(content: object) -> object:
    """Some providers send parts where others send text."""
    parts: Sequence[Members] = mappings(content)
    return "".join(text(part.get("text")) for part in parts) if parts else content


def _label(call: Members) -> str:
    """Empty for the later pieces of a call, which do not name it."""
    name = text(mapping(call.get("function")).get("name"))
    return f"call {name} {text(call.get('id'))}".rstrip() if name else ""

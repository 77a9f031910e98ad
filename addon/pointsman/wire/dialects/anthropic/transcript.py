"""Anthropic's Messages, as people read them."""

from collections.abc import Iterable

from pointsman.wire.dialects.anthropic.answers import usage_of
from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.transcript import Draft, Entry, Transcript, parameters_of, tool_names

DELTAS = ("text", "thinking", "partial_json")
"""Where the deltas of blocks hold their words."""


def request(document: Members) -> Transcript | None:
    if not isinstance(document.get("messages"), list):
        return None
    system = Entry("system")
    _add_content(system, document.get("system"))
    said = [system]
    for message in mappings(document["messages"]):
        said.append(Entry(text(message.get("role")) or "?"))
        _add_content(said[-1], message.get("content"))
    return Transcript(
        model=text(document.get("model")),
        parameters=parameters_of(document, "model", "messages", "system", "tools"),
        tools=tool_names(document.get("tools")),
        entries=[each for each in said if each.pieces],
    )


def answer(documents: Iterable[Members]) -> Transcript:
    read, draft, counts = Transcript(), Draft(), dict[str, object]()
    whole: list[Entry] = []
    for document in documents:
        match document.get("type"):
            case "content_block_delta":
                delta = mapping(document.get("delta"))
                words = next((delta[name] for name in DELTAS if name in delta), None)
                if words:
                    draft.add(str(document.get("index")), words)
            case "content_block_start":
                block = mapping(document.get("content_block"))
                draft.add(str(document.get("index")), block.get("text") or block.get("thinking"), _label(block))
            case "message_start":
                message = mapping(document.get("message"))
                read.model = text(message.get("model"))
                counts |= mapping(message.get("usage"))
            case "message_delta":
                read.finish = text(mapping(document.get("delta")).get("stop_reason")) or read.finish
                counts |= {name: value for name, value in mapping(document.get("usage")).items() if value is not None}
            case "message":
                read.model, read.finish = text(document.get("model")), text(document.get("stop_reason")) or None
                counts |= mapping(document.get("usage"))
                whole.append(Entry("assistant"))
                _add_content(whole[-1], document.get("content"))
    read.entries = [said for said in (*whole, draft.entry()) if said.pieces]
    read.usage = usage_of(counts) if counts else None
    return read


def _add_content(said: Entry, content: object) -> None:
    if isinstance(content, str):
        said.add(content)
        return
    for block in mappings(content):
        match block.get("type"):
            case "text":
                said.add(block.get("text"))
            case "thinking":
                said.add(block.get("thinking"), "reasoning")
            case "tool_use" | "server_tool_use":
                said.add(block.get("input") or "{}", _label(block))
            case "tool_result":
                inner = Entry("tool")
                _add_content(inner, block.get("content"))
                result = "\n".join(piece.text for piece in inner.pieces)
                said.add(result or "(empty)", f"result {text(block.get('tool_use_id'))}".rstrip())
            case kind:
                source = mapping(block.get("source"))
                shown = text(source.get("url")) or f"{text(source.get('media_type'))} {len(str(block))} characters"
                said.add(shown.strip(), text(kind) or "block")


def _label(block: Members) -> str:
    match block.get("type"):
        case "text":
            return ""
        case "thinking":
            return "reasoning"
        case "tool_use" | "server_tool_use":
            return f"call {text(block.get('name'))} {text(block.get('id'))}".rstrip()
        case kind:
            return text(kind)

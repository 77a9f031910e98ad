"""Conversations of Anthropic's Messages, read and written."""

from collections.abc import Iterator, Sequence

from pointsman.wire.conversion import cache_marks
from pointsman.wire.conversion.history import (
    ASSISTANT,
    SYSTEM,
    USER,
    History,
    call_part,
    json_or_text,
    media_as_text,
    media_part,
    merged,
    messages_of_turn,
    parts_of,
    result_media,
    result_part,
    result_text,
    text_part,
    thought_part,
    unknown_part,
)
from pointsman.wire.conversion.media import IMAGE, PDF, Media, named_text
from pointsman.wire.json_access import Document, Members, mapping, mappings, text

HOSTED_CALLS = ("server_tool_use", "mcp_tool_use")
HOSTED_RESULT = "_tool_result"
"""How the kinds of results end that a provider's own tools gave."""
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", IMAGE)


def read(document: Members) -> list[Document]:
    messages = [{"role": SYSTEM, "content": list(parts_of(document.get("system"), _part))}]
    for message in mappings(document.get("messages")):
        role, parts = text(message.get("role")), list(parts_of(message.get("content"), _part))
        messages += messages_of_turn(role if role in (ASSISTANT, SYSTEM) else USER, parts)
    cache_marks.of_request(document, messages)
    return messages


def _part(block: Members) -> list[Document]:
    parts = list(_parts(block))
    cache_marks.on_last(block, parts)
    return parts


def _parts(block: Members) -> Iterator[Document]:
    match kind := text(block.get("type")):
        case "text":
            yield text_part(text(block.get("text")))
        case "thinking":
            yield thought_part(text(block.get("thinking")))
        case "redacted_thinking":
            return
        case "image":
            yield media_part(_media(IMAGE, block))
        case "document":
            yield from _document(block)
        case "search_result":
            words = "\n".join(text(each.get("text")) for each in mappings(block.get("content")))
            yield text_part(named_text(_title(block) or text(block.get("source")), words))
        case "tool_use":
            yield call_part(text(block.get("id")), text(block.get("name")), block.get("input"))
        case "tool_result":
            contents = list(_result(block))
            result = result_part(text(block.get("tool_use_id")), contents, block.get("is_error") is True)
            yield {**result, **cache_marks.gather(contents)}
        case "tool_reference":
            yield text_part(f"[tool {text(block.get('tool_name'))} is available]")
        case "compaction":
            yield text_part(text(block.get("content")))
        case _ if kind in HOSTED_CALLS:
            yield unknown_part(text(block.get("name")) or kind, block.get("input") or "")
        case _ if kind.endswith(HOSTED_RESULT):
            yield unknown_part(f"{kind.removesuffix(HOSTED_RESULT)} result", _hosted_result(block.get("content")))
        case _:
            yield unknown_part(kind, {name: value for name, value in block.items() if name != "type"})


def _result(block: Members) -> Iterator[Document]:
    content = block.get("content")
    yield from parts_of(content if isinstance(content, list) else json_or_text(content), _part)


def _hosted_result(content: object) -> object:
    """What a search found, by title and address; its texts are encrypted."""
    found = [each for each in mappings(content) if each.get("url")]
    if found:
        return "; ".join(f"{text(each.get('title'))} <{text(each.get('url'))}>" for each in found)
    if isinstance(content, list) and all("text" in mapping(each) for each in content):
        return "\n".join(text(each["text"]) for each in content)
    return {name: value for name, value in mapping(content).items() if not name.startswith("encrypted")} or ""


def _document(block: Members) -> Iterator[Document]:
    source, name = mapping(block.get("source")), _title(block)
    if context := text(block.get("context")):
        yield text_part(context)
    match source.get("type"):
        case "text":
            yield text_part(named_text(name, text(source.get("data"))))
        case "content":
            yield from parts_of(source.get("content"), _part)
        case _:
            yield media_part(_media(PDF if source.get("type") == "url" else "", block, name))


def _title(block: Members) -> str:
    return text(block.get("title"))


def _media(kind: str, block: Members, name: str = "") -> Media:
    source = mapping(block.get("source"))
    return Media(
        text(source.get("media_type")) or kind,
        data=text(source.get("data")),
        url=text(source.get("url")),
        file_id=text(source.get("file_id")),
        name=name,
    )


def write(request: Document, messages: Sequence[Document]) -> None:
    """All system prompts stand in one place. Anthropic takes no images in what the assistant said."""
    system = [block for message in messages if message["role"] == SYSTEM for block in _blocks(message["content"])]
    said = [
        {"role": ASSISTANT, "content": _blocks([*map(media_as_text, message["content"])])}
        if message["role"] == ASSISTANT
        else {"role": "user", "content": _blocks(message["content"])}
        for message in messages
        if message["role"] != SYSTEM
    ]
    request["messages"] = merged(said, "content")
    if system:
        request["system"] = system


def _blocks(parts: Sequence[Document]) -> list[Document]:
    """Anthropic refuses thoughts that it has not signed, so none are sent."""
    return [{**block, **cache_marks.mark(part)} for part in parts if (block := _block(part))]


def _block(part: Document) -> Document | None:
    match part["type"]:
        case "text":
            return {"type": "text", "text": part["text"]}
        case "refusal":
            return {"type": "text", "text": part["refusal"]}
        case "media":
            return media(part["media"]) or {"type": "text", "text": part["media"].placeholder()}
        case "tool_call":
            named = {"id": part["tool_call_id"], "name": part["tool_name"]}
            return {"type": "tool_use", **named, "input": part["tool_input"]}
        case "tool_result":
            failed = {"is_error": True} if part["is_error"] else {}
            content = _blocks(part["result"]) if result_media(part) else result_text(part)
            return {"type": "tool_result", "tool_use_id": part["tool_call_id"], "content": content, **failed}
    return None


def media(given: Media) -> Document | None:
    if not (given.data or given.url) or not (given.kind in IMAGES or given.kind == PDF):
        return None
    if given.url:
        source = {"type": "url", "url": given.url}
    else:
        source = {"type": "base64", "media_type": given.kind, "data": given.data}
    title = {"title": given.name} if given.name and not given.is_image else {}
    return {"type": "image" if given.is_image else "document", "source": source, **title}


HISTORY = History(
    member="messages",
    system=("system",),
    stand_in=[{"role": "user", "content": "."}],
    read=read,
    is_answer=lambda message: message.get("role") == ASSISTANT,
    write=write,
    media=media,
)

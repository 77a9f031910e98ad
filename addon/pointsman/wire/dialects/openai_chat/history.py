"""Conversations of chat completions, read and written."""

from collections.abc import Iterator, Sequence

from pointsman.wire.conversion import cache_marks
from pointsman.wire.conversion.arguments import WRAPPED
from pointsman.wire.conversion.history import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    History,
    arguments_text,
    call_part,
    joined_texts,
    json_or_text,
    media_as_text,
    media_part,
    parts_of,
    result_media,
    result_part,
    result_text,
    text_part,
    thought_part,
    unknown_part,
)
from pointsman.wire.conversion.media import IMAGE, Media, kind_of_name, of_input_audio, of_url
from pointsman.wire.json_access import Document, Members, mapping, mappings, text
from pointsman.wire.thinking_signatures import UNSIGNED

SYSTEM_ROLES = ("system", "developer")
LEGACY_ID = "call_function_"
"""How ids of calls begin where the client still uses `function_call`, which has none."""
EXTRA, GOOGLE, SIGNATURE = "extra_content", "google", "thought_signature"
"""Where Google's signature stands in a call or a message."""
SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def read(document: Members) -> list[Document]:
    messages: list[Document] = []
    legacy = 0
    for message in mappings(document.get("messages")):
        role, parts = text(message.get("role")), list(parts_of(message.get("content"), _part))
        if role == TOOL:
            result = result_part(text(message.get("tool_call_id")), parts or [_odd(message)])
            parts = [{**result, **cache_marks.gather(parts)}]
        elif role == "function":
            name = text(message.get("name"))
            parts, role = [result_part(f"{LEGACY_ID}{legacy}", parts or [_odd(message)], name=name)], TOOL
        elif role == ASSISTANT:
            called = mapping(message.get("function_call"))
            legacy += bool(called)
            parts = [*_thoughts(message), *parts, *_said(message), *_calls(message)]
            if called:
                parts.append(call_part(f"{LEGACY_ID}{legacy}", text(called.get("name")), called.get("arguments")))
        else:
            role = SYSTEM if role in SYSTEM_ROLES else "user"
        cache_marks.on_last(message, parts)
        messages.append({"role": role, "content": parts})
    cache_marks.of_request(document, messages)
    return messages


def _odd(message: Members) -> Document:
    return text_part(json_or_text(message.get("content")))


def _thoughts(message: Members) -> Iterator[Document]:
    if words := thoughts_of(message):
        yield thought_part(words)


def thoughts_of(message: Members) -> str:
    """As text: of the first of the members that providers have for them which says something."""
    listed = mappings(message.get("reasoning_details"))
    details = "".join(text(each.get("text")) or text(each.get("summary")) for each in listed)
    return text(message.get("reasoning_content")) or text(message.get("reasoning")) or details


def _said(message: Members) -> Iterator[Document]:
    if refusal := text(message.get("refusal")):
        yield {"type": "refusal", "refusal": refusal}
    if audio := mapping(message.get("audio")):
        yield unknown_part("audio answer", text(audio.get("transcript")))
    for image in mappings(message.get("images")):
        yield from _part(image)


def _calls(message: Members) -> Iterator[Document]:
    for call in mappings(message.get("tool_calls")):
        function, custom = mapping(call.get("function")), mapping(call.get("custom"))
        given = {WRAPPED: custom.get("input")} if custom else function.get("arguments")
        name = text(function.get("name") or custom.get("name"))
        yield call_part(text(call.get("id")), name, given, signature_of(call))


def signature_of(owner: Members) -> str:
    """Google's, which its OpenAI-compatible endpoints hand out with calls; empty where there is none."""
    signature = text(mapping(mapping(owner.get(EXTRA)).get(GOOGLE)).get(SIGNATURE))
    return "" if signature == UNSIGNED else signature


def signed(signature: str | None) -> Document:
    """The member of a call that bears a signature."""
    return {EXTRA: {GOOGLE: {SIGNATURE: signature}}} if signature else {}


def _part(part: Members) -> Iterator[Document]:
    match kind := text(part.get("type")):
        case "text" | "input_text" | "output_text":
            yield {**text_part(text(part.get("text"))), **cache_marks.hint(part)}
        case "refusal":
            yield {"type": "refusal", "refusal": text(part.get("refusal"))}
        case "image_url":
            image = part.get("image_url")
            url = image if isinstance(image, str) else text(mapping(image).get("url"))
            media = of_url(url, IMAGE, detail=text(mapping(image).get("detail")))
            yield {**media_part(media), **cache_marks.hint(part)}
        case "input_audio":
            yield media_part(of_input_audio(mapping(part.get("input_audio"))))
        case "file":
            yield media_part(_file(mapping(part.get("file"))))
        case "thinking":
            return
        case _:
            yield unknown_part(kind, {name: value for name, value in part.items() if name != "type"})


def _file(given: Members) -> Media:
    name, data = text(given.get("filename")), text(given.get("file_data"))
    if data.startswith(("data:", "https://", "http://")):
        return of_url(data, kind_of_name(name), name)
    return Media(kind_of_name(name), data=data, file_id=text(given.get("file_id")), name=name)


def write(request: Document, messages: Sequence[Document]) -> None:
    """A result is text here: what else a tool gave back follows as the user's."""
    request["messages"] = [written for message in messages for written in _messages(message)]


def _messages(message: Document) -> Iterator[Document]:
    parts = message["content"]
    match message["role"]:
        case "system":
            yield {"role": SYSTEM, "content": _marked(parts) or joined_texts(parts, "\n")}
        case "assistant":
            yield _answer(parts)
        case "tool":
            yield from (_result(part) for part in parts)
            if beside := [each for part in parts for each in _beside(part)]:
                yield {"role": "user", "content": beside}
        case _:
            yield {"role": "user", "content": _content(parts)}


def _answer(parts: Sequence[Document]) -> Document:
    words = joined_texts([media_as_text(part) for part in parts])
    answer: Document = {"role": ASSISTANT, "content": _marked(parts) or words or None}
    if thoughts := "\n\n".join(part["reasoning"] for part in parts if part["type"] == "reasoning"):
        answer["reasoning_content"] = thoughts
    if refusal := "".join(part["refusal"] for part in parts if part["type"] == "refusal"):
        answer["refusal"] = refusal
    if calls := [_call(part) for part in parts if part["type"] == "tool_call"]:
        answer["tool_calls"] = calls
    elif not words:
        answer["content"] = ""
    return answer


def _call(part: Document) -> Document:
    function = {"name": part["tool_name"], "arguments": arguments_text(part)}
    return {"id": part["tool_call_id"], "type": "function", "function": function, **signed(part.get("signature"))}


def _result(part: Document) -> Document:
    told = [each.placeholder() for each in result_media(part) if media(each) is None]
    words = "\n".join(filter(None, [result_text(part), *told]))
    if not words and result_media(part):
        words = "[see below]"
    marked = _marked([{**text_part(words), **cache_marks.kept(part)}])
    return {"role": TOOL, "tool_call_id": part["tool_call_id"], "content": marked or words}


def _marked(parts: Sequence[Document]) -> list[Document]:
    """The texts of a message as parts, if one of them bears a mark."""
    texts = [part for part in cache_marks.on_texts([media_as_text(part) for part in parts]) if part["type"] == "text"]
    written = [{"type": "text", "text": part["text"], **cache_marks.mark(part)} for part in texts]
    return written if any(cache_marks.MARK in part for part in written) else []


def _beside(part: Document) -> Iterator[Document]:
    written = [found for each in result_media(part) if (found := media(each))]
    if written:
        yield {"type": "text", "text": f"[from the result of {part['tool_name']}, call {part['tool_call_id']}]"}
        yield from written


def _content(parts: Sequence[Document]) -> str | list[Document]:
    parts = cache_marks.on_texts(parts)
    if len(parts) == 1 and parts[0]["type"] == "text" and not cache_marks.mark(parts[0]):
        return str(parts[0]["text"])
    return [
        (media(part["media"]) or {"type": "text", "text": part["media"].placeholder()})
        if part["type"] == "media"
        else {"type": "text", "text": part.get("text", ""), **cache_marks.mark(part)}
        for part in parts
    ]


def media(given: Media) -> Document | None:
    if given.is_image and (given.url or given.data):
        detail = {"detail": given.detail} if given.detail else {}
        return {"type": "image_url", "image_url": {"url": given.url or given.data_url(), **detail}}
    if given.kind in SOUNDS and given.data:
        return {"type": "input_audio", "input_audio": {"data": given.data, "format": SOUNDS[given.kind]}}
    if given.kind == "application/pdf" and given.data:
        return {"type": "file", "file": {"filename": given.name or "document.pdf", "file_data": given.data_url()}}
    return None


HISTORY = History(
    member="messages",
    stand_in=[{"role": "user", "content": "."}],
    read=read,
    is_answer=lambda message: message.get("role") == ASSISTANT,
    write=write,
    media=media,
)

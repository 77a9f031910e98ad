"""Conversations of OpenAI's Responses, read and written: a turn is a row of items."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

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
    media_part,
    parts_of,
    result_media,
    result_part,
    result_text,
    text_part,
    thought_part,
    unknown_part,
)
from pointsman.wire.conversion.media import IMAGE, PDF, Media, kind_of_name, of_input_audio, of_url
from pointsman.wire.dialects.openai_responses.tools import namespaces
from pointsman.wire.json_access import Document, Members, mapping, mappings, text

SYSTEM_ROLES = ("system", "developer")
CALL, OUTPUT = "_call", "_call_output"
"""How the kinds of calls and of their results end."""
HIDDEN = ("id", "type", "status", "encrypted_content", "call_id")
"""Members of items that mean nothing to a model."""
ANSWERS = ("reasoning", "item_reference")
"""Kinds of items that are the model's, besides calls."""
Names = Mapping[tuple[str, str], str]
"""The names that other dialects know tools in namespaces by."""


def read(document: Members) -> list[Document]:
    """Items of one side that follow each other are read as messages of their own."""
    messages = [{"role": SYSTEM, "content": list(parts_of(document.get("instructions"), _part))}]
    given = document.get("input")
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": [text_part(given)]}]
    names = {where: name for name, where in namespaces(document).items()}
    answered = {_call_of(item) for item in mappings(given) if text(item.get("type")).endswith(OUTPUT)}
    return [*messages, *(message for item in mappings(given) for message in _messages(item, names, answered))]


def _call_of(output: Members) -> str:
    """The id of the call that it answers. OpenAI's `local_shell_call_output` has it as `id`."""
    return text(output.get("call_id")) or text(output.get("id"))


def _messages(item: Members, names: Names, answered: set[str]) -> Iterator[Document]:
    kind = text(item.get("type"))
    if kind in ("", "message") and ("role" in item or "content" in item):
        role = text(item.get("role"))
        role = SYSTEM if role in SYSTEM_ROLES else ASSISTANT if role == ASSISTANT else "user"
        yield {"role": role, "content": list(parts_of(item.get("content"), _part))}
    elif kind.endswith(OUTPUT):
        yield {"role": TOOL, "content": [result_part(_call_of(item), list(_output(item)))]}
    elif kind != "additional_tools":
        yield {"role": ASSISTANT, "content": list(_of_model(item, names, answered))}


def _of_model(item: Members, names: Names, answered: set[str]) -> Iterator[Document]:
    """What the client ran is a call; what the provider ran becomes text, except an image."""
    kind, call_id, name = text(item.get("type")), text(item.get("call_id")), text(item.get("name"))
    name = names.get((text(item.get("namespace")), name), name)
    match kind:
        case "reasoning":
            words = [text(each.get("text")) for each in mappings(item.get("content")) or mappings(item.get("summary"))]
            yield thought_part("\n\n".join(filter(None, words)))
        case "function_call":
            yield call_part(call_id or text(item.get("id")), name, item.get("arguments"))
        case "custom_tool_call":
            yield call_part(call_id or text(item.get("id")), name, {WRAPPED: item.get("input", "")})
        case "compaction":
            return
        case "image_generation_call" if text(item.get("result")):
            if prompt := text(item.get("revised_prompt")):
                yield unknown_part(kind.removesuffix(CALL), prompt)
            yield media_part(Media(f"image/{text(item.get('output_format')) or 'png'}", text(item.get("result"))))
        case _ if kind.endswith(CALL) and call_id in answered:
            yield call_part(call_id, kind.removesuffix(CALL), _shown(item))
        case _ if kind.endswith(CALL):
            yield unknown_part(kind.removesuffix(CALL), _description(item))
        case _:
            yield unknown_part(kind, _shown(item))


def _shown(item: Members) -> Document:
    return {name: value for name, value in item.items() if name not in HIDDEN and value is not None}


def _description(item: Members) -> object:
    """Describes what a provider ran."""
    action = mapping(item.get("action"))
    if asked := text(action.get("query")) or text(action.get("url")):
        return asked
    return _shown(item)


def _output(item: Members) -> Iterator[Document]:
    output = item.get("output")
    parts = output if isinstance(output, list) else []
    if parts and all(mapping(part).get("type") for part in parts):
        yield from parts_of(output, _part)
    else:
        yield text_part(json_or_text(output if "output" in item else _shown(item)))


def _part(part: Members) -> Iterator[Document]:
    match kind := text(part.get("type")):
        case "" | "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text":
            yield text_part(text(part.get("text")))
        case "refusal":
            yield {"type": "refusal", "refusal": text(part.get("refusal"))}
        case "input_image":
            url, detail = text(part.get("image_url")), text(part.get("detail"))
            media = of_url(url, IMAGE, detail=detail) if url else Media(IMAGE, file_id=text(part.get("file_id")))
            yield media_part(media)
        case "input_file":
            yield media_part(_file(part))
        case "input_audio":
            yield media_part(of_input_audio(mapping(part.get("input_audio"))))
        case "computer_screenshot":
            yield media_part(of_url(text(part.get("image_url")), IMAGE))
        case _:
            yield unknown_part(kind, _shown(part))


def _file(part: Members) -> Media:
    name, data, url = text(part.get("filename")), text(part.get("file_data")), text(part.get("file_url"))
    if url or data.startswith("data:"):
        kind = kind_of_name(name) or kind_of_name(url.partition("?")[0]) or PDF
        return of_url(url or data, kind, name)
    return Media(kind_of_name(name) or PDF, data=data, file_id=text(part.get("file_id")), name=name)


def write(request: Document, messages: Sequence[Document]) -> None:
    """What stands before all turns are the instructions. Thoughts are left out: OpenAI accepts only its own."""
    first = list(takewhile(lambda message: message["role"] == SYSTEM, messages))
    request["input"] = [item for message in messages[len(first) :] for item in _items(message)]
    if words := "\n\n".join(joined_texts(message["content"]) for message in first):
        request["instructions"] = words


def _items(message: Document) -> Iterator[Document]:
    parts, role = message["content"], message["role"]
    if role == TOOL:
        yield from (_result(part) for part in parts)
        return
    said: list[Document] = []
    for part in parts:
        if part["type"] == "tool_call":
            if said:
                yield _message(role, said)
                said = []
            yield _call(part)
        elif written := _content(role, part):
            said.append(written)
    if said:
        yield _message(role, said)


def _message(role: str, content: list[Document]) -> Document:
    """What an assistant said goes as a text: its parts would need the ids and annotations that OpenAI gave them."""
    said = "".join(text(part.get("text", part.get("refusal"))) for part in content)
    return {"type": "message", "role": role, "content": said if role == ASSISTANT else content}


def _call(part: Document) -> Document:
    named = {"call_id": part["tool_call_id"], "name": part["tool_name"]}
    return {"type": "function_call", **named, "arguments": arguments_text(part)}


def _result(part: Document) -> Document:
    output: str | list[Document] = result_text(part)
    if result_media(part):
        output = [written for each in part["result"] if (written := _content("user", each))]
    return {"type": "function_call_output", "call_id": part["tool_call_id"], "output": output}


def _content(role: str, part: Document) -> Document | None:
    kind = "output_text" if role == ASSISTANT else "input_text"
    match part["type"]:
        case "text":
            return {"type": kind, "text": part["text"]}
        case "refusal":
            return {"type": "refusal", "refusal": part["refusal"]}
        case "media":
            written = media(part["media"]) if role != ASSISTANT else None
            return written or {"type": kind, "text": part["media"].placeholder()}
    return None


def media(given: Media) -> Document | None:
    if given.is_image and (given.url or given.data):
        return {"type": "input_image", "image_url": given.url or given.data_url(), "detail": given.detail or "auto"}
    if given.kind == PDF and given.url:
        return {"type": "input_file", "file_url": given.url}
    if given.kind == PDF and given.data:
        return {"type": "input_file", "filename": given.name or "document.pdf", "file_data": given.data_url()}
    return None


def is_answer(item: Members) -> bool:
    kind = text(item.get("type"))
    return item.get("role") == ASSISTANT if kind in ("", "message") else kind.endswith(CALL) or kind in ANSWERS


HISTORY = History(
    member="input",
    system=("instructions",),
    may_be_empty=True,
    stand_in=".",
    read=read,
    is_answer=is_answer,
    write=write,
    media=media,
)

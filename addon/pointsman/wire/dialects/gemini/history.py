"""Conversations of Gemini's dialect, read and written."""

from collections.abc import Iterator, Sequence

from pointsman.wire.conversion.history import (
    ASSISTANT,
    SYSTEM,
    USER,
    History,
    call_part,
    json_or_text,
    media_part,
    merged,
    messages_of_turn,
    result_media,
    result_part,
    result_text,
    text_part,
    thought_part,
    unknown_part,
)
from pointsman.wire.conversion.media import Media, of_url
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Document, Members, mapping, mappings, text
from pointsman.wire.thinking_signatures import UNSIGNED

MODEL = "model"
OWN_STORE = "generativelanguage.googleapis.com"
PLAIN_RESULTS = ("output", "result", "error", "content")
"""Members that hold a whole result, where a response has no other."""
PREFIXES = ("image/", "audio/", "video/")
"""Of media types that Google's models take, besides PDFs."""
PDF = "application/pdf"
ASIDE = ("thought", "thoughtSignature", "thought_signature", "videoMetadata", "video_metadata", "partMetadata")
"""Members of a part that say something about it."""


def read(document: Members) -> list[Document]:
    """Calls get ids that are the same whenever the conversation is sent again; results those of their calls."""
    numbers = _Numbers()
    system = member(document, "systemInstruction")
    content = [text_part(system)] if isinstance(system, str) else list(_parts(mapping(system), numbers))
    messages: list[Document] = [{"role": SYSTEM, "content": content}]
    for turn in mappings(document.get("contents")):
        parts = list(_parts(turn, numbers))
        role = ASSISTANT if turn.get("role") == MODEL else SYSTEM if turn.get("role") == SYSTEM else USER
        messages += messages_of_turn(role, parts)
    return messages


class _Numbers:
    """Ids for calls, and the calls of each name that have no result yet."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[str, list[str]] = {}
        self._known: set[str] = set()

    def call(self, call: Members) -> str:
        self._count += 1
        call_id = text(call.get("id")) or f"call_{self._count}"
        self._known.add(call_id)
        self._waiting.setdefault(text(call.get("name")), []).append(call_id)
        return call_id

    def result(self, result: Members) -> str:
        waiting = self._waiting.get(text(result.get("name")), [])
        given = text(result.get("id"))
        if given in waiting:
            waiting.remove(given)
        elif given not in self._known and waiting:
            return waiting.pop(0)
        return given


def _parts(turn: Members, numbers: _Numbers) -> Iterator[Document]:
    parts = turn.get("parts")
    for part in mappings([parts] if isinstance(parts, dict) else parts):
        yield from _part(part, numbers)


def _part(part: Members, numbers: _Numbers) -> Iterator[Document]:
    call, result = member(part, "functionCall"), member(part, "functionResponse")
    data = mapping(member(part, "inlineData") or member(part, "fileData"))
    words, code = part.get("text"), mapping(member(part, "executableCode"))
    if isinstance(call, dict):
        signature = text(member(part, "thoughtSignature"))
        given = call.get("args")
        yield call_part(numbers.call(call), text(call.get("name")), given, "" if signature == UNSIGNED else signature)
    elif isinstance(result, dict):
        response = result.get("response")
        is_error = isinstance(response, dict) and response.keys() == {"error"}
        contents = [*_result(response), *_media_of(result)]
        yield result_part(numbers.result(result), contents, is_error, name=text(result.get("name")))
    elif data:
        yield media_part(_media(data))
    elif isinstance(words, str):
        yield thought_part(words) if part.get("thought") is True else text_part(words)
    elif code:
        yield text_part(f"```{text(code.get('language')).lower()}\n{text(code.get('code'))}\n```")
    elif outcome := mapping(member(part, "codeExecutionResult")):
        yield unknown_part("code execution", text(outcome.get("output")) or text(outcome.get("outcome")))
    elif others := {name: value for name, value in part.items() if name not in ASIDE}:
        yield unknown_part(next(iter(others)), others)


def _result(response: object) -> Iterator[Document]:
    """Of whatever form: clients agree on none."""
    if isinstance(response, dict) and len(response) == 1 and (name := next(iter(response))) in PLAIN_RESULTS:
        value = response[name]
        texts = [each["text"] for each in mappings(value) if isinstance(each.get("text"), str)]
        if isinstance(value, list) and value and len(texts) == len(value):
            yield from map(text_part, texts)
        else:
            yield text_part(json_or_text(value))
    elif response not in (None, {}):
        yield text_part(json_or_text(response))


def _media_of(result: Members) -> Iterator[Document]:
    for part in mappings(result.get("parts")):
        if data := mapping(member(part, "inlineData") or member(part, "fileData")):
            yield media_part(_media(data))


def _media(data: Members) -> Media:
    kind, name = text(member(data, "mimeType")), text(member(data, "displayName"))
    if uri := text(member(data, "fileUri")):
        return Media(kind, file_id=uri, name=name) if OWN_STORE in uri or uri.startswith("gs:") else of_url(uri, kind)
    return Media(kind, data=text(data.get("data")), name=name)


def write(request: Document, messages: Sequence[Document]) -> None:
    """All system prompts stand in one place, and all results of one turn together."""
    system = [part for message in messages if message["role"] == SYSTEM for part in _written(message["content"])]
    said = [
        {"role": MODEL if message["role"] == ASSISTANT else "user", "parts": _written(message["content"])}
        for message in messages
        if message["role"] != SYSTEM
    ]
    request["contents"] = merged(said, "parts")
    if system:
        request["system_instruction"] = {"role": "user", "parts": system}


def _written(parts: Sequence[Document]) -> list[Document]:
    """Media that a tool gave back stand beside its result."""
    beside = [media for part in parts if part["type"] == "tool_result" for media in result_media(part)]
    return [*map(_write, parts), *(_write_media(media) for media in beside)]


def _write(part: Document) -> Document:
    match part["type"]:
        case "reasoning":
            return {"text": part["reasoning"], "thought": True}
        case "refusal":
            return {"text": part["refusal"]}
        case "media":
            return _write_media(part["media"])
        case "tool_call":
            signature = part.get("signature")
            call = {"name": part["tool_name"], "args": part["tool_input"], "id": part["tool_call_id"]}
            return {"functionCall": call, **({"thoughtSignature": signature} if signature else {})}
        case "tool_result":
            response = {"error" if part["is_error"] else "output": result_text(part)}
            named = {"name": part["tool_name"], "id": part["tool_call_id"]}
            return {"functionResponse": {**named, "response": response}}
    return {"text": part["text"]}


def _write_media(given: Media) -> Document:
    return media(given) or {"text": given.placeholder()}


def media(given: Media) -> Document | None:
    """Nothing is fetched, and Google fetches nothing for all its models: data alone will do."""
    if given.data and (given.kind == PDF or given.kind.startswith(PREFIXES)):
        return {"inlineData": {"mimeType": given.kind, "data": given.data}}
    return None


HISTORY = History(
    member="contents",
    system=("systemInstruction", "system_instruction"),
    stand_in=[{"role": "user", "parts": [{"text": "."}]}],
    read=read,
    is_answer=lambda turn: turn.get("role") == MODEL,
    write=write,
    media=media,
)

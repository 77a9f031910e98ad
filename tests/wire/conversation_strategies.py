"""Conversations of any kind, as clients of each dialect would send them, and documents with something wrong in them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from pointsman.config.enums import Dialect

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
IDS = (
    "call_0", "call_1", "toolu_01A", "functions.read:0", "a b", "ünï/ç", "0", "x" * 100, "fc-" + "9" * 40, "call_0 ",
)  # fmt: skip
NAMES = ("read", "mcp__server__tool-1", "functions.read", "9lives", "größe", "n" * 100, "n" * 99 + "m", "a b")
IMAGES = ("iVBORw0KGgo=", "AAAA", "//79")
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12).filter(
    lambda words: bool(words.strip()) and not words.startswith("[")
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6) | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(st.text(max_size=8).filter(lambda name: name != "input"), VALUES, max_size=3)


@dataclass(frozen=True)
class Call:
    """`result` is its result's text, `image` is what comes with that, perhaps nothing."""

    id: str
    name: str
    arguments: dict[str, Any]
    result: str
    image: str


@dataclass(frozen=True)
class Exchange:
    """What the user says and shows, what the model says, and the calls of the model with their results."""

    asked: list[str]
    images: list[str]
    said: str
    calls: list[Call]


@dataclass(frozen=True)
class Talk:
    system: str
    exchanges: list[Exchange]
    has_nulls: bool = False
    shuffled: bool = False
    """Results stand in another order than their calls."""
    calls: list[Call] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", [call for each in self.exchanges for call in each.calls])


def calls() -> st.SearchStrategy[Call]:
    ids, names = st.sampled_from(IDS), st.sampled_from(NAMES)
    return st.builds(Call, ids, names, ARGUMENTS, st.just("") | WORDS, st.sampled_from(("", "", *IMAGES)))


def exchanges() -> st.SearchStrategy[Exchange]:
    asked, images = st.lists(WORDS, min_size=1, max_size=3), st.lists(st.sampled_from(IMAGES), max_size=2)
    made = st.lists(calls(), max_size=3, unique_by=lambda call: call.id)
    said = st.just("") | WORDS.map(str.strip)  # at the end of a request Anthropic takes no white space
    return st.builds(Exchange, asked, images, said, made)


def talks() -> st.SearchStrategy[Talk]:
    rounds = st.lists(exchanges(), min_size=1, max_size=4)
    return st.builds(Talk, st.just("") | WORDS, rounds, st.booleans(), st.booleans())


def requested(dialect: Dialect, talk: Talk) -> dict[str, Any]:
    """The request of a client of the dialect. The same id may stand in many turns, but only once in each."""
    names = list(dict.fromkeys(call.name for call in talk.calls)) or ["read"]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    match dialect:
        case Dialect.OPENAI_CHAT:
            system = [{"role": "system", "content": talk.system}] if talk.system else []
            tools: list[Any] = [{"type": "function", "function": {"name": n, "parameters": schema}} for n in names]
            return {"model": "m", "messages": [*system, *_chat(talk)], "tools": tools, **_nulls(talk, "stop", "user")}
        case Dialect.OPENAI_RESPONSES:
            tools = [{"type": "function", "name": name, "parameters": schema, "strict": False} for name in names]
            more = {"instructions": talk.system} if talk.system else {}
            return {"model": "m", "input": list(_responses(talk)), "tools": tools, **more, **_nulls(talk, "reasoning")}
        case Dialect.ANTHROPIC:
            tools = [{"name": name, "input_schema": schema, **_nulls(talk, "description")} for name in names]
            more = {"system": talk.system} if talk.system else {}
            return {"model": "m", "max_tokens": 99, "messages": list(_anthropic(talk)), "tools": tools, **more}
        case Dialect.GEMINI:
            declared = [{"name": name, "parametersJsonSchema": schema} for name in names]
            more = {"systemInstruction": {"parts": [{"text": talk.system}]}} if talk.system else {}
            return {"contents": list(_gemini(talk)), "tools": [{"functionDeclarations": declared}], **more}


def _nulls(talk: Talk, *names: str) -> dict[str, None]:
    return dict.fromkeys(names) if talk.has_nulls else {}


def _answered(talk: Talk, exchange: Exchange) -> list[Call]:
    return exchange.calls[::-1] if talk.shuffled else exchange.calls


def _json(arguments: Mapping[str, Any], talk: Talk) -> str:
    """Some models say nothing where they have no arguments."""
    return json.dumps(arguments) if arguments or not talk.has_nulls else ""


def _chat(talk: Talk) -> Iterator[dict[str, Any]]:
    def image(data: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}", **_nulls(talk, "detail")}}

    for each in talk.exchanges:
        yield {
            "role": "user",
            "content": [*({"type": "text", "text": words} for words in each.asked), *map(image, each.images)],
            **_nulls(talk, "name"),
        }
        made = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": _json(c.arguments, talk)}}
            for c in each.calls
        ]
        if each.said or made:
            more = {"tool_calls": made} if made else _nulls(talk, "tool_calls", "refusal", "audio")
            yield {"role": "assistant", "content": each.said or None, **more}
        for call in _answered(talk, each):
            parts = [{"type": "text", "text": call.result}, *([image(call.image)] if call.image else [])]
            yield {"role": "tool", "tool_call_id": call.id, "content": parts if call.image else call.result}


def _responses(talk: Talk) -> Iterator[dict[str, Any]]:
    def image(data: str) -> dict[str, Any]:
        return {"type": "input_image", "image_url": f"data:image/png;base64,{data}", **_nulls(talk, "file_id")}

    for each in talk.exchanges:
        texts = [{"type": "input_text", "text": words} for words in each.asked]
        yield {"role": "user", "content": [*texts, *map(image, each.images)], **_nulls(talk, "id", "status")}
        if each.said:
            content = [{"type": "output_text", "text": each.said, "annotations": [], **_nulls(talk, "logprobs")}]
            yield {"type": "message", "role": "assistant", "content": content}
        for call in each.calls:
            named = {"type": "function_call", "call_id": call.id, "name": call.name, **_nulls(talk, "id", "status")}
            yield {**named, "arguments": _json(call.arguments, talk)}
        for call in _answered(talk, each):
            parts = [{"type": "input_text", "text": call.result}, *([image(call.image)] if call.image else [])]
            output = parts if call.image else call.result
            yield {"type": "function_call_output", "call_id": call.id, "output": output, **_nulls(talk, "id")}


def _anthropic(talk: Talk) -> Iterator[dict[str, Any]]:
    def image(data: str) -> dict[str, Any]:
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

    results: list[dict[str, Any]] = []
    for each in talk.exchanges:
        texts = [{"type": "text", "text": words, **_nulls(talk, "cache_control", "citations")} for words in each.asked]
        yield {"role": "user", "content": [*results, *texts, *map(image, each.images)]}
        blocks: list[dict[str, Any]] = [{"type": "text", "text": each.said}] if each.said else []
        blocks += [{"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments} for c in each.calls]
        if blocks:
            yield {"role": "assistant", "content": blocks}
        results = []
        for call in _answered(talk, each):
            parts = [{"type": "text", "text": call.result}] if call.result else []
            content = [*parts, image(call.image)] if call.image else call.result
            results.append({"type": "tool_result", "tool_use_id": call.id, "content": content})
    if results:
        yield {"role": "user", "content": results}


def _gemini(talk: Talk) -> Iterator[dict[str, Any]]:
    def image(data: str) -> dict[str, Any]:
        return {"inlineData": {"mimeType": "image/png", "data": data}}

    for each in talk.exchanges:
        texts = [{"text": words, **_nulls(talk, "thought")} for words in each.asked]
        yield {"role": "user", "parts": [*texts, *map(image, each.images)]}
        parts: list[dict[str, Any]] = [{"text": each.said}] if each.said else []
        parts += [{"functionCall": {"id": c.id, "name": c.name, "args": c.arguments}} for c in each.calls]
        if parts:
            yield {"role": "model", "parts": parts}
        results = []
        for call in _answered(talk, each):
            more = {"parts": [image(call.image)]} if call.image else {}
            response = {"id": call.id, "name": call.name, "response": {"output": call.result}, **more}
            results.append({"functionResponse": response})
        if results:
            yield {"role": "user", "parts": results}


JUNK = (
    None, True, 0, -1, 1.5, "", "x", "auto", "user", "text", [], {}, [{}], ["x"], [None], [[]], [1], {"type": "text"},
    {"type": 7}, {"a": None}, {"role": "user"}, {"name": None}, {"type": {}}, 10**25, "\ud800",
)  # fmt: skip
MEMBERS = (
    "type", "id", "name", "content", "role", "index", "delta", "parts", "usage", "item", "arguments", "finish_reason",
    "stop", "thinking", "tool_choice", "seed", "top_p", "reasoning", "status", "input", "text", "output", "system",
)  # fmt: skip


def _places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every value within, the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from _places(each, (*path, key))


def spoil(draw: Any, document: Any) -> None:
    """Replaces, removes, repeats and inserts a few values anywhere in the document."""
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places:
            return
        *way, last = draw(st.sampled_from(places))
        holder = document
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(("replace", "replace", "remove", "insert"))):
            case "replace":
                holder[last] = _copy(draw(st.sampled_from(JUNK)))
            case "remove":
                del holder[last]
            case _ if isinstance(holder, list):
                holder.insert(last, _copy(draw(st.sampled_from((*JUNK, holder[last])))))
            case _:
                holder[draw(st.sampled_from(MEMBERS))] = _copy(draw(st.sampled_from(JUNK)))


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))

"""What a request asks that another dialect cannot express, or that would be lost on the way.

Such a request goes to no target of that dialect; what it asks is named, so that people learn why. A hosted tool that is
merely on offer is the one thing left out, and `left_out` names it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pointsman.config.words import Capability, Dialect
from pointsman.wire.conversion.response_format import form_of
from pointsman.wire.conversion.tools import can_do_without, hosted_tools
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts

COUNTS = ("/count_tokens", "countTokens")

CHAT_PARTS = ("text", "image_url", "refusal")
RESPONSES_PARTS = ("input_text", "output_text", "input_image", "refusal", "summary_text", "reasoning_text", "text")
RESPONSES_ITEMS = (
    None, "message", "reasoning", "function_call", "function_call_output", "custom_tool_call",
    "custom_tool_call_output",
)  # fmt: skip
MESSAGES_BLOCKS = ("text", "image", "thinking", "redacted_thinking", "tool_use", "tool_result")
GEMINI_PARTS = ("text", "functionCall", "functionResponse", "inlineData", "fileData", "thought", "thoughtSignature")

STORED = ("previous_response_id", "conversation", "prompt")
"""Members of a Responses request that refer to what only one provider keeps."""

OWN_STORE = "generativelanguage.googleapis.com"


def spoken_to(client: Dialect, spoken: Sequence[Dialect], facts: RequestFacts) -> tuple[Dialect | None, str]:
    """The dialect in which a target that speaks these is asked: the client's own, else the first that can express the
    request. Where none can: None, and why.
    """
    if client in spoken:
        return client, ""
    whys = []
    for dialect in spoken:
        if not (why := obstacle(client, dialect, facts)):
            return dialect, ""
        whys.append(f"{why} (speaks {dialect}, not {client})")
    return None, "; ".join(whys)


def obstacle(client: Dialect, provider: Dialect, facts: RequestFacts) -> str:
    """The first thing that cannot cross; empty where everything can. Never raises."""
    return next(_obstacles(client, provider, facts), "")


def left_out(client: Dialect, facts: RequestFacts) -> list[str]:
    """Hosted tools that the request offers and another dialect does without."""
    return hosted_tools(client, facts.document)


def _obstacles(client: Dialect, provider: Dialect, facts: RequestFacts) -> Iterator[str]:
    document = facts.document
    if facts.action in COUNTS:
        yield "counts of tokens do not cross"
    if Capability.AUDIO in facts.needs:
        yield "audio does not cross"
    yield from OF_CLIENT[client](document)
    hosted = hosted_tools(client, document)
    if hosted and not can_do_without(client, document):
        yield f"hosted tools do not cross: {', '.join(hosted)}"
    form = form_of(client, document)
    if provider is Dialect.ANTHROPIC and form and form.schema is None:
        yield "anthropic has no words for JSON without a schema"
    if provider is Dialect.OPENAI_RESPONSES and any(_stops(client, document)):
        yield "openai-responses has no words for stop sequences"
    if any(_is_odd_data(image) for image in IMAGES[client](document)):
        yield "an image's `data:` URL crosses only in base64"
    if provider is Dialect.GEMINI and any(_is_url(image) for image in IMAGES[client](document)):
        yield "gemini takes no image by its URL"


def _of_chat(document: Members) -> Iterator[str]:
    count = document.get("n")
    if isinstance(count, int) and count > 1:
        yield f"n = {count} does not cross"
    if document.get("logprobs") or document.get("top_logprobs"):
        yield "logprobs do not cross"
    if document.get("functions") or document.get("function_call"):
        yield "legacy `functions` do not cross; `tools` do"
    if any(tool.get("type") == "custom" for tool in mappings(document.get("tools"))):
        yield "custom tools do not cross"
    if "web_search_options" in document:
        yield "hosted tools do not cross: web search"
    yield from _unknown("content", _parts_of(document.get("messages")), CHAT_PARTS)


def _of_responses(document: Members) -> Iterator[str]:
    for name in STORED:
        if document.get(name):
            yield f"`{name}` refers to what only its own provider keeps"
    if document.get("background"):
        yield "answers in the background do not cross"
    included = document.get("include")
    if document.get("top_logprobs") or (isinstance(included, list) and "message.output_text.logprobs" in included):
        yield "logprobs do not cross"
    if mapping(document.get("tool_choice")).get("type") not in (None, "function", "custom"):
        yield "this kind of `tool_choice` does not cross"
    items = mappings(document.get("input"))
    yield from _unknown("an item", items, RESPONSES_ITEMS)
    for name in ("content", "output"):
        yield from _unknown("content", _parts_of(items, name), RESPONSES_PARTS)
        yield from _files(_parts_of(items, name))


def _of_anthropic(document: Members) -> Iterator[str]:
    if document.get("mcp_servers") or document.get("container"):
        yield "hosted tools do not cross: mcp_servers, container"
    yield from _unknown("content", _blocks(document), MESSAGES_BLOCKS)
    yield from _files(mapping(block.get("source")) for block in _blocks(document))


def _of_gemini(document: Members) -> Iterator[str]:
    config = mapping(member(document, "generationConfig"))
    count, modalities = member(config, "candidateCount"), member(config, "responseModalities")
    if isinstance(count, int) and count > 1:
        yield f"candidateCount = {count} does not cross"
    if member(config, "responseLogprobs"):
        yield "logprobs do not cross"
    if isinstance(modalities, list) and any(each != "TEXT" for each in modalities):
        yield "answers other than text do not cross"
    if member(document, "cachedContent"):
        yield "`cachedContent` refers to what only its own provider keeps"
    for part in _gemini_parts(document):
        if not any(member(part, name) is not None for name in GEMINI_PARTS):
            yield f"content of this kind does not cross: {next(iter(part), 'an empty part')}"
        data = mapping(member(part, "inlineData") or member(part, "fileData"))
        if data and not text(member(data, "mimeType")).startswith("image/"):
            yield f"content of this kind does not cross: {text(member(data, 'mimeType')) or 'data'}"
        if OWN_STORE in text(member(data, "fileUri")):
            yield "`fileData` refers to what only its own provider keeps"


OF_CLIENT: Mapping[Dialect, Callable[[Members], Iterator[str]]] = {
    Dialect.OPENAI_CHAT: _of_chat,
    Dialect.OPENAI_RESPONSES: _of_responses,
    Dialect.ANTHROPIC: _of_anthropic,
    Dialect.GEMINI: _of_gemini,
}


def _chat_images(document: Members) -> Iterator[object]:
    for part in _parts_of(document.get("messages")):
        yield mapping(part.get("image_url")).get("url") or part.get("image_url")


def _responses_images(document: Members) -> Iterator[object]:
    items = mappings(document.get("input"))
    for name in ("content", "output"):
        yield from (part.get("image_url") for part in _parts_of(items, name))


def _messages_images(document: Members) -> Iterator[object]:
    yield from (mapping(block.get("source")).get("url") for block in _blocks(document))


def _gemini_images(document: Members) -> Iterator[object]:
    yield from (mapping(member(part, "fileData")).get("fileUri") for part in _gemini_parts(document))


IMAGES: Mapping[Dialect, Callable[[Members], Iterator[object]]] = {
    Dialect.OPENAI_CHAT: _chat_images,
    Dialect.OPENAI_RESPONSES: _responses_images,
    Dialect.ANTHROPIC: _messages_images,
    Dialect.GEMINI: _gemini_images,
}
"""Where each image is, if that is what the request says."""


def _stops(client: Dialect, document: Members) -> Iterator[object]:
    yield document.get("stop" if client is Dialect.OPENAI_CHAT else "stop_sequences")
    yield member(mapping(member(document, "generationConfig")), "stopSequences")


def _is_url(image: object) -> bool:
    return isinstance(image, str) and not image.startswith("data:")


def _is_odd_data(image: object) -> bool:
    return isinstance(image, str) and image.startswith("data:") and ";base64," not in image


def _parts_of(messages: object, name: str = "content") -> Iterator[Mapping[str, Any]]:
    for message in mappings(messages):
        yield from mappings(message.get(name))


def _blocks(document: Members) -> Iterator[Mapping[str, Any]]:
    """Those within the results of tools too."""
    for block in _parts_of(document.get("messages")):
        yield block
        yield from mappings(block.get("content"))


def _gemini_parts(document: Members) -> Iterator[Mapping[str, Any]]:
    return _parts_of(document.get("contents"), "parts")


def _files(images: Iterable[Members]) -> Iterator[str]:
    if any(image.get("file_id") for image in images):
        yield "an image's `file_id` refers to what only its own provider keeps"


def _unknown(
    noun: str, things: Iterator[Mapping[str, Any]] | list[Mapping[str, Any]], known: Sequence[object]
) -> Iterator[str]:
    for thing in things:
        if thing.get("type") not in known:
            yield f"{noun} of this kind does not cross: {str(thing.get('type'))[:40]}"

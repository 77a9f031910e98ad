"""A request taken from one dialect into another: made ready, converted by the library, put right."""

from collections.abc import Mapping
from typing import Any

from llm_rosetta import ConversionPipeline

from pointsman.config.words import Dialect
from pointsman.wire import jsontext
from pointsman.wire.conversion.answer_reader import LIBRARY_NAMES
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.request_fixups import Recipient, declared, put_right
from pointsman.wire.conversion.request_prepare import ready
from pointsman.wire.conversion.response_format import form_of, write_form
from pointsman.wire.json_access import mapping, mappings, text


def convert(client: Dialect, provider: Dialect, document: dict[str, Any], to: Recipient) -> dict[str, Any]:
    """The body for the provider, without its model and without whether it streams. `document` is used up.

    Raises whatever the library raises.
    """
    form = form_of(client, document)
    pipeline = ConversionPipeline(
        LIBRARY_NAMES[client], LIBRARY_NAMES[provider], upstream_model=to.model, metadata_mode="strip"
    )
    request = pipeline.convert_request(ready(client, document, to.reasons))
    for member in ("model", "stream"):
        request.pop(member, None)
    if not mapping(pipeline.ir_request.get("generation")).get("max_tokens"):
        request.pop("max_tokens", None)  # the library's own idea
    if "tools" in request:  # the library keeps these for the next request (512 of them, for half an hour)
        request["tools"] = jsontext.loads(dumps(request["tools"]))
    if provider is Dialect.ANTHROPIC:
        _instruct(request, pipeline.ir_request)
    put_right(provider, request, to)
    if provider is Dialect.GEMINI:
        tools = mappings(pipeline.ir_request.get("tools"))
        declared(request, {text(tool.get("name")): mapping(tool.get("parameters")) for tool in tools})
    if form:
        write_form(provider, form, request)
    return request


def _instruct(request: dict[str, Any], meant: Mapping[str, Any]) -> None:
    """Anthropic has one place for all system prompts; the library forgets those that stand between turns."""
    first = request.get("system") if meant.get("system_instruction") else None
    later = [
        {"type": "text", "text": part["text"]}
        for message in mappings(meant.get("messages"))
        if message.get("role") == "system"
        for part in mappings(message.get("content"))
        if part.get("text")
    ]
    if later:
        request["system"] = [*([{"type": "text", "text": first}] if isinstance(first, str) else first or []), *later]

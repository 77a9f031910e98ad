"""What Anthropic refuses although other dialects take it: blank texts and stop sequences, and a system prompt alone."""

from pointsman.wire.conversion.valid_requests import NOTHING_SAID, drop_blank_stops, is_blank, texts_of
from pointsman.wire.json_access import Document, dicts


def make_valid(request: Document) -> None:
    """Changes a converted request."""
    drop_blank_stops(request, "stop_sequences")
    system = [block for block in dicts(request.pop("system", None)) if not is_blank(block)]
    messages = [message for message in dicts(request.get("messages")) if _has_content(message)]
    if messages:
        _trim_prefill(messages[-1])
    else:
        messages, system = [_said(texts_of(system).strip() or NOTHING_SAID)], []
    request["messages"] = messages
    if system:
        request["system"] = system


def _has_content(message: Document) -> bool:
    """Without its blank texts. What a user did not say is still a turn."""
    if isinstance(message.get("content"), str):
        message["content"] = [{"type": "text", "text": message["content"]}]
    blocks = [block for block in dicts(message.get("content")) if not is_blank(block)]
    for block in blocks:
        if isinstance(block.get("content"), list):
            block["content"] = [inner for inner in dicts(block["content"]) if not is_blank(inner)]
    message["content"] = blocks
    if blocks or message.get("role") != "user":
        return bool(blocks)
    message.update(_said(NOTHING_SAID))
    return True


def _said(text: str) -> Document:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _trim_prefill(last: Document) -> None:
    """An answer that the model is to continue may not end with white space."""
    if last.get("role") == "assistant" and isinstance(text := last["content"][-1].get("text"), str):
        last["content"][-1]["text"] = text.rstrip()

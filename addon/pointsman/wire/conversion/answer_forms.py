"""Members of an answer that are not of the type that their name stands for are taken out before the answer is read.

A provider that writes one member badly then loses that member instead of the whole answer.
"""

from collections.abc import Mapping

from pointsman.wire.json_access import Document

type Form = type | tuple[type, ...]

STRINGS = (
    "id", "type", "role", "model", "name", "text", "thinking", "signature", "call_id", "item_id", "refusal", "object",
    "partial_json", "finish_reason", "stop_reason", "finishReason", "responseId", "modelVersion", "thoughtSignature",
    "thought_signature", "reasoning_content", "status", "reason", "service_tier", "stop_sequence", "system_fingerprint",
)  # fmt: skip
LISTS = ("choices", "candidates", "output", "parts", "summary", "tool_calls", "annotations")
"""Of objects."""
OBJECTS = (
    "message", "item", "part", "response", "content_block", "function", "function_call", "custom", "functionCall",
    "usage", "usageMetadata", "prompt_tokens_details", "completion_tokens_details", "input_tokens_details",
    "output_tokens_details",
)  # fmt: skip
PLACES = ("index", "output_index", "content_index", "summary_index", "created", "created_at")
COUNTS = ("_tokens", "TokenCount")
"""How the names of counts end."""
DETAILS = "_tokens_details"
"""How the names of objects end that hold nothing but counts."""
FORMS: Mapping[str, Form] = {
    **dict.fromkeys(STRINGS, str),
    **dict.fromkeys(LISTS, list),
    **dict.fromkeys(OBJECTS, dict),
    **dict.fromkeys(PLACES, int),
}
OPAQUE = ("input", "arguments", "args", "response_format", "metadata", "parameters", "schema")
"""What stands in these is the model's own, or the client's."""
TEXTS = ("text", "output_text", "summary_text", "reasoning_text")
"""Kinds of parts that are nothing without a text."""
LISTS_OF_OBJECTS = frozenset((*LISTS, "content"))


DEEPEST = 50
"""Levels below which nothing is read."""


def well_formed(document: Document, forms: Mapping[str, Form], depth: int = 0) -> None:
    """Changes the document. `forms` are those of the dialect's own names. Null is absence."""
    if depth == DEEPEST:
        document.clear()
        return
    if document.get("type") in TEXTS and not isinstance(document.get("text"), str):
        document["text"] = ""
    for name, value in list(document.items()):
        if name in OPAQUE:
            continue
        form = forms.get(name) or FORMS.get(name) or (int if name.endswith(COUNTS) else None)
        if form and (not isinstance(value, form) or isinstance(value, bool)):
            del document[name]
        elif name.endswith(DETAILS):
            document[name] = {inner: given for inner, given in value.items() if type(given) is int}
        elif isinstance(value, dict):
            well_formed(value, forms, depth + 1)
        elif isinstance(value, list):
            if name in LISTS_OF_OBJECTS:
                value[:] = [each for each in value if isinstance(each, dict)]
            for each in value:
                if isinstance(each, dict):
                    well_formed(each, forms, depth + 1)
            if name == "content":
                value[:] = [each for each in value if "type" in each or "text" in each]

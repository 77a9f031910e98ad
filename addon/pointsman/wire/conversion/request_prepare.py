"""A client's request, prepared for the library: what it would lose, mistake or warn about is taken out or put right."""

from pointsman.wire.conversion.base import Conversion
from pointsman.wire.conversion.thinking import spell_words
from pointsman.wire.json_access import Document, mapping


def prepared(client: Conversion, document: Document, reasons: bool) -> Document:
    """`reasons`: the model may take the client's word on how much to reason. Changes the document."""
    drop_nulls(document)
    paths = (*client.format_places, *client.own_places, *(() if reasons else client.reasoning_places))
    for path in paths:
        _take_out(document, path)
    client.prepare(document)
    if isinstance(document.get("tools"), list):
        document["tools"] = [tool for tool in document["tools"] if not client.is_hosted(mapping(tool))]
    if not document.get("tools"):
        document.pop("tools", None)
    spell_words(document, client.effort_places)
    return document


def _take_out(document: Document, path: tuple[str, ...]) -> None:
    *outer, last = path
    for name in outer:
        inner = document.get(name)
        if not isinstance(inner, dict):
            return
        document = inner
    document.pop(last, None)


OPAQUE = (
    "input", "arguments", "args", "response", "parameters", "input_schema", "schema", "action", "metadata",
    "parametersJsonSchema", "parameters_json_schema", "responseSchema", "response_schema",
    "responseJsonSchema", "response_json_schema",
)  # fmt: skip
"""Objects in which null is a value of the client's own."""


def drop_nulls(value: object, name: str = "") -> None:
    """Null for an optional member is its absence, in every dialect."""
    if isinstance(value, list):
        for each in value:
            drop_nulls(each)
    elif isinstance(value, dict) and name not in OPAQUE:
        for inner in [inner for inner, given in value.items() if given is None]:
            del value[inner]
        for inner, given in value.items():
            drop_nulls(given, inner)

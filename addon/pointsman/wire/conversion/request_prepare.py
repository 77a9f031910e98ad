"""A client's request, prepared for the library: what it would lose, mistake or warn about is taken out or put right."""

from pointsman.wire.conversion.base import Conversion
from pointsman.wire.conversion.thinking import spell_words
from pointsman.wire.json_access import Document, mapping


def prepared(client: Conversion, document: Document, reasons: bool) -> Document:
    """`reasons`: the model may take the client's word on how much to reason. Changes the document."""
    paths = (*client.format_places, *client.own_places, *(() if reasons else client.reasoning_places))
    for path in paths:
        _take_out(document, path)
    if isinstance(document.get("tools"), list):
        document["tools"] = [tool for tool in document["tools"] if not client.is_hosted(mapping(tool))]
    if not document.get("tools"):
        document.pop("tools", None)
    spell_words(document)
    client.prepare(document)
    return document


def _take_out(document: Document, path: tuple[str, ...]) -> None:
    *outer, last = path
    for name in outer:
        inner = document.get(name)
        if not isinstance(inner, dict):
            return
        document = inner
    document.pop(last, None)


def join_texts(holder: Document, name: str) -> None:
    """What a tool gave back is one text, if it is nothing but texts."""
    parts = holder.get(name)
    if isinstance(parts, list) and all(isinstance(mapping(part).get("text"), str) for part in parts):
        holder[name] = "\n".join(part["text"] for part in parts)

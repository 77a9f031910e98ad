"""Marks for caches of prompts: Anthropic's `cache_control`, on texts, messages and tools, or on a whole request.

Chat completions have them too where a provider passes them on to Anthropic's models. In the neutral form a part or a
tool has a hint; the result of a tool has one of its own.
"""

from collections.abc import Sequence

from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings

MARK = "cache_control"
HINT = "cache_hint"
"""The library's name for it."""


def hint(part: Members) -> Document:
    """What a neutral part has of a part's mark."""
    return {HINT: part[MARK]} if _is_mark(part.get(MARK)) else {}


def mark(part: Members) -> Document:
    """What a written part has of a neutral part's hint."""
    return {MARK: part[HINT]} if part.get(HINT) else {}


def kept(part: Members) -> Document:
    """The hint of a neutral part, for the one that takes its place."""
    return {HINT: part[HINT]} if part.get(HINT) else {}


def on_last(owner: Members, parts: Sequence[Document]) -> None:
    """The mark of a whole request, message or block is one of its last part."""
    if parts:
        parts[-1].update(hint(owner))


def of_request(document: Members, messages: Sequence[Document]) -> None:
    """The mark of a whole request is one of what is said last."""
    if messages:
        on_last(document, messages[-1]["content"])


def gather(parts: Sequence[Document]) -> Document:
    """Takes the marks off parts that are about to be one, which gets the last."""
    marks = [part.pop(HINT) for part in parts if HINT in part]
    return {HINT: marks[-1]} if marks else {}


def without(parts: Sequence[Document]) -> list[Document]:
    return [{name: value for name, value in part.items() if name != HINT} for part in parts]


def on_texts(parts: Sequence[Document]) -> list[Document]:
    """The same parts with hints on texts alone: that of any other goes to the text before it, else to the next one."""
    places = [place for place, part in enumerate(parts) if part["type"] == "text" and part["text"]]
    moved = without(parts)
    for place, part in enumerate(parts):
        if places and part.get(HINT):
            before = [each for each in places if each <= place]
            moved[before[-1] if before else places[0]][HINT] = part[HINT]
    return moved


def carry(document: Members, neutral: Document) -> None:
    """The marks of tools from a request into the library's neutral form of it, which has lost them."""
    marks = {_name(tool): mark for tool in mappings(document.get("tools")) if _is_mark(mark := _tool_mark(tool))}
    if marks:  # the library keeps tools for later requests
        neutral["tools"] = [
            {**tool, HINT: marks[tool["name"]]} if tool.get("name") in marks else tool
            for tool in dicts(neutral.get("tools"))
        ]


def mark_tools(request: Document, neutral: Members) -> None:
    """The marks of neutral tools onto those of chat completions. The library keeps written tools, too."""
    marks = {tool.get("name"): mark(tool) for tool in mappings(neutral.get("tools")) if tool.get(HINT)}
    if marks:
        request["tools"] = [{**tool, **marks.get(_name(tool), {})} for tool in dicts(request.get("tools"))]


def _is_mark(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _tool_mark(tool: Members) -> object:
    return tool.get(MARK) or mapping(tool.get("function")).get(MARK)


def _name(tool: Members) -> object:
    return mapping(tool.get("function")).get("name")

"""Marks of chat completions for caches of prompts: Anthropic's `cache_control`, on texts, messages and tools."""

from collections.abc import Mapping, Sequence

from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings

MARK = "cache_control"
HINT = "cache_hint"
"""The library's name for it."""


def hint(part: Members) -> Document:
    """What a neutral part has of a part's mark."""
    return {HINT: part[MARK]} if _is_mark(part.get(MARK)) else {}


def on_last(message: Members, parts: Sequence[Document]) -> None:
    """The mark of a whole message is one of its last part."""
    if parts:
        parts[-1].update(hint(message))


def gather(parts: Sequence[Document]) -> Document:
    """Takes the marks off parts that are about to be one, which gets the last."""
    marks = [part.pop(HINT) for part in parts if HINT in part]
    return {HINT: marks[-1]} if marks else {}


def carry(document: Members, neutral: Document) -> None:
    """The marks of tools from a request into the library's neutral form of it, which has lost them."""
    marks = {_name(tool): mark for tool in mappings(document.get("tools")) if _is_mark(mark := _tool_mark(tool))}
    if marks:  # the library keeps tools for later requests
        neutral["tools"] = [
            {**tool, HINT: marks[tool["name"]]} if tool.get("name") in marks else tool
            for tool in dicts(neutral.get("tools"))
        ]


def _is_mark(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("type"), str)


def _tool_mark(tool: Members) -> object:
    return tool.get(MARK) or mapping(tool.get("function")).get(MARK)


def _name(tool: Members) -> object:
    return mapping(tool.get("function")).get("name")

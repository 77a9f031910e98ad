"""Marks of chat completions for caches of prompts: Anthropic's `cache_control`, on texts, messages and tools."""

from collections.abc import Mapping

from pointsman.wire.json_access import Document, Members, dicts, mappings

MARK = "cache_control"
HINT = "cache_hint"
"""The library's name for it."""
SYSTEM_ROLES = ("system", "developer")


def lift(message: Document) -> None:
    """Marks the message in the place of its parts, whose texts are about to be joined."""
    marks = [part[MARK] for part in mappings(message.get("content")) if _is_mark(part.get(MARK))]
    if marks:
        message.setdefault(MARK, marks[-1])


def carry(document: Members, neutral: Document) -> None:
    """From a request into the library's neutral form of it, which has lost them."""
    messages = mappings(document.get("messages"))
    system = [message for message in messages if message.get("role") in SYSTEM_ROLES]
    if len(system) == 1:
        _carry_parts(system[0], dicts(neutral.get("system_instruction")))
    said = [message for message in messages if message.get("role") not in SYSTEM_ROLES]
    twins = [twin for twin in dicts(neutral.get("messages")) if twin.get("role") not in SYSTEM_ROLES]
    if len(said) == len(twins):
        for message, twin in zip(said, twins, strict=True):
            _carry_parts(message, dicts(twin.get("content")))
    marks = {_name(tool): mark for tool in mappings(document.get("tools")) if _is_mark(mark := _tool_mark(tool))}
    if marks:  # the library keeps tools for later requests
        neutral["tools"] = [
            {**tool, HINT: marks[tool["name"]]} if tool.get("name") in marks else tool
            for tool in dicts(neutral.get("tools"))
        ]


def _carry_parts(message: Members, twins: list[Document]) -> None:
    if not twins:
        return
    parts = mappings(message.get("content"))
    if len(parts) == len(twins):
        for part, twin in zip(parts, twins, strict=True):
            if _is_mark(part.get(MARK)):
                twin[HINT] = part[MARK]
    elif any(_is_mark(part.get(MARK)) for part in parts):
        twins[-1][HINT] = next(part[MARK] for part in reversed(parts) if _is_mark(part.get(MARK)))
    if _is_mark(message.get(MARK)):
        twins[-1][HINT] = message[MARK]


def _is_mark(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("type"), str)


def _tool_mark(tool: Members) -> object:
    function = tool.get("function")
    return tool.get(MARK) or (function.get(MARK) if isinstance(function, dict) else None)


def _name(tool: Members) -> object:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else None

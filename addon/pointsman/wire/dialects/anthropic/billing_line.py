"""Claude Code's line at the beginning of a system prompt, which means something to Anthropic alone.

It differs in every request, so that no other server could cache anything of a prompt that begins with it.
"""

import re

from pointsman.wire.json_access import mapping

LINE = re.compile(r"^\s*x-anthropic-billing-header:[^\n]*\n*", re.IGNORECASE)
OF_ANTHROPIC = re.compile(r"claude|anthropic|opus|sonnet|haiku", re.IGNORECASE)
"""Names of models that Anthropic itself may serve, perhaps behind a gateway that needs the line."""


def is_for(model: str) -> bool:
    return OF_ANTHROPIC.search(model) is not None


def stands_in(system: object) -> bool:
    """`system` is the member of that name: a text, or a list of blocks."""
    return any(LINE.match(text) for text in _texts(system))


def without_line(system: object) -> object:
    """A block that has nothing else is left out."""
    if isinstance(system, str):
        return LINE.sub("", system)
    if not isinstance(system, list):
        return system
    return [block for block in map(_without_line, system) if mapping(block).get("text") != ""]


def _texts(system: object) -> list[str]:
    blocks = [{"text": system}] if isinstance(system, str) else system if isinstance(system, list) else []
    return [text for block in blocks if isinstance(text := mapping(block).get("text"), str)]


def _without_line(block: object) -> object:
    text = mapping(block).get("text")
    return {**mapping(block), "text": LINE.sub("", text)} if isinstance(text, str) else block

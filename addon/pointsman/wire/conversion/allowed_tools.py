"""A choice among some of the tools, which some dialects can ask for.

Where a target has no word for it, the other tools are left out of the request.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pointsman.wire.json_access import Document, dicts


class AllowedTools(NamedTuple):
    """`must_call`: the model has to call one of them."""

    names: tuple[str, ...]
    must_call: bool = False


def allowed_tools(names: Iterable[object], must_call: bool) -> AllowedTools | None:
    """None where no name is one."""
    known = tuple(name for name in names if isinstance(name, str) and name)
    return AllowedTools(known, must_call) if known else None


def leave_out_others(allowed: AllowedTools, neutral: Document) -> None:
    """Of the library's neutral request. A single tool that must be called is forced instead."""
    if allowed.must_call and len(allowed.names) == 1:
        neutral["tool_choice"] = {"mode": "tool", "tool_name": allowed.names[0]}
        return
    neutral["tools"] = [tool for tool in dicts(neutral.get("tools")) if tool.get("name") in allowed.names]

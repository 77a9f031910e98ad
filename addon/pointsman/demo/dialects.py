"""The dialects that the demo provider answers in."""

from collections.abc import Mapping

from pointsman.wire.dialects.anthropic import demo as anthropic
from pointsman.wire.dialects.demo_base import (
    DemoAnswer,
    DemoDialect,
    DemoError,
    DemoEvent,
    EventRole,
    ReportsUsage,
    ToolCall,
)
from pointsman.wire.dialects.gemini import demo as gemini
from pointsman.wire.dialects.openai_chat import demo as openai_chat
from pointsman.wire.dialects.openai_responses import demo as openai_responses

DEMO_DIALECTS: tuple[DemoDialect, ...] = (openai_chat, openai_responses, anthropic, gemini)
DEFAULT_DIALECT: DemoDialect = openai_chat

__all__ = [
    "DEFAULT_DIALECT",
    "DEMO_DIALECTS",
    "DemoAnswer",
    "DemoDialect",
    "DemoError",
    "DemoEvent",
    "EventRole",
    "ReportsUsage",
    "ToolCall",
    "count_member",
    "dialect_for",
    "dialect_of_list",
]


def dialect_for(route: str) -> DemoDialect | None:
    """The dialect whose chat path this is, None for any other path."""
    return next((dialect for dialect in DEMO_DIALECTS if dialect.claims(route)), None)


def count_member(route: str) -> str | None:
    """Where the answer has the number, if this path asks for a number of tokens; None for any other path."""
    ways = [dialect.COUNT for dialect in DEMO_DIALECTS if dialect.COUNT]
    return next((member for ending, member in ways if route.endswith(ending)), None)


def dialect_of_list(route: str, headers: Mapping[str, str]) -> DemoDialect:
    """The dialect in which models are listed; `headers` by name in lower case."""
    if "/v1beta/" in route:
        return gemini
    return anthropic if "anthropic-version" in headers else DEFAULT_DIALECT

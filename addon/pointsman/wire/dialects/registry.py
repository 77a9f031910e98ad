"""The dialects there are, and which of them a path speaks."""

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from pointsman.config.words import Dialect as DialectName
from pointsman.wire.dialects.anthropic import request as anthropic
from pointsman.wire.dialects.anthropic.request import Anthropic
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.gemini import request as gemini
from pointsman.wire.dialects.gemini.request import Gemini
from pointsman.wire.dialects.openai_chat.request import OpenAIChat
from pointsman.wire.dialects.openai_responses.request import OpenAIResponses

DIALECTS: Mapping[DialectName, Dialect] = {
    DialectName.OPENAI_CHAT: OpenAIChat(),
    DialectName.OPENAI_RESPONSES: OpenAIResponses(),
    DialectName.ANTHROPIC: Anthropic(),
    DialectName.GEMINI: Gemini(),
}


class Purpose(Enum):
    CHAT = auto()
    COUNT = auto()
    """How many tokens would this be?"""


class Route(NamedTuple):
    """What a path is for."""

    dialect: DialectName
    purpose: Purpose = Purpose.CHAT


PATHS = {
    "/v1/chat/completions": Route(DialectName.OPENAI_CHAT),
    "/v1/responses": Route(DialectName.OPENAI_RESPONSES),
    "/v1/messages": Route(DialectName.ANTHROPIC),
    "/v1/messages/count_tokens": Route(DialectName.ANTHROPIC, Purpose.COUNT),
}
"""How a path ends; any prefix may stand before it. Gemini's name the model, and are read by its own module."""


COUNTED = {DialectName.ANTHROPIC: anthropic.COUNTED, DialectName.GEMINI: gemini.COUNTED}


def route_of_path(path: str) -> Route | None:
    """None for a path that is not about chats. A query string is ignored."""
    path = path.partition("?")[0]
    if what := gemini.asked(path):
        return Route(DialectName.GEMINI, Purpose.COUNT if what.action == gemini.COUNT else Purpose.CHAT)
    return next((route for ending, route in PATHS.items() if path.endswith(ending)), None)


def dialect_of_path(path: str) -> DialectName | None:
    """The dialect that chat requests to `path` speak; None for a path that is no chat path."""
    route = route_of_path(path)
    return route.dialect if route and route.purpose is Purpose.CHAT else None


def count_body(dialect: DialectName, tokens: int) -> bytes:
    """The answer to a question for a number of tokens, in one of the dialects that have such a question."""
    return json.dumps({COUNTED[dialect]: tokens}).encode()

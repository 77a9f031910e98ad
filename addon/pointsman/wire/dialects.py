"""The dialects there are, and which of them a path speaks."""

from collections.abc import Mapping

from pointsman.config.words import Dialect as DialectName
from pointsman.wire.dialect import Dialect
from pointsman.wire.openai_chat import OpenAIChat

DIALECTS: Mapping[DialectName, Dialect] = {DialectName.OPENAI_CHAT: OpenAIChat()}

PATHS = {"/v1/chat/completions": DialectName.OPENAI_CHAT}
"""How a chat path ends; any prefix may stand before it."""


def dialect_of_path(path: str) -> DialectName | None:
    """The dialect that requests to `path` speak; None for a path that is no chat path. A query string is ignored."""
    path = path.partition("?")[0]
    return next((name for ending, name in PATHS.items() if path.endswith(ending)), None)

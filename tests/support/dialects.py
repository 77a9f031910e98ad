"""Requests of every dialect, and the providers they go to."""

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.config.enums import Dialect
from pointsman.demo import Provider
from support.settings import provider

PROVIDER_KEY = "the-provider-key-0123456789"
USER = {"role": "user", "content": "Which track?"}
CONTENTS = [{"role": "user", "parts": [{"text": "Which track?"}]}]
CHATS: Mapping[Dialect, tuple[str, Mapping[str, Any]]] = {
    Dialect.OPENAI_CHAT: ("/v1/chat/completions", {"model": "m", "messages": [USER]}),
    Dialect.OPENAI_RESPONSES: ("/v1/responses", {"model": "m", "input": [USER]}),
    Dialect.ANTHROPIC: ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [USER]}),
    Dialect.GEMINI: ("/v1beta/models/m:generateContent", {"contents": CONTENTS}),
}
AUTH = {
    Dialect.OPENAI_CHAT: ("authorization", f"Bearer {PROVIDER_KEY}"),
    Dialect.OPENAI_RESPONSES: ("authorization", f"Bearer {PROVIDER_KEY}"),
    Dialect.ANTHROPIC: ("x-api-key", PROVIDER_KEY),
    Dialect.GEMINI: ("x-goog-api-key", PROVIDER_KEY),
}
CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key")


def url_for(dialect: Dialect, one: Provider) -> str:
    """The base URL that the router's configuration has for it."""
    return one.base_url.removesuffix("/v1") + "/v1beta" if dialect is Dialect.GEMINI else one.base_url


def entry(dialect: Dialect, one: Provider, **more: Any) -> dict[str, Any]:
    """The provider as a file would hold it, with one model `m`."""
    return provider(url_for(dialect, one), dialect=dialect, **more)


def credentials_of(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those headers that carry one, names in lower case."""
    return [(name.lower(), value) for name, value in headers if name.lower() in CREDENTIALS]

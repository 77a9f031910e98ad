"""Query strings of chat paths: what of them goes on to a provider."""

from collections.abc import Callable
from urllib.parse import unquote

CREDENTIALS = frozenset(
    {"key", "api_key", "api-key", "apikey", "x-api-key", "x-goog-api-key", "access_key", "access_token", "access-token"}
    | {"auth", "auth_token", "authorization", "client_secret", "password", "secret", "subscription-key", "token"}
)
"""Names of what holds a credential, in lower case."""


def forwarded(path: str) -> str:
    """The query of a path, with its `?`, byte for byte but for credentials; empty if nothing is left."""
    pairs = [pair for pair in path.partition("?")[2].split("&") if pair and _name(pair).lower() not in CREDENTIALS]
    return f"?{'&'.join(pairs)}" if pairs else ""


def replaced(path: str, other: Callable[[str], str]) -> tuple[str, list[str]]:
    """The path with each credential of its query put through `other`, and the credentials that were there."""
    start, mark, query = path.partition("?")
    found: list[str] = []

    def put(pair: str) -> str:
        name, equals, given = pair.partition("=")
        if not equals or _name(pair).lower() not in CREDENTIALS:
            return pair
        given, fragment, rest = given.partition("#")
        found.append(given)
        return f"{name}={other(given)}{fragment}{rest}"

    return start + mark + "&".join(map(put, query.split("&"))), found


def without_key(path: str) -> str:
    """The path without the `key`s of its query."""
    start, mark, query = path.partition("?")
    kept = [pair for pair in query.split("&") if _name(pair) != "key"]
    return start + (mark + "&".join(kept) if kept else "")


def value(query: str, name: str) -> str | None:
    """The last value that a query gives to a name."""
    return next((pair.partition("=")[2] for pair in reversed(query[1:].split("&")) if _name(pair) == name), None)


def _name(pair: str) -> str:
    """As a provider reads it, who undoes any escapes; Google's frontend takes a `$` before the names that it knows."""
    return unquote(pair.partition("=")[0]).removeprefix("$")

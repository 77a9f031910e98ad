"""The credentials that a client sends, in every place that its dialect or its proxy settings may have for them."""

import base64
import hmac
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

from pointsman.clients.identity import ClientKeys

QUERY_KEY = "key"
"""The place of a credential that stands in the query."""


def credentials(headers: Mapping[str, str], path: str) -> list[str]:
    """Every credential a client sent, in whatever form its dialect has."""
    return [value for _, value in _placed_credentials(headers, path)]


def known_key_places(headers: Mapping[str, str], path: str, keys: ClientKeys) -> frozenset[str]:
    """The headers in which a client's key stands, and `QUERY_KEY` if one stands in the query."""
    if not keys:
        return frozenset()
    return frozenset(place for place, value in _placed_credentials(headers, path) if keys.client_of(value))


def _placed_credentials(headers: Mapping[str, str], path: str) -> Iterator[tuple[str, str]]:
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        if headers.get(name):
            yield name, headers[name]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        yield "authorization", token.strip()
    if "key=" in path:
        for value in parse_qs(path.partition("?")[2]).get("key", []):
            yield QUERY_KEY, value


def proxy_client(headers: Mapping[str, str], keys: ClientKeys) -> str | None:
    """The client whose key `Proxy-Authorization` holds."""
    value = proxy_password(headers)
    return keys.client_of(value) if value else None


def proxy_password(headers: Mapping[str, str]) -> str | None:
    """The bearer token of `Proxy-Authorization`, or the password of basic authentication."""
    scheme, _, value = headers.get("proxy-authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:
            return None
    return value or None


def constant_time_equal(given: str, expected: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())

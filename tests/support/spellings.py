"""A secret in all the spellings that error bodies and URLs have for it."""

import base64
import json
from collections.abc import Callable, Mapping


def _json(secret: str, form: str = "\\u{:04x}") -> str:
    return "".join(form.format(ord(c)) for c in secret)


def _first(secret: str) -> str:
    return f"\\u{ord(secret[0]):04x}{secret[1:]}"


def _base64(secret: str, before: str) -> str:
    return base64.b64encode(f"{before}{secret}".encode()).decode()


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "JSON, its first character": _first,
    "JSON, lower case": _json,
    "JSON, upper case": lambda secret: _json(secret, "\\u{:04X}"),
    "JSON, its slashes": lambda secret: secret.replace("/", "\\/"),
    "JSON in JSON": lambda secret: json.dumps(_json(secret))[1:-1],
    "JSON in JSON, its slashes": lambda secret: secret.replace("/", "\\\\\\/"),
    "percent, lower case": lambda secret: "".join(f"%{ord(c):02x}" for c in secret),
    "percent, upper case": lambda secret: "".join(f"%{ord(c):02X}" for c in secret),
    "percent, its slashes": lambda secret: secret.replace("/", "%2F"),
    "percent twice": lambda secret: "".join(f"%25{ord(c):02x}" for c in secret),
    "JSON in percent": lambda secret: _json(secret).replace("\\", "%5C"),
    "entities": lambda secret: "".join(f"&#{ord(c)};" for c in secret),
    "entities, hexadecimal": lambda secret: "".join(f"&#x{ord(c):X};" for c in secret),
    "base64": lambda secret: _base64(secret, ""),
    "base64 of a password": lambda secret: _base64(secret, "me:"),
    "base64 at another offset": lambda secret: _base64(secret, "user:"),
}
"""None of them needs more escaping in a JSON string. Each is the same as the secret once it is undone."""


def spelled(secret: str) -> str:
    """In all of them, one after the other."""
    return " ".join(spell(secret) for spell in SPELLINGS.values())


def traces(secret: str) -> list[bytes]:
    """What shows that a secret is in some bytes, in whatever spelling: a piece from the middle of each."""
    texts = {spell(secret) for spell in SPELLINGS.values()}
    return [text[len(text) // 3 : len(text) * 2 // 3].encode() for text in texts]

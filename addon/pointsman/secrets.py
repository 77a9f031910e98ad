"""Masking: no configured secret leaves the router in an error body, an audit record or a log line."""

import re
from collections.abc import Iterable

MASK = "***"
KIND = "sk-"
"""How keys begin that say no more by it than that they are keys."""
LONG_ENOUGH = 16
SHORTEST = 6
"""A shorter value is no secret worth the name, and masking it would shred ordinary text."""
WELL_FORMED = re.compile(r'(?:(?:bearer|basic) +)?[^\s,;="]+={0,2}', re.IGNORECASE)
"""A token, with or without a scheme. Of anything else nobody can say which part of it is the secret."""


class Masker:
    """Replaces every occurrence of the given secrets in text or bytes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first, so that a secret which contains another one is masked whole.
        self._secrets = sorted({s for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True)
        self._encoded = [s.encode() for s in self._secrets]

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        for secret in self._secrets:  # a text that was cut may end within one
            for length in range(min(len(secret), len(text)) - 1, SHORTEST - 1, -1):
                if text.endswith(secret[:length]):
                    return text[:-length] + MASK
        return text

    def data(self, data: bytes) -> bytes:
        for secret in self._encoded:
            if secret in data:
                data = data.replace(secret, MASK.encode())
        return data


def masked_credential(value: str) -> str:
    """A credential as it may be shown: `Bearer sk-…last4`. The last four only if it is long enough to spare them."""
    if not WELL_FORMED.fullmatch(value):
        return MASK
    scheme, space, secret = value.rpartition(" ")
    if len(secret) < LONG_ENOUGH:
        return f"{scheme}{space}{MASK}"
    return f"{scheme}{space}{KIND if secret.startswith(KIND) else ''}…{secret[-4:]}"

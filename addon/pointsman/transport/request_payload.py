"""The body of a request to a provider, as aiohttp writes it."""

from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

PIECE_BYTES = 512 * 1024
"""To encrypt that much takes a quarter of a millisecond."""


class LargePayload(Payload):
    """Bytes that are written in pieces, so that they do not hold up the loop, and without a copy. aiohttp's own
    payloads write bytes in one go, or copy a stream as a whole and once more in pieces.
    """

    _value: bytes
    _autoclose = True  # nothing is to be closed

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self._value

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        view = memoryview(self._value)[:content_length]
        for start in range(0, len(view), PIECE_BYTES):
            await writer.write(view[start : start + PIECE_BYTES])


def request_payload(body: bytes) -> Any:
    """For aiohttp's `data`."""
    return LargePayload(body) if len(body) > PIECE_BYTES else body

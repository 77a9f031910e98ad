"""A response as flows keep it, while its client gets it as it was told."""

from collections.abc import Iterator
from contextlib import contextmanager

from mitmproxy import http

from pointsman.masking import Masker

MAX_COMPRESSED_BYTES = 1 << 20
"""Bytes of a compressed body above which it is kept empty, rather than decompressed to look for secrets."""


class ResponseMask:
    """The mask of one response. `has_head`: its headers are to be masked too."""

    def __init__(self, masker: Masker, has_head: bool) -> None:
        self._masker, self._masks_headers = masker, has_head
        self._original: bytes | None = None
        self._masked: bytes | None = None
        """What `_original` is without secrets: addons look at one response more than once."""

    @contextmanager
    def masking(self, response: http.Response) -> Iterator[None]:
        """While this lasts, the response is without secrets. Afterwards it is restored, unless it was edited."""
        told = response.data.headers, response.data.content
        self.apply(response)
        headers, content = response.data.headers, response.data.content
        fields = headers.fields
        yield
        if response.data.headers is headers and headers.fields == fields:
            response.data.headers = told[0]
        if response.data.content == content:
            response.data.content = told[1]

    def apply(self, response: http.Response) -> None:
        """Masks the response permanently."""
        data = response.data
        if self._masks_headers:
            sent = tuple(data.headers.items(multi=True))
            clean = self._masker.displayed_headers(sent)
            if clean != sent:
                fields = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in clean]
                data.headers = http.Headers(fields)
        if data.content:
            kept, was_packed = self._without_secrets(response, data.content)
            if was_packed:
                rest = [field for field in data.headers.fields if field[0].lower() != b"content-encoding"]
                data.headers = http.Headers(rest)
            data.content = kept

    def _without_secrets(self, response: http.Response, told: bytes) -> tuple[bytes, bool]:
        """The body to keep, and whether it had to be decompressed for that."""
        if told is self._masked:
            return told, False
        if told is self._original:
            return self._masked or b"", False
        if "content-encoding" not in response.headers:
            self._original, self._masked = told, self._masker.cut_data(told)
            return self._masked, False
        if len(told) > MAX_COMPRESSED_BYTES:
            return b"", True
        plain = response.get_content(strict=False) or b""
        kept = self._masker.cut_data(plain)
        return (told, False) if kept == plain else (kept, True)

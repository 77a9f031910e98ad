"""Content codings, applied piece by piece so that a compressed stream still streams."""

import zlib
from typing import Literal, Protocol

import brotli
import zstandard

Coding = Literal["gzip", "deflate", "br", "zstd"]


class Compressor(Protocol):
    """A running compression."""

    def feed(self, data: bytes) -> bytes:
        """All bytes needed to read `data`: nothing is held back for later."""

    def end(self) -> bytes:
        """The bytes that close the coding."""


class _Zlib:
    def __init__(self, window: int) -> None:
        self._deflate = zlib.compressobj(level=1, wbits=window)

    def feed(self, data: bytes) -> bytes:
        return self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._deflate.flush()


class _Brotli:
    def __init__(self) -> None:
        self._brotli = brotli.Compressor(quality=1)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._brotli.process(data) + self._brotli.flush())

    def end(self) -> bytes:
        return bytes(self._brotli.finish())


class _Zstandard:
    def __init__(self) -> None:
        self._zstandard = zstandard.ZstdCompressor(level=1).compressobj()

    def feed(self, data: bytes) -> bytes:
        return self._zstandard.compress(data) + self._zstandard.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._zstandard.flush()


def compressor(coding: Coding) -> Compressor:
    """A fresh compression in that coding. HTTP's "deflate" is the zlib format, not a bare deflate stream."""
    match coding:
        case "gzip":
            return _Zlib(zlib.MAX_WBITS + 16)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstandard()

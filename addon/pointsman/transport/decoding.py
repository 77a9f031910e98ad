"""Request bodies that clients send compressed, decoded within a limit: what grows beyond it is never held whole."""

import io
import zlib
from collections.abc import Callable

import brotli
import zstandard

CHUNK_BYTES = 64 * 1024
MAX_CODINGS = 3
"""One around the other; each may blow a body up to the limit."""


class UnknownCoding(ValueError):
    """A content coding that this router does not take."""


class BodyTooLarge(ValueError):
    """The decoded body exceeds the limit."""


def decode(body: bytes, codings: str, limit: int) -> bytes:
    """`body` with the codings of its Content-Encoding undone, at most `limit` bytes.

    Raises UnknownCoding, BodyTooLarge, or ValueError where the bytes are not what the header says.
    """
    names = [each.strip().lower() for each in codings.split(",")]
    if len(names) > MAX_CODINGS:
        raise ValueError(f"more than {MAX_CODINGS} content codings")
    for coding in reversed(names):
        if coding not in DECODERS:
            raise UnknownCoding(coding)
        body = DECODERS[coding](body, limit)
    return body


def _inflate(body: bytes, limit: int, wbits: int) -> bytes:
    decoder = zlib.decompressobj(wbits)
    try:
        data = decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(data) > limit:
        raise BodyTooLarge
    if not decoder.eof:
        raise ValueError("the data is truncated")
    if decoder.unused_data:
        raise ValueError("unexpected data follows the end")
    return data


def _gzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, zlib.MAX_WBITS | 16)


def _deflate(body: bytes, limit: int) -> bytes:
    try:
        return _inflate(body, limit, zlib.MAX_WBITS)
    except BodyTooLarge:
        raise
    except ValueError:
        return _inflate(body, limit, -zlib.MAX_WBITS)  # many send the bare stream


def _zstd(body: bytes, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            data = reader.read(limit + 1)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    if len(data) > limit:
        raise BodyTooLarge
    return data


def _brotli(body: bytes, limit: int) -> bytes:
    decoder, data = brotli.Decompressor(), bytearray()
    try:
        piece = decoder.process(body, output_buffer_limit=CHUNK_BYTES)
        while piece and len(data) <= limit:
            data += piece
            piece = b"" if decoder.is_finished() else decoder.process(b"", output_buffer_limit=CHUNK_BYTES)
    except brotli.error as error:
        raise ValueError(str(error)) from None
    if len(data) > limit:
        raise BodyTooLarge
    if not decoder.is_finished():
        raise ValueError("the data is truncated")
    return bytes(data)


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "identity": lambda body, _: body,
    "": lambda body, _: body,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "br": _brotli,
}

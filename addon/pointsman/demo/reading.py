"""Requests off the wire: enough HTTP/1.1 for any client, and an error that names the fault of a malformed one."""

from __future__ import annotations

import asyncio
import re

from pointsman.demo.received_request import ReceivedRequest

HEAD_LIMIT = 1 << 20
"""Bytes a request's head may have."""

_REQUEST_LINE = re.compile(r"([!-~]+) ([!-~]+) (HTTP/1\.[01])")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[^\r\n]*)?\r\n")


class BadRequest(Exception):
    """The peer sent what is no HTTP request; `status` is the answer to that."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_head(reader: asyncio.StreamReader) -> ReceivedRequest | None:
    """The next request, its body still unread; None if the peer closes the connection instead. Raises BadRequest."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest(431, "the head of the request is too large") from error
    request_line, *lines = raw.decode("latin-1").strip("\r\n").split("\r\n")
    parts = _REQUEST_LINE.fullmatch(request_line)
    if parts is None:
        raise BadRequest(400, "the first line is no HTTP/1 request line")
    method, path, version = parts.groups()
    return ReceivedRequest(method, path, [_header(line) for line in lines], version)


async def read_body(reader: asyncio.StreamReader, request: ReceivedRequest) -> bytes:
    """The body of that request. Raises BadRequest, and IncompleteReadError if the peer leaves within it."""
    if (request.header("transfer-encoding") or "").lower() == "chunked":
        return await _read_chunks(reader)
    length = request.header("content-length") or "0"
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(400, "Content-Length is no number")
    return await reader.readexactly(int(length))


def expects_continue(request: ReceivedRequest) -> bool:
    """Does the peer wait for `100 Continue` before it sends the body?"""
    return (request.header("expect") or "").lower() == "100-continue"


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := await _read_chunk_size(reader):
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise BadRequest(400, "a chunk is longer than its size says")
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass
    return bytes(body)


async def _read_chunk_size(reader: asyncio.StreamReader) -> int:
    line = _CHUNK_LINE.fullmatch(await reader.readuntil(b"\r\n"))
    if line is None:
        raise BadRequest(400, "a chunk does not begin with its size")
    return int(line[1], 16)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise BadRequest(400, "a header line is malformed")
    return name, value.strip()

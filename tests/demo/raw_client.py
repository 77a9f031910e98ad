"""Clients for the demo provider's tests: one that minds the protocol, and one that sees every byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from pointsman.demo import Provider


def question(text: str = "hi", stream: bool = False, **fields: Any) -> dict[str, Any]:
    return {"model": "demo", "messages": [{"role": "user", "content": text}], "stream": stream, **fields}


@dataclass(frozen=True)
class Reply:
    """What a client got; `error` is how the body broke off, if it did."""

    status: int
    headers: Any
    body: bytes
    error: Exception | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of the SSE events, parsed where it is JSON; comments are left out."""
        text = self.body.decode().replace("\r\n", "\n").replace("\r", "\n")
        return [_parsed(data) for block in text.split("\n\n") if (data := _data(block))]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The events that are chunks of an answer."""
        return [event for event in self.events if isinstance(event, dict) and "choices" in event]

    @property
    def said(self) -> str:
        """The text of the answer, streamed or not."""
        if "event-stream" not in self.headers["Content-Type"]:
            return self.json["choices"][0]["message"]["content"]
        deltas = [choice["delta"] for event in self.chunks for choice in event["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


async def ask(session: aiohttp.ClientSession, provider: Provider, text: str = "hi", **fields: Any) -> Reply:
    """Posts a question and reads the answer as far as it comes. A failure before its head is raised."""
    url = f"{provider.base_url}/chat/completions"
    async with session.post(url, json=question(text, **fields), allow_redirects=False) as response:
        body = bytearray()
        try:
            async for piece in response.content.iter_any():
                body += piece
        except (aiohttp.ClientError, OSError) as error:
            return Reply(response.status, response.headers, bytes(body), error)
        return Reply(response.status, response.headers, bytes(body))


class RawClient:
    """A bare connection to a provider."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, provider: Provider, tls: ssl.SSLContext | None = None) -> RawClient:
        where = urlsplit(provider.base_url)
        return cls(*await asyncio.open_connection(where.hostname, where.port, ssl=tls, limit=1 << 24))

    def post(self, stream: bool = False, *, extra: str = "", body: bytes | None = None) -> None:
        payload = json.dumps(question(stream=stream)).encode() if body is None else body
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: demo\r\n{extra}Content-Length: {len(payload)}\r\n\r\n"
        self.writer.write(head.encode() + payload)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection; ConnectionResetError if it is reset."""
        return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def dechunk(raw: bytes) -> tuple[list[bytes], bytes]:
    """The chunks of a chunked body, and what follows the last."""
    chunks = []
    while True:
        size, _, raw = raw.partition(b"\r\n")
        if not int(size, 16):
            return chunks, raw
        chunks.append(raw[: int(size, 16)])
        raw = raw[int(size, 16) + 2 :]


def _data(block: str) -> str:
    lines = [line for line in block.split("\n") if line.startswith("data:")]
    return "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines)


def _parsed(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data

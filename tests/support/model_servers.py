"""Servers that list models as Ollama, vLLM and others do, or answer anything else."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson


def listed(*ids: str, owner: str = "library", **more: Any) -> dict[str, Any]:
    """A list in OpenAI's form."""
    return {"object": "list", "data": [{"id": each, "object": "model", "owned_by": owner, **more} for each in ids]}


@asynccontextmanager
async def model_server(
    body: Any, status: int = 200, keys: Iterable[str] = (), health: Any = None
) -> AsyncIterator[int]:
    """Answers every request with `body`, or 401 if it wants one of `keys`; `/healthz` with `health`, if there is one.
    Yields its port.
    """
    accepted = [f"authorization: bearer {key}" for key in keys]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        is_welcome = not accepted or any(each.lower() in head for each in accepted)
        asks_health = health is not None and head.startswith("get /healthz ")
        told = health if asks_health else body
        data = told if isinstance(told, bytes) else orjson.dumps(told)
        answered = 200 if asks_health else status if is_welcome else 401
        line = f"HTTP/1.1 {answered} X\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(line.encode() + data)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]

"""A client of Responses over a WebSocket connection."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

BETA = {"OpenAI-Beta": "responses_websockets=2026-02-06"}
LAST = ("response.completed", "response.incomplete", "response.failed", "error")


class SocketClient:
    """Keeps what is said as Codex does: each turn brings only what is new, and names the answer before it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.last_id: str | None = None

    async def send(self, text: str, **members: Any) -> None:
        message = {"type": "message", "role": "user", "content": text}
        asked = {"type": "response.create", "model": "m", "store": False, "input": [message], **members}
        if self.last_id:
            asked.setdefault("previous_response_id", self.last_id)
        await self.connection.send(json.dumps(asked))

    async def event(self) -> dict[str, Any]:
        found = json.loads(await self.connection.recv())
        assert isinstance(found, dict)
        return found

    async def answer(self) -> list[dict[str, Any]]:
        """The events up to the last one."""
        events = []
        while not events or events[-1]["type"] not in LAST:
            events.append(await self.event())
        if events[-1]["type"] == "response.completed":
            self.last_id = events[-1]["response"]["id"]
        return events

    async def ask(self, text: str, **members: Any) -> list[dict[str, Any]]:
        await self.send(text, **members)
        return await self.answer()

    async def says(self, text: str, **members: Any) -> str:
        """The text of a whole answer."""
        events = await self.ask(text, **members)
        assert events[-1]["type"] == "response.completed", events[-1]
        return said(events)

    async def closed(self) -> tuple[int, str]:
        """Waits for the router to close: its code and reason."""
        with suppress(websockets.ConnectionClosed):
            while True:
                await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


def said(events: list[dict[str, Any]]) -> str:
    return "".join(each["delta"] for each in events if each["type"] == "response.output_text.delta")


@asynccontextmanager
async def socket_to(url: str, **more: Any) -> AsyncIterator[SocketClient]:
    """`url` is the base URL. Raises `websockets.InvalidStatus` where the router refuses."""
    more = {"proxy": None, "max_size": None, "additional_headers": BETA, **more}
    async with connect(f"{url.replace('http', 'ws', 1)}/responses", **more) as connection:
        yield SocketClient(connection)

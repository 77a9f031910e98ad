"""A tap on the line between clients and a router: what clients are told, as the bytes they are."""

import asyncio

from support.relay import Relay


class Tap(Relay):
    """Passes bytes both ways and keeps those that go to clients, heads and framing included."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.heard = bytearray()
        self._more = asyncio.Event()

    async def hears(self, word: bytes, times: int = 1) -> None:
        """Waits until that was told so many times."""
        while self.heard.count(word) < times:
            self._more.clear()
            await self._more.wait()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(1 << 16):
            if sink is client:
                self.heard += data
                self._more.set()
            sink.write(data)
            await sink.drain()

"""A TCP relay between clients and a router that records the bytes the clients receive."""

import asyncio

from support.dropping_relay import DroppingRelay


class RecordingRelay(DroppingRelay):
    """Passes bytes both ways and keeps those that go to clients, heads and framing included."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.received = bytearray()
        self._more = asyncio.Event()

    async def wait_for(self, word: bytes, times: int = 1) -> None:
        """Waits until clients have received that so many times."""
        while self.received.count(word) < times:
            self._more.clear()
            await self._more.wait()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(1 << 16):
            if sink is client:
                self.received += data
                self._more.set()
            sink.write(data)
            await sink.drain()

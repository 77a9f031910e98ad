"""An HTTP/2 server over TLS that gives every request the same answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from support.certificate_authority import CertificateAuthority


@dataclass(frozen=True, slots=True)
class Answer:
    """`pieces` become a frame each. `resets`: the stream is reset after them; `closes`: the connection is closed."""

    pieces: Sequence[bytes]
    status: int = 200
    resets: bool = False
    closes: bool = False


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._h2 = H2Connection(H2Configuration(client_side=False))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, DataReceived) and event.stream_id is not None:
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, StreamEnded) and event.stream_id is not None:
                self._tell(event.stream_id)
        self._transport.write(self._h2.data_to_send())
        if self._answer.closes and self._h2.highest_inbound_stream_id:
            self._transport.close()

    def _tell(self, number: int) -> None:
        answer = self._answer
        self._h2.send_headers(number, [(":status", str(answer.status))])
        for piece in answer.pieces:
            self._h2.send_data(number, piece)
        if answer.resets:
            self._h2.reset_stream(number)
        elif not answer.closes:
            self._h2.end_stream(number)


@asynccontextmanager
async def answering(answer: Answer, authority: CertificateAuthority) -> AsyncIterator[int]:
    """Its port."""
    secure = authority.server()
    secure.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Answering(answer), "127.0.0.1", 0, ssl=secure) as server:
        yield server.sockets[0].getsockname()[1]

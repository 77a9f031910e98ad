"""A client's side of HTTP/2 over TLS, as much of it as the benchmarks need."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RemoteSettingsChanged


class Line(asyncio.Protocol, ABC):
    """One connection; `greeted` is done once its server has said what it allows. What the server says is taken by
    `take`, and whatever comes is made room for again.
    """

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @abstractmethod
    def take(self, event: Event) -> None: ...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._authority = "{}:{}".format(*transport.get_extra_info("peername"))
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionError("no HTTP/2 there"))

    def request(self, body: bytes) -> int:
        """Sends a chat request, and returns its stream's number. `body` is to fit into one frame."""
        number = self._h2.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "https", ":authority": self._authority, ":path": "/v1/chat/completions"}
        fields = {**head, "content-type": "application/json", "content-length": str(len(body))}
        self._h2.send_headers(number, list(fields.items()))
        self._h2.send_data(number, body, end_stream=True)
        self._flush()
        return number

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RemoteSettingsChanged) and not self.greeted.done():
                self.greeted.set_result(None)
            elif isinstance(event, DataReceived) and event.stream_id is not None:
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            self.take(event)
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


async def connect[L: Line](make: Callable[[], L], port: int) -> L:
    """A connection that is ready for requests. Raises OSError."""
    secure = ssl.create_default_context()
    secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
    secure.set_alpn_protocols(["h2"])
    _, line = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port, ssl=secure)
    await line.greeted
    return line

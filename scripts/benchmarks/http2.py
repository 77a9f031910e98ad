"""The client side of HTTP/2 over TLS, as far as the benchmarks need it."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RemoteSettingsChanged


class Connection(asyncio.Protocol, ABC):
    """One connection. `ready` is done when the server's settings have arrived; `on_event` handles what the server
    sends. Received data is acknowledged at once, so the flow-control window stays open.
    """

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @abstractmethod
    def on_event(self, event: Event) -> None: ...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._authority = "{}:{}".format(*transport.get_extra_info("peername"))
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the server does not speak HTTP/2"))

    def request(self, body: bytes) -> int:
        """Sends a chat request and returns its stream id. `body` has to fit into one frame."""
        stream_id = self._h2.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "https", ":authority": self._authority, ":path": "/v1/chat/completions"}
        fields = {**head, "content-type": "application/json", "content-length": str(len(body))}
        self._h2.send_headers(stream_id, list(fields.items()))
        self._h2.send_data(stream_id, body, end_stream=True)
        self._flush()
        return stream_id

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RemoteSettingsChanged) and not self.ready.done():
                self.ready.set_result(None)
            elif isinstance(event, DataReceived) and event.stream_id is not None:
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            self.on_event(event)
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


async def connect[C: Connection](make: Callable[[], C], port: int) -> C:
    """A connection that is ready for requests. Raises OSError."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.set_alpn_protocols(["h2"])
    _, connection = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port, ssl=tls)
    await connection.ready
    return connection

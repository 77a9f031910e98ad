"""The first message of a TLS client, all of which mitmproxy reads again whenever more of it comes.

Inner parts: `ClientTLSLayer.receive_handshake_data` and `on_handshake_error`, its `recv_buffer` and
`client_hello_parsed`, and the class of the layer, which is changed. No switch: these are bounds on what a client may
send.
"""

import asyncio

from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.tls import ClientTLSLayer
from mitmproxy.proxy.server import ConnectionHandler

MAX_HELLO_BYTES = 16 * 1024
"""Bytes. Those of browsers have about two thousand."""
HELLO_TIMEOUT = 30.0
"""Seconds from its first byte to its end."""


class BoundedClientTls(ClientTLSLayer):
    """Ends the connection if the ClientHello is too long. `timer` does so if it takes too long."""

    timer: asyncio.TimerHandle

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        if not self.client_hello_parsed and len(self.recv_buffer) + len(data) > MAX_HELLO_BYTES:
            return False, f"Cannot parse ClientHello: it exceeds {MAX_HELLO_BYTES} bytes."
        outcome = yield from super().receive_handshake_data(data)
        if self.client_hello_parsed:
            self.timer.cancel()
        return outcome

    def on_handshake_error(self, err: str) -> layer.CommandGenerator[None]:
        self.timer.cancel()
        yield from super().on_handshake_error(err)


def limit_client_hello(tls: ClientTLSLayer, handler: ConnectionHandler) -> None:
    """Bounds what its client sends before it has said what it wants."""

    def expired() -> None:
        if handler.client in handler.transports:
            handler.close_connection(handler.client)

    tls.__class__ = BoundedClientTls
    assert isinstance(tls, BoundedClientTls)
    tls.timer = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, expired)

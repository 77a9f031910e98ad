"""Direct writes to a plain HTTP/1 client, for the winner's data between an answer's headers and its end.

Through the layers, a piece of an answer passes five generators to become the same bytes with a length in front. Nothing
there may change it: hooks have run, and the layer writes pieces as they come. So such a piece may be written to the
client's socket at once. Everything else goes through the layers.

Inner parts: `ConnectionHandler.transports` and its writer, and the framing of `Http1Server.send`.
Gain: see "Patches" in docs/measurements.md. Switch: `direct_write`.
"""

from asyncio import StreamWriter

from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import Http1Server, HttpLayer
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.tunnel import TunnelLayer

from pointsman.transport.mitm_patches.switches import switches


def direct_writer(context: Context, server: object, handler: ConnectionHandler) -> StreamWriter | None:
    """Writes to the client as it is; None where TLS, HTTP/2 or a tunnel lies between, or where the switch is off.
    `server` is the client's side of the innermost HTTP layer.
    """
    if not switches().direct_write or not isinstance(server, Http1Server) or context.client.tls:
        return None
    outer = context.layers
    if any(isinstance(layer, TunnelLayer) for layer in outer) or sum(isinstance(each, HttpLayer) for each in outer) > 1:
        return None
    io = handler.transports.get(context.client)
    return io.writer if io and isinstance(io.writer, StreamWriter) else None


LARGE_PIECE = 256 * 1024
"""Bytes from which on a piece is written without being copied."""


def encode_chunk(data: bytes) -> tuple[bytes, ...]:
    """One piece of a chunked body, in parts that follow each other."""
    if len(data) < LARGE_PIECE:
        return (b"%x\r\n%b\r\n" % (len(data), data),)
    return b"%x\r\n" % len(data), data, b"\r\n"

"""The connection to a provider, described as mitmproxy describes those that it makes itself."""

import ssl
import time
from urllib.parse import urlsplit

from mitmproxy.certs import Cert
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.net.server_spec import parse

from pointsman.transport.mitm_patches.light_objects import new_server
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace


def describe_server(url: str, dial: ConnectionTrace) -> Server:
    """For a flow's `server_conn`, so that the connection tab tells the truth about the winner."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    info = dial.transport.get_extra_info if dial.transport is not None else _nothing
    server = new_server(
        address=(host, parts.port or (443 if secure else 80)),
        peername=info("peername"),
        sockname=info("sockname"),
        via=parse(dial.proxy, "http") if dial.proxy else None,
        state=ConnectionState.OPEN,
        timestamp_start=dial.started,
        timestamp_tcp_setup=dial.established,
    )
    if tls := info("ssl_object"):
        _describe_tls(server, tls, host)
    return server


def _nothing(_: str) -> None: ...


def mark_closed(server: Server) -> None:
    """The exchange is over, and with it what this flow shows of the connection."""
    server.state = ConnectionState.CLOSED
    server.timestamp_end = time.time()


def _describe_tls(server: Server, tls: ssl.SSLObject, host: str) -> None:
    server.tls = True
    server.sni = host
    server.timestamp_tls_setup = server.timestamp_tcp_setup
    server.tls_version = tls.version()  # type: ignore[assignment] # the same words
    server.alpn = (tls.selected_alpn_protocol() or "").encode() or None
    if cipher := tls.cipher():
        server.cipher = cipher[0]
    if der := tls.getpeercert(binary_form=True):
        server.certificate_list = [Cert.from_pem(ssl.DER_cert_to_PEM_cert(der).encode())]

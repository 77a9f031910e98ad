"""Which connections are accepted and which are made.

Without a client key, clients must be on this machine. The router never connects to itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import LocalMode, ProxyMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from pointsman.config import Settings
from pointsman.gateway import Gateway
from pointsman.host_names import OWN_HOST, is_loopback_name
from pointsman.transport import entry_mode
from pointsman.transport.credentials import Credentials, mask_proxyauth
from pointsman.transport.own_listeners import ITSELF, cut_off, is_peer_own, leads_here, listening


class ConnectionGuard:
    """A part of the addon: mitmproxy's hooks on connections. It allows everything while there is no gateway."""

    def __init__(self, gateway: Callable[[], Gateway | None]) -> None:
        self._gateway = gateway

    def client_connected(self, client: Client) -> None:
        gateway = self._gateway()
        if gateway is None or gateway.settings.clients:
            return
        if not entry_mode.is_local(client):
            client.error = "Without a client key, only clients on this machine are served."

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        gateway = self._gateway()
        if gateway is None or data.server.error or data.server.address is None:
            return
        host, port, *_ = data.server.address
        if await _leads_here(host, port):
            data.server.error = ITSELF
        elif data.client.id in ctx.master.addons.get("proxyserver").connections:  # else it is a replay
            data.server.error = gateway.admission.forwarding_problem(data.client)

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Checks the address that was connected to: a name may resolve to another one than in `server_connect`."""
        if self._gateway() is not None and data.server.peername and is_own_socket(data.server.peername):
            cut_off(data.client, data.server)

    async def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        """Checks the request's host: an upstream proxy on this machine would connect to this router for any client."""
        if self._gateway() is not None and await _leads_here(flow.request.host, flow.request.port):
            cut_off(flow.client_conn, flow.server_conn)

    def client_disconnected(self, client: Client) -> None:
        if gateway := self._gateway():
            gateway.admission.trusted_connections.pop(client.id, None)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        if gateway := self._gateway():
            Credentials.extract(flow.request, gateway.masker)  # for what it does to the flow
            mask_proxyauth(flow)


async def _leads_here(host: str, port: int) -> bool:
    return host.lower() == OWN_HOST or await leads_here(host, port, listening())


def is_own_socket(peername: tuple[Any, ...]) -> bool:
    return is_peer_own(peername, listening())


def exposure_problem(settings: Settings, modes: Sequence[str], listen_host: str) -> str | None:
    """Why these settings are unsafe: they would serve other machines without a client key. None if they do not."""
    if settings.clients:
        return None
    for spec in modes:
        mode = ProxyMode.parse(spec)
        host = mode.custom_listen_host or listen_host
        if host and not isinstance(mode, LocalMode) and not is_loopback_name(host):
            return (
                f"mode {spec} would accept other machines on {host} without a client key."
                " Set server.client_key (or POINTSMAN_SERVER__CLIENT_KEY), add to clients, or listen on 127.0.0.1."
            )
    return None

"""A real router on real sockets: mitmproxy's own proxy server with the addon, in this process."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyauth import ProxyAuth
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.addons.upstream_auth import UpstreamAuth
from mitmproxy.connection import Address
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons

from pointsman.addon import Pointsman
from pointsman.exchange.engine import Exchange
from pointsman.gateway import Gateway
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.exchange_driver import ExchangeDriver
from support.certificate_authority import CertificateAuthority
from support.settings import write
from support.time_limit import LONGEST


class Watcher:
    """Sees every flow that mitmproxy shows its addons."""

    def __init__(self) -> None:
        self.flows: list[HTTPFlow] = []
        self.ended: list[tuple[str, HTTPFlow]] = []
        self.connects: list[HTTPFlow] = []
        self.dialled: list[Address | None] = []
        """Where mitmproxy itself wanted to connect to: nowhere, for what is routed."""

    def server_connect(self, data: ServerConnectionHookData) -> None:
        self.dialled.append(data.server.address)

    def http_connect(self, flow: HTTPFlow) -> None:
        self.connects.append(flow)

    def requestheaders(self, flow: HTTPFlow) -> None:
        self.flows.append(flow)

    def response(self, flow: HTTPFlow) -> None:
        self.ended.append(("response", flow))

    def error(self, flow: HTTPFlow) -> None:
        self.ended.append(("error", flow))


@dataclass
class Router:
    host: str
    port: int
    addon: Pointsman
    server: Proxyserver
    context: taddons.context
    watcher: Watcher
    confdir: Path
    drivers: list[ExchangeDriver]
    """Of every exchange so far, oldest first."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def gateway(self) -> Gateway:
        assert self.addon.gateway
        return self.addon.gateway

    @property
    def ca(self) -> Path:
        """The certificate that a client of the proxy has to trust."""
        return self.confdir / "mitmproxy-ca-cert.pem"


@asynccontextmanager
async def running(
    folder: Path,
    providers: Mapping[str, Mapping[str, Any]],
    mode: str | Sequence[str] = "regular",
    options: Mapping[str, Any] | None = None,
    addons: Sequence[object] = (),
    **sections: Any,
) -> AsyncIterator[Router]:
    """The router with these providers; ends with every connection and task of it gone. `addons` come after its own.

    With several modes, the first one's address is the router's, and each needs a port of its own (`regular@8080`).
    """
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    path = write(folder, providers, **sections)
    addon, server, watcher = Pointsman(), Proxyserver(), Watcher()
    stock = (ProxyAuth(), server, NextLayer(), TlsConfig(), UpstreamAuth())  # in mitmproxy's own order
    with taddons.context(*stock, addon, watcher, *addons) as context:
        given = {"listen_host": "127.0.0.1", "listen_port": 0, "confdir": str(folder), **(options or {})}
        given.setdefault("pointsman_data", str(folder / "data"))
        if not (folder / "mitmproxy-ca.pem").exists():
            CertificateAuthority(folder, "mitmproxy").for_mitmproxy()
        modes = [mode] if isinstance(mode, str) else list(mode)
        context.configure(server, mode=modes, pointsman_config=str(path), **given)
        assert addon.gateway, "the configuration is at fault"
        assert await server.setup_servers()
        await addon.running()
        assert addon.ready
        await addon.ready
        host, port, *_ = server.listen_addrs()[0]
        try:
            async with asyncio.timeout(LONGEST):  # what waits for something that never comes must fail, not hang
                yield Router(host, port, addon, server, context, watcher, folder, _recorded_drivers(addon.gateway))
        finally:
            await server.servers.update([])
            for connection in list(server.connections.values()):
                if connection.client in connection.transports:
                    connection.close_connection(connection.client)
            while server.connections:
                await asyncio.sleep(0)
            await addon.done()


def _recorded_drivers(gateway: Gateway) -> list[ExchangeDriver]:
    """Grows with every exchange that begins."""
    drivers: list[ExchangeDriver] = []
    conduct = gateway.start_driver

    def recorded(exchange: Exchange, stream: ClientStream) -> ExchangeDriver:
        drivers.append(conduct(exchange, stream))
        return drivers[-1]

    gateway.start_driver = recorded  # type: ignore[method-assign]
    return drivers

"""How a request arrives: mitmproxy's modes, read as admission's `EntryMode`."""

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import LocalMode, RegularMode, ReverseMode, Socks5Mode, UpstreamMode

from pointsman.admission import ALL_KINDS, EntryMode, Kinds, RequestHead
from pointsman.client_host import ClientHost, named_host
from pointsman.host_names import OWN_HOST, is_address, is_loopback_name
from pointsman.transport.header_map import header_map
from pointsman.transport.own_listeners import Address, is_own, spelled_ip

FORWARD_MODES = (RegularMode, UpstreamMode, Socks5Mode)
"""The modes in which the client names the destination."""


def request_head(
    request: http.Request,
    context: Context,
    mode: HTTPMode,
    listening: Callable[[], Iterable[Address]],
    tunnel_client: str | None,
    local: bool,
    proxyauth: bool = False,
    kinds: Kinds = ALL_KINDS,
) -> RequestHead:
    """Read before the stock code fills in the destination: in origin form a request at our own door has no host yet.
    `listening` tells the router's own sockets, where the destination has to be compared with them.
    """
    entry_mode, host = _entry_mode(request, context, mode, listening)
    return RequestHead(
        entry_mode=entry_mode,
        method=request.method,
        path=request.path,
        host=host,
        headers=header_map(request.headers),
        local=local,
        tunnel_client=tunnel_client,
        is_exempt=proxyauth or not is_forward_proxy(context.client),
        client_host=client_host(request, context.client),
        kinds=kinds,
    )


def client_host(request: http.Request, client: Client) -> ClientHost:
    """The host that the client named. Read before the stock code puts the reverse target's name in its place."""
    mode = client.proxy_mode
    target = mode.address[0] if isinstance(mode, ReverseMode) else ""
    return named_host(request.http_version, request.authority, tuple(request.headers.get_all("host")), target)


def _entry_mode(
    request: http.Request, context: Context, mode: HTTPMode, listening: Callable[[], Iterable[Address]]
) -> tuple[EntryMode, str]:
    if isinstance(context.client.proxy_mode, ReverseMode):
        return EntryMode.REVERSE, ""
    if mode is not HTTPMode.transparent and not request.host:
        return EntryMode.OWN, ""
    sockets = [(name, ours) for name, ours, *_ in listening()]
    if mode is not HTTPMode.transparent or context.server.address is None:
        host, port = request.host, request.port
    else:
        host, port = context.server.address[:2]
        if is_address(host) and not is_ours(host, port, sockets):
            # All that transparent and local mode know; the name is in TLS or HTTP.
            host = context.client.sni or request.pretty_host or host
    return (EntryMode.OWN, "") if is_ours(host, port, sockets) else (EntryMode.PROXY, host)


def is_ours(host: str, port: int, sockets: Iterable[Address]) -> bool:
    """A destination is the router itself, by its own name or an address of it in whatever spelling."""
    name = host.lower().removesuffix(".")
    if name == OWN_HOST:
        return True
    rivals = [(bound, ours) for bound, ours in sockets if ours == port]
    if not rivals:
        return False
    ip = spelled_ip(host)
    return is_loopback_name(name) if ip is None else ip.is_loopback or is_own(ip, port, rivals)


def is_forward_proxy(client: Client) -> bool:
    """The client came in where `server.forward` applies."""
    return isinstance(client.proxy_mode, FORWARD_MODES)


def is_local(client: Client) -> bool:
    """The client runs on this machine."""
    return isinstance(client.proxy_mode, LocalMode) or _is_loopback(client.peername[0])


@lru_cache(maxsize=1024)
def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback

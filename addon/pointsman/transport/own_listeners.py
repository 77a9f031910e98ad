"""Which destinations lead back to this router, in every spelling.

A connection from the router to itself would come from this machine, no matter which client asked for it. So none is
made: what a destination spells is compared before dialling, what a name resolves to as well, and at last the address
that the connection really has, before anything is sent.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from mitmproxy import ctx
from mitmproxy.connection import Client, Server
from mitmproxy.utils import human

logger = logging.getLogger(__name__)

ITSELF = "this is the router's own address, which it never connects to."

type Address = tuple[str, int]
type IP = IPv4Address | IPv6Address


def listening() -> list[Address]:
    """Host and port of every socket that mitmproxy listens on, in whatever mode."""
    return [(host, port) for host, port, *_ in ctx.master.addons.get("proxyserver").listen_addrs()]


def spelled_ip(host: str) -> IP | None:
    """The address that a host spells: `127.1`, `2130706433`, `0x7f000001` and `::ffff:7f00:1` are all 127.0.0.1. None
    for a name.
    """
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return _classic(host)
    return getattr(found, "ipv4_mapped", None) or found


def _classic(host: str) -> IPv4Address | None:
    """The spellings that only the system's resolver knows."""
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_own(ip: IP, port: int, sockets: Iterable[Address]) -> bool:
    """A connection to that address arrives at one of these listening sockets."""
    return any(port == ours and _arrives(ip, spelled_ip(host)) for host, ours in sockets)


def _arrives(ip: IP, bound: IP | None) -> bool:
    if bound is None or ip.is_unspecified:  # what connects to 0.0.0.0 or :: stays on this machine
        return True
    return is_of_this_machine(ip) if bound.is_unspecified else ip.packed == bound.packed  # in any zone


def is_of_this_machine(ip: IP) -> bool:
    """One of its interfaces has this address, or it is a loopback address: only such can be bound to."""
    if ip.is_loopback or ip.is_unspecified:
        return True
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            str(ip), 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


async def leads_here(host: str, port: int, sockets: Iterable[Address]) -> bool:
    """A destination is one of these listening sockets. Names are resolved, but only if the port is one of theirs."""
    rivals = [(each, ours) for each, ours in sockets if ours == port]
    if not rivals:
        return False
    if (ip := spelled_ip(host)) is not None:
        return is_own(ip, port, rivals)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # nothing can be dialled
    return any(is_peer_own(address, rivals) for *_, address in found)


def is_peer_own(peername: tuple[object, ...], sockets: Iterable[Address]) -> bool:
    """The far end of a connection, as its socket tells it, is one of these listening sockets."""
    ip = spelled_ip(str(peername[0]))
    return ip is not None and is_own(ip, int(str(peername[1])), sockets)


def cut_off(client: Client, server: Server) -> None:
    """End a connection that was made for a client. What is written to it from now on is lost."""
    logger.warning(f"Pointsman: a connection to {human.format_address(server.peername)} was cut off: {ITSELF}")
    handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
    stream = handler.transports[server].writer if handler and server in handler.transports else None
    if isinstance(stream, asyncio.StreamWriter):
        stream.transport.abort()

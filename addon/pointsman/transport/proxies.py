"""Which proxy a provider is reached through: its own setting, mitmproxy's upstream mode, or the environment's.

The environment is read as curl and Python do: `https_proxy` before `HTTPS_PROXY` for providers behind TLS, `http_proxy`
and `HTTP_PROXY` for others, and `no_proxy` for the exceptions. Providers on this machine are always reached directly.
"""

import logging
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from typing import Self
from urllib.parse import unquote, urlsplit

from pointsman.domain.proxy_url import DIRECT, checked_proxy_url
from pointsman.transport.own_listeners import spelled_ip

logger = logging.getLogger(__name__)

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """`url` has no credential; `auth` is the value of `Proxy-Authorization`, None where the proxy needs none."""

    url: str
    auth: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Of a URL that may hold a user name and a password, which `checked_proxy_url` has accepted."""
        parts = urlsplit(url)
        credential, at, place = parts.netloc.rpartition("@")
        auth = f"Basic {b64encode(unquote(credential).encode()).decode()}" if at else None
        return cls(f"{parts.scheme}://{place}", auth)


@dataclass(frozen=True, slots=True)
class EnvironmentProxies:
    """`exempt` are the patterns of NO_PROXY."""

    http: Proxy | None = None
    https: Proxy | None = None
    exempt: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self:
        """A variable that names no HTTP proxy is ignored with a warning."""
        exempt = (_variable(env, "no_proxy")[1]).replace(",", " ").lower().split()
        return cls(_proxy_in(env, "http_proxy"), _proxy_in(env, "https_proxy"), tuple(exempt))

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        proxy = self.https if scheme == "https" else self.http
        return None if proxy is None or any(_is_match(each, host, port) for each in self.exempt) else proxy


def environment_passwords(env: Mapping[str, str]) -> Iterator[str]:
    """The passwords of the environment's proxies, for masking."""
    for name in ("http_proxy", "https_proxy"):
        with suppress(ValueError):
            yield from proxy_passwords(checked_proxy_url(_variable(env, name)[1]))


def proxy_passwords(url: str) -> Iterator[str]:
    """The password in a proxy's URL, as it is and as it is written there."""
    with suppress(ValueError):
        if password := urlsplit(url).password:
            yield from {password, unquote(password)}


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 80)


def is_on_this_machine(host: str) -> bool:
    """A loopback address in any spelling, or a name that always means one."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    ip = spelled_ip(host)
    return ip is not None and (ip.is_loopback or ip.is_unspecified)


def _variable(env: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable that counts, and its value: lower case first, even if it is empty."""
    found = name if name in env else name.upper()
    return found, env.get(found, "").strip()


def _proxy_in(env: Mapping[str, str], name: str) -> Proxy | None:
    variable, value = _variable(env, name)
    if not value:
        return None
    try:
        url = checked_proxy_url(value if "://" in value else f"http://{value}")
    except ValueError as error:
        _warn_once(f"Pointsman: {variable} is ignored: it {error}.")
        return None
    return None if url == DIRECT else Proxy.from_url(url)


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)


def _is_match(pattern: str, host: str, port: int) -> bool:
    """`*`, an address, a network (`10.0.0.0/8`), or a host with everything below it (`example.com`, `.example.com`,
    `*.example.com`); each but the first may end in a port.
    """
    if pattern == "*":
        return True
    ip = spelled_ip(host)
    if "/" in pattern:
        with suppress(ValueError):
            return ip is not None and ip in ip_network(pattern, strict=False)
        return False
    if spelled_ip(pattern) is not None:
        return ip == spelled_ip(pattern)
    name, colon, wanted = pattern.rpartition(":")
    if colon and wanted.isdecimal():
        return int(wanted) == port and _is_match(name, host, port)
    name = pattern.removeprefix("*").removeprefix(".").rstrip(".")
    host = host.rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))

"""The host that a client named: `Host` of HTTP/1, `:authority` of HTTP/2, or the one in an absolute request line.

A browser sends the name that it looked up, so this name tells a page whose name was made to point here (DNS rebinding)
from one of this machine. Chat paths and own pages are judged by the same one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

AUTHORITY_PATTERN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/\\@?#,:\[\]]+)(?::([0-9]{0,5}))?")
"""A name or an address, and perhaps a port. No user name, which would hide the real name from a careless reader."""
MISSING_MESSAGE = "The request names no host: HTTP/1.1 requires the header Host."
AMBIGUOUS_MESSAGE = "The request names its host in two ways; send one Host."
MALFORMED_MESSAGE = "The request's Host is not a host name or an address with an optional port."


@dataclass(frozen=True, slots=True)
class ClientHost:
    """`authority` is as it was sent, in lower case: `router.example:8080`. It is empty if the client named no host."""

    authority: str = ""
    fault: str = ""
    """Why a request with this host cannot be served; empty if it can."""
    is_target: bool = False
    """It is the name of the server that mitmproxy's reverse mode stands for."""

    @property
    def name(self) -> str:
        """Without the port, without brackets and without the dot that may end a full name."""
        return self._parts()[0].strip("[]").removesuffix(".")

    @property
    def port(self) -> int | None:
        return int(port) if (port := self._parts()[1]) else None

    def _parts(self) -> tuple[str, str]:
        found = AUTHORITY_PATTERN.fullmatch(self.authority)
        return (found[1], found[2] or "") if found else ("", "")


NO_HOST = ClientHost()


@lru_cache(maxsize=256)  # a client names the same host each time
def named_host(version: str, authority: str, hosts: tuple[str, ...], target: str = "") -> ClientHost:
    """`version` is the request's, such as `HTTP/1.1`; `authority` is `:authority` or that of an absolute request line,
    `hosts` are all its `Host` headers; `target` is the host name that reverse mode stands for.

    >>> named_host("HTTP/1.1", "", ("localhost:8080",)).name
    'localhost'
    """
    given = [host.strip().lower() for host in hosts]
    authority = authority.strip().lower()
    if version == "HTTP/1.1" and not given:
        return ClientHost(fault=MISSING_MESSAGE)
    if len(given) > 1 or (version.startswith("HTTP/2") and authority and given and given[0] != authority):
        return ClientHost(fault=AMBIGUOUS_MESSAGE)
    chosen = authority or "".join(given)  # an absolute request line counts more than Host, RFC 9112
    if chosen and not AUTHORITY_PATTERN.fullmatch(chosen):
        return ClientHost(fault=MALFORMED_MESSAGE)
    named = ClientHost(chosen)
    return ClientHost(chosen, is_target=bool(target) and named.name == target.lower())

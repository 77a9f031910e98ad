"""Names and addresses of hosts: which of them can only mean this machine."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

OWN_HOST = "pointsman.local"
"""The host name that leads a proxy's client to our own pages."""
MAX_URL = 1024
"""Characters of an origin or a host that are worth reading: accents cost the square of their number."""


def host_of(url: str) -> str:
    """The host that a URL names, in lower case; empty if it names none. Never raises."""
    if len(url) > MAX_URL:
        return ""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=256)
def is_loopback_name(host: str) -> bool:
    """A name or address that can only mean this machine."""
    host = host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def is_address(host: str) -> bool:
    """An IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

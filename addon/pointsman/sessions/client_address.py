"""The address of a client, as sessions are scoped by it."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=1024)
def normalized_address(address: str) -> str:
    """One spelling for one peer: an IPv6 peer by its /64, a v4-mapped address as the v4 one. Empty if it is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)

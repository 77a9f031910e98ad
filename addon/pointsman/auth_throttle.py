"""Throttling of wrong keys: an address that sends too many is refused for a while."""

import ipaddress
from collections import deque

from cachetools import TTLCache

from pointsman.domain.clock import ManualClock
from pointsman.wire.errors import Code, Problem

MAX_WRONG_KEYS = 10
"""Wrong keys within `WINDOW` seconds that an address may send."""
WINDOW = 60.0
WRONG_KEY = (Code.INVALID_API_KEY, Code.PROXY_AUTH_REQUIRED)
MAX_ADDRESSES = 1000
"""Addresses remembered; the one heard of longest ago goes first."""


class AuthThrottle:
    """Times are seconds on one steady clock."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._failures: TTLCache[str, deque[float]] = TTLCache(MAX_ADDRESSES, WINDOW, self._clock)
        """The last MAX_WRONG_KEYS times of each address."""

    def __len__(self) -> int:
        return len(self._failures)

    def wait_seconds(self, address: str, now: float) -> float | None:
        """Seconds until the address is listened to again; None if it is."""
        self._clock.set(now)
        times = self._failures.get(_network_of(address))
        if times is None or len(times) < MAX_WRONG_KEYS or times[0] + WINDOW <= now:
            return None
        return times[0] + WINDOW - now

    def record_failure(self, address: str, now: float) -> None:
        """The address has sent a key that is none."""
        self._clock.set(now)
        holder = _network_of(address)
        times = self._failures.get(holder) or deque(maxlen=MAX_WRONG_KEYS)
        times.append(now)
        self._failures[holder] = times  # lives for WINDOW from now


def too_many_attempts(wait: float) -> Problem:
    return Problem(Code.RATE_LIMITED, "Too many wrong keys from this address; try again later.", retry_after=wait)


def check_throttle(
    throttle: AuthThrottle, problem: Problem | None, address: str, local: bool, now: float
) -> Problem | None:
    """What to tell a client that sent a key; `problem` is what is wrong with the key. Clients on this machine share
    one address: the wrong key of one does not lock out the others.
    """
    wait = throttle.wait_seconds(address, now)
    if wait is not None and (problem or not local):
        return too_many_attempts(wait)
    if problem is not None and problem.code in WRONG_KEY:
        throttle.record_failure(address, now)
    return problem


def _network_of(address: str) -> str:
    """A client with one IPv6 address has all those of its network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found), 64), strict=False))

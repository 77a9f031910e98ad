"""Wrong keys: whoever sends too many is not listened to for a while."""

import ipaddress
from collections import OrderedDict, deque

from pointsman.wire.errors import Code, Problem

FEW = 10
"""Wrong keys within `WITHIN` seconds that an address may send."""
WITHIN = 60.0
WRONG_KEY = (Code.INVALID_API_KEY, Code.PROXY_AUTH_REQUIRED)
MOST = 1000
"""Addresses remembered; the one heard of longest ago goes first."""


class Guesses:
    """Times are seconds on one steady clock."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()  # at most MOST, each with FEW times of WITHIN

    def __len__(self) -> int:
        return len(self._wrong)

    def wait(self, address: str, now: float) -> float | None:
        """Seconds until the address is listened to again; None if it is."""
        times = self._wrong.get(_holder(address))
        if times is None or len(times) < FEW or times[0] + WITHIN <= now:
            return None
        return times[0] + WITHIN - now

    def wrong(self, address: str, now: float) -> None:
        """The address has sent a key that is none."""
        holder = _holder(address)
        self._wrong.setdefault(holder, deque(maxlen=FEW)).append(now)
        self._wrong.move_to_end(holder)
        while len(self._wrong) > MOST or next(iter(self._wrong.values()))[-1] + WITHIN <= now:
            self._wrong.popitem(last=False)


def too_many(wait: float) -> Problem:
    return Problem(Code.RATE_LIMITED, "Too many wrong keys came from this address; wait.", retry_after=wait)


def weighed(guesses: Guesses, problem: Problem | None, address: str, local: bool, now: float) -> Problem | None:
    """What to tell a client that sent a key; `problem` is what is wrong with the key. Clients on this machine share
    one address: the wrong key of one does not lock out the others.
    """
    wait = guesses.wait(address, now)
    if wait is not None and (problem or not local):
        return too_many(wait)
    if problem is not None and problem.code in WRONG_KEY:
        guesses.wrong(address, now)
    return problem


def _holder(address: str) -> str:
    """Whoever has one IPv6 address has all those of its network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found), 64), strict=False))

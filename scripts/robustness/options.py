"""Options that requests name, in headers or in `metadata`, and whether the router keeps to them. It uses none
of the router's code.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from robustness.faults import FAULTY, STEADY
from robustness.requests import ChatRequest, Dialect

SHARE = 0.25
"""Of the requests that name an option."""
TIMEOUTS, WAITS = (2.0, 4.0), (1.0, 3.0)
"""Seconds."""
LEASE_WAIT = 0.25
"""Seconds that a retry may wait for a part of a limit that routers share, unless its request may not wait."""
LATE = 5.0
"""Seconds by which a busy machine may be late."""
RACES = frozenset({"hedge_triggered", "hedge_winner", "hedge_loser_cancelled"})


@dataclass(frozen=True, slots=True)
class Options:
    """What one request asks for. `timeout` and `max_wait` are in seconds; 0: it may not wait."""

    providers: tuple[str, ...] = ()
    """The only ones that may be asked; empty: any."""
    fallback: bool = True
    hedge: bool = True
    recover: bool = True
    timeout: float | None = None
    max_wait: float | None = None
    in_body: bool = False

    def members(self) -> Mapping[str, str]:
        """The headers, or the members of `metadata`."""
        wait = self.max_wait
        given = {
            "X-Pointsman-Provider": ", ".join(self.providers),
            "X-Pointsman-Fallback": "" if self.fallback else "off",
            "X-Pointsman-Hedge": "" if self.hedge else "off",
            "X-Pointsman-Recover": "" if self.recover else "off",
            "X-Pointsman-Timeout": f"{self.timeout:g}s" if self.timeout else "",
            "X-Pointsman-Max-Wait": "" if wait is None else f"{wait:g}s" if wait else "off",
        }
        return {name: value for name, value in given.items() if value}

    def violations(self, record: Mapping[str, Any], is_answered: bool, shares_limits: bool = False) -> Iterator[str]:
        """What in the record of an exchange goes against them. `shares_limits`: several routers do."""
        attempts = record["attempts"]
        asked = {each["provider"] for each in attempts}
        if self.providers and asked - {*self.providers}:
            yield f"{sorted(asked)} were asked, only {self.providers} may be"
        if not self.fallback and len({each["n"] for each in attempts if "continues" not in each}) > 1:
            yield "several attempts without fallback"
        if not self.hedge and any(each["outcome"] in RACES for each in attempts):
            yield "a race, although the request refuses that"
        if not self.recover and any("continues" in each for each in attempts):
            yield "the answer went on, although the request refuses that"
        if self.timeout and not is_answered and record["ended_ms"] > (self.timeout + LATE) * 1000:
            yield f"no answer, and no end for {record['ended_ms']:.0f} ms, with a timeout of {self.timeout:g} s"
        may_wait = self.max_wait if self.max_wait is not None else LEASE_WAIT * shares_limits
        if record.get("waited_ms", 0) > (may_wait + LATE * bool(may_wait)) * 1000:
            yield f"waited {record['waited_ms']:.0f} ms, with a longest wait of {may_wait:g} s"


def options_of(request: ChatRequest) -> Options:
    """Decided by seed and number. The last round has none."""
    chance = random.Random(f"{request.seed}/{request.n}/options")
    if request.is_last or chance.random() >= SHARE:
        return Options()
    names = FAULTY + ((STEADY,) if request.is_safe else ())
    return Options(
        providers=tuple(chance.sample(names, 3)) if chance.random() < 0.4 else (),
        fallback=chance.random() > 0.15,
        hedge=chance.random() > 0.3,
        recover=chance.random() > 0.3,
        timeout=chance.choice(TIMEOUTS) if chance.random() < 0.2 else None,
        max_wait=chance.choice((0.0, *WAITS)) if chance.random() < 0.4 else None,
        in_body=chance.random() < 0.4 and request.dialect is not Dialect.GEMINI,
    )

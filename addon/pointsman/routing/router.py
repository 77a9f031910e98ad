"""The owner of everything that exchanges share: the inventory in force, and what they have taught."""

import ipaddress
from urllib.parse import urlsplit

from pointsman.config import Settings
from pointsman.config.words import Dialect
from pointsman.routing.cooldowns import LONG, NEAR, Cooldowns, within_bounds
from pointsman.routing.failures import LESSONS, Cool, Failure
from pointsman.routing.limits import DAY, Limits
from pointsman.routing.plan import Plan
from pointsman.routing.resolve import resolve, unaliased
from pointsman.routing.targets import Candidate, Inventory, Target
from pointsman.sessions.desk import Desk
from pointsman.sessions.digests import Digests
from pointsman.sessions.keys import Caller
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Fault


class Router:
    """Asked synchronously by every exchange.

    A reload replaces the settings; plans already made keep the inventory they were made with.
    """

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self.settings = settings
        self.inventory = Inventory.of(settings)
        self.sessions = Desk(settings, Digests(secret))
        self.cooldowns = Cooldowns(settings.cooldowns)
        self.limits = Limits()

    def replace(self, settings: Settings, now: float) -> dict[str, int]:
        """Returns the providers that can no longer be routed to, and how many pins each one has lost."""
        before = self.inventory.routable()
        self.settings = settings
        self.inventory = Inventory.of(settings)
        self.sessions.replace(settings, now)
        self.cooldowns.durations = settings.cooldowns
        self.cooldowns.keep_only(self.inventory.by_label, self.inventory.key_names())
        self.limits.keep_only(self.inventory.by_label)
        return self.sessions.purge(before - self.inventory.routable())

    def plan(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float) -> Plan:
        """Raises Problem (model_not_found)."""
        settings = self.settings
        resolution = resolve(facts.model, settings, self.inventory)
        ticket = self.sessions.ticket(caller.asking_for(unaliased(facts.model, settings)), resolution.mode, now)
        return Plan(resolution, facts, dialect, self.inventory, ticket, self)

    def learn(
        self, candidate: Candidate, failure: Failure, fault: Fault, has_untried_key: bool, wall: float, now: float
    ) -> None:
        """What a failure means for everyone; `wall` is what the clock on the wall shows at `now`."""
        label, name, stated = candidate.target.label, candidate.name, fault.retry_after
        match LESSONS[failure].cool:
            case Cool.NOTHING:
                pass
            case Cool.TARGET:
                self._cool_transient(candidate.target, fault, now)
            case Cool.TARGET_BY_ALL_KEYS:
                if not has_untried_key:
                    self._cool_transient(candidate.target, fault, now)
            case Cool.TARGET_LONG:
                self.cooldowns.cool_target(label, failure, LONG, now)
            case Cool.KEY_RATE:
                self.cooldowns.cool_rate_limited(name, stated, now)
            case Cool.KEY_DAY:
                self.cooldowns.cool_quota(name, stated, DAY - wall % DAY, now)
            case Cool.KEY_INVALID:
                self.cooldowns.cool_invalid(name, now)

    def _cool_transient(self, target: Target, fault: Fault, now: float) -> None:
        seconds = self.cooldowns.durations.transient
        if is_near(target.provider.base_url):
            seconds = min(seconds, NEAR)
        if fault.retry_after is not None:
            seconds = within_bounds(fault.retry_after)
        self.cooldowns.cool_target(target.label, fault.label, seconds, now)


def is_near(base_url: str) -> bool:
    """The provider is on this machine or in a private network."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback

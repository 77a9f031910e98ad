"""The owner of everything that exchanges share: the inventory in force, and what they have taught."""

from pointsman.config import Settings
from pointsman.config.words import Dialect
from pointsman.routing.plan import Plan
from pointsman.routing.resolve import resolve
from pointsman.routing.targets import Inventory
from pointsman.sessions.desk import Desk
from pointsman.sessions.digests import Digests
from pointsman.sessions.keys import Caller
from pointsman.wire.facts import RequestFacts


class Router:
    """Asked synchronously by every exchange.

    A reload replaces the settings; plans already made keep the inventory they were made with.
    """

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self.settings = settings
        self.inventory = Inventory.of(settings)
        self.sessions = Desk(settings, Digests(secret))

    def replace(self, settings: Settings, now: float) -> dict[str, int]:
        """Returns the providers that can no longer be routed to, and how many pins each one has lost."""
        before = self.inventory.routable()
        self.settings = settings
        self.inventory = Inventory.of(settings)
        self.sessions.replace(settings, now)
        return self.sessions.purge(before - self.inventory.routable())

    def plan(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: float) -> Plan:
        """Raises Problem (model_not_found)."""
        resolution = resolve(facts.model, self.settings, self.inventory)
        ticket = self.sessions.ticket(caller.asking_for(resolution.name), resolution.mode, now)
        return Plan(resolution, facts, dialect, self.inventory, ticket, self.sessions)

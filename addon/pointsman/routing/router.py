"""The owner of everything routing shares between exchanges: the inventory in force, and what the exchanges have
taught.
"""

from pointsman.config import Settings
from pointsman.config.words import Dialect
from pointsman.routing.plan import Plan
from pointsman.routing.resolve import resolve
from pointsman.routing.targets import Inventory
from pointsman.wire.facts import RequestFacts


class Router:
    """Asked synchronously by every exchange. A reload replaces the settings; plans already made keep the inventory
    they were made with.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inventory = Inventory.of(settings)

    def replace(self, settings: Settings) -> None:
        self.settings = settings
        self.inventory = Inventory.of(settings)

    def plan(self, facts: RequestFacts, dialect: Dialect) -> Plan:
        """Raises Problem (model_not_found)."""
        resolution = resolve(facts.model, self.settings, self.inventory)
        return Plan(resolution, facts, dialect, self.inventory)

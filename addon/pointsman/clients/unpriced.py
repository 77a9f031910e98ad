"""Clients whose budgets in dollars do not count everything that they may use."""

from collections.abc import Iterator, Mapping

from pointsman.clients.access import AccessTable
from pointsman.config.clients import ClientSettings
from pointsman.domain.targets import Inventory

MAX_NAMED = 5
"""Targets that a warning names."""


def unpriced_warnings(clients: Mapping[str, ClientSettings], inventory: Inventory) -> Iterator[str]:
    """One for each client with a budget in dollars that may use models without a known price."""
    unpriced = [each for each in inventory.targets if each.enabled and each.rates.get(each.model.id) is None]
    access = AccessTable(clients)
    for name, client in clients.items():
        if client.disabled or all(budget.usd is None for budget in client.budgets):
            continue
        allowed = access.of(name)
        labels = [each.label for each in unpriced if allowed is None or allowed.allows_target(each)]
        if labels:
            more = f" and {len(labels) - MAX_NAMED} more" if len(labels) > MAX_NAMED else ""
            yield (
                f"clients.{name}: its budget in usd does not count {', '.join(labels[:MAX_NAMED])}{more}, whose price"
                " is not known; write it under the provider's `prices`, or add a budget in tokens"
            )

"""The one owner of what is known of clients: their accounts and their limits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pointsman.clients.budgets import Account, Ledger, Window, limit_of
from pointsman.clients.limits import RequestLimits, Slot
from pointsman.config import Settings
from pointsman.config.clients import Budget, ClientSettings
from pointsman.prices.rates import dollars
from pointsman.wire.errors import Code, Problem

LOW = 0.8
"""The part of a budget that is spent or reserved from which on answers say what is left."""


@dataclass(slots=True, eq=False)
class RunningRequest:
    """One request of a client, from its admission to its end."""

    account: Account
    settings: ClientSettings
    """Those in force when it began."""
    _slot: Slot
    used_tokens: int = 0

    def end(self) -> None:
        """In every ending; what comes later changes nothing."""
        self._slot.end(self.used_tokens)


class Clients:
    """Asked synchronously on the event loop. `wall` is Unix time, `now` a steady clock."""

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger()
        self.limits = RequestLimits()
        self._settings: dict[str, ClientSettings] = {}
        self.update_settings(settings)

    def update_settings(self, settings: Settings) -> None:
        """What is spent, reserved and running stays as it is."""
        self._settings = dict(settings.clients)
        self.ledger.update_settings({name: each.budgets for name, each in self._settings.items()})
        self.limits.keep_only(self._settings)

    def begin(self, client: str, tokens: int, now: float, wall: float) -> RunningRequest | None:
        """A request of about so many tokens, which must be ended. None for a client that a reload has removed. Raises
        Problem (rate_limited).
        """
        settings = self._settings.get(client)
        if settings is None:
            return None
        slot = self.limits.begin(client, settings.limits, tokens, now)
        if not isinstance(slot, Slot):
            message = f"The client {client} has reached its limit of {_LIMITED[slot.name](slot.limit)}."
            raise Problem(Code.RATE_LIMITED, message, retry_after=slot.wait)
        account = self.ledger[client]
        account.count_request(wall)
        return RunningRequest(account, settings, slot)

    def to_dicts(self, wall: float) -> dict[str, dict[str, Any]]:
        """By the name of each client, in plain JSON types: its totals, its budgets and its limits."""
        return {name: self._to_dict(name, each, wall) for name, each in self._settings.items()}

    def _to_dict(self, name: str, settings: ClientSettings, wall: float) -> dict[str, Any]:
        account = self.ledger[name]
        totals = account.totals
        return {
            "name": name,
            "requests": totals.requests,
            "running": self.limits.running(name),
            "usage": totals.usage.to_dict(),
            "cost_usd": dollars(totals.cost),
            "unpriced": totals.unpriced,
            "budgets": [_budget_dict(budget, account.window(budget, wall)) for budget in settings.budgets],
            "limits": settings.limits.model_dump(),
            "last_used": totals.last_used or None,
        }


_LIMITED: dict[str, Callable[[int], str]] = {
    "rpm": lambda limit: f"{limit} requests a minute",
    "tpm": lambda limit: f"{limit} tokens a minute",
    "concurrency": lambda limit: f"{limit} requests at once",
}


def amount_text(budget: Budget, amount: int) -> str:
    """Dollars as plain decimals, tokens as such."""
    if budget.tokens is not None:
        return str(amount)
    return f"-{dollars(-amount)}" if amount < 0 else str(dollars(amount))


def left_text(account: Account, wall: float) -> str:
    """What is left of the budgets that are mostly used, as the header `X-Budget-Left` has it: `0.84 usd, 1200 tokens`;
    `0.84` where it is money alone; empty while there is much. Of several budgets in one unit, the one with least.
    """
    least: dict[bool, tuple[int, Budget]] = {}
    for budget in account.budgets:
        limit, used = limit_of(budget), account.window(budget, wall).used(budget)
        if used >= LOW * limit:
            unit = budget.tokens is not None
            least[unit] = min(least.get(unit, (limit - used, budget)), (limit - used, budget), key=lambda each: each[0])
    money = [amount_text(budget, left) for is_tokens, (left, budget) in least.items() if not is_tokens]
    tokens = [f"{left} tokens" for is_tokens, (left, _) in least.items() if is_tokens]
    return ", ".join([*(f"{each} usd" for each in money), *tokens]) if tokens else "".join(money)


def _budget_dict(budget: Budget, window: Window) -> dict[str, Any]:
    limit, spent = limit_of(budget), window.spent(budget)
    is_money, reserved = budget.tokens is None, window.used(budget) - spent
    unit = "usd" if is_money else "tokens"

    def told(amount: int) -> str | int:
        return amount_text(budget, amount) if is_money else amount

    return {
        unit: told(limit),
        "per": budget.per.value,
        "zone": budget.zone,
        "spent": told(spent),
        "reserved": told(reserved),
        "left": told(limit - spent - reserved),
        "resets": window.end,
    }

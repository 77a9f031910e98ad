"""The one owner of what is known of clients: their accounts and their limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pointsman.clients.access import EVERYTHING, MAX_SHOWN
from pointsman.clients.budgets import Account, BudgetLine, ExpectedTokens, Ledger
from pointsman.clients.limits import LimitReached, RequestLimits, Slot
from pointsman.config import Settings
from pointsman.config.clients import NANO, ClientSettings
from pointsman.prices.rates import dollars
from pointsman.wire.errors import Code, Problem

LAST_PART = 5
"""Answers say what is left of a budget once that is at most a fifth of it."""
LIMITED = {"rpm": "requests a minute", "tpm": "tokens a minute", "concurrency": "requests at once"}
"""What each limit counts."""


@dataclass(slots=True, eq=False)
class RunningRequest:
    """One request of a client, from its admission to its end."""

    account: Account
    settings: ClientSettings
    """Those in force when it began."""
    estimate: ExpectedTokens
    _slot: Slot | None = None
    """None for one that is only looked at."""
    used_tokens: int = 0

    def end(self) -> None:
        """Called however the request ends; later calls change nothing."""
        if self._slot is not None:
            self._slot.end(self.used_tokens)


class Clients:
    """Called synchronously on the event loop. `wall` is Unix time, `now` a steady clock."""

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

    def begin(self, client: str, estimate: ExpectedTokens, now: float, wall: float) -> RunningRequest:
        """A request, which must be ended. Raises Problem (rate_limited), and
        (invalid_api_key) or (forbidden) if the client has been removed or disabled since its request was admitted.
        """
        settings = self._settings.get(client)
        if settings is None:
            raise Problem(Code.INVALID_API_KEY, f"The client {client} has been removed.")
        if settings.disabled:
            raise Problem(Code.FORBIDDEN, f"The client {client} has been disabled.")
        slot = self.limits.begin(client, settings.limits, estimate.total, now)
        if not isinstance(slot, Slot):
            raise Problem(Code.RATE_LIMITED, _limit_text(client, slot, estimate), retry_after=slot.wait)
        account = self.ledger[client]
        account.count_request(wall)
        return RunningRequest(account, settings, estimate, slot)

    def preview(self, client: str, estimate: ExpectedTokens) -> RunningRequest:
        """For a request that is only explained: it uses no limit, and nothing is counted. Raises Problem
        (invalid_request) if there is no such client.
        """
        settings = self._settings.get(client)
        if settings is None:
            known = ", ".join(list(self._settings)[:MAX_SHOWN]) or "none is configured"
            message = f"There is no client {client[:64]!r}; clients: {known}."
            raise Problem(Code.INVALID_REQUEST, message, param="client")
        return RunningRequest(self.ledger[client], settings, estimate)

    def refuse_uncounted(self, client: str, work: str, chooses_models: bool) -> None:
        """For work whose cost is never known here; `chooses_models`: nor are the models that it uses. Raises Problem
        (forbidden) if it would evade the client's budgets or its list of models.
        """
        settings = self._settings.get(client)
        if settings is None:
            return
        if settings.budgets:
            why = f"has budgets, and what {work} costs is not known to this router"
        elif chooses_models and settings.models != EVERYTHING:
            why = f"may not use every model, and which ones {work} asks is not known to this router"
        else:
            return
        raise Problem(Code.FORBIDDEN, f"The client {client} may not ask for {work}: it {why}.")

    def to_dicts(self, wall: float) -> dict[str, dict[str, Any]]:
        """By the name of each client, in plain JSON types: its totals, its budgets and its limits."""
        return {name: self._to_dict(name, each, wall) for name, each in self._settings.items()}

    def former_to_dicts(self) -> list[dict[str, Any]]:
        """What clients have used that are no longer configured, in plain JSON types."""
        return [{"name": each.client, **_totals_dict(each)} for each in self.ledger.former()]

    def budgets_left(self, wall: float) -> Iterator[tuple[str, float]]:
        """What is left of the smallest budget of each client that has one: dollars, or tokens where it has only token
        budgets.
        """
        for name, each in self._settings.items():
            if each.budgets:
                lines = list(self.ledger[name].lines(wall))
                money = [line.left / NANO for line in lines if line.is_money]
                yield name, min(money or [float(line.left) for line in lines])

    def _to_dict(self, name: str, settings: ClientSettings, wall: float) -> dict[str, Any]:
        account = self.ledger[name]
        return {
            "name": name,
            **_totals_dict(account),
            "running": self.limits.running(name),
            "budgets": [_budget_dict(line) for line in account.lines(wall)],
            "limits": settings.limits.model_dump(),
        }


def _limit_text(client: str, reached: LimitReached, estimate: ExpectedTokens) -> str:
    message = f"The client {client} has reached its limit of {LIMITED[reached.name]} ({reached.limit})."
    if reached.name != "tpm" or estimate.total <= reached.limit:
        return message
    return (
        f"{message} This request counts as {estimate.total} tokens ({estimate.output} of them for its answer), which "
        f"is more than the whole limit: it is served once nothing has counted for a minute. To be served sooner, send "
        f"less, ask for a shorter answer, or raise clients.{client}.limits.tpm."
    )


def signed_dollars(amount: int) -> str:
    return f"-{dollars(-amount)}" if amount < 0 else str(dollars(amount))


def left_text(account: Account, wall: float) -> str:
    """What is left of the budgets that are mostly used, as the header `X-Budget-Left` has it: `0.84 usd, 1200 tokens`;
    `0.84` where it is money alone; empty while there is much. Of several budgets in one unit, the one with least.
    """
    if not account.has_budgets:
        return ""
    low = [line for line in account.lines(wall) if line.left * LAST_PART <= line.limit]
    if not low:
        return ""
    tokens = min((line.left for line in low if not line.is_money), default=None)
    money = min((line.left for line in low if line.is_money), default=None)
    if tokens is None:
        return signed_dollars(money or 0)
    return f"{tokens} tokens" if money is None else f"{signed_dollars(money)} usd, {tokens} tokens"


def _totals_dict(account: Account) -> dict[str, Any]:
    totals = account.totals + account.others
    return {
        "requests": totals.requests,
        "usage": dict(totals.tokens),
        "cost_usd": dollars(totals.cost),
        "unpriced": totals.unpriced,
        "last_used": totals.last_used or None,
    }


def _budget_dict(line: BudgetLine) -> dict[str, Any]:
    def shown(amount: int) -> str | int:
        return signed_dollars(amount) if line.is_money else amount

    return {
        "usd" if line.is_money else "tokens": shown(line.limit),
        "per": line.budget.per.value,
        "zone": line.budget.zone,
        "spent": shown(line.spent),
        "reserved": shown(line.reserved),
        "left": shown(line.left),
        "resets": line.window.end,
    }

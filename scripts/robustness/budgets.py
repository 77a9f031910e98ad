"""The named clients of a run, and whether the router keeps their budgets. It uses none of the router's code.

What each client has spent, as `/api/clients` and the file of the ledger say, is held against the attempts of its
requests, which `ledger` has held against the providers' bills. Nothing may stay reserved.

A budget may be exceeded, since what an attempt costs is estimated when it is launched: by as much as the estimates of
the attempts that ran at the last launch were too low, and not more. It may also not be refused too early: what was
spent, and what may have been reserved, must leave no room for the estimate.

Of several routers, each takes its share of what is left while the server between them does not answer. Then what ran at
that time may be too much, which the others did not know, and one request at each; and a share may be used up before all
is.
"""

import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from robustness.bills import BYTES_PER_TOKEN, NANO, Tokens, price
from robustness.faults import STEADY
from robustness.requests import CLIENTS, FRUGAL, SAFE, ChatRequest, key_of

FREE, CAPPED, _, BUSY = CLIENTS
"""The first has no budget, the last has limits of other kinds."""
DOLLARS, TOKENS = Decimal("0.004"), 900
"""Of a budget, for each request of the run. About half of them fit."""
LIMITS = {"rpm": 60, "tpm": 200_000, "concurrency": 3}
USUAL_ANSWER = 1024
"""Tokens that are reserved for an answer whose request names no limit."""
CLOCK = 0.05
"""Seconds by which the times of a record may be wrong."""
UNITS = ("usd", "tokens")


def midday_zone(now: float) -> str:
    """A zone where no day begins for hours: its periods last longer than a run."""
    return f"Etc/GMT{time.gmtime(now).tm_hour - 12:+d}"


def entries(requests: int, zone: str) -> dict[str, Any]:
    """The section `clients` for a run of so many requests; for 0 it limits nothing."""
    if not requests:
        return {name: {"key": key_of(name)} for name in CLIENTS}
    day = {"usd": str(DOLLARS * requests / 2), "per": "day", "zone": zone}
    month = {"tokens": TOKENS * requests, "per": "month", "zone": zone}
    return {
        FREE: {"key": key_of(FREE)},
        CAPPED: {"key": key_of(CAPPED), "budgets": [{**day, "usd": str(DOLLARS * requests)}, month]},
        FRUGAL: {"key": key_of(FRUGAL), "budgets": [day], "on_exhausted": f"{STEADY}/{SAFE}"},
        BUSY: {"key": key_of(BUSY), "limits": LIMITS},
    }


def lifted(clients: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with budgets that are never exhausted and without limits."""
    much = {"usd": 10**6, "tokens": 10**12}
    return {
        name: {
            **{member: value for member, value in client.items() if member != "limits"},
            **(
                {"budgets": [{**each, **{unit: much[unit] for unit in UNITS if unit in each}} for each in budgets]}
                if (budgets := client.get("budgets"))
                else {}
            ),
        }
        for name, client in clients.items()
    }


class Charge(NamedTuple):
    """An attempt at a client's expense: from its launch to its end (Unix time), and by unit what was reserved for it
    and what it came to.
    """

    launched: float
    ended: float
    estimate: Mapping[str, int]
    amount: Mapping[str, int]
    is_held: bool
    """The budgets apply to it."""


class Refusal(NamedTuple):
    """A budget kept a request from a provider, when its exchange ended."""

    request_id: str
    began: float
    ended: float
    detail: str
    estimate: Mapping[str, int]


def estimate(request: ChatRequest, provider: str) -> dict[str, int]:
    """What the router says that it reserves: the text of the request, and the longest answer that it allows."""
    output = request.max_tokens or USUAL_ANSWER
    tokens = Tokens(input=request.text_size // BYTES_PER_TOKEN, output=output)
    return {"usd": price(provider, tokens), "tokens": tokens.prompt + tokens.output}


@dataclass(slots=True)
class ClientCharges:
    """What the attempts of one client came to."""

    exchanges: int = 0
    charges: list[Charge] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    """By kind."""

    def sum_of(self, unit: str) -> int:
        return sum(charge.amount[unit] for charge in self.charges)

    def overshoot_allowed(self, unit: str) -> int:
        """By how much a budget may be exceeded: see above. What it does not apply to may cost whatever it does."""
        beyond = sum(charge.amount[unit] for charge in self.charges if not charge.is_held)
        last = max((charge.launched for charge in self.charges if charge.is_held), default=0.0)
        running = [each for each in self.charges if each.is_held and each.ended >= last - CLOCK]
        return beyond + sum(max(0, each.amount[unit] - each.estimate[unit]) for each in running)

    def most_at_once(self, unit: str) -> int:
        """What may have run at any moment, of what budgets apply to."""
        held = [each for each in self.charges if each.is_held]
        return max(
            (
                sum(
                    max(other.amount[unit], other.estimate[unit])
                    for other in held
                    if other.launched <= each.launched <= other.ended + CLOCK
                )
                for each in held
            ),
            default=0,
        )

    def most_taken(self, unit: str, during: Refusal) -> int:
        """What may have been spent and reserved at most at any moment then."""
        return sum(
            each.amount[unit]
            if each.ended < during.began - CLOCK
            else max(each.amount[unit], each.estimate[unit] if each.is_held else each.amount[unit])
            for each in self.charges
            if each.launched <= during.ended + CLOCK
        )


@dataclass(slots=True)
class Budgets:
    """Of all clients of a run. `shown` has what is told of each budget."""

    routers: int = 1
    by_client: dict[str, ClientCharges] = field(default_factory=lambda: defaultdict(ClientCharges))
    shown: list[str] = field(default_factory=list)

    def add(self, exchanges: Iterable[Mapping[str, Any]], notice: str) -> None:
        """Exchanges that have ended, as the router's own pages show them; `notice`: what is no attempt of its own."""
        for each in exchanges:
            client = self.by_client[each["client"]]
            client.exchanges += 1
            seed, _, n = each["request_id"].partition(".")
            request = ChatRequest.of(int(seed), int(n)) if n.isdigit() else None
            for attempt in each["attempts"]:
                if attempt["outcome"] != notice:
                    client.charges.append(_charge(request, attempt))
                    usage = attempt["usage"] or {}
                    client.tokens.update({kind: usage.get(kind, 0) for kind in asdict(Tokens())})

    def note_refusals(self, request: ChatRequest, record: Mapping[str, Any]) -> None:
        """Where budgets kept the request from, as the whole record of its exchange says. Of several routers, the record
        says what was not leased when the exchange ended: that counts only if the request was refused.
        """
        if self.routers > 1 and record["status"] != 429:
            return
        ended = record["started"] + record["ended_ms"] / 1000
        self.by_client[request.client].refusals += [
            Refusal(request.id, record["started"], ended, out["detail"], estimate(request, out["provider"]))
            for out in record["excluded"]
            if out["reason"] == "budget"
        ]

    def _allowed(self, own: ClientCharges, unit: str) -> int:
        if self.routers == 1:
            return own.overshoot_allowed(unit)
        largest = max((max(each.amount[unit], each.estimate[unit]) for each in own.charges if each.is_held), default=0)
        return own.overshoot_allowed(unit) + own.most_at_once(unit) + self.routers * largest

    def violations(self, told: Sequence[Mapping[str, Any]], limits_hold: bool) -> Iterator[str]:
        """What is wrong with what `/api/clients` has `told` of all clients, none of whose requests runs any more.
        `limits_hold`: all that was spent was held to the budgets that it shows.
        """
        for client in told:
            name = client["name"]
            yield from (f"client {name}: {fault}" for fault in self._faults(client, self.by_client[name]))
            for budget in client["budgets"] if limits_hold else ():
                yield from (f"client {name}: {fault}" for fault in self._excess(name, budget))
        if missing := self.by_client.keys() - {each["name"] for each in told}:
            yield f"requests of {sorted(map(str, missing))}, which are no clients"

    def _faults(self, client: Mapping[str, Any], own: ClientCharges) -> Iterator[str]:
        if client["running"]:
            yield f"{client['running']} requests run still"
        spent = {"usd": own.sum_of("usd"), "tokens": own.sum_of("tokens")}
        if in_unit("usd", client["cost_usd"]) != spent["usd"]:
            yield f"cost {client['cost_usd']}, its attempts {spent['usd']} nano-dollars"
        if dict(own.tokens) != client["usage"] and any(own.tokens.values()):
            yield f"used {client['usage']}, its attempts {dict(own.tokens)}"
        if client["requests"] < own.exchanges:
            yield f"{client['requests']} requests, but {own.exchanges} exchanges"
        for budget in client["budgets"]:
            unit = unit_of(budget)
            if in_unit(unit, budget["reserved"]):
                yield f"{budget['reserved']} {unit} per {budget['per']} are still reserved"
            if in_unit(unit, budget["spent"]) != spent[unit]:
                yield f"{budget['spent']} {unit} per {budget['per']} are spent, its attempts came to {spent[unit]}"

    def _excess(self, name: str, budget: Mapping[str, Any]) -> Iterator[str]:
        own, unit = self.by_client[name], unit_of(budget)
        limit = in_unit(unit, budget[unit])
        excess, allowed = own.sum_of(unit) - limit, self._allowed(own, unit)
        refused = [each for each in own.refusals if f"{unit} per {budget['per']}" in each.detail]
        self.shown.append(
            f"{name}: {budget['spent']} of {budget[unit]} {unit} per {budget['per']} spent"
            f" ({excess:+d}, at most {allowed:+d} by estimates too low), {len(refused)} exclusions"
        )
        if excess > allowed:
            yield f"{excess} more than its {budget[unit]} {unit} per {budget['per']}; estimates explain {allowed}"
        for each in refused:
            if (taken := own.most_taken(unit, each)) + each.estimate[unit] <= limit // self.routers:
                yield (
                    f"{each.request_id} was refused {each.estimate[unit]} {unit} although at most {taken} of {limit}"
                    " were taken"
                )


def _charge(request: ChatRequest | None, attempt: Mapping[str, Any]) -> Charge:
    usage, cost = attempt["usage"] or {}, Decimal(attempt["cost_usd"] or 0) * NANO
    return Charge(
        attempt["started"],
        attempt["started"] + (attempt["settled_ms"] or 0) / 1000,
        estimate(request, attempt["provider"]) if request else dict.fromkeys(UNITS, 0),
        {"usd": int(cost), "tokens": total(usage)},
        "as a budget is exhausted" not in attempt["why"],
    )


def total(usage: Mapping[str, Any]) -> int:
    """Tokens of all kinds; `reasoning` is a part of the output."""
    return sum(usage.get(kind, 0) for kind in asdict(Tokens()) if kind != "reasoning")


def unit_of(budget: Mapping[str, Any]) -> str:
    return next(unit for unit in UNITS if unit in budget)


def in_unit(unit: str, amount: str | int) -> int:
    """Nano-dollars or tokens."""
    return int(Decimal(amount) * (NANO if unit == "usd" else 1))


def used(told: Sequence[Mapping[str, Any]]) -> tuple[tuple[Any, ...], ...]:
    """What `/api/clients` shows that must be the same at all routers."""
    names = ("name", "requests", "cost_usd")
    return tuple(
        (*(each[name] for name in names), *each["usage"].values(), *(budget["spent"] for budget in each["budgets"]))
        for each in told
    )


def summed(told: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The answers of all routers as one: each shows what all have used, but only its own running requests."""
    found: list[dict[str, Any]] = []
    for of_client in zip(*told, strict=True):
        first, budgets = of_client[0], list[dict[str, Any]]()
        for of_budget in zip(*(each["budgets"] for each in of_client), strict=True):
            unit = unit_of(of_budget[0])
            reserved = sum(Decimal(each["reserved"]) for each in of_budget)
            budgets.append({**of_budget[0], "reserved": str(reserved) if unit == "usd" else int(reserved)})
        found.append({**first, "running": sum(each["running"] for each in of_client), "budgets": budgets})
    return found


def stored(folder: Path) -> dict[str, Any]:
    """What the files of all ledgers say together, in the form of `/api/clients`, by client."""
    totals: dict[str, Any] = {}
    for path in folder.rglob("ledger*.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            for row in map(dict, db.execute("SELECT * FROM totals")):
                total = totals.setdefault(row.pop("client"), Counter())
                total.update({name: amount for name, amount in row.items() if name != "last_used"})
            for row in db.execute("SELECT client, per, cost, tokens FROM periods ORDER BY start"):
                periods = totals[row["client"]].setdefault("periods", defaultdict(Counter))
                periods[row["per"]].update({"usd": row["cost"], "tokens": row["tokens"]})
    return totals


def not_stored(told: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> Iterator[str]:
    """Where the file of the ledger differs from what `/api/clients` told last."""
    for client in told:
        row = totals.get(client["name"])
        if row is None:
            if client["requests"]:
                yield f"ledger.db has nothing of {client['name']}"
            continue
        shown = {"cost": in_unit("usd", client["cost_usd"]), "requests": client["requests"], **client["usage"]}
        if shown != {name: row[name] for name in shown}:
            yield f"ledger.db has {row} of {client['name']}, the router told {shown}"
        for budget in client["budgets"]:
            unit = unit_of(budget)
            kept = row.get("periods", {}).get(budget["per"], {}).get(unit, 0)
            if kept != in_unit(unit, budget["spent"]):
                yield f"ledger.db has {kept} {unit} per {budget['per']} of {client['name']}, not {budget['spent']}"

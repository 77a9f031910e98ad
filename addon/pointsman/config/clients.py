"""The section `clients`: the named clients, with their models, limits and budgets.

A key is hashed as it is read; the settings hold the hash alone.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Self

from pydantic import AfterValidator, PlainValidator, model_validator

from pointsman.config.base_model import ConfigModel
from pointsman.config.enums import BudgetPeriod
from pointsman.config.messages import HiddenValueError
from pointsman.config.quota_reset import find_zone
from pointsman.config.values import Flag, Limit, Name, Priority, read_secret

DEFAULT_CLIENT = "default"
"""The client of `server.client_key`."""
REFUSE = "refuse"
"""The value of `on_exhausted` that names nothing to ask instead."""
MAX_BUDGET = 10**9
"""Dollars."""
NANO = 10**9
"""Nano-dollars in a dollar."""
MAX_CLIENTS = 10_000


class KeyHash(str):
    """The SHA-256 of a client's key, 64 hex digits.

    >>> hash_key("sk-1")[:8]
    '0f2c10bf'
    """


def hash_key(key: str) -> KeyHash:
    """Characters that no key has, but a header may, are hashed as the bytes that were sent."""
    return KeyHash(sha256(key.encode("utf-8", "surrogateescape")).hexdigest())


def _key(value: object) -> KeyHash:
    return value if isinstance(value, KeyHash) else hash_key(read_secret(value).get_secret_value())


def _dollars(value: object) -> Decimal:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,12})?", value, re.ASCII):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value <= MAX_BUDGET:
        raise ValueError(f"must be dollars, a number from 0 to {MAX_BUDGET}")
    amount = Decimal(str(value))
    if amount != round(amount, 9):
        raise ValueError("must have at most nine decimals")
    return amount


def _zone_name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin")
    find_zone(value)
    return str(value)


def _at_least_one[T](items: Sequence[T]) -> Sequence[T]:
    if not items:
        raise HiddenValueError("must name at least one; absent, all are allowed")
    return items


class ClientLimits(ConfigModel):
    """What a client may use of all models together. Absent: not limited here."""

    rpm: Limit = None  # requests a minute
    tpm: Limit = None  # tokens a minute
    concurrency: Limit = None  # requests at once


class Budget(ConfigModel):
    """What a client may spend in each period: dollars or tokens, one of the two."""

    usd: Annotated[Decimal | None, PlainValidator(_dollars)] = None
    tokens: Limit = None
    per: BudgetPeriod
    zone: Annotated[str, PlainValidator(_zone_name)] = "UTC"  # on whose clocks a period begins

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.usd is None) is (self.tokens is None):
            raise HiddenValueError("must have usd or tokens, one of the two; for both, write two budgets")
        return self

    @property
    def nano_dollars(self) -> int | None:
        """The limit of a budget in dollars; None for one in tokens."""
        return None if self.usd is None else int(self.usd * NANO)

    @cached_property
    def clock(self) -> tzinfo:
        return find_zone(self.zone)


def _differ(budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
    seen: dict[tuple[bool, BudgetPeriod, str], int] = {}
    for index, budget in enumerate(budgets):
        unit = (budget.usd is None, budget.per, budget.zone)
        if (first := seen.setdefault(unit, index)) != index:
            raise HiddenValueError(f"has two budgets of one kind, at [{first}] and [{index}]; remove the larger one")
    return budgets


class ClientSettings(ConfigModel):
    """One client. Its name is its key in the file."""

    # The hash of what stands in the file. None: no key, as for `default`, whose key is server.client_key.
    key: Annotated[KeyHash | None, PlainValidator(_key)] = None
    # Globs of names: of models, provider/model, modes and aliases.
    models: Annotated[tuple[Name, ...], AfterValidator(_at_least_one)] = ("*",)
    limits: ClientLimits = ClientLimits.defaults()
    budgets: Annotated[tuple[Budget, ...], AfterValidator(_differ)] = ()
    on_exhausted: Name = REFUSE  # or a mode or model that is asked instead
    priority: Priority = 1  # of those that wait for a limit, 1 first
    disabled: Flag = False

    @property
    def fallback(self) -> str | None:
        """What is asked instead when a budget is exhausted; None: the request is refused."""
        return None if self.on_exhausted == REFUSE else self.on_exhausted


def client_table(written: Mapping[str, ClientSettings], client_key: str | None) -> dict[str, ClientSettings]:
    """All clients by name: those of the file, and the one of `server.client_key`."""
    clients = dict(written)
    if client_key is None:
        return clients
    default = clients.get(DEFAULT_CLIENT, ClientSettings.defaults())
    return {**clients, DEFAULT_CLIENT: default.model_copy(update={"key": hash_key(client_key)})}

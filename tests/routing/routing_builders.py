"""A yard to work switches in: inventories, requests and plans without a file or a byte."""

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.config.enums import Capability, Dialect
from pointsman.domain.failures import Scope
from pointsman.domain.targets import Candidate, Inventory, Target
from pointsman.routing.cooldowns import Wait
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.request_facts import RequestFacts
from support.clients_in_core import SECRET, caller
from support.settings import settings

type Providers = Mapping[str, Mapping[str, Any]]


def inventory(providers: Providers, **sections: Any) -> Inventory:
    return Inventory.from_settings(settings(providers, **sections))


def request(
    model: str | None = "m",
    tokens: int = 10,
    needs: Iterable[Capability] = (),
    document: Mapping[str, Any] | None = None,
) -> RequestFacts:
    return RequestFacts(model=model, stream=True, needs=frozenset(needs), tokens=tokens, document=document or {})


def plan(
    providers: Providers, facts: RequestFacts | None = None, dialect: Dialect = Dialect.OPENAI_CHAT, **sections: Any
) -> Plan:
    return Router(settings(providers, **sections), SECRET).plan(facts or request(), dialect, caller(), 0.0)


def candidate_of(router: Router, label: str, key: str | None = None) -> Candidate:
    """The target `provider/model` with the key that is called so; its first one, unless given."""
    candidates = router.inventory.keys[router.inventory.by_label[label]]
    return next(each for each in candidates if key in (None, each.key_label))


def pin_on(router: Router, label: str, key: str | None = None) -> Pin:
    """A pin on the target, and on the key that is called so."""
    candidate = candidate_of(router, label, key)
    return Pin(candidate.target.provider.name, candidate.target.model.id, candidate.key_id[1])


def cool(
    router: Router, scope: Scope, label: str, reason: str, seconds: float, now: float, key: str | None = None
) -> None:
    assert router.cooldowns.cool(candidate_of(router, label, key), scope, reason, Wait(seconds), now)


def status(number: int, **more: Any) -> Fault:
    return Fault(FaultKind.STATUS, status=number, **more)


def wrapped(number: int, **more: Any) -> Fault:
    return Fault(FaultKind.WRAPPED, status=number, **more)


def labels(targets: Iterable[Target]) -> list[str]:
    return [target.label for target in targets]


def called(candidates: Iterable[Candidate]) -> list[str]:
    """Candidates in words: `a/m` without a key, `a/m#key-1` with one."""
    return [c.target.label + (f"#{c.key_label}" if c.key else "") for c in candidates]

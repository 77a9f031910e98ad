"""The plan of a request about what an account holds: one provider, one key, one attempt."""

from collections.abc import Callable, Collection

from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure, classify
from pointsman.domain.records import AppliedRedirect
from pointsman.domain.targets import Candidate, Inventory
from pointsman.routing.issued_ids import Holder
from pointsman.routing.plan import Plan
from pointsman.wire.errors import Code, Fault, FaultKind, Problem

MAX_LISTED = 10
"""Providers that an error lists."""


class AccountPlan(Plan):
    """Its only target is an account of `Inventory.accounts`. Nothing is repeated: an upload may have arrived."""

    def next_candidate(self, now: float, running: Collection[Candidate] = ()) -> Candidate | None:
        """The holder's key, else the first key that may be used: always the same one as long as it works."""
        if running or self.faults:
            return None
        keys = self.inventory.keys[self.resolution.targets[0]]
        if holder := self.holder:
            keys = tuple(sorted(keys, key=lambda each: each.key_id != holder.pin.key_id))
        usable = (each for each in keys if self._order.exclusion(each, now) is None)
        return next(usable, None) or self._order.last_resort(now)

    def wait_until(self, waited: float, latest: float, wake: Callable[[], None], now: float) -> float | None:
        return None

    def redirect(self, candidate: Candidate) -> AppliedRedirect | None:
        return None

    def is_final(self, fault: Fault) -> bool:
        """Whatever status the provider answers with is the client's, except on a key that is not."""
        return fault.kind is FaultKind.STATUS and classify(fault) is not Failure.KEY_INVALID


def provider_of(named: str, dialect: Dialect, inventory: Inventory, holder: Holder | None) -> str:
    """The provider that a request is for: the one that its client names, the one that holds what it refers to, or the
    only one that speaks its dialect. Raises Problem.
    """
    spoken = [name for name, account in inventory.accounts.items() if account.enabled and account.base_url_for(dialect)]
    listed = f"{', '.join(spoken[:MAX_LISTED])}{', …' if len(spoken) > MAX_LISTED else ''}"
    if named:
        if named in spoken:
            return named
        message = f"X-Pointsman-Provider must name one provider that speaks {dialect}"
        raise Problem(Code.INVALID_REQUEST, f"{message} ({listed or 'there is none'}); it is {named[:100]!r}.")
    if holder and holder.pin.provider in spoken:
        return holder.pin.provider
    if len(spoken) == 1:
        return spoken[0]
    if not spoken:
        raise Problem(Code.INVALID_REQUEST, f"Files and batches need a provider that speaks {dialect}; there is none.")
    message = "Files and batches are held by one account: name its provider in the header X-Pointsman-Provider"
    raise Problem(Code.INVALID_REQUEST, f"{message} ({listed}).")

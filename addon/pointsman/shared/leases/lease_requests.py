"""What a request lacks of limits, budgets and locks before it is planned, so that it is asked for in time.

What is leased here already is found in memory. Only if something is missing that this request may need, it is
planned on trial, and what the trial lacks is asked for.
"""

from contextlib import suppress

from pointsman.clients.clients import Clients, RunningRequest
from pointsman.config.enums import Dialect, Kind
from pointsman.domain.targets import Target
from pointsman.routing.client_spending import expected_tokens
from pointsman.routing.resolve import resolve
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.shared.leases.part import Leases
from pointsman.shared.part import Call, Script, SharedTime
from pointsman.wire.errors import Problem
from pointsman.wire.request_facts import RequestFacts

MAX_ASKED = 16
"""Limits that one request asks for at a time."""
NOTHING = Script("nothing", "return 1")
"""Its reply comes after that of a call that is under way."""


class LeaseRequests:
    """Used for each request, once its conversation is known."""

    def __init__(self, leases: Leases, router: Router, clients: Clients) -> None:
        self._leases, self._router, self._clients = leases, router, clients

    def calls(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: SharedTime) -> list[Call]:
        """The calls to make before this request is planned; mostly none."""
        sharing = self._leases.sharing
        if not (self._leases.has_limits or caller.client) or not sharing.gives_leases(now.now):
            return []
        self._look(facts, dialect, caller, now)
        needed = sharing.needs(now.now)[:MAX_ASKED]
        return [each.call(now) or Call(NOTHING, (each.key,)) for each in needed]

    def give_up(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: SharedTime) -> None:
        """The request has waited for long enough, and goes on with what is leased here."""
        sharing = self._leases.sharing
        if sharing.gives_leases(now.now):
            self._look(facts, dialect, caller, now)
            for each in sharing.lacking:
                each.on_unanswered()

    def _look(self, facts: RequestFacts, dialect: Dialect, caller: Caller, now: SharedTime) -> None:
        """Then `Sharing.lacking` has what this request lacks."""
        self._leases.sharing.keep_demand(now.now)
        charged = self._charged(facts, caller, now) if caller.client else None
        if facts.kind is not None and self._may_lack(facts, charged, now):
            self._try(facts, dialect, caller, charged, now)

    def _charged(self, facts: RequestFacts, caller: Caller, now: SharedTime) -> RunningRequest | None:
        """The request as its client pays for it. What is missing of the client's own limits is noted."""
        assert caller.client
        estimate, limits = expected_tokens(facts), self._clients.limits
        try:
            charged = self._clients.preview(caller.client, estimate)
        except Problem:
            return None
        limits.reached(caller.client, charged.settings.limits, estimate.total, now.now)
        return charged

    def _may_lack(self, facts: RequestFacts, charged: RunningRequest | None, now: SharedTime) -> bool:
        if charged and charged.account.has_budgets:
            for line in charged.account.lines(now.wall):
                amount = self._leases.highest_cost(charged.estimate) if line.is_money else charged.estimate.total
                if line.shared and line.shared.is_low(amount) and line.left > 0:
                    return True
        return any(self._leases.may_lack(each, facts.tokens, now.now) for each in self._targets(facts))

    def _targets(self, facts: RequestFacts) -> tuple[Target, ...]:
        if not self._leases.has_limits:
            return ()
        router, kind = self._router, facts.kind or Kind.CHAT
        try:
            return resolve(facts.model, router.settings, router.inventory, kind, facts.options).targets
        except Problem:
            return ()

    def _try(
        self, facts: RequestFacts, dialect: Dialect, caller: Caller, charged: RunningRequest | None, now: SharedTime
    ) -> None:
        with suppress(Problem):  # it will be refused
            self._router.preview_plan(facts, dialect, caller, now.now, now.wall, charged).next_candidate(now.now)

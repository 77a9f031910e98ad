"""The part of leases with a router's own limits, in virtual time, with the real scripts on a real server."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pointsman.clients.budgets import Estimate
from pointsman.clients.clients import Clients
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure
from pointsman.domain.targets import Candidate
from pointsman.routing.client_spending import expected_tokens
from pointsman.routing.plan import Plan
from pointsman.routing.request_wait import RETRY_LEASE_WAIT
from pointsman.routing.router import Router
from pointsman.shared.client_names import client_digest
from pointsman.shared.leases.lease_requests import LeaseRequests
from pointsman.shared.leases.part import MAX_CALLS, Leases
from pointsman.shared.leases.scripts import CEILING
from pointsman.shared.part import Call
from pointsman.wire.errors import Problem
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.request_options import RequestOptions
from routing.routing_builders import status
from shared.lease_world import Engine, Instance, instances
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings
from support.valkey import Valkey

PROVIDERS = {
    "first": provider("https://a.test/v1") | {"models": [{"id": "m", "limits": {"rpm": 3}}], "priority": 1},
    "second": provider("https://b.test/v1") | {"protection": "provider-ban", "priority": 2},
}
CLIENTS = {"ci": {"key": "sk-client", "limits": {"rpm": 5}, "budgets": [{"tokens": 6000, "per": "month"}]}}
FACTS = RequestFacts("m", True, frozenset(), 100)


class Routed:
    """A whole router's limits at one instance."""

    def __init__(self, instance: Instance, providers: dict[str, Any] = PROVIDERS, **sections: Any) -> None:
        configured = settings(providers, **{"clients": CLIENTS, **sections})
        self.instance, self.router, self.clients = instance, Router(configured, SECRET), Clients(configured)
        self.leases = Leases(
            instance.place, self.router, self.clients, f"ledger {instance.name}", client_digest("password", "test")
        )
        self.leases.on_connected(instance.time, is_new_engine=True)
        self.lease_requests = LeaseRequests(self.leases, self.router, self.clients)
        self.launched = 0
        self.tick()

    def tick(self) -> None:
        self.run(self.leases.calls(self.instance.time))

    def run(self, calls: Any) -> list[Call]:
        made = list(calls)
        for call in made:
            call.on_reply(1 if call.script.name == "nothing" else self.instance.engine.run(call), self.instance.time)
        return made

    def ask(self, session: str) -> str | None:
        """Where a request goes."""
        time, who = self.instance.time, caller(headers={"x-session-id": session})
        for _ in range(4):
            if not self.run(self.lease_requests.calls(FACTS, Dialect.OPENAI_CHAT, who, time)):
                break
        plan = self.router.plan(FACTS, Dialect.OPENAI_CHAT, who, time.now, time.wall)
        candidate = plan.next_candidate(time.now)
        if candidate is None:
            return None
        self.launched += 1
        plan.on_launched(self.launched, candidate, time.now)
        return candidate.target.provider.name

    def failed_at_first(self, facts: RequestFacts = FACTS) -> tuple[Plan, Candidate | None]:
        """The plan of a request that the first provider has failed, and where it goes next."""
        time, who = self.instance.time, caller(headers={"x-session-id": "s"})
        self.run(self.lease_requests.calls(facts, Dialect.OPENAI_CHAT, who, time))
        plan = self.router.plan(facts, Dialect.OPENAI_CHAT, who, time.now, time.wall)
        candidate = plan.next_candidate(time.now)
        assert candidate is not None
        assert candidate.target.provider.name == "first"
        plan.on_launched(1, candidate, time.now)
        plan.on_settled(candidate, attempt_record(failure=Failure.SERVER_ERROR), status(503), time.now)
        return plan, plan.next_candidate(time.now)


async def test_what_a_request_lacks_is_asked_for_before_it_is_planned(engine: Valkey) -> None:
    one, two = [Routed(each) for each in instances(Engine(engine.port), 2)]
    assert [one.ask("1"), two.ask("2"), one.ask("3")] == ["first"] * 3
    assert one.ask("4") == "second", "the limit is used up, and the guarded provider is free"
    assert two.ask("5") == "second", "nothing else is left"
    for each in (one, two):
        each.instance.engine.now += 1.2
        for again in (one, two):
            again.tick()
    for each in (one, two):
        target = each.router.inventory.by_label["first/m"]
        assert each.router.limits.left(("first/m", None), target.model.limits, each.instance.now)["rpm"] == (3, 0)


async def test_a_client_has_its_limits_and_budgets_once(engine: Valkey) -> None:
    routed = [Routed(each) for each in instances(Engine(engine.port), 2)]
    began = 0
    for n in range(12):
        each = routed[n % 2]
        for _ in range(4):
            who = caller(headers={"x-session-id": str(n)}, client="ci")
            if not each.run(each.lease_requests.calls(FACTS, Dialect.OPENAI_CHAT, who, each.instance.time)):
                break
        time = each.instance.time
        with suppress(Problem):
            charged = each.clients.begin("ci", expected_tokens(FACTS), time.now, time.wall)
            began += not charged.account.shortages(Estimate(0, 1124), time.wall)
            charged.account.reserve(Estimate(0, 1124), time.wall)
    assert began == 5


async def test_pages_of_an_idle_instance_do_not_take_what_is_not_leased_for_used(engine: Valkey) -> None:
    [one] = [Routed(each) for each in instances(Engine(engine.port), 1)]
    target = one.router.inventory.by_label["first/m"]
    assert one.router.usable_keys(target, one.instance.now) == 0, "it has no keys"
    assert not one.router.busy_providers(one.instance.now)
    for n in range(3):
        one.ask(str(n))
    assert one.router.busy_providers(one.instance.now) == {"first"}


async def test_a_request_that_costs_more_than_is_leased_asks_for_more(engine: Valkey) -> None:
    [one] = [Routed(each) for each in instances(Engine(engine.port), 1)]
    who, time = caller(headers={"x-session-id": "1"}, client="ci"), one.instance.time
    small = RequestFacts("m", True, frozenset(), 10, document={"max_tokens": 10})
    one.run(one.lease_requests.calls(small, Dialect.OPENAI_CHAT, who, time))
    one.clients.begin("ci", expected_tokens(small), time.now, time.wall).account.reserve(Estimate(0, 20), time.wall)
    one.instance.engine.now += 1.0
    one.tick()
    made = one.run(one.lease_requests.calls(small, Dialect.OPENAI_CHAT, who, one.instance.time))
    assert CEILING not in [call.script for call in made], "this much is leased"
    large = RequestFacts("m", True, frozenset(), 4000, document={"max_tokens": 10})
    made = one.run(one.lease_requests.calls(large, Dialect.OPENAI_CHAT, who, one.instance.time))
    assert CEILING in [call.script for call in made]
    account = one.clients.begin("ci", expected_tokens(large), time.now, time.wall).account
    assert not account.shortages(Estimate(0, 4010), time.wall)


async def test_an_instance_that_waited_in_vain_goes_on_with_a_share_of_the_budget(engine: Valkey) -> None:
    [one, _] = [Routed(each) for each in instances(Engine(engine.port), 2)]
    who, time = caller(headers={"x-session-id": "1"}, client="ci"), one.instance.time
    assert list(one.lease_requests.calls(FACTS, Dialect.OPENAI_CHAT, who, time)), "the replies do not come"
    one.lease_requests.give_up(FACTS, Dialect.OPENAI_CHAT, who, time)
    account = one.clients.ledger["ci"]
    assert not account.shortages(Estimate(0, 3000), time.wall), "half of it"
    account.reserve(Estimate(0, 3000), time.wall)
    assert account.shortages(Estimate(0, 1), time.wall)


async def test_no_limit_waits_for_others_that_are_used_all_the_time(engine: Valkey) -> None:
    many = {f"c{n}": {"key": f"sk-client-{n}", "limits": {"rpm": 5}} for n in range(MAX_CALLS + 20)}
    [instance] = instances(Engine(engine.port), 1)
    one = Routed(instance, clients=many)
    windows = [one.clients.limits.counters(name).requests for name in many]
    told = set[str]()
    for _ in range(2):
        instance.engine.now += 0.05
        for window in windows:
            window.add(1, instance.now)
        told |= {call.keys[0] for call in one.run(one.leases.calls(instance.time))}
    assert len([key for key in told if key.endswith(":rpm}") and ":clients:" in key]) == len(many)


RESERVES = {
    "of requests": {"models": [{"id": "m", "limits": {"rpm": 3}}]},
    "at once": {"limits": {"concurrency": 3}},
    "at once with all keys": {"limits": {"total_concurrency": 3}},
}


@pytest.mark.parametrize("reserve", RESERVES.values(), ids=RESERVES)
async def test_a_retry_waits_until_the_room_that_is_left_is_leased(engine: Valkey, reserve: dict[str, Any]) -> None:
    providers = {"first": provider("https://a.test/v1") | {"priority": 1},
                 "second": provider("https://b.test/v1") | {"priority": 2, **reserve}}  # fmt: skip
    one, _ = [Routed(each, providers=providers) for each in instances(Engine(engine.port), 2)]
    plan, candidate = one.failed_at_first()
    now = one.instance.now
    assert (candidate, plan.wait_until(10.0, now + 60, lambda: None, now)) == (None, None), "it has waited for too long"
    due = plan.wait_until(0.0, now + 60, lambda: None, now)
    assert due is not None
    assert 0 < due - now <= RETRY_LEASE_WAIT
    one.instance.engine.now += due - now
    one.tick()
    found = plan.next_candidate(one.instance.now)
    assert found is not None
    assert found.target.provider.name == "second"
    plan.discard()


async def test_a_retry_that_may_not_wait_does_not(engine: Valkey) -> None:
    providers = {"first": provider("https://a.test/v1") | {"priority": 1},
                 "second": provider("https://b.test/v1") | {"priority": 2, **RESERVES["of requests"]}}  # fmt: skip
    one, _ = [Routed(each, providers=providers) for each in instances(Engine(engine.port), 2)]
    plan, candidate = one.failed_at_first(replace(FACTS, options=RequestOptions(max_wait=0.0)))
    now = one.instance.now
    assert (candidate, plan.wait_until(0.0, now + 60, lambda: None, now)) == (None, None)
    plan.discard()


async def test_a_retry_does_not_wait_for_a_limit_that_is_used_up(engine: Valkey) -> None:
    providers = {"first": provider("https://a.test/v1") | {"priority": 1},
                 "second": provider("https://b.test/v1") | {"priority": 2, **RESERVES["of requests"]}}  # fmt: skip
    one, _ = [Routed(each, providers=providers) for each in instances(Engine(engine.port), 2)]
    target = one.router.inventory.by_label["second/m"]
    [candidate] = one.router.inventory.keys[target]
    for _ in range(3):
        one.router.limits.lease(candidate.pair_id, target.model.limits, 10, one.instance.now)
    one.tick()
    plan, found = one.failed_at_first()
    now = one.instance.now
    assert (found, plan.wait_until(0.0, now + 60, lambda: None, now)) == (None, None)
    plan.discard()

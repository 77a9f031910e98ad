"""The owner of what exchanges share: the inventory in force."""

import pytest

from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Scope, classify
from pointsman.routing.router import Router
from pointsman.wire.errors import Code, Problem
from routing.routing_builders import called, cool, request, status
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW = 1000.0


@pytest.fixture
def router() -> Router:
    return Router(settings({"old": provider()}), SECRET)


def test_a_reload_counts_for_plans_made_from_then_on(router: Router) -> None:
    router.update_settings(settings({"new": provider()}, routing={"aliases": {"nick": "m"}}), 0.0)
    assert called(router.plan(request(), Dialect.OPENAI_CHAT, caller(), 0.0).ranked_candidates(NOW)) == ["new/m"]
    assert called(router.plan(request(model="nick"), Dialect.OPENAI_CHAT, caller(), 0.0).ranked_candidates(NOW)) == [
        "new/m"
    ]


def test_a_plan_keeps_the_inventory_it_was_made_with(router: Router) -> None:
    plan = router.plan(request(), Dialect.OPENAI_CHAT, caller(), 0.0)
    router.update_settings(settings({"new": provider()}), 0.0)
    assert called(plan.ranked_candidates(NOW)) == ["old/m"]


def test_there_is_no_plan_for_an_unknown_model(router: Router) -> None:
    with pytest.raises(Problem) as caught:
        router.plan(request(model="nobody"), Dialect.OPENAI_CHAT, caller(), 0.0)
    assert caught.value.code is Code.MODEL_NOT_FOUND


class TestReload:
    """What was learnt counts for what is still the same."""

    OLD = "old-first-secret"

    def settled_in(self, key: str = OLD, base_url: str = "https://a.test/v1", *models: str) -> Settings:
        return settings({"a": provider(base_url, *models, keys=[key])})

    @pytest.fixture
    def own(self) -> Router:
        own = Router(self.settled_in(), SECRET)
        cool(own, Scope.TARGET, "a/m", "503", 60.0, NOW)
        cool(own, Scope.KEY, "a/m", "key_invalid", 300.0, NOW)
        return own

    @pytest.mark.parametrize(
        ("changes", "target", "key"),
        [
            ({}, True, True),
            ({"key": "new-first-secret"}, True, False),
            ({"base_url": "https://b.test/v1"}, False, True),
        ],
        ids=["nothing changed", "the key was replaced under its label", "the provider has moved"],
    )
    def test_a_cooldown_stays_with_what_it_was_about(
        self, own: Router, changes: dict[str, str], target: bool, key: bool
    ) -> None:
        own.update_settings(self.settled_in(**changes), NOW)
        told = own.cooldowns_to_dict(NOW, NOW)
        assert (bool(told["targets"]), bool(told["keys"])) == (target, key)
        assert bool(own.cooldowns.invalid_keys) is key

    @pytest.mark.parametrize("status_code", [503, 401, 200])
    @pytest.mark.parametrize(
        "changes",
        [{"key": "new-first-secret"}, {"base_url": "https://b.test/v1"}],
        ids=["the key was replaced under its label", "the provider has moved"],
    )
    def test_an_exchange_that_outlives_it_says_nothing_of_what_has_the_old_name(
        self, changes: dict[str, str], status_code: int
    ) -> None:
        own = Router(self.settled_in(), SECRET)
        plan = own.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW)
        [candidate] = own.inventory.keys[own.inventory.targets[0]]
        plan.on_launched(1, candidate, NOW)
        own.update_settings(self.settled_in(**changes), NOW)
        if status_code == 200:
            cool(own, Scope.TARGET, "a/m", "503", 60.0, NOW)
            cool(own, Scope.KEY, "a/m", "key_invalid", 300.0, NOW)
            for _ in range(3):
                own.health.on_connection_failed("a", "connect_refused", NOW)
            before = own.cooldowns_to_dict(NOW, NOW)
            plan.on_settled(candidate, attempt_record(), None, NOW)
            assert own.health.outage("a")
            assert own.cooldowns_to_dict(NOW, NOW) == before
            return
        fault = status(status_code)
        plan.on_settled(candidate, attempt_record(failure=classify(fault), first_content_ms=None), fault, NOW)
        assert own.cooldowns_to_dict(NOW, NOW) == {"targets": [], "keys": []}

    def test_an_exchange_that_outlives_a_reload_records_nothing_about_what_is_gone(self, own: Router) -> None:
        plan = own.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW)
        [candidate] = own.inventory.keys[own.inventory.targets[0]]
        own.update_settings(settings({"b": provider(keys=["b-secret"])}), NOW)
        fault = status(503)
        plan.on_launched(1, candidate, NOW)
        plan.on_settled(candidate, attempt_record(failure=classify(fault), first_content_ms=None), fault, NOW)
        assert own.cooldowns_to_dict(NOW, NOW) == {"targets": [], "keys": []}


class TestBusy:
    def test_a_provider_is_busy_when_all_its_keys_are_rate_limited(self) -> None:
        own = Router(settings({"a": provider(keys=["one-secret", "two-secret"]), "b": provider()}), SECRET)
        cool(own, Scope.KEY, "a/m", "rate_limit", 90.0, NOW, "key-1")
        assert own.busy_providers(NOW) == frozenset()
        cool(own, Scope.KEY, "a/m", "quota", 60.0, NOW, "key-2")
        assert own.busy_providers(NOW) == {"a"}
        assert own.busy_providers(NOW + 61) == frozenset()

    def test_used_up_limits_count_when_they_close_every_model(self) -> None:
        models = [{"id": "m", "limits": {"rpm": 1}}, {"id": "n", "limits": {"rpm": 1}}]
        own = Router(settings({"a": provider() | {"models": models}}), SECRET)
        for n, target in enumerate(own.inventory.targets):
            assert own.busy_providers(NOW) == frozenset()
            [candidate] = own.inventory.keys[target]
            own.plan(request(target.model.id), Dialect.OPENAI_CHAT, caller(), NOW).on_launched(n, candidate, NOW)
        assert own.busy_providers(NOW) == {"a"}

    def test_a_refused_key_and_one_that_is_switched_off_are_something_else(self) -> None:
        off = provider(keys=[{"value": "one-secret", "enabled": False}])
        own = Router(
            settings({"a": provider(keys=["one-secret"]), "off": off, "down": provider(enabled=False)}), SECRET
        )
        cool(own, Scope.KEY, "a/m", "key_invalid", 300.0, NOW)
        assert own.busy_providers(NOW) == frozenset()

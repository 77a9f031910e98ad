"""Who takes part in which mode, who stands first, and who only by name."""

from random import Random
from typing import Any

import pytest

from pointsman import config
from pointsman.config import Settings
from pointsman.config.enums import Dialect, Mode
from pointsman.domain.failures import Failure, Scope
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.plan import Plan
from pointsman.routing.pools import POOL_GROUPS
from pointsman.routing.router import Router
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Code
from routing.routing_builders import cool, labels, request, status
from support.clients_in_core import SECRET, caller
from support.settings import provider

NOW = 1000.0
REST = 180.0
"""Seconds for which a guarded pin is paused."""
SESSION = {"x-session-id": "conversation"}
MODELS: tuple[dict[str, Any], ...] = (
    {"id": "f", "pool": "fast"},
    {"id": "b", "pool": "balanced"},
    {"id": "s", "pool": "smart"},
)


def configured(*models: dict[str, Any], **routing: Any) -> Settings:
    return config.build({"providers": {"p": provider(models=list(models))}, "routing": routing}, {})


def plan(settings: Settings, model: str) -> Plan:
    return Router(settings, SECRET, Random(3)).plan(request(model), Dialect.OPENAI_CHAT, caller(), NOW)


@pytest.mark.parametrize(
    ("mode", "tiers"),
    [("fast", ["f", "b"]), ("balanced", ["bf"]), ("smart", ["bfs"])],
)
def test_each_mode_has_its_pools_and_their_order(mode: str, tiers: list[str]) -> None:
    found = plan(configured(*MODELS), f"auto-{mode}").candidates.tiers
    assert ["".join(sorted(target.model.id for target in tier)) for tier in found] == tiers


def test_auto_is_the_default_mode() -> None:
    assert labels(plan(configured(*MODELS, default_mode="fast"), "auto").candidates.tiers[0]) == ["p/f"]


def test_in_fast_the_fast_ones_come_first_and_balanced_ones_after_them() -> None:
    settings = configured(*MODELS)
    orders = {tuple(c.target.model.id for c in plan(settings, "auto-fast").ranked_candidates(NOW)) for _ in range(20)}
    assert orders == {("f", "b")}


def test_who_is_left_out_is_listed_with_the_reason() -> None:
    found = {(e.target.model.id, e.reason) for e in plan(configured(*MODELS), "auto-balanced").exclusions(NOW)}
    assert found == {("s", ExclusionReason.POOL)}


@pytest.mark.parametrize(
    ("models", "mode", "chosen", "note"),
    [
        (MODELS[2:], "balanced", "s", "pool smart, as there is no enabled target in fast and balanced"),
        (MODELS[2:], "fast", "s", "pool smart, as there is no enabled target in fast and balanced"),
        (MODELS[1:], "fast", "b", "pool balanced, as there is no enabled target in fast"),
        (
            ({**MODELS[0], "enabled": False}, MODELS[1]),
            "fast",
            "b",
            "pool balanced, as there is no enabled target in fast",
        ),
        (MODELS, "fast", "f", ""),
    ],
    ids=["only smart", "only smart, fast", "no fast", "fast disabled", "all there"],
)
def test_where_its_pools_are_empty_the_next_one_is_used_and_the_reason_says_so(
    models: tuple[dict[str, Any], ...], mode: str, chosen: str, note: str
) -> None:
    own = plan(configured(*models), f"auto-{mode}")
    candidate = own.next_candidate(NOW)
    assert candidate
    assert candidate.target.model.id == chosen
    assert own.selection_reason(candidate, NOW, NOW).partition("; ")[2] == note


@pytest.mark.parametrize("name", ["s", "p/s", "nice"])
def test_pools_do_not_matter_where_a_model_is_named(name: str) -> None:
    own = plan(configured(*MODELS, aliases={"nice": "s"}), name)
    assert labels(own.candidates.targets) == ["p/s"]
    assert own.exclusions(NOW) == []


class TestSmartFirst:
    """As the catalog has it: LongCat's models, and Owl Alpha."""

    @pytest.fixture
    def router(self) -> Router:
        providers = {
            "groq": {"keys": ["groq-secret"]},
            "longcat": {"keys": ["longcat-secret"]},
            "openrouter": {"keys": ["openrouter-secret"]},
        }
        return Router(config.build({"providers": providers}, {}), SECRET, Random(11))

    @staticmethod
    def first(router: Router, model: str, **known: Any) -> str:
        own = router.plan(request(model), Dialect.OPENAI_CHAT, caller(**known), NOW)
        candidate = own.next_candidate(NOW)
        assert candidate
        return candidate.target.label

    @pytest.mark.parametrize("mode", ["balanced", "fast"])
    def test_they_are_never_chosen_in_another_mode(self, router: Router, mode: str) -> None:
        chosen = {self.first(router, f"auto-{mode}") for _ in range(10_000)}
        assert len(chosen) > 3, "the others take turns"
        assert not [label for label in chosen if label.startswith("longcat/") or label.endswith("owl-alpha")]

    def test_nor_as_the_last_ones_left(self) -> None:
        own = plan(configured({"id": "owl", "smart_first": True}), "auto-balanced")
        assert own.next_candidate(NOW) is None
        assert own.final_error(NOW, NOW).code is Code.NO_CANDIDATE
        assert [(e.reason, e.detail) for e in own.exclusions(NOW)] == [
            (ExclusionReason.SMART_FIRST, "only by name, by pin or in auto-smart")
        ]

    def test_they_stand_at_the_front_in_smart_while_a_key_has_capacity(self, router: Router) -> None:
        chosen = {self.first(router, "auto-smart") for _ in range(500)}
        assert len(chosen) > 1
        assert {label.partition("/")[0] for label in chosen} == {"longcat"}
        for label in chosen:
            cool(router, Scope.KEY, label, "rate_limit", 60.0, NOW)
        assert {self.first(router, "auto-smart") for _ in range(50)} == {"openrouter/openrouter/owl-alpha"}
        cool(router, Scope.KEY, "openrouter/openrouter/owl-alpha", "rate_limit", 60.0, NOW)
        assert {self.first(router, "auto-smart").partition("/")[0] for _ in range(50)} == {"groq"}

    @pytest.mark.parametrize(
        "name", ["openrouter/openrouter/owl-alpha", "openrouter/owl-alpha", "owl-alpha", "LongCat-2.0"]
    )
    def test_they_are_reachable_by_name(self, router: Router, name: str) -> None:
        assert self.first(router, name).endswith(name)

    def test_they_are_reachable_by_pin(self, router: Router) -> None:
        own = router.plan(request("auto-balanced"), Dialect.OPENAI_CHAT, caller(headers=SESSION), NOW)
        own.binding.set_pin(Pin("openrouter", "openrouter/owl-alpha", "key-1"), NOW - REST)
        assert self.first(router, "auto-balanced", headers=SESSION) == "openrouter/openrouter/owl-alpha"
        later = router.plan(request("auto-balanced"), Dialect.OPENAI_CHAT, caller(headers=SESSION), NOW)
        assert "openrouter/openrouter/owl-alpha" not in labels(exclusion.target for exclusion in later.exclusions(NOW))

    def test_a_pin_that_cools_is_left_out_for_that(self, router: Router) -> None:
        own = router.plan(request("auto-balanced"), Dialect.OPENAI_CHAT, caller(headers=SESSION), NOW)
        own.binding.set_pin(Pin("openrouter", "openrouter/owl-alpha", "key-1"), NOW - REST)
        candidate = router.inventory.keys[router.inventory.by_label["openrouter/openrouter/owl-alpha"]][0]
        router.state.on_failure(candidate, Failure.SERVER_ERROR, status(503), False, NOW, NOW)
        later = router.plan(request("auto-balanced"), Dialect.OPENAI_CHAT, caller(headers=SESSION), NOW)
        reasons = [e.reason for e in later.exclusions(NOW) if e.target is candidate.target]
        assert reasons == [ExclusionReason.COOLING]


def test_every_mode_has_pools() -> None:
    assert set(POOL_GROUPS) == set(Mode)

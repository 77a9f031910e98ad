"""Chains of names, and tiers of priority: what comes before what, and what the reasons say."""

from dataclasses import replace
from typing import Any

import pytest

from pointsman import config
from pointsman.config.enums import Dialect, Kind, Mode
from pointsman.config.errors import ConfigError
from pointsman.domain.failures import Scope
from pointsman.routing.explain import explain
from pointsman.routing.plan import Plan
from pointsman.routing.resolve import resolve
from pointsman.routing.router import Router
from pointsman.wire.errors import Code, Problem
from pointsman.wire.request_options import RequestOptions
from routing.routing_builders import called, cool, labels, pin_on, request
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

WHO = caller(headers={"x-session-id": "one-conversation"})
NOW, WALL = 1000.0, 1_800_000_000.0
PROVIDERS = {
    "openai": provider("http://127.0.0.1:9/v1", "gpt-4o"),
    "azure": provider("http://127.0.0.1:8/v1", "gpt-4o", "embed"),
    "groq": provider("http://127.0.0.1:7/v1", "llama"),
}
PROVIDERS["azure"]["models"][1]["kind"] = "embedding"
CHAIN = ["azure/gpt-4o", "openai/gpt-4o", "auto-smart"]


def router(aliases: dict[str, Any], **changes: Any) -> Router:
    return Router(settings(PROVIDERS, routing={"aliases": aliases}, **changes), SECRET)


def plan(own: Router, model: str) -> Plan:
    return own.plan(request(model), Dialect.OPENAI_CHAT, WHO, NOW, WALL)


def order(own: Router, model: str) -> list[str]:
    return called(plan(own, model).ranked_candidates(NOW))


def test_a_chain_is_tried_in_its_order() -> None:
    assert order(router({"gpt-4o": CHAIN}), "gpt-4o") == ["azure/gpt-4o", "openai/gpt-4o", "groq/llama"]


def test_a_step_is_left_only_when_nothing_of_it_is_usable() -> None:
    own = router({"best": ["gpt-4o", "groq/llama"]})
    assert order(own, "best") == ["openai/gpt-4o", "azure/gpt-4o", "groq/llama"]
    for name in ("openai", "azure"):
        cool(own, Scope.TARGET, f"{name}/gpt-4o", "503", 60.0, NOW)
    assert order(own, "best") == ["groq/llama"]


def test_each_attempt_says_which_step_it_is() -> None:
    own = router({"best": CHAIN})
    found = plan(own, "best")
    whys = [found.selection_reason(each, NOW, WALL) for each in found.ranked_candidates(NOW)]
    assert [why.split("; ")[1] for why in whys] == [
        "step 1 of 3, azure/gpt-4o",
        "step 2 of 3, openai/gpt-4o",
        "step 3 of 3, auto-smart",
    ]
    shown = explain(own.preview_plan(request("best"), Dialect.OPENAI_CHAT, WHO, NOW, WALL), NOW, WALL)
    assert [(step["name"], step["targets"]) for step in shown["chain"][:2]] == [(name, [name]) for name in CHAIN[:2]]


def test_chains_may_name_aliases_and_chains() -> None:
    own = router({"a": ["b", "groq/llama"], "b": ["openai/gpt-4o", "c"], "c": "azure/gpt-4o"})
    assert order(own, "a") == ["openai/gpt-4o", "azure/gpt-4o", "groq/llama"]


def test_the_mode_is_that_of_the_first_step_that_has_one() -> None:
    own = router({"best": CHAIN})
    assert plan(own, "best").mode == "smart"


def test_only_steps_of_the_kind_count() -> None:
    own = router({"mixed": ["azure/embed", "openai/gpt-4o", "auto"], "chats": ["openai/gpt-4o", "auto"]})
    found = resolve("mixed", own.settings, own.inventory, Kind.EMBEDDING)
    assert labels(found.targets) == ["azure/embed"]
    assert labels(own.ranking.candidate_set(found).targets) == ["azure/embed"]
    assert order(own, "mixed")[0] == "openai/gpt-4o"
    with pytest.raises(Problem, match="this path needs a model of kind embedding"):
        resolve("chats", own.settings, own.inventory, Kind.EMBEDDING)


def test_a_session_stays_where_the_chain_has_led_it() -> None:
    own = router({"best": CHAIN})
    first = plan(own, "best")
    assert first.binding.session
    first.binding.set_pin(pin_on(own, "groq/llama"), NOW)
    assert order(own, "best")[0] == "groq/llama"


@pytest.mark.parametrize(
    ("aliases", "place", "words"),
    [
        ({"a": ["openai/gpt-4o", "gpt-5"]}, "routing.aliases.a", 'got "gpt-5"'),
        ({"a": ["b", "groq/llama"], "b": ["groq/llama", "a"]}, "routing.aliases.a", "is circular (a -> b -> a)"),
        ({"a": []}, "routing.aliases.a", "a list of 1 to 50 names"),
        ({"a": ["groq/llama", "groq/llama"]}, "routing.aliases.a", "the same thing twice"),
        ({"a": ["groq/llama", 3]}, "routing.aliases.a", "quotes"),
    ],
)
def test_a_wrong_chain_is_an_error_with_its_place(aliases: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.build({"providers": PROVIDERS, "routing": {"aliases": aliases}}, {})
    assert place in str(caught.value)
    assert words in str(caught.value)


def test_a_mode_asked_for_beside_the_name_is_that_of_every_step_by_mode() -> None:
    own = router({"outer": ["groq/llama", "inner"], "inner": ["openai/gpt-4o", "auto-balanced"]})
    found = resolve("outer", own.settings, own.inventory, options=RequestOptions(mode=Mode.FAST))
    assert [(step.requested, step.mode) for step in found.chain if step.automatic] == [("auto-balanced", "fast")]


def test_a_chain_within_a_chain_is_its_steps_for_every_kind() -> None:
    own = router({"outer": ["inner", "groq/llama"], "inner": ["azure/embed", "auto"]})
    found = resolve("outer", own.settings, own.inventory, Kind.EMBEDDING)
    assert labels(own.ranking.candidate_set(found).targets) == ["azure/embed"]


@pytest.mark.parametrize(
    ("models", "mode", "allowed"),
    [
        (["best"], None, CHAIN[:2]),
        (["best"], Mode.FAST, []),
        (["auto-fast"], Mode.FAST, CHAIN[1:2]),
        (["auto-fast", "best"], Mode.FAST, CHAIN[:2]),
        (["azure/*", "auto-balanced"], None, CHAIN[:2]),
        (["groq/*"], None, []),
    ],
)
def test_a_client_gets_of_a_chain_what_it_may_use(models: list[str], mode: Mode | None, allowed: list[str]) -> None:
    providers = {"azure": PROVIDERS["azure"], "openai": PROVIDERS["openai"], "groq": PROVIDERS["groq"]}
    providers["azure"] = {**providers["azure"], "models": [{"id": "gpt-4o", "pool": "smart"}]}
    providers["openai"] = {**providers["openai"], "models": [{"id": "gpt-4o", "pool": "fast"}]}
    providers["groq"] = {**providers["groq"], "models": [{"id": "llama", "pool": "smart"}]}
    own = Router(
        settings(
            providers,
            routing={"aliases": {"best": ["azure/gpt-4o", "auto-balanced"]}},
            clients={"ci": {"key": "the-key-of-ci", "models": models}},
        ),
        SECRET,
    )
    facts = replace(request("best"), options=RequestOptions(mode=mode))
    if allowed:
        found = own.plan(facts, Dialect.OPENAI_CHAT, caller(client="ci"), NOW, WALL)
        assert called(found.ranked_candidates(NOW)) == allowed
    else:
        with pytest.raises(Problem, match=f"may not use 'best'{f' in mode {mode}' if mode else ''};") as caught:
            own.plan(facts, Dialect.OPENAI_CHAT, caller(client="ci"), NOW, WALL)
        assert caught.value.code is Code.MODEL_NOT_ALLOWED


def tiered(**priorities: int) -> Router:
    providers = {name: {**each, "priority": priorities.get(name, 1)} for name, each in PROVIDERS.items()}
    return Router(settings(providers), SECRET)


def test_a_tier_is_left_only_when_nothing_of_it_is_usable() -> None:
    own = tiered(openai=2, azure=2)
    assert order(own, "auto") == ["groq/llama", "openai/gpt-4o", "azure/gpt-4o"]
    assert order(own, "gpt-4o") == ["openai/gpt-4o", "azure/gpt-4o"]
    cool(own, Scope.TARGET, "groq/llama", "503", 60.0, NOW)
    assert order(own, "auto") == ["openai/gpt-4o", "azure/gpt-4o"]


def test_a_model_may_have_a_tier_of_its_own() -> None:
    providers = {name: {**each, "priority": 3} for name, each in PROVIDERS.items()}
    providers["azure"]["models"] = [{"id": "gpt-4o", "priority": 1}]
    own = Router(settings(providers), SECRET)
    assert order(own, "gpt-4o") == ["azure/gpt-4o", "openai/gpt-4o"]


def test_priority_comes_before_the_pool() -> None:
    providers = {
        "a": {**provider("http://127.0.0.1:9/v1"), "models": [{"id": "m", "pool": "fast"}], "priority": 2},
        "b": {**provider("http://127.0.0.1:8/v1"), "models": [{"id": "n", "pool": "balanced"}]},
    }
    assert order(Router(settings(providers), SECRET), "auto-fast") == ["b/n", "a/m"]

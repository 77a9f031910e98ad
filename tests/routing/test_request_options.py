"""Options of one request in the plan: which providers, which mode, one attempt alone."""

from dataclasses import replace
from typing import Any

import pytest

from pointsman.config.enums import Dialect, Mode
from pointsman.domain.targets import Candidate
from pointsman.routing.explain import explain
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.wire.errors import Code, Problem
from pointsman.wire.request_options import RequestOptions
from routing.routing_builders import called, pin_on, request, status
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW, WALL = 1000.0, 1_800_000_000.0
WHO = caller(headers={"x-session-id": "one-conversation"})
PROVIDERS = {name: provider(f"http://127.0.0.1:{9 + n}/v1") for n, name in enumerate("abc")}


def router(**sections: Any) -> Router:
    return Router(settings(PROVIDERS, **sections), SECRET)


def plan(own: Router, model: str = "m", **options: Any) -> Plan:
    facts = replace(request(model), options=RequestOptions(**options))
    return own.plan(facts, Dialect.OPENAI_CHAT, WHO, NOW, WALL)


def order(found: Plan) -> list[str]:
    return called(found.ranked_candidates(NOW))


def launch(found: Plan) -> Candidate:
    candidate = found.next_candidate(NOW)
    assert candidate
    found.on_launched(1, candidate, NOW)
    return candidate


def test_only_the_named_providers_are_asked() -> None:
    found = plan(router(), providers=("c", "b"))
    assert order(found) == ["b/m", "c/m"]
    assert {each["provider"]: (each["reason"], each["detail"]) for each in found.exclusion_dicts(NOW, WALL)} == {
        "a": ("not_requested", "only c, b")
    }


def test_a_pin_elsewhere_is_not_used_and_stays() -> None:
    own = router()
    plan(own).binding.set_pin(pin_on(own, "a/m"), NOW)
    found = plan(own, providers=("b",))
    assert order(found) == ["b/m"]
    found.on_committed(launch(found), NOW)
    assert order(plan(own))[0] == "a/m", "its target has not failed"


def test_an_unknown_provider_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(Problem, match="names 'groq'; the providers are a, b, c") as caught:
        plan(router(), providers=("a", "groq"))
    assert caught.value.code is Code.INVALID_REQUEST


def test_a_model_of_none_of_them_is_an_error() -> None:
    with pytest.raises(Problem, match="'a/m' is no model of b or c") as caught:
        plan(router(), "a/m", providers=("b", "c"))
    assert caught.value.code is Code.MODEL_NOT_FOUND


@pytest.mark.parametrize("model", ["m", "auto", "auto-fast", "chain"])
def test_the_mode_is_the_one_asked_for(model: str) -> None:
    own = router(routing={"aliases": {"chain": ["a/m", "auto-balanced"]}})
    found = plan(own, model, mode=Mode.SMART)
    assert found.mode is Mode.SMART
    assert sorted(order(found)) == ["a/m", "b/m", "c/m"]


def test_without_fallback_there_is_one_attempt_and_its_answer_is_final() -> None:
    found = plan(router(), fallback=False)
    candidate = launch(found)
    assert found.hedge_delay(candidate, WALL) is None
    assert found.next_candidate(NOW, [candidate]) is None
    assert found.is_final(status(503))
    assert not plan(router()).is_final(status(503))


def test_explain_shows_them() -> None:
    own = router()
    facts = replace(request("m"), options=RequestOptions(providers=("b",), mode=Mode.FAST, timeout=2.0))
    shown = explain(own.preview_plan(facts, Dialect.OPENAI_CHAT, WHO, NOW, WALL), NOW, WALL)
    assert shown["options"] == {"providers": ["b"], "mode": "fast", "timeout": 2.0}
    assert [each["provider"] for each in shown["candidates"]] == ["b"]

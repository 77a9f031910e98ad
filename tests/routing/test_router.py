"""The owner of what exchanges share: the inventory in force."""

import pytest

from pointsman.config.words import Dialect
from pointsman.routing.router import Router
from pointsman.wire.faults import Code, Problem
from routing.yard import called, request
from support.callers import SECRET, caller
from support.settings import provider, settings

NOW = 1000.0


@pytest.fixture
def router() -> Router:
    return Router(settings({"old": provider()}), SECRET)


def test_a_reload_counts_for_plans_made_from_then_on(router: Router) -> None:
    router.replace(settings({"new": provider()}, routing={"aliases": {"nick": "m"}}), 0.0)
    assert called(router.plan(request(), Dialect.OPENAI_CHAT, caller(), 0.0).ranked(NOW)) == ["new/m"]
    assert called(router.plan(request(model="nick"), Dialect.OPENAI_CHAT, caller(), 0.0).ranked(NOW)) == ["new/m"]


def test_a_plan_keeps_the_inventory_it_was_made_with(router: Router) -> None:
    plan = router.plan(request(), Dialect.OPENAI_CHAT, caller(), 0.0)
    router.replace(settings({"new": provider()}), 0.0)
    assert called(plan.ranked(NOW)) == ["old/m"]


def test_there_is_no_plan_for_a_model_that_nobody_has(router: Router) -> None:
    with pytest.raises(Problem) as caught:
        router.plan(request(model="nobody"), Dialect.OPENAI_CHAT, caller(), 0.0)
    assert caught.value.code is Code.MODEL_NOT_FOUND

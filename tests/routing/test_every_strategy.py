"""What holds with each strategy: failover, stickiness, cooldowns, bans, guarded providers, limits and waiting lines."""

from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.config.enums import Strategy
from pointsman.domain.failures import Scope
from routing.routing_builders import cool, status
from routing.session_driver import SessionDriver
from support.settings import provider

NAMES = "abc"
every_strategy = pytest.mark.parametrize("strategy", Strategy)


def talking(strategy: Strategy, each: Mapping[str, Any] | None = None, **sections: Any) -> SessionDriver:
    """Three providers of one model; `each` has more of their entries, by name."""
    providers = {name: provider(f"https://{name}.test/v1") | dict((each or {}).get(name, {})) for name in NAMES}
    return SessionDriver(providers, routing={"strategy": strategy}, **sections)


def others(name: str | None) -> set[str]:
    return {f"{each}/m" for each in NAMES} - {name or ""}


@every_strategy
def test_each_one_is_tried_once_before_the_request_fails(strategy: Strategy) -> None:
    tried = talking(strategy).ask().fail_everywhere(status(500))
    assert sorted(tried) == sorted(others(None))


@every_strategy
def test_a_conversation_stays_and_moves_with_its_answer(strategy: Strategy) -> None:
    talks = talking(strategy)
    first = talks.ask().succeed()
    for n in range(4):
        talks.ask(f"other {n}").succeed()
        assert talks.ask().succeed() == first
    own = talks.ask()
    assert own.fail(status(503)) == first
    second = own.succeed()
    assert second in others(first)
    for n in range(4):
        talks.ask(f"other {n}").succeed()
        assert talks.ask().succeed() == second


@every_strategy
def test_what_cools_down_is_left_out_and_comes_back(strategy: Strategy) -> None:
    talks = talking(strategy)
    failing = talks.ask(None)
    cold = failing.fail(status(429, retry_after=60.0))
    failing.succeed()
    assert cold not in {talks.ask(None).succeed() for _ in range(12)}
    for warm in others(cold):
        cool(talks.router, Scope.TARGET, warm, "503", 600.0, talks.now)
    talks.now += 61
    assert talks.ask(None).succeed() == cold


@every_strategy
def test_nothing_is_used_beyond_its_limit(strategy: Strategy) -> None:
    limited = {name: {"models": [{"id": "m", "limits": {"rpm": 2}}]} for name in NAMES}
    talks = talking(strategy, limited)
    served = [talks.ask(None).succeed() for _ in range(6)]
    assert sorted(each or "" for each in served) == sorted(2 * list(others(None)))
    assert talks.ask(None).launch() is None
    talks.now += 61
    assert talks.ask(None).launch() is not None


@every_strategy
def test_so_many_run_at_once_and_no_more(strategy: Strategy) -> None:
    limited = {name: {"models": [{"id": "m", "limits": {"concurrency": 1}}]} for name in NAMES}
    talks = talking(strategy, limited)
    running = [talks.ask(None) for _ in NAMES]
    assert {each.launch() for each in running} == others(None)
    assert talks.ask(None).launch() is None
    running[1].settle()
    assert talks.ask(None).launch() is not None


@every_strategy
def test_a_ban_keeps_one_session_away_and_no_other(strategy: Strategy) -> None:
    """It follows from a second failure within the conversation."""
    talks = talking(strategy, {name: {"protection": "model-skip"} for name in NAMES})
    for name in "bc":
        cool(talks.router, Scope.TARGET, f"{name}/m", "503", 600.0, talks.now)
    for _ in range(2):
        own = talks.ask()
        assert own.fail(status(503)) == "a/m"
        own.plan.on_ended(True, talks.now)
        talks.router.lift_cooldowns("a", None, None, talks.now)
    talks.router.clear_cooldowns(talks.now)
    assert talks.bans() == {"a/m"}
    assert {talks.ask().succeed() for _ in range(6)} <= others("a/m")
    for name in "bc":
        cool(talks.router, Scope.TARGET, f"{name}/m", "503", 600.0, talks.now)
    assert talks.ask("another one").launch() == "a/m"


@every_strategy
def test_a_guarded_provider_serves_one_session_at_a_time(strategy: Strategy) -> None:
    talks = talking(strategy, {"a": {"protection": "provider-ban"}}, sticky={"rest": "off"})
    for name in "bc":
        cool(talks.router, Scope.TARGET, f"{name}/m", "503", 5.0, talks.now)
    holder = talks.ask()
    assert holder.launch() == "a/m"
    talks.router.clear_cooldowns(talks.now)
    assert {talks.ask(f"other {n}").launch() for n in range(6)} <= {"b/m", "c/m"}
    holder.settle()
    assert talks.ask().launch() == "a/m"

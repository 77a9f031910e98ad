"""When a conversation leaves its pin for a target that costs less, when it stays, and what is shown of that."""

from typing import Any

import pytest

from pointsman import config
from pointsman.commands.explain import table
from pointsman.config.enums import Dialect
from pointsman.routing.cache_statistics import TargetCache
from pointsman.routing.explain import explain
from pointsman.sessions.prompt_caches import CachedPrompt
from pointsman.sessions.store import Pin
from pointsman.wire.conversation import Conversation, Message
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import HeldIds, RequestFacts
from routing.routing_builders import status
from routing.session_driver import NOW, WALL, DrivenExchange, SessionDriver
from support.clients_in_core import caller
from support.settings import provider

WEIGHTS = {"reliability": 0, "speed": 0.5, "latency": 0.1, "intelligence": 0.4}
"""Without reliability no draw counts."""


def priced(name: str, dollars: float, **more: Any) -> dict[str, Any]:
    """A cache read costs a tenth, an answer five times as much."""
    prices = {"m": {"input": dollars, "output": 5 * dollars, "cache_read": round(dollars / 10, 6)}}
    return provider(f"https://{name}.test/v1", "m", **({"prices": prices} if dollars else {}), **more)


def driver(dear: float = 10.0, cheap: float = 1.0, strategy: str = "score", **sections: Any) -> SessionDriver:
    """Two providers of one model; `a` is the one that new conversations begin with, and the dear one."""
    kinds = {name: sections.pop(name, {}) for name in ("a", "b")}
    providers = {"a": priced("a", dear, **kinds["a"]), "b": priced("b", cheap, **kinds["b"])}
    for each in providers.values():
        each["models"] = [{"id": "m", "intelligence": 1}]
    routing = {"strategy": strategy, "weights": {"balanced": WEIGHTS}, **sections.pop("routing", {})}
    return SessionDriver(providers, routing=routing, **sections)


def turn(talks: SessionDriver, n: int, read: float = 0.0, name: str = "7", pause: float = 60.0) -> str | None:
    """The next one, with 1,000 tokens more than the one before; this share of the prompt is read from a cache."""
    talks.now += pause
    return asked(talks, n, name).succeed(usage_of(n, read))


def usage_of(n: int, read: float) -> Usage:
    prompt = 20_000 + 1000 * n
    return Usage(input=round(prompt * (1 - read)), output=200, cache_read=round(prompt * read))


def asked(talks: SessionDriver, n: int, name: str = "7") -> DrivenExchange:
    return talks.ask(name, said=f"{n}", tokens=20_000 + 1000 * n)


def pin(talks: SessionDriver) -> Pin | None:
    session = asked(talks, 99).plan.binding.session
    assert session
    return session.pin


class TestThePriceOfStaying:
    def test_a_warm_cache_is_worth_more_than_a_slightly_lower_price(self) -> None:
        talks = driver(dear=1.1)
        assert [turn(talks, n, read=0.95 * (n > 0)) for n in range(6)] == ["a/m"] * 6

    def test_a_much_lower_price_is_worth_more_than_a_warm_cache(self) -> None:
        talks = driver(dear=20.0)
        assert [turn(talks, n, read=0.95 * (n > 0)) for n in range(3)] == ["a/m", "b/m", "b/m"]
        assert pin(talks) == Pin("b", "m", None)

    def test_at_equal_prices_it_stays(self) -> None:
        talks = driver(dear=1.0)
        assert [turn(talks, n, read=0.5 * (n > 0)) for n in range(12)] == ["a/m"] * 12

    def test_off_keeps_every_pin(self) -> None:
        talks = driver(dear=20.0, sticky={"cache": "off"})
        assert [turn(talks, n) for n in range(4)] == ["a/m"] * 4

    def test_without_a_reported_usage_it_stays(self) -> None:
        talks = driver(dear=20.0)
        for n in range(3):
            assert asked(talks, n).succeed(Usage(input=20_000, output=200, is_estimated=True)) == "a/m"

    def test_without_prices_an_untried_target_has_no_advantage(self) -> None:
        talks = driver(dear=0, cheap=0)
        assert [turn(talks, n) for n in range(20)] == ["a/m"] * 20

    def test_without_prices_uncached_tokens_count(self) -> None:
        talks = driver(dear=0, cheap=0)
        for n in range(8):
            teach(talks, "b", 5.0, said=n, read=0.95 * (n > 0))
        went = [turn(talks, n) for n in range(24)]
        assert (went[0], went[-1]) == ("a/m", "b/m")

    def test_a_price_that_is_not_known_is_not_compared(self) -> None:
        talks = driver(dear=20.0, cheap=0)
        assert [turn(talks, n) for n in range(3)] == ["a/m"] * 3


class TestAProviderThatNeverReportsHits:
    def test_it_loses_its_claim_after_enough_evidence(self) -> None:
        """b costs a fifth less, which a warm cache would be worth more than."""
        talks = driver(dear=1.25)
        went = [turn(talks, n) for n in range(40)]
        assert went[:3] == ["a/m"] * 3
        assert went[20:] == ["b/m"] * 20

    def test_one_that_reports_them_does_not(self) -> None:
        talks = driver(dear=1.25)
        assert [turn(talks, n, read=0.95 * (n > 0)) for n in range(12)] == ["a/m"] * 12

    def test_what_conversations_have_shown_counts_in_the_next_one(self) -> None:
        talks = driver(dear=1.25)
        stayed = [[turn(talks, n, name=name) for n in range(8)].count("a/m") for name in ("1", "2", "3", "4")]
        assert stayed[0] > stayed[-1]

    def test_what_is_not_read_soon_after_is_not_expected_later(self) -> None:
        known, seen = TargetCache(), CachedPrompt(20_000, NOW, None, None, 0.0)
        assert [known.share(seen, band, True, NOW) for band in (0, 1, 2)] == [1.0, 1.0, 0.0]
        for _ in range(20):
            known.shares.observe(0, 0.0, NOW)
        assert known.share(seen, 0, True, NOW) < 0.15
        assert known.share(seen, 1, True, NOW) == known.share(seen, 0, True, NOW)

    def test_a_few_misses_do_not_speak_against_a_cache(self) -> None:
        """A target that is left for them would not be observed any more."""
        known, seen = TargetCache(), CachedPrompt(20_000, NOW, None, None, 0.0)
        for _ in range(3):
            known.shares.observe(0, 0.0, NOW)
        assert known.share(seen, 0, True, NOW) == 1.0


class TestGoingBack:
    def test_after_an_outage_it_returns_to_the_cheaper_target(self) -> None:
        talks = driver(dear=1.0, cheap=3.0, strategy="priority")
        assert turn(talks, 0) == "a/m"
        talks.now += 60
        own = asked(talks, 1)
        assert own.fail(status(503)) == "a/m"
        assert own.succeed(Usage(input=21_000, output=200)) == "b/m"
        assert turn(talks, 2, read=0.9, pause=100.0) == "a/m"
        assert pin(talks) == Pin("a", "m", None)

    def test_a_move_of_its_own_is_no_failure_to_return_from(self) -> None:
        talks = driver(dear=20.0, sticky={"return_after": "1s"})
        assert [turn(talks, n) for n in range(5)] == ["a/m", "b/m", "b/m", "b/m", "b/m"]

    def test_the_key_that_has_the_cache_is_used_again(self) -> None:
        keys = ["sk-first-secret", "sk-second-secret"]
        talks = driver(dear=1.0, cheap=3.0, strategy="priority", a={"keys": keys})
        assert turn(talks, 0) == "a/m#key-1"
        own = asked(talks, 1)
        assert [own.fail(status(503)), own.fail(status(503))] == ["a/m#key-1", "a/m#key-2"]
        assert own.succeed(Usage(input=21_000, output=200)) == "b/m"
        talks.ask("other", said="other").succeed()
        assert turn(talks, 2, pause=100.0) == "a/m#key-1"

    def test_if_the_cheaper_one_fails_the_pinned_one_answers_and_keeps_the_pin(self) -> None:
        talks = driver(dear=20.0)
        turn(talks, 0)
        own = asked(talks, 1)
        assert own.fail(status(503)) == "b/m"
        assert own.succeed(Usage(input=21_000, output=200)) == "a/m"
        assert pin(talks) == Pin("a", "m", None)


class TestPinsThatMoneyDoesNotMove:
    @pytest.mark.parametrize("guarded", ["a", "b"])
    def test_a_guarded_provider_is_neither_left_nor_gone_to(self, guarded: str) -> None:
        talks = driver(dear=20.0, sticky={"rest": "off"}, **{guarded: {"protection": "provider-ban"}})
        assert [turn(talks, n) for n in range(3)] == ["a/m"] * 3

    def test_what_one_account_holds_stays_there(self) -> None:
        talks = driver(dear=20.0)
        turn(talks, 0)
        facts = RequestFacts("m", True, frozenset(), 21_000, held=HeldIds.of(answers=["resp_1"]))
        assert self.first_choice(talks, facts) == "a/m"

    @pytest.mark.parametrize(("part", "target"), [("signature", "a/m"), ("other", "b/m")])
    def test_signed_parts_stay_with_their_issuer(self, part: str, target: str) -> None:
        talks = driver(dear=20.0, a={"dialect": "anthropic"}, b={"dialect": "anthropic"})
        turn(talks, 0)
        said = {"role": "assistant", "content": [{"type": "thinking", "thinking": "so", part: "c2ln"}]}
        facts = RequestFacts("m", True, frozenset(), 21_000, document={"messages": [said]})
        assert self.first_choice(talks, facts, Dialect.ANTHROPIC) == target

    def test_answers_that_would_have_to_be_converted_are_not_gone_for(self) -> None:
        talks = driver(dear=20.0, b={"dialect": "anthropic"})
        assert [turn(talks, n) for n in range(3)] == ["a/m"] * 3

    def test_a_worse_model_is_not_gone_for(self) -> None:
        talks = driver(dear=20.0)
        talks.router.update_settings(driver_settings_with_ranks(talks), NOW)
        assert [turn(talks, n) for n in range(3)] == ["a/m"] * 3

    def test_a_later_tier_is_not_gone_for(self) -> None:
        talks = driver(dear=20.0, b={"priority": 2})
        assert [turn(talks, n) for n in range(3)] == ["a/m"] * 3

    @pytest.mark.parametrize("strategy", ["priority", "weighted", "round_robin", "least_busy"])
    def test_an_order_that_is_configured_is_not_changed(self, strategy: str) -> None:
        talks = driver(dear=20.0, strategy=strategy, a={"weight": 1}, b={"weight": 0})
        assert [turn(talks, n) for n in range(3)] == ["a/m"] * 3

    def test_a_key_that_stands_for_all_of_a_client_has_no_cache(self) -> None:
        talks = driver(dear=20.0, sticky={"key_sources": ["auth_header"]})
        for n in range(3):
            known = caller(credential="sk-client", conversation=lambda: Conversation(b"", (Message("user", b"x"),)))
            facts = RequestFacts("m", True, frozenset(), 20_000 + 1000 * n)
            own = DrivenExchange(talks, talks.router.plan(facts, Dialect.OPENAI_CHAT, known, talks.now))
            assert own.succeed(Usage(input=20_000, output=200)) == "a/m"

    def first_choice(
        self, talks: SessionDriver, facts: RequestFacts, dialect: Dialect = Dialect.OPENAI_CHAT
    ) -> str | None:
        own = talks.router.plan(facts, dialect, caller(headers={"x-session-id": "7"}), talks.now + 1)
        return DrivenExchange(talks, own).launch()


QUICK: dict[str, Any] = {
    "routing": {"weights": {"balanced": {**WEIGHTS, "latency": 3}}}, "sticky": {"idle_ttl": "10h"},
}  # fmt: skip


class TestTimeToTheFirstContent:
    def test_at_equal_cost_the_faster_one_is_gone_to(self) -> None:
        """No cache is left after two hours; a takes five seconds, b one."""
        talks = driver(dear=1.0, **QUICK)
        teach(talks, "b", 1000.0)
        went = []
        for n in range(25):
            talks.now += 7200
            went.append(asked(talks, n).succeed(Usage(input=20_000 + 1000 * n, output=200), first_content_ms=5000.0))
        assert (went[0], went[-1]) == ("a/m", "b/m")

    def test_it_does_not_make_a_dearer_one_worth_while(self) -> None:
        talks = driver(dear=1.0, cheap=1.2, **QUICK)
        teach(talks, "b", 1000.0)
        for n in range(10):
            talks.now += 7200
            assert asked(talks, n).succeed(Usage(input=20_000, output=200), first_content_ms=5000.0) == "a/m"


def teach(talks: SessionDriver, name: str, first_content_ms: float, said: int = 0, read: float = 0.0) -> None:
    """Another conversation, which this provider answers."""
    talks.now += 60
    own = asked(talks, said, "taught")
    while (target := own.launch()) and not target.startswith(f"{name}/"):
        own.settle(status(400, message="Unsupported parameter: foo"))
    own.settle(usage=usage_of(said, read), first_content_ms=first_content_ms)


class TestWhatIsShown:
    def test_explain_has_the_numbers_of_each_candidate(self) -> None:
        talks = driver(dear=2.0)
        turn(talks, 0)
        turn(talks, 1, read=20 / 21)
        talks.now += 60
        own = asked(talks, 2).plan
        by_name = {each["provider"]: each["cache"] for each in explain(own, talks.now, WALL)["candidates"]}
        a, b = by_name["a"], by_name["b"]
        assert a["reported_share"] == pytest.approx(20 / 21, abs=1e-3)
        assert a["expected_tokens"] == pytest.approx(21_200 * (3 + 20_000 / 20_200) / 4, rel=0.01)
        assert float(a["turn_usd"]) == pytest.approx(
            ((22_000 - a["expected_tokens"]) * 2 + a["expected_tokens"] * 0.2 + 200 * 10) / 1e6, rel=0.01
        )
        assert (a["move_tokens"], a["move_usd"]) == (0, "0")
        assert (b["reported_share"], b["expected_tokens"]) == (None, 0)
        assert float(b["turn_usd"]) == pytest.approx((22_000 + 200 * 5) / 1e6, rel=0.01)
        assert b["move_tokens"] == a["expected_tokens"]
        assert float(b["move_usd"]) == pytest.approx(b["move_tokens"] * 0.9 / 1e6, rel=0.01)
        assert (a["first_content_cold"], a["first_content_warm"]) == (0.005, 0.005)
        assert (b["first_content_cold"], b["first_content_warm"]) == (None, None)

    def test_the_command_shows_them_below_the_candidates(self) -> None:
        talks = driver(dear=2.0)
        plain = table(explain(asked(talks, 0).plan, talks.now, WALL))
        turn(talks, 0)
        lines = table(explain(asked(talks, 1).plan, talks.now, WALL))
        assert not any("cached" in line for line in plain)
        assert [line.split() for line in lines[-3:]] == [
            ["candidate", "cached", "turn", "later", "move", "cold", "warm"],
            ["a/m", "20200", "$0.0076", lines[-2].split()[3], "$0.0000", "0.0", "s", "-"],
            ["b/m", "0", "$0.0220", lines[-1].split()[3], "$0.0182", "-", "-"],
        ]

    def test_the_selection_reason_says_why_the_pin_moved(self) -> None:
        talks = driver(dear=20.0)
        turn(talks, 0)
        own = asked(talks, 1).plan
        candidate = own.next_candidate(talks.now)
        assert candidate
        reason = own.selection_reason(candidate, talks.now, WALL)
        assert reason.startswith("pin moved, $0.02")
        assert reason.endswith(" later at a/m")

    def test_without_prices_tokens_are_shown(self) -> None:
        talks = driver(dear=0, cheap=0)
        turn(talks, 0)
        [cache, _] = [each["cache"] for each in explain(asked(talks, 1).plan, talks.now, WALL)["candidates"]]
        assert (cache["turn_usd"], cache["move_usd"], cache["move_tokens"]) == (None, None, 0)
        assert cache["expected_tokens"] == 20_200


def driver_settings_with_ranks(talks: SessionDriver) -> Any:
    """The same settings, but b's model is a less intelligent one."""
    plain = {"models": [{"id": "m", "intelligence": 1}]}
    less = {"models": [{"id": "m", "intelligence": 5}]}
    return config.build(
        {
            "providers": {"a": priced("a", 20.0) | plain, "b": priced("b", 1.0) | less},
            "routing": {"weights": {"balanced": WEIGHTS}},
        },
        {},
    )

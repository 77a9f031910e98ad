"""What settled records add to the metrics, read with Prometheus' own parser."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pointsman.domain.records import Outcome
from pointsman.domain.targets import Candidate
from pointsman.routing.answer_signals import AnswerSignals, Signal
from pointsman.routing.router import Router
from pointsman.telemetry import Gauges, RequestMetrics, metrics_text
from pointsman.wire.frames import Usage
from support.audit_records import attempt_record, exchange_record
from support.settings import provider, settings

NOW = 1000.0
STARTED = 1_700_000_000.0
TARGET = {"provider": "groq", "model": "llama"}


def router_with(providers: dict[str, dict[str, Any]]) -> Router:
    return Router(settings(providers), b"s" * 32, Random(1))


class Scrape:
    """All metrics of a moment."""

    def __init__(self, counted: RequestMetrics, gauges: Gauges | None = None) -> None:
        text = metrics_text(counted, gauges or Gauges(router_with({"groq": provider()})), NOW).decode()
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        found = [each.value for each in self.samples if each.name == name and each.labels == labels]
        assert len(found) <= 1, "the same series twice"
        return found[0] if found else None

    def total(self, name: str) -> float:
        return sum(each.value for each in self.samples if each.name == name)


def test_an_exchange_counts_once_under_its_client_and_status() -> None:
    counted = RequestMetrics()
    counted.on_exchange(exchange_record(client="ci", dialect="anthropic", sticky="hit"), STARTED - 0.004)
    counted.on_exchange(exchange_record(status=None, waited_ms=700.0), STARTED - 0.7)
    counted.on_refusal(401, "anthropic")
    seen = Scrape(counted)
    name = "pointsman_requests_total"
    assert seen.value(name, client="ci", dialect="anthropic", mode="balanced", status="200") == 1
    assert seen.value(name, client="none", dialect="none", mode="balanced", status="none") == 1
    assert seen.value(name, client="none", dialect="anthropic", mode="none", status="401") == 1
    assert seen.value("pointsman_sticky_total", result="hit") == 1
    assert (seen.value("pointsman_waits_total"), seen.value("pointsman_waited_seconds_total")) == (1, 0.7)
    assert seen.value("pointsman_router_overhead_seconds_bucket", le="0.0025") == 0
    assert seen.value("pointsman_router_overhead_seconds_bucket", le="0.005") == 1
    assert seen.value("pointsman_router_overhead_seconds_count") == 1


def test_a_whole_answer_has_no_first_content() -> None:
    counted = RequestMetrics()
    counted.on_exchange(exchange_record(streamed=False), STARTED)
    seen = Scrape(counted)
    assert seen.total("pointsman_first_content_seconds_count") == 0
    assert seen.total("pointsman_duration_seconds_count") == 1


def test_each_attempt_counts_with_what_it_used_and_cost() -> None:
    counted = RequestMetrics()
    failed = attempt_record(outcome=Outcome.RETRY_FAILED, first_content_ms=None, usage=None)
    used = Usage(input=7, output=34, cache_read=5, cache_write_1h=2, reasoning=3)
    good = attempt_record(n=2, outcome=Outcome.RETRY_SUCCESS, usage=used, cost=1_234_567_891)
    for _ in range(2):
        counted.on_exchange(exchange_record(client="ci", attempts=(failed, good)), STARTED)
    seen = Scrape(counted)
    assert seen.value("pointsman_attempts_total", **TARGET, outcome="retry_failed") == 2
    assert seen.value("pointsman_attempts_total", **TARGET, outcome="retry_success") == 2
    assert seen.value("pointsman_fallbacks_total") == 2
    kinds = {each.labels["kind"]: each.value for each in seen.samples if each.name == "pointsman_tokens_total"}
    assert kinds == {"input": 14, "output": 68, "cache_read": 10, "cache_write_1h": 4, "reasoning": 6}
    assert seen.value("pointsman_cost_usd_total", **TARGET, client="ci") == float(Decimal("2.469135782"))
    assert seen.value("pointsman_first_content_seconds_bucket", **TARGET, le="0.1") == 2  # 60 ms
    assert seen.value("pointsman_duration_seconds_bucket", **TARGET, le="0.5") == 0  # 900 ms
    assert seen.value("pointsman_duration_seconds_bucket", **TARGET, le="1.0") == 2
    assert seen.value("pointsman_duration_seconds_count", **TARGET) == 2  # the failed ones are not answers
    assert seen.value("pointsman_duration_seconds_sum", **TARGET) == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("ended", "result"),
    [
        ((Outcome.HEDGE_LOSER_CANCELLED, Outcome.HEDGE_WINNER), "won"),
        ((Outcome.HEDGE_WINNER, Outcome.HEDGE_LOSER_CANCELLED), "lost"),
        ((Outcome.RETRY_FAILED, Outcome.RETRY_FAILED), "failed"),
    ],
)
def test_a_race_has_one_result(ended: tuple[Outcome, Outcome], result: str) -> None:
    counted = RequestMetrics()
    slow = attempt_record(n=1, outcome=Outcome.HEDGE_TRIGGERED, usage=None)
    others = [attempt_record(n=n, outcome=outcome) for n, outcome in enumerate(ended, 1)]
    counted.on_exchange(exchange_record(attempts=(slow, *others)), STARTED)
    seen = Scrape(counted)
    found = {each.labels["result"]: each.value for each in seen.samples if each.name == "pointsman_hedges_total"}
    assert found == {"won": 0, "lost": 0, "failed": 0} | {result: 1}
    assert seen.total("pointsman_attempts_total") == 2


def test_odd_names_are_escaped() -> None:
    counted, name = RequestMetrics(), 'a"b\\c\nd'
    counted.on_exchange(exchange_record(attempts=(attempt_record(model=name),)), STARTED)
    seen = Scrape(counted)
    assert seen.value("pointsman_attempts_total", provider="groq", model=name, outcome="request_success") == 1


def limited(models: int) -> dict[str, Any]:
    entries = [{"id": f"m{n}", "limits": {"rpm": 10, "tpd": 1000}} for n in range(models)]
    return {**provider(), "models": entries, "keys": ["sk-first-0001", "sk-second-002"]}


def test_500_targets_make_no_more_than_2000_series_and_lose_no_event() -> None:
    router = router_with({f"p{n}": limited(10) for n in range(50)})
    counted, exchanges = RequestMetrics(), 0
    used = Usage(input=1, output=2, cache_read=3, cache_write_5m=4, cache_write_1h=5, reasoning=1)
    for round, outcome in enumerate(Outcome):
        for target in router.inventory.targets:
            attempt = attempt_record(
                provider=target.provider.name, model=target.model.id, outcome=outcome, usage=used, cost=10**9
            )
            status, client = 200 + exchanges % 300, f"client-{exchanges % 70}"
            counted.on_exchange(exchange_record(client=client, status=status, attempts=(attempt,)), STARTED)
            exchanges += 1
            if round == 0:
                for candidate in router.inventory.keys[target]:
                    router.state.lease(candidate, 50, NOW)  # a pace that uses the day up
    gauges = Gauges(router, lambda: [(f"client-{n}", n) for n in range(70)], lambda: True)
    seen = Scrape(counted, gauges)
    assert 1500 < len(seen.samples) <= 2000
    attempts = exchanges - len(router.inventory.targets)  # a race that begins is no attempt of its own
    assert seen.total("pointsman_requests_total") == exchanges
    assert seen.total("pointsman_attempts_total") == attempts
    assert seen.total("pointsman_tokens_total") == attempts * 16
    assert seen.total("pointsman_cost_usd_total") == attempts
    assert seen.total("pointsman_first_content_seconds_count") == attempts
    assert seen.value("pointsman_attempts_total", provider="p0", model="m0", outcome="hedge_winner") == 1
    assert seen.value("pointsman_first_content_seconds_count", provider="other", model="other") > 0
    assert seen.value("pointsman_first_content_seconds_count", provider="p2", model="other") > 0


class TestGauges:
    def candidates(self, router: Router) -> tuple[Candidate, ...]:
        return router.inventory.keys[router.inventory.targets[0]]

    def test_limits_in_use_say_what_is_left(self) -> None:
        router = router_with({"groq": limited(1)})
        first, _ = self.candidates(router)
        router.state.lease(first, 400, NOW)
        seen = Scrape(RequestMetrics(), Gauges(router))
        labels = {"provider": "groq", "key": first.key_label or "", "model": "m0"}
        assert seen.value("pointsman_limit_remaining", **labels, window="rpm") == 9
        assert seen.value("pointsman_limit_remaining", **labels, window="tpd") == 600
        assert len(seen.families["pointsman_limit_remaining"].samples) == 2
        assert "sk-first" not in str(seen.samples)

    def test_daily_limits_that_will_be_used_up_say_when(self) -> None:
        router = router_with({"groq": limited(1)})
        first, second = self.candidates(router)
        router.state.lease(first, 400, NOW - 1440)
        router.state.lease(second, 1, NOW - 1440)
        [sample] = Scrape(RequestMetrics(), Gauges(router)).families["pointsman_quota_seconds_left"].samples
        assert sample.labels == {"provider": "groq", "key": first.key_label, "model": "m0", "window": "tpd"}
        assert sample.value == router.quotas_to_list(NOW, NOW, "groq")[0]["used_up_at"] - NOW

    def test_what_has_drifted(self) -> None:
        router = router_with({"twin": provider(), "usual": provider()})
        for n in range(200):
            for name in ("usual", "twin"):
                hit = name == "twin" and n % 4 == 0
                router.drift.observe(AnswerSignals(f"{name}/m", "m", STARTED + n, {Signal.MALFORMED_CALLS: hit}))
        seen = Scrape(RequestMetrics(), Gauges(router, wall=lambda: STARTED + 200))
        assert seen.value("pointsman_drift", provider="twin", model="m", signal="malformed_calls") == 1
        later = Scrape(RequestMetrics(), Gauges(router, wall=lambda: STARTED + 8 * 86_400))
        assert later.families["pointsman_drift"].samples == []

    def test_budgets_and_shared_state_are_there_once_they_are(self) -> None:
        router = router_with({"groq": provider()})
        without = Scrape(RequestMetrics(), Gauges(router))
        assert without.families["pointsman_budget_left"].samples == []
        assert without.families["pointsman_shared_up"].samples == []
        seen = Scrape(RequestMetrics(), Gauges(router, lambda: [("ci", 1.5)], lambda: False))
        assert seen.value("pointsman_budget_left", client="ci") == 1.5
        assert seen.value("pointsman_shared_up") == 0

    def test_every_provider_has_its_number_of_cooldowns(self) -> None:
        seen = Scrape(RequestMetrics(), Gauges(router_with({"a": provider(), "b": provider()})))
        assert seen.value("pointsman_cooldowns", provider="a") == 0
        assert seen.value("pointsman_cooldowns", provider="b") == 0
        assert seen.value("pointsman_sessions") == 0

"""Races in virtual time: who is launched beside whom and when, who wins, and what the record says of each."""

from typing import Any

import pytest

from exchange.exchange_harness import DONE, JSON, ROLE, STOP, WALL, ExchangeHarness, body, event
from pointsman.exchange.effects import Launch
from pointsman.routing.router import Router
from pointsman.wire.errors import FaultKind
from support.clients_in_core import SECRET
from support.settings import provider, settings


def race(count: int = 3, after: str = "2s", max_parallel: int = 2, **more: Any) -> ExchangeHarness:
    return ExchangeHarness(count, hedge={"after": after, "max_parallel": max_parallel}, **more).start().connected(1)


def listed(stage: ExchangeHarness) -> list[tuple[str, str]]:
    return [(record.provider, record.outcome.value) for record in stage.exchange.attempt_log.records]


def wins(stage: ExchangeHarness, n: int) -> ExchangeHarness:
    return stage.head(n).data(n, event("hello"), STOP, DONE).end(n)


class TestStart:
    @pytest.mark.parametrize(
        ("after", "waited", "launched"),
        [
            ("2s", 1.9, "a"),
            ("2s", 2.0, "ab"),
            ("500ms", 0.5, "ab"),
            ("off", 50.0, "a"),
            ("auto", 7.9, "a"),
            ("auto", 8.0, "ab"),
        ],
    )
    def test_a_slow_stream_gets_company_after_the_configured_time(
        self, after: str, waited: float, launched: str
    ) -> None:
        assert race(after=after).wait(waited).launched == list(launched)

    def test_an_answer_that_is_not_streamed_never_does(self) -> None:
        assert race(stream=False).wait(100).launched == ["a"]

    def test_a_head_and_neutral_events_are_no_content(self) -> None:
        assert race().head(1).data(1, ROLE, b": ping\n\n").wait(2).launched == ["a", "b"]

    def test_the_time_is_each_providers_own(self) -> None:
        own = {"a": provider("http://a.test/v1", hedge={"after": "4s"}), "b": provider("http://b.test/v1")}
        router = Router(settings(own, hedge={"after": "1s"}), SECRET)
        assert [router.state.hedge_delay(target, 0.0) for target in router.inventory.targets] == [4, 1]

    def test_no_attempt_is_launched_beside_the_winner(self) -> None:
        stage = race().head(1).data(1, event("hello"))
        assert stage.wait(30).launched == ["a"]

    def test_a_hedge_does_not_move_the_first_byte_timeout(self) -> None:
        stage = race(2, timing={"first_byte": "10s"}).wait(2)
        assert stage.connected(2).wait(7.9).outcomes == []
        assert stage.wait(0.2).outcomes == ["retry_failed"]
        assert [record.error for record in stage.records] == ["first_byte_timeout"]

    def test_a_client_that_does_not_read_holds_the_hedge_off(self) -> None:
        stage = race().client_backlog(1_000_000).wait(5).client_backlog(0)
        assert stage.wait(1.9).launched == ["a"]
        assert stage.wait(0.2).launched == ["a", "b"]


class TestCaps:
    def test_at_most_so_many_run_beside_each_other(self) -> None:
        assert race(5, max_parallel=2).wait(9).launched == ["a", "b"]
        assert race(5, max_parallel=4).wait(9).launched == ["a", "b", "c", "d"]

    def test_each_attempt_brings_the_next_one(self) -> None:
        stage = race(5, max_parallel=3)
        assert stage.wait(2).launched == ["a", "b"]
        assert stage.wait(1.9).launched == ["a", "b"]
        assert stage.wait(0.1).launched == ["a", "b", "c"]

    def test_launches_count_against_the_attempts_allowed(self) -> None:
        assert race(5, max_parallel=4, routing={"max_attempts": 2}).wait(9).launched == ["a", "b"]

    def test_no_hedge_starts_after_the_deadline(self) -> None:
        assert race(after="10s", routing={"deadline": "5s"}).wait(30).launched == ["a"]

    def test_a_provider_is_never_hedged_against_itself(self) -> None:
        stage = race(1, keys={"a": ["key-one-secret", "key-two-secret"]})
        assert stage.wait(20).launched == ["a"]
        assert listed(stage) == []


class TestWinner:
    def test_the_second_wins(self) -> None:
        stage = wins(race().wait(2), 2)
        assert stage.cancelled == [1]
        assert listed(stage) == [("a", "hedge_triggered"), ("a", "hedge_loser_cancelled"), ("b", "hedge_winner")]
        assert stage.headers["x-fallback-attempts"] == "1"
        assert stage.headers["x-fallback-trail"] == "a/m@hedge_loser"

    def test_the_first_wins_after_all(self) -> None:
        stage = wins(race().wait(2), 1)
        assert stage.cancelled == [2]
        assert listed(stage) == [("a", "hedge_triggered"), ("b", "hedge_loser_cancelled"), ("a", "hedge_winner")]

    def test_a_later_one_wins_after_the_field_has_grown(self) -> None:
        stage = wins(race(4, max_parallel=3).wait(4), 3)
        assert stage.launched == ["a", "b", "c"]
        assert stage.cancelled == [1, 2]
        assert [outcome for _, outcome in listed(stage)] == [
            "hedge_triggered", "hedge_triggered", "hedge_loser_cancelled", "hedge_loser_cancelled", "hedge_winner",
        ]  # fmt: skip

    def test_a_winner_alone_is_no_hedge_winner(self) -> None:
        assert wins(race().wait(1), 1).outcomes == ["request_success"]

    def test_the_last_one_running_wins_a_race_that_was_one(self) -> None:
        stage = race(2).wait(2).failed(1)
        assert wins(stage, 2).outcomes == ["retry_failed", "hedge_winner"]

    @pytest.mark.parametrize("reached", ["launched", "connected", "waiting", "holding"])
    def test_a_loser_is_cancelled_wherever_it_is(self, reached: str) -> None:
        stage = race().wait(2)
        if reached != "launched":
            stage.connected(1)
        if reached in ("waiting", "holding"):
            stage.head(1)
        if reached == "holding":
            stage.data(1, ROLE)
        assert stage.head(2).data(2, event("hello")).cancelled == [1]

    def test_late_words_of_a_loser_change_nothing(self) -> None:
        stage = race().wait(2).head(1).head(2).data(2, event("mine"))
        before = len(stage.effects)
        stage.data(1, event("late"), STOP, DONE).end(1).failed(1).connected(1)
        assert len(stage.effects) == before
        assert b"late" not in stage.sent

    def test_losers_change_no_statistics(self) -> None:
        stage = wins(race().wait(2), 2)
        [loser, _] = stage.records
        assert (loser.failure, loser.error) == (None, None)
        assert stage.router.cooldowns.target_cooldown("a/m", stage.now) is None

    def test_a_race_is_one_observation_of_each_who_ran_it(self) -> None:
        stage = wins(race().wait(2), 2)
        stage.router.observe(stage.exchange.to_record())
        loser, winner = (stage.router.statistics.stats_for(label, WALL) for label in ("a/m", "b/m"))
        assert (loser.attempts, loser.first_content, winner.attempts) == (0, 2.0, 1)
        assert stage.router.recent_outcomes.counts_for("a/m", WALL).total == 0

    def test_of_a_race_that_all_lose_each_has_failed_once(self) -> None:
        stage = race(2).wait(2).answers(1, 503).answers(2, 503)
        stage.router.observe(stage.exchange.to_record())
        found = [stage.router.statistics.stats_for(label, WALL) for label in ("a/m", "b/m")]
        assert [(each.failures, each.attempts) for each in found] == [(1, 1), (1, 1)]


class TestFailures:
    def test_a_failure_inside_a_race_is_replaced_at_once(self) -> None:
        stage = race(3).wait(2).failed(2)
        assert stage.launched == ["a", "b", "c"]
        assert stage.exchange.running_candidates[0].target.provider.name == "a"

    def test_a_failure_before_any_hedge_is_replaced_at_once_and_the_next_has_a_timer_of_its_own(self) -> None:
        stage = race(3).wait(1).failed(1)
        assert stage.launched == ["a", "b"]
        assert stage.wait(1.5).launched == ["a", "b"]
        assert stage.wait(0.5).launched == ["a", "b", "c"]

    def test_without_further_candidates_the_others_go_on(self) -> None:
        stage = race(2).wait(2).answers(2, 404)
        assert not stage.ended
        assert wins(stage, 1).outcomes == ["retry_failed", "hedge_winner"]

    def test_all_fail(self) -> None:
        stage = race(2).wait(2).failed(2, FaultKind.REFUSED).answers(1, 503)
        assert stage.response.status == 502
        assert stage.headers["x-fallback-trail"] == "b/m@connect_refused a/m@503"
        assert stage.headers["x-fallback-attempts"] == "2"

    def test_a_request_at_fault_stops_the_race_and_is_answered_unchanged(self) -> None:
        word = b'{"error":{"message":"temperature: too hot","type":"invalid_request_error"}}'
        stage = race().wait(2).answers(2, 400, word)
        assert stage.cancelled == [1]
        assert (stage.response.status, stage.sent) == (400, word)
        assert stage.outcomes == ["client_error_non_retryable", "hedge_loser_cancelled"]

    def test_the_client_leaves_a_race(self) -> None:
        stage = race().wait(2).head(2).client_gone()
        assert stage.cancelled == [1, 2]
        assert listed(stage) == [("a", "hedge_triggered"), ("a", "client_abort"), ("b", "client_abort")]
        assert all(record.failure is None for record in stage.records)

    def test_the_client_leaves_before_anything_is_launched(self) -> None:
        stage = ExchangeHarness(2, hedge={"after": "2s"}).client_gone()
        assert stage.exchange.ended
        assert stage.effects_of(Launch) == []
        assert stage.exchange.to_record().attempts == ()


class TestRedirects:
    RULES = ({"match": "exact", "source": "m", "target": "m-of-a"},)

    def stage(self, **more: Any) -> ExchangeHarness:
        return ExchangeHarness(3, redirects={"a": self.RULES}, hedge={"after": "2s"}, **more).start()

    def asked(self, stage: ExchangeHarness) -> list[bytes]:
        return [launch.request.body.split(b'"model":"')[1].split(b'"')[0] for launch in stage.effects_of(Launch)]

    def test_each_attempt_has_its_own_or_none(self) -> None:
        stage = wins(self.stage().wait(2), 2)
        assert self.asked(stage) == [b"m-of-a", b"m"]
        told = [record.to_dict()["redirect"] for record in stage.exchange.attempt_log.records]
        of_a = {"original_model": "m", "redirected_model": "m-of-a", "match": "exact", "source": "m"}
        assert told == [of_a, of_a, None]
        assert [record.model_sent for record in stage.exchange.attempt_log.records] == ["m-of-a", "m-of-a", "m"]

    def test_a_failed_attempt_leaves_none_behind(self) -> None:
        stage = wins(self.stage().answers(1, 503), 2)
        assert [(r.outcome.value, r.model_sent, bool(r.redirect)) for r in stage.records] == [
            ("retry_failed", "m-of-a", True),
            ("retry_success", "m", False),
        ]

    def test_a_client_that_leaves_a_race_leaves_each_its_own(self) -> None:
        stage = self.stage().wait(2).client_gone()
        assert [(r.outcome.value, bool(r.redirect)) for r in stage.records] == [
            ("client_abort", True),
            ("client_abort", False),
        ]

    def test_nothing_else_of_the_request_changes(self) -> None:
        request = b'{"n_ctx": 12345678901234567890, "model" : "m", "stream":true, "messages":[{}], "x": "\\ud800"}'
        stage = self.stage(request=request)
        [launch] = stage.effects_of(Launch)
        assert launch.request.body == request.replace(b'"m"', b'"m-of-a"')

    @pytest.mark.parametrize("streamed", [True, False])
    def test_an_unknown_name_goes_to_the_provider_that_redirects_it(self, streamed: bool) -> None:
        rules = (
            {"match": "prefix", "source": "gpt-", "target": "m"},
            {"match": "contains", "source": "x", "target": "y"},
        )
        stage = ExchangeHarness(2, redirects={"b": rules}, request=body(streamed, "gpt-9")).start()
        assert stage.launched == ["b"]
        assert self.asked(stage) == [b"m"]
        stage.answers(1, 200, event("hello") + STOP + DONE) if streamed else stage.answers(1, 503, b"{}", JSON)
        [record] = stage.records
        assert record.to_dict()["redirect"] == {
            "original_model": "gpt-9", "redirected_model": "m", "match": "prefix", "source": "gpt-",
        }  # fmt: skip

    def test_a_name_that_is_not_listed_can_be_redirected_to(self) -> None:
        rules = ({"match": "regex", "source": "^(gpt|o)-?[0-9]", "target": "unlisted"},)
        stage = ExchangeHarness(2, redirects={"b": rules}, request=body(True, "o3")).start()
        assert (stage.launched, self.asked(stage)) == (["b"], [b"unlisted"])
        assert wins(stage, 1).headers["x-routed-via"] == "b/unlisted"
        assert ExchangeHarness(2, redirects={"b": rules}, request=body(True, "auto")).start().launched == ["a"]


class TestPin:
    def turn(self, stage: ExchangeHarness, pinned: str | None) -> None:
        session = stage.exchange.plan.binding.session
        assert session
        assert (session.pin.provider if session.pin else None) == pinned

    def test_the_winner_takes_the_pin(self) -> None:
        self.turn(wins(race(session="s").wait(2), 2), "b")

    def test_a_slow_one_that_wins_after_all_does_not(self) -> None:
        self.turn(wins(race(session="s").wait(2), 1), None)

    def test_nor_does_it_keep_the_one_it_had(self) -> None:
        first = wins(race(session="s"), 1)
        self.turn(first, "a")
        second = ExchangeHarness(3, hedge={"after": "2s"}, session="s", router=first.router).start().wait(2)
        self.turn(wins(second, 1), None)

    def test_an_abort_leaves_the_pin_alone(self) -> None:
        first = wins(race(session="s"), 1)
        second = (
            ExchangeHarness(3, hedge={"after": "2s"}, session="s", router=first.router).start().wait(2).client_gone()
        )
        assert second.cancelled == [1, 2]
        self.turn(second, "a")

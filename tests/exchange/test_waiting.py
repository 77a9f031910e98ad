"""Requests that wait for a limit, in virtual time: until it ends, in order, and no longer than they may."""

from typing import Any

import pytest

from exchange.exchange_harness import DONE, STOP, WALL, ExchangeHarness, event
from pointsman.clients.clients import Clients
from pointsman.config import Settings
from pointsman.exchange import running_attempts
from pointsman.routing.router import Router
from pointsman.routing.waiting import MAX_IN_LINE
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.frames import Usage
from pointsman.wire.request_options import RequestOptions
from support.clients_in_core import SECRET
from support.settings import provider, settings

LIMITED = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'


def stage(own: Router | None = None, max_wait: str = "10s", **more: Any) -> ExchangeHarness:
    return ExchangeHarness(1, router=own, routing={"max_wait": max_wait}, **more)


def router(max_wait: str = "10s", names: str = "a", **limits: int) -> Router:
    """Providers with one key each, whose model has these limits."""
    return Router(configured(max_wait, names, **limits), SECRET)


def configured(max_wait: str = "10s", names: str = "a", **limits: int) -> Settings:
    models = [{"id": "m", "limits": limits}]
    providers = {name: {**provider(f"http://{name}.test/v1"), "models": models} for name in names}
    return settings(providers, routing={"max_wait": max_wait})


def limited(one: ExchangeHarness, n: int, seconds: int) -> ExchangeHarness:
    return one.answers(n, 429, LIMITED, {"content-type": "application/json", "retry-after": str(seconds)})


def served(one: ExchangeHarness, n: int) -> ExchangeHarness:
    return one.head(n).data(n, event("x"), STOP, DONE)


def test_a_stated_wait_that_is_short_enough_is_waited_out() -> None:
    one = limited(stage().start().connected(1), 1, 4).wait(3.9)
    assert not one.ended
    assert one.launched == ["a"]
    one.wait(0.2)
    assert one.launched == ["a", "a"]
    assert served(one.connected(2), 2).response.status == 200
    assert one.exchange.to_record().waited_ms == pytest.approx(4000, abs=50)
    assert [record.settled_ms for record in one.records][1] < 1000, "waiting is charged to no target"


@pytest.mark.parametrize(("max_wait", "seconds"), [("off", 4), ("3s", 4)])
def test_a_wait_that_is_too_long_is_refused_at_once(max_wait: str, seconds: int) -> None:
    one = limited(stage(max_wait=max_wait).start().connected(1), 1, seconds)
    assert one.ended
    assert one.response.status == 429
    assert one.headers["retry-after"] == str(seconds)


@pytest.mark.parametrize(
    "changes", [{"options": RequestOptions(timeout=3.0)}, {"routing": {"max_wait": "10s", "deadline": "3s"}}]
)
def test_it_does_not_wait_for_what_comes_too_late_for_its_own_time(changes: dict[str, Any]) -> None:
    one = ExchangeHarness(1, **{"routing": {"max_wait": "10s"}, **changes}).start().connected(1)
    assert limited(one, 1, 4).response.status == 429


def test_a_request_without_fallback_does_not_wait_for_a_second_attempt() -> None:
    own = router(names="ab", concurrency=1)
    stage(own).start()
    one = stage(own, options=RequestOptions(fallback=False)).start().connected(1).failed(1)
    assert (one.launched, one.response.status) == (["b"], 502)


def test_what_cannot_be_sent_after_a_wait_leaves_the_request_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    own, make = router("30s", names="ab", concurrency=1), running_attempts.upstream_request
    first, second = stage(own, "30s").start(), stage(own, "30s").start()
    one = stage(own, "30s").start()

    def cannot(*_: object) -> None:
        raise Inconvertible("no words")

    monkeypatch.setattr(running_attempts, "upstream_request", cannot)
    served(first.connected(1), 1)
    one.wait(0)
    assert (one.launched, one.ended) == ([], False)
    monkeypatch.setattr(running_attempts, "upstream_request", make)
    served(second.connected(1), 1)
    assert one.wait(0).launched == ["b"]
    assert len(own.state.waiting) == 0


def test_a_reload_that_raises_the_limit_ends_the_wait() -> None:
    own = router(concurrency=1)
    stage(own).start()
    one = stage(own).start()
    own.update_settings(configured(concurrency=2), one.now)
    assert one.wait(0).launched == ["a"]


def test_a_reload_that_removes_the_provider_ends_the_wait() -> None:
    own = router(concurrency=1)
    stage(own).start()
    one, other = stage(own).start(), stage(own).start()
    own.update_settings(configured(names="b", concurrency=1), one.now)
    assert one.wait(0).launched == ["b"], "which has the model as well"
    assert other.wait(0).launched == [], "it keeps its place behind it"
    own.update_settings(settings({"c": provider("http://c.test/v1", "other")}), one.now)
    assert other.wait(0).response.status == 503
    assert len(own.state.waiting) == 0


@pytest.mark.parametrize("of", [None, "a"])
def test_cooldowns_that_are_cleared_by_hand_end_the_wait(of: str | None) -> None:
    own = router("30s")
    one = limited(stage(own, "30s").start().connected(1), 1, 20)
    if of:
        own.lift_cooldowns(of, None, None, one.now)
    else:
        own.clear_cooldowns(one.now)
    assert one.wait(0).launched == ["a", "a"]


@pytest.mark.parametrize(("own", "status"), [(10.0, None), (1.0, 429)])
def test_a_request_may_say_how_long(own: float, status: int | None) -> None:
    one = limited(stage(max_wait="5s", options=RequestOptions(max_wait=own)).start().connected(1), 1, 8)
    assert (one.response.status if one.ended else None) == status


def test_a_client_that_leaves_waits_no_longer() -> None:
    own = router(concurrency=1)
    first, second, third = (stage(own).start() for _ in range(3))
    assert [each.launched for each in (first, second, third)] == [["a"], [], []]
    assert len(own.state.waiting) == 2
    second.client_gone()
    served(first.connected(1), 1)
    assert third.wait(0).launched == ["a"]
    served(third.connected(1), 1)
    assert len(own.state.waiting) == 0


def test_a_request_waits_for_room_at_a_whole_provider() -> None:
    limits = {"models": [{"id": "m"}, {"id": "n"}], "limits": {"total_concurrency": 1}}
    entry = {**provider("http://a.test/v1", keys=["sk-one-secret", "sk-two-secret"]), **limits}
    own = Router(settings({"a": entry}, routing={"max_wait": "10s"}), SECRET)
    first, second = (stage(own).start() for _ in range(2))
    assert [each.launched for each in (first, second)] == [["a"], []]
    served(first.connected(1), 1)
    assert second.wait(0).launched == ["a"]


def test_the_first_to_come_is_the_first_to_be_served() -> None:
    own = router("20s", concurrency=1)
    stages = [stage(own, "20s").start() for _ in range(5)]
    for number, one in enumerate(stages):
        assert [len(each.launched) for each in stages] == [1] * (number + 1) + [0] * (4 - number)
        served(one.connected(1), 1)
        for each in reversed(stages):
            each.wait(0)
    assert all(one.response.status == 200 for one in stages)


def test_a_late_arrival_does_not_overtake() -> None:
    own = router(rpm=1)
    first = stage(own).start()
    waiting = [stage(own, options=RequestOptions(max_wait=30.0)) for _ in range(2)]
    served(first.connected(1), 1)
    for one in (*waiting, first):
        one.now += 45
    assert [one.start().launched for one in waiting] == [[], []]
    for one in waiting:
        one.wait(17)
    assert [one.launched for one in waiting] == [["a"], []]


def test_when_the_time_is_over_the_client_gets_the_refusal() -> None:
    own = router("5s", concurrency=1)
    stage(own, "5s").start()
    one = stage(own, "5s").start().wait(4.9)
    assert not one.ended
    one.wait(0.2)
    assert one.response.status == 429
    assert one.exchange.to_record().waited_ms == pytest.approx(5000, abs=50)
    assert len(own.state.waiting) == 0


def test_a_cooldown_of_the_routers_own_that_ends_too_late_is_refused_at_once() -> None:
    one = stage().start().connected(1).answers(1, 429, LIMITED)
    assert one.ended
    assert one.response.status == 429
    assert one.exchange.to_record().waited_ms == 0


@pytest.mark.parametrize(("cooldown", "launched"), [("4s", ["a"]), ("20s", [])])
def test_the_cooldown_of_a_key_is_waited_out_if_it_ends_in_time(cooldown: str, launched: list[str]) -> None:
    refused = b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}'
    providers = {"a": provider("http://a.test/v1", keys=["sk-first-secret"])}
    sections = {"routing": {"max_wait": "10s"}, "cooldowns": {"key_invalid": cooldown}}
    own = Router(settings(providers, **sections), SECRET)
    stage(own).start().connected(1).answers(1, 401, refused)
    one = stage(own).start()
    assert one.ended is not bool(launched)
    assert one.wait(4.1).launched == launched


def test_a_line_is_bounded() -> None:
    own = router("30s", concurrency=1)
    stages = [stage(own, "30s").start() for _ in range(MAX_IN_LINE + 2)]
    assert [one.ended for one in stages[:-1]] == [False] * (MAX_IN_LINE + 1)
    assert stages[-1].response.status == 429


def test_a_stream_that_waits_gets_keep_alives() -> None:
    own = router("30s", concurrency=1)
    stage(own, "30s").start()
    one = stage(own, "30s", timing={"early_headers": "5s"}).start().wait(6)
    assert one.response.status == 200
    assert one.sent.startswith(b": keep-alive")


def test_a_failure_that_is_no_limit_is_not_waited_for() -> None:
    one = stage().start().connected(1).answers(1, 503)
    assert one.ended
    assert one.response.status == 502


def test_a_client_of_higher_priority_is_served_first() -> None:
    names = {name: {"key": f"the-key-of-{name}", "priority": priority} for name, priority in (("ci", 2), ("ide", 1))}
    own = router("20s", concurrency=1)
    clients = Clients(settings({"a": provider()}, clients=names))

    def of(name: str) -> ExchangeHarness:
        return stage(own, "20s", client=clients.begin(name, Usage(), 0.0, WALL)).start()

    first, batch, editor = stage(own, "20s").start(), of("ci"), of("ide")
    served(first.connected(1), 1)
    assert [each.wait(0).launched for each in (batch, editor)] == [[], ["a"]]
    served(editor.connected(1), 1)
    assert batch.wait(0).launched == ["a"]


HEDGED: dict[str, Any] = {"hedge": {"after": "2s", "max_parallel": 2}}


class TestWithHedges:
    def two_places(self) -> Router:
        """One at each of two providers."""
        models = [{"id": "m", "limits": {"concurrency": 1}}]
        providers = {name: {**provider(f"http://{name}.test/v1"), "models": models} for name in "ab"}
        return Router(settings(providers, routing={"max_wait": "30s"}, **HEDGED), SECRET)

    def test_nothing_runs_beside_a_request_that_waits(self) -> None:
        own = self.two_places()
        running = [stage(own, "30s").start() for _ in "ab"]
        one = stage(own, "30s", **HEDGED).start().wait(9)
        assert one.launched == []
        served(running[0].connected(1), 1)
        served(running[1].connected(1), 1)
        assert one.wait(0).launched == ["a"]
        assert one.connected(1).wait(1.9).launched == ["a"], "the time counts from the launch"
        assert one.wait(0.1).launched == ["a", "b"]

    def test_a_hedge_does_not_wait_for_a_place(self) -> None:
        own = self.two_places()
        first = stage(own, "30s").start()
        one = stage(own, "30s", **HEDGED).start().connected(1).wait(9)
        assert (first.launched, one.launched) == (["a"], ["b"])
        assert len(own.state.waiting) == 0
        assert served(one, 1).response.status == 200
        assert one.exchange.to_record().waited_ms == 0

    def test_the_place_of_the_attempt_that_has_lost_is_free_for_one_that_waits(self) -> None:
        own = self.two_places()
        hedged = stage(own, "30s", **HEDGED).start().connected(1).wait(2)
        assert hedged.launched == ["a", "b"]
        waiting = stage(own, "30s").start()
        assert waiting.launched == []
        hedged.connected(2).head(2).data(2, event("x"))
        assert hedged.cancelled == [1]
        assert waiting.wait(0).launched == ["a"]

    def test_if_both_are_limited_the_shorter_wait_is_waited_out(self) -> None:
        one = ExchangeHarness(2, routing={"max_wait": "10s"}, **HEDGED).start().connected(1).wait(2).connected(2)
        limited(limited(one, 1, 8), 2, 3).wait(2.9)
        assert (one.launched, one.ended) == (["a", "b"], False)
        assert one.wait(0.2).launched == ["a", "b", "b"]
        assert served(one.connected(3), 3).response.status == 200

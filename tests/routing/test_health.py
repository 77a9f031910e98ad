"""Health: when a provider counts as gone, when it is looked for, and what brings it back."""

import pytest

from pointsman.config.enums import Dialect
from pointsman.domain.failures import Scope
from pointsman.routing.health import FAILURES_TO_UNHEALTHY, PROBE_INTERVAL, Health
from pointsman.routing.health_probe import probe_request
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Fault, FaultKind
from routing.routing_builders import candidate_of, cool, pin_on, status
from routing.session_driver import KEYS, WALL, SessionDriver
from support.settings import provider, settings

NOW = 1000.0
REFUSED = Fault(FaultKind.REFUSED)


@pytest.fixture
def health() -> Health:
    own = Health()
    for _ in range(FAILURES_TO_UNHEALTHY):
        own.on_connection_failed("a", "connect_refused", NOW)
    return own


class TestState:
    def test_three_lost_connections_in_a_row_make_a_provider_unhealthy_once(self) -> None:
        own = Health()
        assert [own.on_connection_failed("a", "dns", NOW) for _ in range(5)] == [False, False, True, False, False]
        outage = own.outage("a")
        assert outage
        assert (outage.since, outage.reason) == (NOW, "dns")
        assert own.outage("b") is None

    def test_any_answer_between_them_starts_the_row_again(self) -> None:
        own = Health()
        for _ in range(2):
            own.on_connection_failed("a", "dns", NOW)
        own.on_reached("a")
        assert [own.on_connection_failed("a", "dns", NOW) for _ in range(3)] == [False, False, True]

    def test_an_answer_is_not_yet_a_success(self, health: Health) -> None:
        health.on_reached("a")
        assert health.outage("a")
        assert health.on_recovered("a") is True
        assert health.on_recovered("a") is False
        assert health.outage("a") is None

    def test_what_is_no_longer_configured_is_forgotten(self, health: Health) -> None:
        health.keep_only({"b"})
        assert health.outage("a") is None
        assert health.due_probes(NOW + 1000) == []


class TestProbes:
    @pytest.mark.parametrize(("chance", "after"), [(0.0, 24.0), (0.5, 30.0), (1.0, 36.0)])
    def test_they_are_due_every_30_seconds_more_or_less(self, health: Health, chance: float, after: float) -> None:
        first = NOW + PROBE_INTERVAL
        assert (health.due_probes(first - 0.1), health.due_probes(first)) == ([], ["a"])
        health.begin_probe("a", chance, first)
        health.on_probe_result("a", alive=False)
        assert (health.due_probes(first + after - 0.1), health.due_probes(first + after)) == ([], ["a"])

    def test_there_is_one_at_a_time(self, health: Health) -> None:
        health.begin_probe("a", 0.5, NOW + PROBE_INTERVAL)
        assert health.due_probes(NOW + 10 * PROBE_INTERVAL) == []
        health.on_probe_result("a", alive=False)
        assert health.due_probes(NOW + 10 * PROBE_INTERVAL) == ["a"]

    def test_a_successful_probe_ends_it(self, health: Health) -> None:
        health.begin_probe("a", 0.5, NOW + PROBE_INTERVAL)
        assert health.on_probe_result("a", alive=True) is True
        assert health.outage("a") is None

    def test_one_that_comes_too_late_changes_nothing(self, health: Health) -> None:
        health.begin_probe("a", 0.5, NOW + PROBE_INTERVAL)
        health.on_recovered("a")
        assert health.on_probe_result("a", alive=True) is False

    def test_a_healthy_provider_is_left_alone(self) -> None:
        own = Health()
        own.on_connection_failed("a", "dns", NOW)
        assert own.due_probes(NOW + 1000) == []

    @pytest.mark.parametrize(
        ("dialect", "headers"),
        [
            (Dialect.OPENAI_CHAT, {"Authorization": "Bearer sk-first-secret"}),
            (Dialect.ANTHROPIC, {"x-api-key": "sk-first-secret", "anthropic-version": "2023-06-01"}),
            (Dialect.GEMINI, {"x-goog-api-key": "sk-first-secret"}),
        ],
    )
    def test_a_provider_is_asked_for_its_models_in_its_own_dialect(
        self, dialect: Dialect, headers: dict[str, str]
    ) -> None:
        written = provider("https://a.test/v1", keys=KEYS, dialect=dialect.value, headers={"X-Title": "mine"})
        asked = probe_request(settings({"a": written}).providers["a"])
        assert (asked.method, asked.url, asked.body) == ("GET", "https://a.test/v1/models", b"")
        found = {name.lower(): value for name, value in asked.headers}
        assert found == {"accept": "application/json", "x-title": "mine"} | {
            name.lower(): value for name, value in headers.items()
        }
        assert "secret" not in repr(asked)


class TestRouting:
    """What others make of it."""

    @pytest.fixture
    def talks(self) -> SessionDriver:
        house = {"a": provider("https://a.test/v1", "m", "n"), "b": provider("https://b.test/v1", "m", "n")}
        return SessionDriver(house, cooldowns={"transient": "off"}, protection={"a": "off", "b": "off"})

    def lose(self, talks: SessionDriver) -> list[str | None]:
        """Three connections to a. Returns what everyone learns from each."""
        learnt = []
        for number in range(3):
            own = talks.ask(f"somebody {number}", "a/m")
            assert own.fail(REFUSED) == "a/m"
            learnt.append(own.learnt)
        return learnt

    def test_an_unhealthy_provider_is_left_out_with_the_reason(self, talks: SessionDriver) -> None:
        self.lose(talks)
        own = talks.ask()
        [row] = own.plan.exclusion_dicts(talks.now, WALL)
        assert (row["provider"], row["reason"], row["detail"]) == ("a", "unhealthy", "connect_refused")
        assert row["until"] == WALL + PROBE_INTERVAL
        assert own.launch() == "b/m"

    def test_it_is_tried_when_no_other_is_left_but_after_those_that_merely_cool(self, talks: SessionDriver) -> None:
        self.lose(talks)
        cool(talks.router, Scope.TARGET, "b/m", "503", 1000.0, talks.now)
        own = talks.ask()
        assert own.fail(status(503)) == "b/m"
        candidate = own.plan.next_candidate(talks.now)
        assert candidate
        assert own.plan.selection_reason(candidate, talks.now, WALL).startswith(
            "last_resort: unhealthy until 2023-11-14T22:13:50"
        )
        assert own.succeed() == "a/m"
        assert talks.router.health.outage("a") is None, "a success recovers it"

    def test_the_transition_takes_its_pins_back_and_says_so_once(self, talks: SessionDriver) -> None:
        tickets = {name: talks.ask(name).plan.binding for name in "789"}
        for name, pinned in (("7", "a"), ("8", "a"), ("9", "b")):
            tickets[name].set_pin(Pin(pinned, "m", None), talks.now)
        gone = "provider a was healthy and is unhealthy; pins removed: 2"
        assert self.lose(talks) == [None, None, gone]
        assert [binding.session and binding.session.pin for binding in tickets.values()] == [
            None,
            None,
            Pin("b", "m", None),
        ]
        assert self.lose(talks) == [None, None, None]

    def test_a_success_says_that_it_is_back(self, talks: SessionDriver) -> None:
        self.lose(talks)
        own = talks.ask("7", "a/m")
        own.succeed()
        assert own.learnt == "provider a was unhealthy and is healthy"

    def test_a_refusal_in_words_keeps_a_provider_that_can_be_reached_healthy(self, talks: SessionDriver) -> None:
        for fault in (REFUSED, REFUSED, status(503), REFUSED, REFUSED):
            talks.ask(str(fault), "a/m").fail(fault)
        assert talks.router.health.outage("a") is None

    def test_probes_are_requested_and_their_end_is_reported(self, talks: SessionDriver) -> None:
        self.lose(talks)
        router, due = talks.router, talks.now + PROBE_INTERVAL
        assert router.probes_due(lambda: 0.5, talks.now) == []
        [(name, asked)] = router.probes_due(lambda: 0.5, due)
        assert (name, asked.url) == ("a", "https://a.test/v1/models")
        assert router.probes_due(lambda: 0.5, due) == []
        assert router.on_probe_result("a", alive=False) is None
        [_] = router.probes_due(lambda: 0.5, due + PROBE_INTERVAL)
        assert router.on_probe_result("a", alive=True) == "provider a was unhealthy and is healthy"
        assert talks.ask().launch() == "a/m"

    @pytest.mark.parametrize("house", [{"b": provider()}, {"a": provider("https://moved.test/v1")}])
    def test_a_reload_that_takes_it_away_or_moves_it_ends_the_search(
        self, talks: SessionDriver, house: dict[str, dict[str, object]]
    ) -> None:
        self.lose(talks)
        talks.router.update_settings(settings(house), talks.now)
        assert talks.router.probes_due(lambda: 0.5, talks.now + 1000) == []


class TestKeys:
    """A provider without a valid key counts as unreachable."""

    def refuse(self, talks: SessionDriver, count: int) -> list[str | None]:
        learnt = []
        for number in range(count):
            talks.router.cooldowns._keys.clear(talks.now)  # what rests is not refused any more
            own = talks.ask(f"somebody {number}", "a/m")
            own.fail(status(401))
            learnt.append(own.learnt)
        return learnt

    def test_its_pins_are_taken_back_when_the_last_key_is_refused_and_that_is_said_once(self) -> None:
        talks = SessionDriver({"a": provider("https://a.test/v1", keys=KEYS), "b": provider()}, protection={"a": "off"})
        binding = talks.ask().plan.binding
        binding.set_pin(pin_on(talks.router, "a/m", "key-1"), talks.now)
        said = [str(words).partition("; ")[2] for words in self.refuse(talks, 4)]
        assert said == ["", "provider a was healthy and has no valid key left; pins removed: 1", "", ""]
        assert binding.session
        assert binding.session.pin is None

    def test_a_key_is_valid_again_only_by_a_success_that_was_asked_for_after_it_was_refused(self) -> None:
        talks = SessionDriver(
            {"a": provider("https://a.test/v1", keys=KEYS[:1])},
            cooldowns={"key_invalid": "off"},
            protection={"a": "off"},
        )
        slow = talks.ask("slow")
        slow.launch()
        talks.now += 1
        talks.ask("refused").fail(status(401))
        slow.settle()
        assert talks.router.cooldowns.invalid_keys == {candidate_of(talks.router, "a/m").key_id}
        talks.now += 1
        talks.ask("7").fail(Fault(FaultKind.STALLED), committed=True)
        assert talks.router.cooldowns.invalid_keys == {candidate_of(talks.router, "a/m").key_id}, (
            "a commit is no success"
        )
        talks.router.cooldowns._targets.clear(talks.now)
        talks.ask("8").succeed()
        assert talks.router.cooldowns.invalid_keys == set()


@pytest.mark.parametrize(
    "house", [{"b": provider()}, {"a": provider("https://a.test/v1", enabled=False), "b": provider()}]
)
def test_an_exchange_that_is_running_when_its_provider_goes_does_not_pin_it_again(
    house: dict[str, dict[str, object]],
) -> None:
    talks = SessionDriver({"a": provider("https://a.test/v1"), "b": provider()})
    own = talks.ask()
    assert own.launch() == "a/m"
    talks.router.update_settings(settings(house), talks.now)
    own.settle()
    assert own.plan.binding.session
    assert own.plan.binding.session.pin is None

"""One exchange's plan: who may be launched next, who may not and why, and what attempts have taught."""

import json
from dataclasses import replace

import pytest

from pointsman.config.enums import Capability, Dialect, Mode
from pointsman.domain.failures import classify
from pointsman.domain.records import Outcome
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.wire.errors import Code, Fault, FaultKind
from routing.routing_builders import Providers, called, plan, request, status, wrapped
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

BASE = "http://127.0.0.1:9/v1"
TWO_KEYS = ["first-secret", "second-secret"]
HOUSE = {"a": provider(BASE, keys=TWO_KEYS), "b": provider(BASE), "c": provider(BASE)}
NOW = 1000.0
WALL = 1_700_000_000.0
FAILED = attempt_record(outcome=Outcome.RETRY_FAILED, first_content_ms=None)


def after(own: Plan, fault: Fault | None) -> Plan:
    """The plan once its next candidate has suffered `fault` before commit."""
    candidate = own.next_candidate(NOW)
    assert candidate
    own.on_launched(FAILED.n, candidate, NOW)
    own.on_settled(candidate, replace(FAILED, failure=fault and classify(fault)), fault, NOW)
    return own


def left_out(own: Plan) -> list[tuple[str, str | None, ExclusionReason, str]]:
    return [(e.target.label, e.key, e.reason, e.detail) for e in own.exclusions(NOW)]


def with_model(**model: object) -> Providers:
    return {"a": provider(BASE) | {"models": [{"id": "m", **model}]}}


class TestRanking:
    def test_candidates_come_in_configured_order_and_a_targets_keys_in_theirs(self) -> None:
        assert called(plan(HOUSE).ranked_candidates(NOW)) == ["a/m#key-1", "a/m#key-2", "b/m", "c/m"]

    def test_the_next_one_is_the_best_that_may_be_launched(self) -> None:
        own = plan(HOUSE)
        assert own.next_candidate(NOW) is next(own.ranked_candidates(NOW))

    def test_nothing_is_launched_beside_another_attempt_at_its_target_not_even_with_another_key(self) -> None:
        own = plan(HOUSE)
        first, _, third, _ = own.ranked_candidates(NOW)
        beside = own.next_candidate(NOW, [first])
        assert beside is third
        assert own.next_candidate(NOW, [first, third]) is list(own.ranked_candidates(NOW))[-1]

    def test_with_all_targets_running_there_is_no_next_one(self) -> None:
        own = plan(HOUSE)
        assert own.next_candidate(NOW, list(own.ranked_candidates(NOW))) is None

    def test_only_what_the_name_means_takes_part(self) -> None:
        assert called(plan(HOUSE, request(model="b/m")).ranked_candidates(NOW)) == ["b/m"]

    def test_its_mode_is_the_one_asked_for(self) -> None:
        assert plan(HOUSE, request(model="auto-smart")).mode is Mode.SMART


class TestExclusions:
    @pytest.mark.parametrize(
        ("providers", "reason", "detail"),
        [
            (with_model(enabled=False), ExclusionReason.DISABLED, ""),
            ({"a": provider(BASE, enabled=False)}, ExclusionReason.DISABLED, ""),
            (
                {"a": provider(BASE, dialect="anthropic")},
                ExclusionReason.DIALECT,
                "n = 2 cannot be converted (openai-chat to anthropic)",
            ),
            (
                {"a": provider(BASE, quirks={"flat_content": True})},
                ExclusionReason.DIALECT,
                "accepts only plain-text content",
            ),
            (
                {"a": provider(BASE, keys=[{"value": "first-secret", "enabled": False}])},
                ExclusionReason.NO_KEY,
                "",
            ),
            (with_model(supports=[]), ExclusionReason.CAPABILITY, "tools, vision"),
            (with_model(supports=["tools"]), ExclusionReason.CAPABILITY, "vision"),
            (with_model(context=1000), ExclusionReason.CONTEXT, "about 5000 tokens for a context of 1000"),
        ],
        ids=[
            "model off",
            "provider off",
            "dialect",
            "quirks",
            "no key on",
            "no capability",
            "one lacking",
            "too small",
        ],
    )
    def test_a_target_that_cannot_serve_is_left_out_with_its_reason(
        self, providers: Providers, reason: ExclusionReason, detail: str
    ) -> None:
        facts = request(tokens=5000, needs=[Capability.VISION, Capability.TOOLS], document={"n": 2})
        own = plan({**providers, "z": provider(BASE)}, facts)
        assert called(own.ranked_candidates(NOW)) == ["z/m"]
        assert left_out(own) == [("a/m", None, reason, detail)]

    @pytest.mark.parametrize(
        "model",
        [{}, {"supports": ["tools", "vision", "audio"], "context": 5000}, {"supports": ["tools", "vision"]}],
        ids=["nothing is known of it", "it has more than is needed", "it has what is needed"],
    )
    def test_a_target_that_may_be_able_to_serve_is_not(self, model: dict[str, object]) -> None:
        own = plan(with_model(**model), request(tokens=5000, needs=[Capability.VISION, Capability.TOOLS]))
        assert called(own.ranked_candidates(NOW)) == ["a/m"]
        assert left_out(own) == []

    @pytest.mark.parametrize(("tokens", "fits"), [(100, True), (120, True), (121, False)])
    def test_a_rough_estimate_may_exceed_the_context_by_a_fifth(self, tokens: int, fits: bool) -> None:
        assert bool(plan(with_model(context=100), request(tokens=tokens)).next_candidate(NOW)) is fits

    def test_what_is_switched_off_is_said_to_be_off_whatever_else_it_lacks(self) -> None:
        providers = with_model(enabled=False, context=1, supports=[])
        own = plan(providers, request(needs=[Capability.TOOLS]), Dialect.GEMINI)
        assert [reason for _, _, reason, _ in left_out(own)] == [ExclusionReason.DISABLED]

    def test_a_further_dialect_of_a_provider_lets_it_serve(self) -> None:
        written = provider(BASE, dialect="anthropic", dialects={"openai-chat": BASE})
        assert called(plan({"a": written}).ranked_candidates(NOW)) == ["a/m"]

    def test_they_are_reported_in_plain_json(self) -> None:
        own = plan(with_model(context=1))
        assert json.loads(json.dumps(own.exclusion_dicts(NOW, WALL))) == [
            {
                "provider": "a",
                "model": "m",
                "key": None,
                "reason": "context_too_small",
                "detail": "about 10 tokens for a context of 1",
                "until": None,
            }
        ]


class TestLearning:
    @pytest.mark.parametrize(
        ("fault", "ranked", "exclusion"),
        [
            (status(429), ["a/m#key-2", "b/m", "c/m"], ("a/m", "key-1", ExclusionReason.SKIPPED_KEY, "429")),
            (wrapped(401), ["a/m#key-2", "b/m", "c/m"], ("a/m", "key-1", ExclusionReason.SKIPPED_KEY, "wrapped_401")),
            (status(503), ["a/m#key-2", "b/m", "c/m"], ("a/m", "key-1", ExclusionReason.SKIPPED_KEY, "503")),
            (status(404), ["b/m", "c/m"], ("a/m", None, ExclusionReason.SKIPPED_TARGET, "404")),
            (Fault(FaultKind.EMPTY), ["b/m", "c/m"], ("a/m", None, ExclusionReason.SKIPPED_TARGET, "empty")),
            (Fault(FaultKind.DNS), ["b/m", "c/m"], ("a/m", None, ExclusionReason.SKIPPED_TARGET, "dns")),
        ],
        ids=lambda value: value.label if isinstance(value, Fault) else "",
    )
    def test_a_fault_rules_out_the_key_or_the_target_and_says_which_fault_it_was(
        self, fault: Fault, ranked: list[str], exclusion: tuple[str, str | None, ExclusionReason, str]
    ) -> None:
        own = after(plan(HOUSE), fault)
        assert called(own.ranked_candidates(NOW)) == ranked
        assert left_out(own) == [exclusion]

    def test_a_blameless_attempt_rules_nothing_out(self) -> None:
        own = after(plan(HOUSE), None)
        assert called(own.ranked_candidates(NOW)) == ["a/m#key-2", "a/m#key-1", "b/m", "c/m"], (
            "its key has only had its turn"
        )
        assert own.faults == []

    def test_a_target_without_keys_is_ruled_out_where_another_one_would_lose_its_key(self) -> None:
        own = after(plan({"a": provider(BASE), "b": provider(BASE)}), status(429))
        assert called(own.ranked_candidates(NOW)) == ["b/m"]
        assert left_out(own) == [("a/m", None, ExclusionReason.SKIPPED_KEY, "429")]

    def test_a_full_window_rules_out_every_one_that_is_no_larger(self) -> None:
        sizes = {"a": 1000, "b": 1000, "c": 500, "d": 2000, "e": None}
        own = plan({name: with_model(context=size)["a"] for name, size in sizes.items()})
        assert called(after(own, status(400, code="context_length_exceeded")).ranked_candidates(NOW)) == ["d/m", "e/m"]
        assert left_out(own) == [
            (f"{name}/m", None, ExclusionReason.CONTEXT, "a context of 1000 was too small") for name in "abc"
        ]

    def test_keys_that_failed_one_by_one_are_each_named(self) -> None:
        own = after(after(plan(HOUSE), status(429)), status(401))
        assert called(own.ranked_candidates(NOW)) == ["b/m", "c/m"]
        assert left_out(own) == [
            ("a/m", "key-1", ExclusionReason.SKIPPED_KEY, "429"),
            ("a/m", "key-2", ExclusionReason.SKIPPED_KEY, "401"),
        ]

    def test_a_target_ruled_out_is_named_once_though_a_key_of_it_failed_before(self) -> None:
        own = after(after(plan(HOUSE), status(429)), status(404))
        assert left_out(own) == [("a/m", None, ExclusionReason.SKIPPED_TARGET, "404")]

    def test_another_model_of_the_same_provider_is_still_in(self) -> None:
        own = after(plan({"a": provider(BASE, "m", "n")}, request(model="auto")), status(503))
        assert called(own.ranked_candidates(NOW)) == ["a/n"]

    def test_what_it_skips_is_its_own_affair(self) -> None:
        router = Router(settings(HOUSE), SECRET)
        after(router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW), status(503))
        assert "a/m#key-1" in called(router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW).ranked_candidates(NOW))


@pytest.mark.parametrize(
    ("fault", "final"),
    [
        (status(400), True),
        (status(422), True),
        (wrapped(400), True),
        (status(401), False),
        (status(404), False),
        (status(500), False),
        (Fault(FaultKind.MALFORMED, status=400), False),
    ],
)
def test_only_a_refusal_of_the_request_itself_is_final(fault: Fault, final: bool) -> None:
    assert plan(HOUSE).is_final(fault) is final


class TestExhausted:
    def test_it_lists_the_failures_and_the_excluded_candidates(self) -> None:
        own = after(plan({"a": provider(BASE), "b": provider(BASE, enabled=False)}), status(429, retry_after=7.0))
        assert own.next_candidate(NOW) is None
        problem = own.final_error(NOW, WALL)
        assert problem.code is Code.RATE_LIMITED
        assert problem.retry_after == 7.0
        assert dict(problem.details)["reasons"] == own.exclusion_dicts(NOW, WALL)

    def test_before_any_attempt_it_states_why_none_was_possible(self) -> None:
        assert plan(with_model(context=1)).final_error(NOW, WALL).code is Code.CONTEXT_TOO_LARGE


class TestForLaterExchanges:
    """What one exchange has taught the router counts for the next one's plan."""

    @pytest.fixture
    def router(self) -> Router:
        return Router(settings({"a": provider(BASE), "b": provider(BASE)}), SECRET)

    def plan(self, router: Router, now: float = NOW) -> Plan:
        return router.plan(request(), Dialect.OPENAI_CHAT, caller(), now)

    def test_a_target_that_failed_cools_and_then_is_back(self, router: Router) -> None:
        after(self.plan(router), Fault(FaultKind.REFUSED))
        [(label, key, reason, detail)] = left_out(self.plan(router))
        assert (label, key, reason, detail) == ("a/m", None, ExclusionReason.COOLING, "connect_refused")
        assert called(self.plan(router).ranked_candidates(NOW)) == ["b/m"]
        assert called(self.plan(router, NOW + 100).ranked_candidates(NOW + 100)) == ["a/m", "b/m"]

    def test_cooling_ones_never_empty_the_field_the_first_to_recover_is_tried(self, router: Router) -> None:
        after(after(self.plan(router), Fault(FaultKind.REFUSED)), status(503, retry_after=2.0))
        own = self.plan(router)
        assert list(own.ranked_candidates(NOW)) == []
        first = own.next_candidate(NOW)
        assert first
        assert called([first]) == ["b/m"]
        assert own.next_candidate(NOW, [first]) is None, "a last resort is not raced"

    def test_a_key_that_is_cooling_is_no_last_resort(self) -> None:
        router = Router(settings({"a": provider(BASE)}), SECRET)
        after(self.plan(router), status(429))
        own = self.plan(router)
        assert own.next_candidate(NOW) is None
        assert own.final_error(NOW, WALL).code is Code.RATE_LIMITED

    def test_a_good_answer_ends_a_cooldown(self, router: Router) -> None:
        candidate = self.plan(router).next_candidate(NOW)
        assert candidate
        after(self.plan(router), Fault(FaultKind.REFUSED))
        later = self.plan(router)
        later.on_launched(1, candidate, NOW + 1)
        later.on_settled(candidate, attempt_record(), None, NOW + 2)
        assert called(self.plan(router).ranked_candidates(NOW + 2)) == ["a/m", "b/m"]

    def test_one_that_was_asked_for_before_the_failure_does_not(self, router: Router) -> None:
        earlier = self.plan(router)
        candidate = earlier.next_candidate(NOW - 1)
        assert candidate
        earlier.on_launched(1, candidate, NOW - 1)
        after(self.plan(router), Fault(FaultKind.REFUSED))
        earlier.on_settled(candidate, attempt_record(), None, NOW + 1)
        assert called(self.plan(router).ranked_candidates(NOW + 1)) == ["b/m"]

    def test_what_is_in_flight_counts_against_a_limit_at_once(self) -> None:
        limited = with_model(limits={"rpm": 1})
        router = Router(settings({**limited, "b": provider(BASE)}), SECRET)
        own = self.plan(router)
        candidate = own.next_candidate(NOW)
        assert candidate
        own.on_launched(1, candidate, NOW)
        assert left_out(self.plan(router)) == [("a/m", None, ExclusionReason.RATE_LIMITED, "limit")]
        assert called(self.plan(router).ranked_candidates(NOW)) == ["b/m"]

    def test_keys_take_turns(self) -> None:
        router = Router(settings({"a": provider(BASE, keys=["one-secret", "two-secret", "six-secret"])}), SECRET)
        turns = []
        for n in range(4):
            own = self.plan(router)
            candidate = own.next_candidate(NOW)
            assert candidate
            own.on_launched(n, candidate, NOW)
            turns.append(candidate.key_label)
        assert turns == ["key-1", "key-2", "key-3", "key-1"]


class TestContinuation:
    def test_the_same_model_comes_first_and_never_the_same_target(self):
        own = plan(
            {
                "a": provider(BASE, "m"),
                "b": provider(BASE, "other"),
                "c": provider(BASE, "maker/m"),
                "d": provider(BASE, "m", keys=TWO_KEYS),
            },
            request(None),
        )
        broken = own.next_candidate(NOW)
        assert broken
        assert broken.target.label == "a/m"

        def chosen(*left_out: str) -> str | None:
            found = own.next_continuation(broken, lambda target: target.label not in left_out, NOW)
            return found and found.target.label

        assert chosen() == "c/maker/m"
        assert chosen("c/maker/m") == "d/m"
        assert chosen("c/maker/m", "d/m") == "b/other"
        assert chosen("c/maker/m", "d/m", "b/other") is None

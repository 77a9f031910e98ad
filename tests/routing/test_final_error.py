"""The one status that sums up what all attempts have suffered, or why there was none."""

from collections.abc import Sequence

import pytest

from pointsman.domain.failures import classify
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.final_error import final_error
from pointsman.wire.errors import Code, Fault, FaultKind, Problem
from routing.routing_builders import inventory, status, wrapped
from support.settings import provider

[TARGET] = inventory({"a": provider()}).targets


NOW, WALL = 1000.0, 1_700_000_000.0


def left_out(*reasons: ExclusionReason) -> list[Exclusion]:
    return [Exclusion(TARGET, None, reason) for reason in reasons]


def told(faults: Sequence[Fault], exclusions: Sequence[Exclusion] = ()) -> Problem:
    """The verdict on what was suffered before commit, and who was left out."""
    return final_error([(classify(fault), fault) for fault in faults], exclusions, 7.5, WALL - NOW)


class TestAfterAttempts:
    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (status(429), Code.RATE_LIMITED),
            (wrapped(429), Code.RATE_LIMITED),
            (status(402), Code.RATE_LIMITED),
            (status(429, code="1302"), Code.RATE_LIMITED),
            (status(429, code="usage_limit_reached"), Code.RATE_LIMITED),
            (status(403, code="model_not_allowed"), Code.PROVIDER_AUTH),
            (status(401), Code.PROVIDER_AUTH),
            (wrapped(403), Code.PROVIDER_AUTH),
            (status(413), Code.CONTEXT_TOO_LARGE),
            (status(504), Code.UPSTREAM_TIMEOUT),
            (Fault(FaultKind.CONNECT_TIMEOUT), Code.UPSTREAM_TIMEOUT),
            (Fault(FaultKind.FIRST_BYTE_TIMEOUT), Code.UPSTREAM_TIMEOUT),
            (Fault(FaultKind.ANSWER_TIMEOUT), Code.UPSTREAM_TIMEOUT),
            (status(404), Code.UPSTREAM_ERROR),
            (status(500), Code.UPSTREAM_ERROR),
            (Fault(FaultKind.REFUSED), Code.UPSTREAM_ERROR),
            (Fault(FaultKind.EMPTY), Code.UPSTREAM_ERROR),
            (Fault(FaultKind.INTERNAL), Code.UPSTREAM_ERROR),
        ],
        ids=lambda value: value.label if isinstance(value, Fault) else value.value,
    )
    def test_a_cause_that_all_share_is_named(self, fault: Fault, code: Code) -> None:
        assert told([fault]).code is code
        assert told([fault, fault]).code is code

    @pytest.mark.parametrize(
        ("faults", "code"),
        [
            ([status(401), wrapped(403)], Code.PROVIDER_AUTH),
            ([status(504), Fault(FaultKind.CONNECT_TIMEOUT)], Code.UPSTREAM_TIMEOUT),
            ([status(429), status(503)], Code.UPSTREAM_ERROR),
            ([status(429), status(429), status(401)], Code.UPSTREAM_ERROR),
        ],
        ids=["two ways of saying auth", "two ways of saying timeout", "two causes", "one of three"],
    )
    def test_different_faults_may_share_a_cause_and_mixed_causes_are_an_upstream_error(
        self, faults: list[Fault], code: Code
    ) -> None:
        assert told(faults).code is code

    def test_the_wait_is_passed_on(self) -> None:
        assert told([status(429, retry_after=30.0)]).retry_after == 7.5

    def test_the_message_counts_attempts_and_quotes_the_last(self) -> None:
        faults = [status(429, message="slow down"), Fault(FaultKind.DNS, "no address for x.test")]
        assert told(faults).message == (
            "All 2 attempts to get an answer failed (upstream_error). Last error: dns: no address for x.test"
        )
        assert told([status(503)]).message == (
            "The only attempt to get an answer failed (upstream_error). Last error: 503"
        )

    def test_candidates_left_out_are_reported_but_do_not_change_the_cause(self) -> None:
        excluded = left_out(ExclusionReason.CONTEXT)
        problem = told([status(429)], excluded)
        assert problem.code is Code.RATE_LIMITED
        assert problem.details == (("reasons", [excluded[0].to_dict(WALL - NOW)]),)


class TestWithoutAnAttempt:
    @pytest.mark.parametrize(
        ("reasons", "code"),
        [
            ([ExclusionReason.CONTEXT], Code.CONTEXT_TOO_LARGE),
            ([ExclusionReason.CONTEXT, ExclusionReason.CONTEXT], Code.CONTEXT_TOO_LARGE),
            (
                [
                    ExclusionReason.CONTEXT,
                    ExclusionReason.DISABLED,
                    ExclusionReason.NO_KEY,
                    ExclusionReason.DIALECT,
                    ExclusionReason.CAPABILITY,
                ],
                Code.CONTEXT_TOO_LARGE,
            ),
            ([ExclusionReason.RATE_LIMITED], Code.RATE_LIMITED),
            ([ExclusionReason.RATE_LIMITED, ExclusionReason.CONTEXT, ExclusionReason.DISABLED], Code.RATE_LIMITED),
            ([ExclusionReason.RATE_LIMITED, ExclusionReason.KEY_INVALID], Code.NO_CANDIDATE),
            ([ExclusionReason.DISABLED], Code.NO_CANDIDATE),
            ([ExclusionReason.CONTEXT, ExclusionReason.SKIPPED_TARGET], Code.NO_CANDIDATE),
            ([], Code.NO_CANDIDATE),
        ],
        ids=lambda value: value.value if isinstance(value, Code) else "+".join(reason.value for reason in value),
    )
    def test_length_or_limits_are_the_cause_when_they_alone_exclude_whatever_else_could_serve(
        self, reasons: list[ExclusionReason], code: Code
    ) -> None:
        assert told([], left_out(*reasons)).code is code

    def test_the_reasons_are_named_once_each_and_all_listed(self) -> None:
        excluded = left_out(ExclusionReason.NO_KEY, ExclusionReason.DISABLED, ExclusionReason.NO_KEY)
        problem = told([], excluded)
        assert problem.message == "No candidate can serve this request: disabled, no_key."
        assert problem.details == (("reasons", [each.to_dict(WALL - NOW) for each in excluded]),)

    def test_an_empty_house_says_so(self) -> None:
        assert told([]).message == "No candidate can serve this request: no target is configured."

    @pytest.mark.parametrize("other", [ExclusionReason.DISABLED, ExclusionReason.NO_KEY, ExclusionReason.CAPABILITY])
    def test_what_no_dialect_can_express_is_the_requests_fault_and_never_worth_a_repeat(
        self, other: ExclusionReason
    ) -> None:
        whys = [Exclusion(TARGET, None, ExclusionReason.DIALECT, why) for why in ("no words", "no words", "no place")]
        problem = told([], [*whys, *left_out(other)])
        assert (problem.status, problem.is_permanent) == (400, True)
        assert "no words; no place" in problem.message

    @pytest.mark.parametrize("other", [ExclusionReason.DISABLED, ExclusionReason.NO_KEY, ExclusionReason.POOL])
    def test_what_no_model_is_capable_of_is_the_requests_fault_too(self, other: ExclusionReason) -> None:
        lacking = Exclusion(TARGET, None, ExclusionReason.CAPABILITY, "tools, vision")
        problem = told([], [lacking, *left_out(other)])
        assert (problem.code, problem.is_permanent) == (Code.INVALID_REQUEST, True)
        assert f"{TARGET.label} lacks tools, vision." in problem.message

    @pytest.mark.parametrize("other", [ExclusionReason.COOLING, ExclusionReason.CONTEXT, ExclusionReason.RATE_LIMITED])
    def test_what_a_capable_model_may_serve_later_is_worth_one(self, other: ExclusionReason) -> None:
        lacking = Exclusion(TARGET, None, ExclusionReason.CAPABILITY, "vision")
        assert not told([], [lacking, *left_out(other)]).is_permanent

    def test_what_another_target_may_express_later_is_worth_one(self) -> None:
        problem = told([], left_out(ExclusionReason.DIALECT, ExclusionReason.BANNED))
        assert (problem.status, problem.is_permanent) == (503, False)

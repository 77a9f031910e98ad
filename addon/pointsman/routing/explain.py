"""Why candidates would be chosen in this order: one plan's ranking, term by term, and the excluded candidates."""

from collections.abc import Iterator
from typing import Any

from pointsman.config.settings import Weights
from pointsman.domain.targets import Candidate, Target
from pointsman.prices.rates import PICO, dollars
from pointsman.routing.plan import Plan
from pointsman.routing.scoring import Score
from pointsman.routing.strategies.registry import DEFAULT_STRATEGY

DIGITS = 4


def explain(plan: Plan, now: float, wall: float) -> dict[str, Any]:
    """In plain JSON types. `wall` is what the clock on the wall shows at `now`."""
    resolution = plan.resolution
    pin = plan.binding.preferred_pin
    return {
        "model": resolution.requested,
        "means": resolution.name,
        "options": plan.facts.options.asked(),
        "is_unknown": resolution.taken_as is not None,
        "mode": plan.mode.value,
        "strategy": str(plan.state.settings.routing.strategy.get(plan.mode, DEFAULT_STRATEGY)),
        "weights": _weights(plan.state.settings.routing.weights[plan.mode]),
        "pools": [sorted({target.model.pool.value for target in tier}) for tier in plan.candidates.tiers]
        if resolution.automatic
        else None,
        "chain": [
            {"name": step.requested, "targets": [target.label for target in step.targets]} for step in resolution.chain
        ]
        if resolution.chain
        else None,
        "note": plan.candidates.note or None,
        "session": plan.session,
        "pin": pin and pin.to_dict(plan.inventory.key_labels),
        "candidates": list(_candidates(plan, now, wall)),
        "excluded": plan.exclusion_dicts(now, wall),
    }


def _candidates(plan: Plan, now: float, wall: float) -> Iterator[dict[str, Any]]:
    for place, candidate in enumerate(plan.ranked_candidates(now), start=1):
        target = candidate.target
        score = plan.scores.score(target, now, wall)
        yield {
            "place": place,
            "provider": target.provider.name,
            "model": target.model.id,
            "key": candidate.key_label,
            "pool": target.model.pool.value,
            "why": plan.selection_reason(candidate, now, wall),
            **_score(score),
            "drift": [verdict.to_dict() for verdict in plan.state.drift.verdicts(target.label, wall)],
            "known": _evidence(plan, candidate, wall),
            "cache": _cache(plan, target, now, wall),
        }


def _score(score: Score) -> dict[str, Any]:
    found = score.qualities
    terms = {
        "reliability": {"mean": score.mean, "draw": score.draw},
        "speed": found.speed,
        "latency": found.latency,
        "intelligence": found.intelligence,
        "headroom": score.headroom,
        "penalty": score.penalty,
    }
    return {"score": round(score.value, DIGITS), "expected": round(score.expected, DIGITS), "terms": _rounded(terms)}


def _evidence(plan: Plan, candidate: Candidate, wall: float) -> dict[str, Any]:
    """What the terms are drawn from: both memories."""
    label = candidate.target.label
    past, lately = plan.state.statistics.stats_for(label, wall), plan.state.recent_outcomes.counts_for(label, wall)
    return {
        "attempts": past.attempts,
        "successes": round(past.successes, DIGITS),
        "failures": round(past.failures, DIGITS),
        "tokens_per_second": _rounded_or_none(past.tokens_per_second),
        "first_content_seconds": _rounded_or_none(past.first_content),
        "lately": {"successes": round(lately.successes, DIGITS), "failures": round(lately.failures, DIGITS)},
    }


def _cache(plan: Plan, target: Target, now: float, wall: float) -> dict[str, Any]:
    """What the conversation would cost there. Tokens are estimates, money is decimal text in dollars, times are
    seconds; None is not known. `move` is against the session's pin.
    """
    known = plan.state.cache_statistics.of(target.label)
    found: dict[str, Any] = {
        "reported_share": None, "expected_tokens": None, "turn_usd": None, "later_turn_usd": None, "move_tokens": None,
        "move_usd": None, "first_content_cold": _rounded_or_none(known.cold.mean),
        "first_content_warm": _rounded_or_none(known.warm.mean),
    }  # fmt: skip
    if (estimator := plan.cache_estimator(now, wall)) is None:
        return found
    expected, entry = estimator.expected(target), estimator.caches.by_target.get(target.label)
    found["reported_share"] = _rounded_or_none(entry.reported if entry else None)
    found["expected_tokens"] = round(expected.cached)
    if expected.has_price:
        found["turn_usd"], found["later_turn_usd"] = (dollars(round(each / PICO)) for each in expected[1:3])
    if pinned := plan.pinned_target:
        tokens, cost = estimator.move(target, expected.cached, estimator.expected(pinned).cached)
        found["move_tokens"], found["move_usd"] = round(tokens), dollars(cost)
    return found


def _weights(weights: Weights) -> dict[str, float]:
    names = ("reliability", "speed", "latency", "intelligence")
    return {name: getattr(weights, name) for name in names}


def _rounded(terms: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded(term) if isinstance(term, dict) else round(term, DIGITS) for name, term in terms.items()}


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)

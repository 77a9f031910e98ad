"""From a candidate to an attempt, and from an attempt to the request that its provider gets."""

from pointsman.domain.outbound import Outbound
from pointsman.domain.targets import Candidate
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import Call, Planner


def prepared(
    call: Call, plan: Planner, n: int, candidate: Candidate, now: float, wall: float, asks_usage: bool
) -> Attempt:
    """Attempt `n`, with its own way to the provider's dialect, its own redirect and its own timers."""
    target, streamed = candidate.target, call.facts.stream
    bridge = call.bridge(target, n, asks_usage)
    base_url = target.address(bridge.dialect.name)
    assert base_url
    attempt = Attempt(n, candidate, base_url, target.provider.timeouts, streamed, now)
    attempt.bridge = bridge
    attempt.why = "; ".join(filter(None, (plan.why(candidate, now, wall), bridge.remark)))
    attempt.redirect = plan.redirect(candidate)
    if streamed and (after := plan.hedge_after(candidate, wall)) is not None:
        attempt.hedge_due = now + after
    return attempt


def outbound(call: Call, attempt: Attempt) -> Outbound:
    """Raises Inconvertible."""
    bridge, key = attempt.bridge, attempt.candidate.key
    assert bridge
    body, path = bridge.outbound(call.body, attempt.model_sent)
    auth = bridge.dialect.auth_headers(key.value.get_secret_value()) if key else []
    headers = (*bridge.headers(call.headers), ("Accept-Encoding", "identity"), *auth)
    return Outbound(attempt.base_url + path, headers, body)

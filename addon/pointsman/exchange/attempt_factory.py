"""From a candidate to an attempt, and from an attempt to the request that its provider gets."""

from collections.abc import Sequence

from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.targets import Candidate
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import ClientRequest, Planner
from pointsman.wire.refusals import Refusal


def create_attempt(
    call: ClientRequest,
    plan: Planner,
    n: int,
    candidate: Candidate,
    now: float,
    wall: float,
    refusals: Sequence[Refusal] | None = None,
) -> Attempt:
    """Attempt `n`, with its own way to the provider's dialect, its own redirect and its own timers.

    `refusals`: what the target has refused, if more is known than what earlier requests have taught.
    """
    target, streamed, redirect = candidate.target, call.facts.stream, plan.redirect(candidate)
    if refusals is None:
        model = redirect.redirected_model if redirect else target.model.id
        refusals = call.refusals.of(target, model, now)
    codec = call.codec(target, n, refusals)
    base_url = target.base_url_for(codec.dialect.name)
    assert base_url
    attempt = Attempt(n, candidate, base_url, target.provider.timeouts, streamed, now)
    attempt.codec = codec
    attempt.selection_reason = plan.selection_reason(candidate, now, wall)
    attempt.redirect = redirect
    if streamed and (delay := plan.hedge_delay(candidate, wall)) is not None:
        attempt.hedge_at = now + delay
    return attempt


def upstream_request(call: ClientRequest, attempt: Attempt) -> UpstreamRequest:
    """Raises Inconvertible."""
    codec, key = attempt.codec, attempt.candidate.key
    assert codec
    body, path = codec.outbound(call.body, attempt.model_sent)
    auth = codec.dialect.auth_headers(key.value.get_secret_value()) if key else []
    headers = (*codec.headers(call.headers), ("Accept-Encoding", "identity"), *auth)
    return UpstreamRequest(attempt.base_url + path, headers, body)

"""From a candidate to an attempt, and from an attempt to the request that its provider gets."""

from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.targets import Candidate
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import ClientRequest, Planner
from pointsman.exchange.continuation import Continuation
from pointsman.exchange.repeats import Repeat
from pointsman.wire.conversion.codec import Codec
from pointsman.wire.headers import with_own
from pointsman.wire.thinking_signatures import EVERYTHING


def create_attempt(
    call: ClientRequest,
    plan: Planner,
    n: int,
    candidate: Candidate,
    now: float,
    wall: float,
    repeat: Repeat | None,
    continuation: Continuation | None = None,
) -> Attempt:
    """Attempt `n`, with its own way to the provider's dialect, its own redirect and its own timers.

    `repeat`: what is left out if it repeats another one; otherwise what earlier requests showed to be refused.
    """
    target, streamed, redirect = candidate.target, call.facts.stream, plan.redirect(candidate)
    if repeat is None:
        model = redirect.redirected_model if redirect else target.model.id
        repeat = Repeat(call.refusals.of(target, model, now), sends_signed_parts=True)
    left_out = plan.parts_left_out(candidate) if repeat.sends_signed_parts else EVERYTHING
    codec: Codec = call.codec(target, n, repeat.refusals, left_out)
    if continuation:
        codec = continuation.codec(codec, n)
    base_url = target.base_url_for(codec.dialect.name)
    assert base_url
    attempt = Attempt(n, candidate, base_url, target.timeouts, streamed, now)
    attempt.codec, attempt.sends_signed_parts = codec, repeat.sends_signed_parts
    attempt.selection_reason = plan.selection_reason(candidate, now, wall)
    attempt.redirect, attempt.continuation = redirect, continuation
    if streamed and not continuation and (delay := plan.hedge_delay(candidate, wall)) is not None:
        attempt.hedge_at = now + delay
    return attempt


def upstream_request(call: ClientRequest, attempt: Attempt) -> UpstreamRequest:
    """Raises Inconvertible."""
    codec, key = attempt.codec, attempt.candidate.key
    assert codec
    body, path = codec.outbound(call.body, attempt.model_sent)
    auth = codec.dialect.auth_headers(key.value.get_secret_value()) if key else []
    provider = attempt.candidate.target.provider
    headers = with_own((*codec.headers(call.headers), ("Accept-Encoding", "identity")), provider.headers)
    return UpstreamRequest(attempt.base_url + path, (*headers, *auth), body, call.method, provider.own_proxy)

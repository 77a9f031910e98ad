"""`/internal/explain` and `/api/fallback`: which candidates would serve a request, and the state of every target."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from pointsman.clients.budgets import ExpectedTokens
from pointsman.clients.clients import RunningRequest
from pointsman.config.enums import Mode
from pointsman.domain.targets import Target
from pointsman.recent_exchanges import RecentExchanges, recoveries
from pointsman.routing.client_spending import expected_tokens
from pointsman.routing.explain import explain
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.wire.conversation import body_ids, conversation
from pointsman.wire.dialects.base import Purpose
from pointsman.wire.dialects.registry import DIALECTS, route_of_path
from pointsman.wire.errors import Code, Problem
from pointsman.wire.json_access import mapping
from pointsman.wire.paths import standard_path
from pointsman.wire.request_options import read_options, unknown_options

type ExplainHandler = Callable[[PageRequest, str], PageReply]
type Clock = Callable[[], float]
type ClientPreview = Callable[[str, ExpectedTokens], RunningRequest]
"""A request of that client, which is only looked at. Raises Problem."""

DEFAULT_PATH = "/v1/chat/completions"


def explain_page(
    router: Router, preview: ClientPreview, recent_exchanges: RecentExchanges, clock: Clock, wall: Clock
) -> ExplainHandler:
    """The body is a request in JSON, of the dialect whose path the query names as `path`, and as if of the client that
    it names as `client`; nothing is sent, and nothing changes. Raises Problem.
    """

    def answer(request: PageRequest, _: str) -> PageReply:
        asked = parse_qs(request.query)
        path, model = standard_path(asked.get("path", [DEFAULT_PATH])[-1], is_own=True)
        client = asked.get("client", [None])[-1]
        found = route_of_path(path)
        if found is None or found.purpose not in (Purpose.CHAT, Purpose.OTHER):
            known = f"such as {DEFAULT_PATH}, /v1/messages, /v1/embeddings"
            raise Problem(Code.INVALID_REQUEST, f"path must be that of a request to a model, {known}.", param="path")
        facts = (found.endpoint or DIALECTS[found.dialect]).facts(request.body, path)
        if model is not None:
            facts = replace(facts, model=model)
        metadata = mapping(facts.document.get("metadata"))
        facts = replace(facts, options=read_options(request.headers, metadata))
        caller = Caller(
            headers=request.headers,
            credential=None,
            address="",
            body_ids=partial(body_ids, facts.document),
            conversation=partial(conversation, found.dialect, facts.document),
            kind=facts.kind,
            client=client,
        )
        now, shown = clock(), wall()
        charged = None if client is None else preview(client, expected_tokens(facts))
        plan = router.preview_plan(facts, found.dialect, caller, now, shown, charged)
        recent = recent_exchanges.recent(shown)
        further = {"unknown_options": unknown_options(request.headers, metadata), "recoveries": recoveries(recent)}
        return json_reply({**explain(plan, now, shown), **further})

    return answer


def target_to_dict(router: Router, target: Target, now: float, wall: float) -> dict[str, Any]:
    """How a target stands, in plain JSON types."""
    cooldown, model = router.cooldowns.target_cooldown(target.label, now), target.model
    return {
        "provider": target.provider.name,
        "model": model.id,
        "name": model.name,
        "kinds": [kind.value for kind in model.kind],
        "pool": model.pool.value,
        "smart_first": bool(model.smart_first),
        "enabled": target.enabled,
        "intelligence": model.intelligence,
        "speed": model.speed,
        "keys": {"usable": router.usable_keys(target, now), "total": len(target.provider.keys)},
        "cooldown": cooldown and {"reason": cooldown.reason, "until": cooldown.until - now + wall},
        "score": {mode.value: round(router.ranking.expected_score(target, mode, now, wall), 4) for mode in Mode},
    }

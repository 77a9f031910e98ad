"""`/internal/explain` and `/api/fallback`: the whole truth about choosing, and no trace of having asked."""

import json
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pointsman import config
from pointsman.clients.clients import Clients
from pointsman.config.enums import Dialect
from pointsman.demo import behaviours
from pointsman.domain.failures import Scope
from pointsman.recent_exchanges import RecentExchanges
from pointsman.routing.router import Router
from pointsman.sessions.store import Pin
from pointsman.web.explain import explain_page, target_to_dict
from pointsman.wire.errors import Code, Problem
from routing.routing_builders import cool
from routing.routing_builders import request as facts
from support.clients_in_core import SECRET, caller
from support.http_requests import ask, get, post, started
from support.router import running
from support.settings import provider
from web.page_requests import ADMIN, payload_of, request

NOW, WALL = 1000.0, 1_800_000_000.0
BODY = b'{"model":"auto","messages":[{"role":"user","content":"Which track?"}]}'
PROVIDERS = {
    "a": provider() | {"keys": ["sk-one-secret", "sk-two-secret"], "models": [{"id": "m", "intelligence": 1}]},
    "b": provider() | {"models": [{"id": "m", "intelligence": 3, "speed": 2, "name": "B's own"}]},
    "c": provider() | {"models": [{"id": "c", "context": 1}, {"id": "s", "pool": "smart"}]},
}


@pytest.fixture
def router() -> Router:
    return Router(config.build({"providers": PROVIDERS}, {}), SECRET, Random(5))


def explained(router: Router, body: bytes = BODY, query: str = "", **headers: str) -> Any:
    page = explain_page(router, Clients(router.settings).preview, RecentExchanges(), lambda: NOW, lambda: WALL)
    return payload_of(page(replace(request(method="POST", query=query, **headers), body=body), ""))


class TestExplain:
    def test_every_term_of_every_candidate_is_there(self, router: Router) -> None:
        answer = explained(router)
        assert (answer["model"], answer["mode"], answer["pools"]) == ("auto", "balanced", [["balanced"]])
        assert [each["place"] for each in answer["candidates"]] == [1, 2, 3]
        for each in answer["candidates"]:
            terms, weights = each["terms"], answer["weights"]
            worth = weights["reliability"] + sum(
                weights[name] * terms[name] for name in ("speed", "latency", "intelligence")
            )
            counted = terms["reliability"]["draw"] * worth * terms["headroom"] - terms["penalty"]
            assert each["score"] == pytest.approx(counted, abs=0.001)
            assert terms["reliability"]["mean"] == 0.5
            assert each["why"].startswith("rank ")

    def test_who_is_left_out_is_there_with_the_reason(self, router: Router) -> None:
        left_out = {(each["model"], each["reason"]) for each in explained(router)["excluded"]}
        assert left_out == {("c", "context_too_small"), ("s", "other_pool")}

    def test_a_clients_models_and_budgets_count(self) -> None:
        priced = PROVIDERS["b"] | {"prices": {"m": {"input": 1000, "output": 1000}}}
        client = {"key": "key-of-ci", "models": ["b/m", "c/c"], "budgets": [{"usd": "0.5", "per": "day"}]}
        document = {"providers": {**PROVIDERS, "b": priced}, "clients": {"ci": client}}
        router = Router(config.build(document, {}), SECRET, Random(5))
        answer = explained(router, query="client=ci")
        left_out = {(each["provider"], each["model"], each["reason"]) for each in answer["excluded"]}
        assert answer["candidates"] == []
        assert left_out >= {("a", "m", "not_allowed"), ("b", "m", "budget"), ("c", "c", "context_too_small")}
        assert len(explained(router)["candidates"]) == 3
        with pytest.raises(Problem, match="There is no client 'bob'; clients: ci") as refused:
            explained(router, query="client=bob")
        assert refused.value.param == "client"
        with pytest.raises(Problem) as forbidden:
            explained(router, BODY.replace(b"auto", b"a/m"), query="client=ci")
        assert forbidden.value.code is Code.MODEL_NOT_ALLOWED

    def test_the_order_is_the_one_that_the_next_request_gets(self, router: Router) -> None:
        for _ in range(10):
            told_order = [(each["provider"], each["key"]) for each in explained(router)["candidates"]]
            own = router.plan(facts("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL)
            assert told_order == [(each.target.provider.name, each.key_label) for each in own.ranked_candidates(NOW)]

    def test_nothing_changes_by_asking(self, router: Router) -> None:
        chance, before = copy(router.state.rng), router.sessions.stats(NOW)
        for _ in range(3):
            explained(router, x_session_id="conversation")
        assert router.state.rng.getstate() == chance.getstate()
        assert router.sessions.stats(NOW) == before
        assert len(router.limits) == 0
        [first, *_] = router.inventory.keys_in_turn(router.inventory.targets[0])
        assert first.key_label == "key-1"

    def test_a_sessions_pin_comes_first_and_the_session_is_not_used(self, router: Router) -> None:
        own = router.plan(facts("auto"), Dialect.OPENAI_CHAT, caller(headers={"x-session-id": "it"}), NOW)
        own.binding.set_pin(Pin("c", "s", None), NOW)
        answer = explained(router, x_session_id="it")
        assert answer["pin"] == {"provider": "c", "model": "s", "key": None}
        assert (answer["candidates"][0]["model"], answer["candidates"][0]["why"]) == ("s", "pin")
        assert own.binding.session
        assert own.binding.session.used == NOW

    def test_a_paused_pin_is_no_pin_for_the_next_request(self) -> None:
        own = Router(config.build({"providers": PROVIDERS, "protection": {"c": "provider-ban"}}, {}), SECRET, Random(5))
        plan = own.plan(facts("auto"), Dialect.OPENAI_CHAT, caller(headers={"x-session-id": "it"}), NOW)
        plan.binding.set_pin(Pin("c", "s", None), NOW)
        answer = explained(own, x_session_id="it")
        assert answer["pin"] is None
        assert {each["provider"] for each in answer["candidates"]} == {"a", "b"}
        assert "the pin is paused" in answer["candidates"][0]["why"]

    def test_a_ban_says_until_when(self, router: Router) -> None:
        own = router.plan(facts("auto"), Dialect.OPENAI_CHAT, caller(headers={"x-session-id": "it"}), NOW)
        own.binding.ban("b", "503, provider-ban", 600.0, False, NOW)
        banned = [each for each in explained(router, x_session_id="it")["excluded"] if each["reason"] == "banned"]
        assert [(each["provider"], each["until"]) for each in banned] == [("b", WALL + 600)]

    def test_a_named_model_has_no_pools(self, router: Router) -> None:
        answer = explained(router, b'{"model":"c/s","messages":[{"role":"user","content":"hi"}]}')
        assert answer["pools"] is None
        assert [each["model"] for each in answer["candidates"]] == ["s"]

    @pytest.mark.parametrize(
        ("path", "body", "excluded"),
        [
            (
                "/v1/messages",
                b'{"model":"auto","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"container":"c"}',
                "hosted tools cannot be converted: mcp_servers, container (anthropic to openai-chat)",
            ),
            (
                "/v1beta/models/auto:generateContent",
                b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"cachedContent":"c"}',
                "`cachedContent` is known only to the provider that issued it (gemini to openai-chat)",
            ),
            (
                "/v1/responses",
                b'{"model":"auto","input":"hi","background":true}',
                "background answers cannot be converted (openai-responses to openai-chat)",
            ),
        ],
    )
    def test_other_dialects_are_known_by_their_path(
        self, router: Router, path: str, body: bytes, excluded: str
    ) -> None:
        answer = explained(router, body, f"path={path}")
        assert excluded in {each["detail"] for each in answer["excluded"]}

    @pytest.mark.parametrize(
        ("body", "query", "code", "says"),
        [
            (b"{", "", Code.INVALID_REQUEST, "JSON"),
            (BODY, "path=/v1/models", Code.INVALID_REQUEST, "/v1/chat/completions"),
            (BODY, "path=/v1/embeddings", Code.INVALID_REQUEST, "is for chats"),
            (BODY, "path=/v1/messages/count_tokens", Code.INVALID_REQUEST, "/v1/chat/completions"),
            (b'{"model":"nobody","messages":[{"role":"user","content":"hi"}]}', "", Code.MODEL_NOT_FOUND, "'nobody'"),
        ],
        ids=["no JSON", "no request to a model", "another kind", "a count", "no such model"],
    )
    def test_what_cannot_be_explained_is_refused_with_the_remedy(
        self, router: Router, body: bytes, query: str, code: Code, says: str
    ) -> None:
        with pytest.raises(Problem) as caught:
            explained(router, body, query)
        assert caught.value.code is code
        assert says in caught.value.message

    def test_no_key_is_in_it(self, router: Router) -> None:
        assert "secret" not in json.dumps(explained(router))


class TestFallback:
    def test_every_target_stands_there_in_configured_order(self, router: Router) -> None:
        cool(router, Scope.TARGET, "b/m", "503", 30.0, NOW)
        cool(router, Scope.MODEL_OF_KEY, "a/m", "rate_limit", 60.0, NOW, "key-2")
        rows = [target_to_dict(router, target, NOW, WALL) for target in router.inventory.targets]
        assert [(row["provider"], row["model"]) for row in rows] == [("a", "m"), ("b", "m"), ("c", "c"), ("c", "s")]
        assert rows[0]["keys"] == {"usable": 1, "total": 2}
        score = rows[1].pop("score")
        assert rows[1] == {
            "provider": "b",
            "model": "m",
            "name": "B's own",
            "kinds": ["chat"],
            "pool": "balanced",
            "smart_first": False,
            "enabled": True,
            "intelligence": 3,
            "speed": 2,
            "keys": {"usable": 0, "total": 0},
            "cooldown": {"reason": "503", "until": WALL + 30},
        }
        assert set(score) == {"balanced", "smart", "fast"}
        assert all(0 < each < 1 for each in score.values())
        assert rows[0]["score"]["smart"] > score["smart"], "the better rank"


async def test_over_a_socket(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        [one] = await started(stack, behaviours.answer("hello"))
        own = await stack.enter_async_context(
            running(tmp_path, {"one": provider(one.base_url)}, server={"admin_key": ADMIN})
        )
        assert (await ask(own.base_url, model="auto", messages=[{"role": "user", "content": "hi"}])).status == 200
        asked = len(one.seen)
        answer = (await post(f"{own.url}/internal/explain", BODY)).json
        assert answer["candidates"][0]["known"]["attempts"] == 1
        assert len(one.seen) == asked, "nothing was sent"
        assert (await get(f"{own.url}/api/fallback")).status == 401
        rows = (await get(f"{own.url}/api/fallback", authorization=f"Bearer {ADMIN}")).json["targets"]
        assert [row["provider"] for row in rows] == ["one"]

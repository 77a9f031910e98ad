"""Named clients: each is known by its key in every mode, its key goes no further, and nothing of it is shared."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import QUESTION, ask, get, http_client, started
from support.router import Router, running
from support.settings import provider
from support.socket_client import BETA, socket_to

CI, ANNA, OFF = "key-of-ci-0123456789", "key-of-anna-0123456789", "key-of-off-0123456789"
CLIENTS = {
    "ci": {"key": CI, "models": ["auto-fast", "small/*", "nick"]},
    "anna": {"key": ANNA},
    "off": {"key": OFF, "disabled": True},
}
CHAT = "/v1/chat/completions"
ANTHROPIC = {"model": "m", "max_tokens": 9, "messages": QUESTION}
GEMINI = {"contents": [{"parts": [{"text": "Which track?"}]}]}
REPEATED_SESSION = "the-same-session-id"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def seen() -> list[Any]:
    """The requests that providers got."""
    return []


@pytest.fixture
async def router(stack: AsyncExitStack, tmp_path: Path, seen: list[Any]) -> Router:
    """`small` has `m`, `large` has `m` and `big`, in other pools."""
    small, large = await started(stack, behaviours.answer("small"), behaviours.answer("large"))
    small.seen = large.seen = seen
    providers = {
        "small": provider(small.base_url) | {"models": [{"id": "m", "pool": "balanced"}]},
        "large": provider(large.base_url) | {"models": [{"id": "m", "pool": "smart"}, {"id": "big", "pool": "smart"}]},
    }
    more = {"clients": CLIENTS, "routing": {"aliases": {"nick": "large/big"}}}
    return await stack.enter_async_context(running(tmp_path, providers, **more))


def clients(router: Router) -> list[str | None]:
    """Of each exchange, newest first."""
    return [record.client for record in router.gateway.recent_exchanges.newest(100)]


def traces(router: Router, seen: list[Any]) -> str:
    """All that providers, flows and records hold."""
    flows = [flow.get_state() for flow in router.watcher.flows]
    records = [record.to_dict() for record in router.gateway.recent_exchanges.newest(100)]
    return repr([[(each.path, each.headers, each.body) for each in seen], flows, records])


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        (CHAT, {"Authorization": f"Bearer {CI}"}, {"model": "m", "messages": QUESTION}),
        ("/v1/messages", {"x-api-key": CI}, ANTHROPIC),
        (f"/v1beta/models/m:generateContent?key={CI}", {}, GEMINI),
        ("/v1/responses", {"Authorization": f"Bearer {CI}", "X-Session-ID": CI}, {"model": "m", "input": "Where?"}),
    ],
)
async def test_the_key_names_the_client_and_goes_no_further(
    router: Router, seen: list[Any], path: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    async with http_client() as client:
        answer = await client.post(f"{router.url}{path}", headers=headers, json=body)
    assert answer.status_code == 200
    assert clients(router) == ["ci"]
    [flow] = router.watcher.flows
    assert "client ci" in flow.comment
    assert CI not in traces(router, seen) + answer.text + repr(answer.headers)


async def test_each_message_of_a_websocket_is_its_clients(router: Router) -> None:
    async with socket_to(router.base_url, additional_headers={**BETA, "Authorization": f"Bearer {CI}"}) as socket:
        assert await socket.says("one", model="m") == "small"
    assert clients(router) == ["ci"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Proxy-Authorization": f"Basic {base64.b64encode(f'me:{CI}'.encode()).decode()}", "x-api-key": "a-provider's"},
        {"Authorization": f"Bearer {CI}"},
    ],
)
async def test_a_proxys_client_is_known_and_its_key_reaches_no_origin(
    router: Router, seen: list[Any], stack: AsyncExitStack, headers: dict[str, str]
) -> None:
    [origin] = await started(stack, behaviours.answer("from the origin"))
    assert b"X-Routed-Via: small/m" in await through(router, f"http://api.openai.com{CHAT}", headers)
    await through(router, f"{origin.base_url}/other?key={CI}&alt=sse", headers)
    assert clients(router) == ["ci"]
    assert origin.seen[0].path.endswith("/other?alt=sse")
    assert CI not in traces(router, [*seen, *origin.seen])


async def test_a_model_that_is_unknown_here_goes_to_its_origin_without_the_key(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    one, origin = await started(stack, behaviours.answer(), behaviours.answer("from the origin"))
    more = {"clients": CLIENTS, "server": {"intercept": ["127.0.0.1"]}}
    router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url, "else")}, **more))
    answer = await through(router, f"{origin.base_url}/chat/completions", {"Authorization": f"Bearer {ANNA}"})
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert origin.seen[0].header("authorization") is None


async def through(router: Router, url: str, headers: dict[str, str]) -> bytes:
    """The answer to a chat request that is sent to the router as a proxy."""
    reader, writer = await asyncio.open_connection(router.host, router.port)
    body = json.dumps({"model": "m", "messages": QUESTION}).encode()
    head = {"Host": "whatever", "Connection": "close", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"POST {url} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    return answer


async def test_who_is_refused(router: Router) -> None:
    refusals = [
        (await ask(router.base_url, headers={"x-api-key": key})).json["error"]["code"] for key in ("wrong", OFF)
    ]
    assert refusals == ["invalid_api_key", "forbidden"]
    assert (await ask(router.base_url)).status == 401
    assert (await get(f"{router.base_url}/models", x_api_key=OFF)).status == 403
    assert clients(router) == []


async def test_two_clients_share_no_session_even_with_one_id(router: Router) -> None:
    async def stickiness(key: str) -> str:
        answer = await ask(
            router.base_url, model="small/m", headers={"x-api-key": key, "X-Session-ID": REPEATED_SESSION}
        )
        return str(answer.headers["x-sticky-session"])

    assert [await stickiness(key) for key in (CI, CI, ANNA, ANNA)] == ["miss", "hit", "miss", "hit"]


async def test_a_client_with_a_new_key_keeps_its_session(router: Router) -> None:
    headers = {"x-api-key": CI, "X-Session-ID": REPEATED_SESSION}
    await ask(router.base_url, model="small/m", headers=headers)
    clients = {**router.gateway.settings.clients}
    clients["ci"] = clients["anna"].model_copy(update={"disabled": False})
    router.gateway.update_settings(router.gateway.settings.model_copy(update={"clients": {"ci": clients["ci"]}}))
    answer = await ask(router.base_url, model="small/m", headers=headers | {"x-api-key": ANNA})
    assert answer.headers["x-sticky-session"] == "hit"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("small/m", "small/m"),
        ("m", "small/m"),  # of two providers
        ("nick", "large/big"),  # an alias that is allowed leads where it leads
        ("auto-fast", "small/m"),
        ("auto-smart", "small/m"),  # of those that a mode has, the ones that the client may use
        ("large/m", None),
        ("big", None),
    ],
)
async def test_a_client_gets_the_models_that_it_may_use(router: Router, model: str, expected: str | None) -> None:
    answer = await ask(router.base_url, model=model, headers={"x-api-key": CI})
    if expected:
        assert (answer.status, answer.headers["x-routed-via"]) == (200, expected)
    else:
        assert (answer.status, answer.json["error"]["code"]) == (403, "model_not_allowed")
        assert "auto-fast, small/*, nick" in answer.json["error"]["message"]


async def test_a_mode_beside_the_name_must_be_allowed_too(router: Router) -> None:
    answer = await ask(router.base_url, model="auto-fast", headers={"x-api-key": CI, "X-Pointsman-Mode": "smart"})
    assert answer.headers["x-routed-via"] == "small/m"  # of that mode's models, the client may use this one
    answer = await ask(router.base_url, model="nick", headers={"x-api-key": CI, "X-Pointsman-Mode": "fast"})
    assert answer.headers["x-routed-via"] == "large/big"


async def test_the_list_of_models_is_the_clients_own(router: Router) -> None:
    listed = {}
    for key in (CI, ANNA):
        listed[key] = {row["id"] for row in (await get(f"{router.base_url}/models", x_api_key=key)).json["data"]}
        gemini = (await get(f"{router.url}/v1beta/models?key={key}")).json["models"]
        assert {row["name"].removeprefix("models/") for row in gemini} == listed[key]
    assert listed[ANNA] - listed[CI] == {"large/m", "large/big"}
    assert (await get(f"{router.base_url}/models/large/m", x_api_key=CI)).status == 403


async def test_an_error_does_not_repeat_a_key(router: Router) -> None:
    answer = await ask(router.base_url, model=f"about-{CI}", headers={"x-api-key": CI})
    assert answer.status == 400
    assert CI not in answer.body.decode()

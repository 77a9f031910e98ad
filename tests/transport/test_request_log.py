"""Requests on record over real sockets: what was refused is found by the request id that its client got."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.demo import Provider, behaviours
from pointsman.request_reader import RequestReader
from pointsman.transport import entry_mode
from pointsman.transport.http1 import MAX_BLANK_BYTES
from pointsman.transport.mitm_patches.client_buffer import MAX_LINES
from support.admin import ADMIN, CLIENT, SERVER, bearer, call
from support.h1client import h1_to
from support.http_requests import QUESTION, ask, http_client
from support.router import Router, running
from support.settings import provider
from support.socket_client import BETA, socket_to
from support.time_limit import LONGEST

KEY = bearer(CLIENT)
CHAT = {"model": "m", "messages": QUESTION}
SAID = "a sentence that only the client has said"


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


async def start(stack: AsyncExitStack, folder: Path, *script: Any, **sections: Any) -> Router:
    one = await stack.enter_async_context(Provider(list(script) or [behaviours.answer("hello")], models=("m",)))
    given = {"server": {**SERVER, "max_body": 20_000}, "history": {"path": str(folder / "history.db")}, **sections}
    return await stack.enter_async_context(running(folder, {"one": provider(one.base_url)}, **given))


async def send(url: str, path: str, method: str = "POST", body: Any = None, **headers: str) -> httpx.Response:
    async with http_client() as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        return await client.request(method, f"{url}{path}", content=content, headers=named)


async def found(router: Router, **query: Any) -> list[dict[str, Any]]:
    answer = await call(router.url, "GET", "requests", params=query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["requests"]
    return rows


REFUSALS: dict[str, tuple[Callable[[str], Awaitable[httpx.Response]], int, str, dict[str, Any]]] = {
    "no key": (
        lambda url: send(url, "/v1/chat/completions", body=CHAT),
        401, "invalid_api_key", {"dialect": "openai-chat", "path": "/v1/chat/completions"},
    ),
    "no such model": (
        lambda url: send(url, "/v1/messages", body={**CHAT, "model": "gpt-9", "max_tokens": 5}, **KEY),
        404, "model_not_found", {"dialect": "anthropic", "model": "gpt-9"},
    ),
    "no JSON": (
        lambda url: send(url, "/v1/responses", body=b"{", **KEY),
        400, "invalid_request", {"dialect": "openai-responses"},
    ),
    "too large": (
        lambda url: send(url, "/v1/chat/completions", body=b"x" * 30_000, **KEY),
        413, "request_too_large", {"dialect": "openai-chat"},
    ),
    "another method": (
        lambda url: send(url, "/v1/chat/completions", "PUT", body=CHAT, **KEY),
        405, "method_not_allowed", {"dialect": "openai-chat"},
    ),
    "a model list without a key": (
        lambda url: send(url, "/v1/models?key=a-secret-of-somebody", "GET"),
        401, "invalid_api_key", {"path": "/v1/models"},
    ),
    "no such page": (
        lambda url: send(url, "/v1/chat/completion", body=CHAT, **KEY),
        404, "not_found", {"path": "/v1/chat/completion"},
    ),
    "an admin call without a key": (
        lambda url: send(url, "/api/overview", "GET"),
        401, "invalid_api_key", {"dialect": None, "path": "/api/overview"},
    ),
    "an admin call that is wrong": (
        lambda url: send(url, "/api/settings", "PATCH", body={"nonsense": 1}, **bearer(ADMIN)),
        400, "invalid_request", {"path": "/api/settings"},
    ),
    "an admin call that is too large": (
        lambda url: send(url, "/api/settings", "PATCH", body=b"x" * (2**20 + 1), **bearer(ADMIN)),
        413, "request_too_large", {"path": "/api/settings"},
    ),
}  # fmt: skip


async def test_each_refused_request_is_found_by_the_id_that_its_client_got(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    router = await start(stack, tmp_path)
    for name, (refused, status, reason, facts) in REFUSALS.items():
        answer = await refused(router.url)
        request_id = answer.headers["x-request-id"]
        assert answer.status_code == status, name
        assert answer.json()["error"]["request_id"] == request_id, name
        [row] = await found(router, q=request_id)
        assert (row["request_id"], row["status"], row["reason"], row["outcome"]) == (
            request_id,
            status,
            reason,
            "refused",
        )
        assert {fact: row[fact] for fact in facts} == facts, name
        assert row["message"], name
        assert (row["attempts"], row["usage"], row["cost_usd"], row["provider"]) == (0, None, None, None), name
        assert abs(row["time"] - time.time()) < 60
    assert len(await found(router)) == len(REFUSALS)
    await router.gateway.history.close()
    assert b"a-secret-of-somebody" not in (tmp_path / "history.db").read_bytes()


async def test_the_dashboards_own_reading_is_not_on_record(stack: AsyncExitStack, tmp_path: Path) -> None:
    router = await start(stack, tmp_path)
    assert (await send(router.url, "/api/overview", "GET", Sec_Fetch_Site="same-origin")).status_code == 401
    assert (await send(router.url, "/api/overview", "GET", Cookie="pointsman-8080=old")).status_code == 401
    assert (await send(router.url, "/api/overview", "GET", **bearer(ADMIN))).status_code == 200
    assert await found(router) == []


async def test_answers_have_their_usage_their_provider_and_never_what_was_said(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    said = [{"role": "user", "content": SAID}]
    script = [behaviours.status(400), behaviours.answer(SAID)]
    router = await start(stack, tmp_path, *script)
    assert (
        await ask(router.base_url, headers={**KEY, "x-request-id": "refused-by-provider"}, messages=said)
    ).status == 400
    assert (await ask(router.base_url, headers={**KEY, "x-request-id": "mine-1"}, messages=said)).status == 200
    row, first = await found(router)
    assert (row["request_id"], row["target"], row["status"], row["outcome"]) == (
        "mine-1",
        "one/m",
        200,
        "request_success",
    )
    assert (row["model"], row["dialect"], row["mode"], row["attempts"], row["stream"]) == (
        "m",
        "openai-chat",
        "balanced",
        1,
        True,
    )
    assert row["usage"]["output"] > 0
    assert row["first_content_ms"] <= row["duration_ms"]
    assert (first["request_id"], first["status"], first["outcome"]) == (
        "refused-by-provider",
        400,
        "client_error_non_retryable",
    )
    one = (await call(router.url, "GET", "requests/mine-1")).json()
    assert one["attempt_list"][0]["usage"] == row["usage"]
    assert (await call(router.url, "GET", "requests/unknown")).status_code == 404
    await router.gateway.history.close()
    assert SAID.encode() not in (tmp_path / "history.db").read_bytes()


async def test_what_no_provider_could_answer_and_what_the_client_left_is_on_record(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    router = await start(stack, tmp_path, behaviours.status(503), behaviours.status(503))
    answer = await ask(router.base_url, headers=KEY)
    assert answer.status >= 500
    request_id = answer.headers["x-request-id"]
    assert answer.json["error"]["request_id"] == request_id
    [row] = await found(router, q=request_id, status="5xx")
    assert (row["outcome"], row["target"], row["trail"]) == ("retry_failed", "one/m", answer.json["error"]["trail"])
    assert row["reason"] == answer.json["error"]["code"]


async def test_a_message_that_is_refused_is_on_record(stack: AsyncExitStack, tmp_path: Path) -> None:
    router = await start(stack, tmp_path)
    socket = await stack.enter_async_context(socket_to(router.base_url, additional_headers={**BETA, **KEY}))
    await socket.connection.send('{"type": "nonsense"}')
    [error] = await socket.answer()
    assert error["type"] == "error"
    [row] = await found(router, q=error["headers"]["x-request-id"])
    assert (row["status"], row["reason"], row["dialect"]) == (400, "invalid_request", "openai-responses")
    assert row["duration_ms"] == 0
    assert await socket.says("hi") == "hello"
    assert [row["status"] for row in await found(router)] == [200, 400]


async def answer_to(router: Router, sent: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and error."""
    async with h1_to("127.0.0.1", router.port) as client:
        client.send(sent)
        status, headers, body = await client.answer()
    return status, headers, json.loads(body)["error"]


UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "no request line": (b"nonsense\r\n\r\n", 400, "invalid_request"),
    "a header that is none": (b"GET / HTTP/1.1\r\nHost: x\r\n sk-secret\r\nno header\r\n\r\n", 400, "invalid_request"),
    "too many lines": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MAX_LINES + b"\r\n", 431, "head_too_large"),
    "blank lines": (b"\r\n" * MAX_BLANK_BYTES, 400, "invalid_request"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_a_head_that_cannot_be_read_is_found_by_the_id_that_its_client_got(
    stack: AsyncExitStack, tmp_path: Path, name: str
) -> None:
    sent, status, reason = UNREADABLE[name]
    router = await start(stack, tmp_path)
    given, headers, error = await answer_to(router, sent)
    assert given == status
    request_id = headers["x-request-id"]
    assert error["request_id"] == request_id
    [row] = await found(router, q=request_id)
    assert (row["status"], row["reason"], row["outcome"], row["path"]) == (status, reason, "refused", None)
    assert row["message"] == error["message"]


@pytest.mark.parametrize("lengths", ["Content-Length: abc", "Content-Length: 1\r\nContent-Length: 2"])
async def test_a_length_that_cannot_be_read_is_on_record_once(
    stack: AsyncExitStack, tmp_path: Path, lengths: str
) -> None:
    router = await start(stack, tmp_path)
    sent = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n".encode()
    status, headers, error = await answer_to(router, sent)
    assert (status, error["request_id"]) == (400, headers["x-request-id"])
    [row] = await found(router)
    assert row["request_id"] == headers["x-request-id"]
    assert (row["status"], row["reason"], row["path"]) == (400, "invalid_request", "/v1/messages")


async def test_a_tunnel_that_is_refused_is_on_record(
    stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = await start(stack, tmp_path)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(entry_mode, "is_local", lambda _: False)
        status, headers, error = await answer_to(
            router, b"CONNECT files.test:443 HTTP/1.1\r\nHost: files.test:443\r\n\r\n"
        )
    assert status == 407
    [row] = await found(router, q=headers["x-request-id"])
    assert error["request_id"] == row["request_id"]
    assert (row["status"], row["reason"], row["path"]) == (407, "proxy_auth_required", "files.test:443")


async def test_a_client_that_leaves_while_it_sends_is_on_record(stack: AsyncExitStack, tmp_path: Path) -> None:
    router = await start(stack, tmp_path)
    fields = f"Authorization: Bearer {CLIENT}\r\nX-Request-ID: left-1\r\nContent-Length: 900"
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n".encode()
    client = await stack.enter_async_context(h1_to("127.0.0.1", router.port))
    client.send(head + b'{"model":')
    client.close()
    async with asyncio.timeout(LONGEST):
        while not (rows := await found(router, q="left-1")):
            await asyncio.sleep(0.02)
    [row] = rows
    assert (row["status"], row["reason"], row["outcome"]) == (None, "client_abort", "client_abort")
    assert (row["dialect"], row["path"], row["attempts"]) == ("anthropic", "/v1/messages", 0)
    assert [each["request_id"] for each in await found(router, status="none")] == ["left-1"]


async def test_a_client_that_leaves_while_its_request_is_read_is_on_record(
    stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large request is read in a thread."""
    reading, may_end = threading.Event(), threading.Event()
    read = RequestReader.__call__

    def slowly(self: RequestReader) -> Any:
        reading.set()
        may_end.wait(LONGEST)
        return read(self)

    monkeypatch.setattr(RequestReader, "read_if_small", lambda _: None)
    monkeypatch.setattr(RequestReader, "__call__", slowly)
    router = await start(stack, tmp_path)
    body = json.dumps(CHAT).encode()
    fields = f"Authorization: Bearer {CLIENT}\r\nX-Request-ID: left-2\r\nContent-Length: {len(body)}"
    client = await stack.enter_async_context(h1_to("127.0.0.1", router.port))
    client.send(f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n".encode() + body)
    await asyncio.to_thread(reading.wait, LONGEST)
    client.close()
    async with asyncio.timeout(LONGEST):
        while not (rows := await found(router, q="left-2")):
            await asyncio.sleep(0.05)
            may_end.set()
    assert (rows[0]["status"], rows[0]["outcome"], rows[0]["attempts"]) == (None, "client_abort", 0)
    assert len(rows) == 1


async def test_a_restart_keeps_them(tmp_path: Path) -> None:
    for _ in range(2):
        async with AsyncExitStack() as stack:
            router = await start(stack, tmp_path)
            assert (await ask(router.base_url, headers=KEY)).status == 200
            rows = await found(router)
    assert len(rows) == 2


async def test_a_count_of_tokens_is_a_request_too(stack: AsyncExitStack, tmp_path: Path) -> None:
    router = await start(stack, tmp_path)
    await send(router.url, "/v1/messages/count_tokens", body=CHAT, **KEY)
    [row] = await found(router)
    assert (row["path"], row["status"]) == ("/v1/messages/count_tokens", 200)
    assert (await call(router.url, "GET", "analytics")).json()["rows"] == []

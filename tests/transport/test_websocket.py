"""Responses over WebSocket connections: a real client, a real router, scripted providers."""

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import openai
import pytest
import websockets
from mitmproxy import flow as mflow
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from pointsman.config.enums import Dialect
from pointsman.demo import Behaviour, Provider, Responder, behaviours
from pointsman.transport import websocket_layer
from support.dialects import entry
from support.http_requests import http_client
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.socket_client import BETA, SocketClient, said, socket_to

every_dialect = pytest.mark.parametrize("dialect", list(Dialect))
RESPONSES = Dialect.OPENAI_RESPONSES
SECRET = "sk-client-secret-0123456789"


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


async def demo(stack: AsyncExitStack, *script: Behaviour) -> Provider:
    return await stack.enter_async_context(Provider(list(script), models=("m",)))


async def router_of(stack: AsyncExitStack, folder: Path, *providers: Provider, **more: Any) -> Router:
    """With providers `a`, `b` and so on, tried in this order; the dialect of each is Responses unless `dialects` has
    others.
    """
    dialects = more.pop("dialects", [RESPONSES] * len(providers))
    entries = {name: entry(dialect, each) for name, each, dialect in zip("abc", providers, dialects, strict=False)}
    return await stack.enter_async_context(running(folder, entries, **more))


async def socket_of(stack: AsyncExitStack, router: Router, **more: Any) -> SocketClient:
    return await stack.enter_async_context(socket_to(router.base_url, **more))


def posts(router: Router) -> list[Any]:
    return [flow for flow in router.watcher.flows if flow.request.method == "POST"]


async def refused(router: Router, path: str = "/v1/responses", **more: Any) -> int:
    """The status of the answer to a WebSocket handshake that the router does not accept."""
    url = f"ws://{router.host}:{router.port}{path}"
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with connect(url, proxy=None, **more):
            pass
    return caught.value.response.status_code


@every_dialect
async def test_three_turns_are_one_conversation_with_any_provider(dialect, stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"), behaviours.answer("two"), behaviours.answer("three"))
    b = await demo(stack, behaviours.answer("never"))
    router = await router_of(stack, tmp_path, a, b, dialects=[dialect, dialect])
    socket = await socket_of(stack, router)
    assert [await socket.says(text) for text in ("first", "second", "third")] == ["one", "two", "three"]
    last = json.dumps(a.seen[-1].json)
    assert all(text in last for text in ("first", "one", "second", "two", "third"))
    assert "previous_response_id" not in last
    assert [flow.response.headers["x-sticky-session"] for flow in posts(router)] == ["miss", "hit", "hit"]
    assert [flow.response.status_code for flow in posts(router)] == [200, 200, 200]
    assert not b.seen


async def test_an_answer_that_breaks_goes_on_and_is_remembered_whole(stack, tmp_path):
    text = "Take the left track, then the right one."
    a = await demo(stack, behaviours.cut(text, after_tokens=3))
    b = await demo(stack, behaviours.answer(text), behaviours.answer("two"))
    router = await router_of(stack, tmp_path, a, b, stream={"recover": "any"})
    socket = await socket_of(stack, router)
    assert await socket.says("first") == text
    assert await socket.says("second") == "two"
    assert text in json.dumps(b.seen[-1].json)
    _, first = router.gateway.recent_exchanges.newest(2)
    assert [each.outcome.value for each in first.attempts] == ["stream_broken", "stream_continued"]


@every_dialect
async def test_a_failure_before_the_first_token_is_hidden(dialect, stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"), behaviours.status(503))
    b = await demo(stack, behaviours.answer("two from b"))
    router = await router_of(stack, tmp_path, a, b, dialects=[RESPONSES, dialect])
    socket = await socket_of(stack, router)
    await socket.ask("first")
    events = await socket.ask("second")
    assert said(events) == "two from b"
    assert [each["type"] for each in events].count("response.created") == 1
    assert "first" in json.dumps(b.seen[-1].json)
    assert posts(router)[-1].response.headers["x-fallback-attempts"] == "1"
    await stack.aclose()


@every_dialect
async def test_a_broken_answer_is_one_error_and_the_connection_goes_on(dialect, stack, tmp_path):
    a = await demo(stack, behaviours.cut("one two three"), behaviours.answer("whole"))
    router = await router_of(stack, tmp_path, a, dialects=[dialect])
    socket = await socket_of(stack, router)
    events = await socket.ask("first")
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.failed")
    assert events[-1]["response"]["error"]["code"] == "stream_broken"
    assert said(events)
    await socket.send("again")
    assert said(await socket.answer()) == "whole"


async def test_an_error_is_a_message_with_its_status_and_the_connection_goes_on(stack, tmp_path):
    a = await demo(stack, behaviours.rate_limited(retry_after=7.0), behaviours.answer("later"))
    router = await router_of(stack, tmp_path, a, cooldowns={"rate_limit": "off"})
    socket = await socket_of(stack, router)
    [error] = await socket.ask("first")
    assert (error["type"], error["status"]) == ("error", 429)
    assert error["error"]["code"] == "rate_limited"
    assert int(error["headers"]["retry-after"]) <= 7
    assert error["headers"]["x-request-id"]
    router.gateway.router.lift_cooldowns("a", None, None, 0.0)
    assert await socket.says("again") == "later"


async def test_an_unknown_model_is_an_error(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    socket = await socket_of(stack, await router_of(stack, tmp_path, a))
    [error] = await socket.ask("first", model="nobodys")
    assert (error["status"], error["error"]["code"]) == (404, "model_not_found")
    assert not a.seen


@pytest.mark.parametrize(
    ("message", "named"),
    [("{", "JSON"), ('{"type":"response.append"}', "response.append"), ('{"type":"response.create"}', None)],
)
async def test_a_message_that_cannot_be_read_is_answered(message, named, stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    socket = await socket_of(stack, await router_of(stack, tmp_path, a))
    await socket.connection.send(message)
    if named:
        [error] = await socket.answer()
        assert (error["type"], error["status"]) == ("error", 400)
        assert named in error["error"]["message"]
    else:
        assert said(await socket.answer()) == "one"  # the model is the router's to choose
    assert await socket.says("hi") == "one"


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_a_client_that_leaves_cancels_its_request(how, stack, tmp_path):
    a = await demo(stack, behaviours.stall("one two three", after_tokens=1))
    router = await router_of(stack, tmp_path, a)
    socket = await socket_of(stack, router)
    await socket.send("first")
    while "delta" not in await socket.event():
        pass
    if how == "abort":
        socket.connection.transport.abort()
    else:
        await socket.connection.close(1000)
    assert await a.seen[0].closed_by_peer()
    await no_leaks(router)
    upgrade = router.watcher.flows[0]
    assert (upgrade.live, upgrade.websocket.closed_by_client) == (False, True)
    assert upgrade.websocket.close_code == (1006 if how == "abort" else 1000)
    assert "client" in posts(router)[0].error.msg.lower()
    assert not router.gateway.sockets


async def test_a_client_that_leaves_while_its_request_waits_for_an_answer_cancels_it(stack, tmp_path):
    a = await demo(stack, behaviours.hang())
    router = await router_of(stack, tmp_path, a)
    socket = await socket_of(stack, router)
    await socket.send("first")
    await a.arrived()
    await socket.connection.close(1000)
    assert await a.seen[0].closed_by_peer()
    await no_leaks(router)


async def test_two_connections_are_answered_at_once(stack, tmp_path):
    gate = asyncio.Event()
    a = await demo(stack, behaviours.answer("slow one", gate_after={1: gate}), behaviours.answer("quick"))
    router = await router_of(stack, tmp_path, a)
    one, two = await socket_of(stack, router), await socket_of(stack, router)
    await one.send("first")
    while "delta" not in await one.event():
        pass
    assert await two.says("second") == "quick"
    gate.set()
    assert said(await one.answer()) == " one"


async def test_requests_of_one_connection_are_answered_one_after_the_other(stack, tmp_path):
    gate = asyncio.Event()
    a = await demo(stack, behaviours.answer("slow one", gate_after={1: gate}), behaviours.answer("then two"))
    router = await router_of(stack, tmp_path, a)
    socket = await socket_of(stack, router)
    await socket.send("first")
    await socket.send("second")
    while "delta" not in await socket.event():
        pass
    assert len(a.seen) == 1
    gate.set()
    assert said(await socket.answer()) == " one"
    assert said(await socket.answer()) == "then two"


async def test_a_conversation_of_another_connection_is_not_known(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a)
    one, two = await socket_of(stack, router), await socket_of(stack, router)
    await one.ask("first")
    [error] = await two.ask("second", previous_response_id=one.last_id)
    assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")
    assert len(a.seen) == 1


async def test_a_warm_up_asks_no_provider(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a)
    socket = await socket_of(stack, router)
    events = await socket.ask("be brief", generate=False)
    assert [each["type"] for each in events] == ["response.created", "response.completed"]
    assert not a.seen
    assert await socket.says("first") == "one"
    assert [each["content"] for each in a.seen[0].json["input"]] == ["be brief", "first"]
    assert "generate" not in a.seen[0].json


async def test_keep_alives_reach_the_client(stack, tmp_path):
    gate = asyncio.Event()
    a = await demo(stack, behaviours.answer("late", gate_after={0: gate}))
    router = await router_of(stack, tmp_path, a, stream={"early_headers": "10ms", "heartbeat": "1s"})
    socket = await socket_of(stack, router)
    await socket.send("first")
    assert (await socket.event())["type"] == "ping"
    gate.set()
    assert said(await socket.answer()) == "late"


async def test_pings_are_answered_and_sent(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(websocket_layer, "PING_INTERVAL", 0.05)
    a = await demo(stack, behaviours.answer("one"))
    socket = await socket_of(stack, await router_of(stack, tmp_path, a))
    await (await socket.connection.ping(b"there?"))
    answered: list[Frame] = []
    send = socket.connection.protocol.send_frame

    def noted(frame: Frame) -> None:
        answered.append(frame)
        send(frame)

    monkeypatch.setattr(socket.connection.protocol, "send_frame", noted)
    await soon(lambda: [frame.opcode for frame in answered[:2]] == [Opcode.PONG, Opcode.PONG])
    assert await socket.says("hi") == "one"


async def test_an_idle_connection_is_closed_in_the_end(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(websocket_layer, "PING_INTERVAL", 0.02)
    monkeypatch.setattr(websocket_layer, "MAX_IDLE", 0.1)
    router = await router_of(stack, tmp_path, await demo(stack, behaviours.answer("one")))
    socket = await socket_of(stack, router)
    assert (await socket.closed())[0] == 1001
    await no_leaks(router)


class TestRefusals:
    async def test_a_router_that_is_configured_so_accepts_none(self, stack, tmp_path):
        a = await demo(stack, behaviours.answer("one"))
        router = await router_of(stack, tmp_path, a, server={"websocket": False})
        assert await refused(router, additional_headers=BETA) == 426
        async with http_client() as client:
            again = await client.post(f"{router.base_url}/responses", json={"model": "m", "input": "hi"})
        assert again.status_code == 200

    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses/compact"])
    async def test_other_paths_take_none(self, path, stack, tmp_path):
        router = await router_of(stack, tmp_path, await demo(stack, behaviours.answer("one")))
        assert await refused(router, path) == 426

    async def test_the_client_key_is_required(self, stack, tmp_path):
        a = await demo(stack, behaviours.answer("one"))
        router = await router_of(stack, tmp_path, a, server={"client_key": SECRET})
        assert await refused(router) == 401
        wrong = {"Authorization": "Bearer sk-wrong-0123456789"}
        assert await refused(router, additional_headers=wrong) == 401
        socket = await socket_of(stack, router, additional_headers={"Authorization": f"Bearer {SECRET}"})
        assert await socket.says("hi") == "one"

    @pytest.mark.parametrize("key", [None, SECRET])
    @pytest.mark.parametrize("origin", ["https://evil.example", "http://evil.example:8080", "null"])
    async def test_pages_of_other_sites_get_no_connection(self, origin, key, stack, tmp_path):
        a = await demo(stack, behaviours.answer("one"))
        server = {"client_key": key} if key else {}
        router = await router_of(stack, tmp_path, a, server=server)
        headers = {"Authorization": f"Bearer {SECRET}"}
        assert await refused(router, origin=origin, additional_headers=headers) == 403
        assert not router.gateway.sockets

    async def test_a_page_of_this_machine_does(self, stack, tmp_path):
        router = await router_of(stack, tmp_path, await demo(stack, behaviours.answer("one")))
        socket = await socket_of(stack, router, origin="http://localhost:3000")
        assert await socket.says("hi") == "one"

    async def test_a_name_that_may_have_been_made_to_point_here_is_refused(self, stack, tmp_path):
        router = await router_of(stack, tmp_path, await demo(stack, behaviours.answer("one")))
        url = f"ws://rebound.example:{router.port}/v1/responses"
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with connect(url, proxy=None, host=router.host, port=router.port):
                pass
        assert caught.value.response.status_code == 403

    @pytest.mark.parametrize(
        ("changed", "status"), [({"Sec-WebSocket-Version": "8"}, 400), ({"Sec-WebSocket-Key": "short"}, 400)]
    )
    async def test_another_handshake_is_refused(self, changed, status, stack, tmp_path):
        router = await router_of(stack, tmp_path, await demo(stack, behaviours.answer("one")))
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with http_client() as client:
            answer = await client.get(f"{router.base_url}/responses", headers={**asked, **changed})
        assert answer.status_code == status


class TestClosing:
    @pytest.mark.parametrize(
        ("message", "code"), [(b"binary", 1003), ("x" * 300_000, 1009), (["x" * 200_000, "x" * 200_000], 1009)]
    )
    async def test_what_no_message_may_be_closes_the_connection(self, message, code, stack, tmp_path):
        a = await demo(stack, behaviours.answer("one"))
        router = await router_of(stack, tmp_path, a, server={"max_body": 200_000})
        socket = await socket_of(stack, router)
        await socket.connection.send(message)
        assert (await socket.closed())[0] == code
        await no_leaks(router)
        assert router.watcher.flows[0].websocket.close_code == code

    async def test_a_conversation_that_has_grown_too_large_is_an_error(self, stack, tmp_path):
        a = await demo(stack, behaviours.answer("one"))
        socket = await socket_of(stack, await router_of(stack, tmp_path, a, server={"max_body": 200_000}))
        await socket.ask("x" * 150_000)
        [error] = await socket.ask("y" * 150_000)
        assert (error["status"], error["error"]["code"]) == (413, "request_too_large")

    async def test_more_than_a_few_waiting_messages_close_the_connection(self, stack, tmp_path):
        a = await demo(stack, behaviours.hang())
        router = await router_of(stack, tmp_path, a)
        socket = await socket_of(stack, router)
        for n in range(websocket_layer.MAX_WAITING + 2):
            await socket.send(f"message {n}")
        assert (await socket.closed())[0] == 1008
        await no_leaks(router)

    async def test_what_is_no_websocket_closes_the_connection(self, stack, tmp_path):
        router = await router_of(stack, tmp_path, await demo(stack, behaviours.answer("one")))
        socket = await socket_of(stack, router)
        socket.connection.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await socket.closed())[0] == 1002
        await no_leaks(router)

    async def test_a_flow_that_is_killed_ends_its_connection(self, stack, tmp_path):
        a = await demo(stack, behaviours.hang())
        router = await router_of(stack, tmp_path, a)
        socket = await socket_of(stack, router)
        await socket.send("first")
        await a.arrived()
        router.watcher.flows[0].kill()
        assert await socket.closed() == (1008, "killed")
        assert await a.seen[0].closed_by_peer()
        await no_leaks(router)

    async def test_a_request_that_is_killed_is_an_error_of_its_own(self, stack, tmp_path):
        a = await demo(stack, behaviours.stall("one two", after_tokens=1), behaviours.answer("fine"))
        router = await router_of(stack, tmp_path, a)
        socket = await socket_of(stack, router)
        await socket.send("first")
        while "delta" not in await socket.event():
            pass
        posts(router)[0].kill()
        events = await socket.answer()
        assert (events[-1]["type"], events[-1]["status"]) == ("error", 502)
        assert await socket.says("again", previous_response_id=None) == "fine"


async def test_no_flow_holds_a_credential(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a, options={"pointsman_record_attempts": True})
    headers = {**BETA, "Authorization": f"Bearer {SECRET}"}
    subprotocols = [f"openai-insecure-api-key.{SECRET}"]
    socket = await socket_of(stack, router, additional_headers=headers, subprotocols=subprotocols)
    await socket.ask("first")
    await soon(lambda: len(router.watcher.flows) >= 2)
    for flow in router.watcher.flows:
        assert isinstance(flow, mflow.Flow)
        assert SECRET not in repr(flow.get_state())


async def test_other_addons_see_and_edit_each_request(stack, tmp_path):
    class Editing:
        def request(self, flow: Any) -> None:
            if flow.request.method == "POST":
                flow.request.text = flow.request.text.replace("first", "edited")

    a = await demo(stack, behaviours.echo())
    router = await router_of(stack, tmp_path, a, addons=[Editing()])
    socket = await socket_of(stack, router)
    assert await socket.says("first") == 'You said: "edited"'


async def test_each_request_has_a_record_of_its_own(stack, tmp_path):
    a, b = await demo(stack, behaviours.status(503), behaviours.answer("x")), await demo(stack, behaviours.answer("y"))
    router = await router_of(stack, tmp_path, a, b)
    socket = await socket_of(stack, router)
    await socket.ask("first")
    await socket.ask("second")
    records = [flow.metadata["pointsman"]["request_id"] for flow in posts(router)]
    assert len(set(records)) == 2
    assert all(router.gateway.recent_exchanges.find(each) for each in records)


async def test_headers_of_the_connection_do_not_reach_providers(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a)
    headers = {"OpenAI-Beta": "responses_websockets=2026-02-06, other=v1", "X-Request-ID": "mine"}
    socket = await socket_of(stack, router, additional_headers=headers)
    await socket.ask("first")
    names = {name.lower() for name, _ in a.seen[0].headers}
    assert not any(name.startswith("sec-") or name == "upgrade" for name in names)
    assert a.seen[0].header("openai-beta") == "other=v1"
    assert posts(router)[0].request.headers["x-request-id"] != "mine"


async def test_a_client_that_does_not_read_slows_its_provider_down(stack, tmp_path):
    async def much(responder: Responder) -> None:
        await responder.head(200, [("Content-Type", "text/event-stream")])
        opened = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
        await responder.chunk(event("response.created", response=opened))
        for n in range(1500):
            delta = f"{n:06}-".ljust(16 * 1024, "x")
            await responder.chunk(event("response.output_text.delta", output_index=0, content_index=0, delta=delta))
        await responder.chunk(event("response.completed", response={**opened, "status": "completed"}))
        await responder.end()

    def event(kind: str, **members: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()

    a = await demo(stack, Behaviour("much", much))
    router = await router_of(stack, tmp_path, a)
    socket = await socket_of(stack, router, max_queue=4)
    await socket.send("first")
    await soon(lambda: bool(router.drivers) and router.drivers[0].exchange.is_paused)
    assert not a.seen[0].finished
    events = await socket.answer()
    assert [int(each["delta"][:6]) for each in events if "delta" in each] == list(range(1500))


async def test_large_messages_are_read(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    socket = await socket_of(stack, await router_of(stack, tmp_path, a))
    assert await socket.says("x" * 2_000_000) == "one"
    assert await socket.says("y" * 700_000) == "one"
    assert len(a.seen[-1].body) > 2_700_000


async def test_the_official_library_speaks_to_it(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"), behaviours.answer("two"))
    router = await router_of(stack, tmp_path, a)
    client = openai.AsyncOpenAI(base_url=router.base_url, api_key="any")
    async with client.responses.connect(websocket_connection_options={"proxy": None}) as connection:
        last: str | None = None
        for text, words in (("first", "one"), ("second", "two")):
            more: Any = {"previous_response_id": last} if last else {}
            await connection.response.create(model="m", input=text, store=False, **more)
            heard = ""
            async for event in connection:
                if event.type == "response.output_text.delta":
                    heard += event.delta
                if event.type == "response.completed":
                    last = event.response.id
                    break
            assert heard == words
    assert len(a.seen[-1].json["input"]) == 3


async def test_it_works_through_the_proxy_and_tls(stack, tmp_path):
    """As of a client that believes it speaks to OpenAI."""
    a = await demo(stack, behaviours.answer("one"), behaviours.status(503))
    b = await demo(stack, behaviours.answer("two"))
    router = await router_of(stack, tmp_path, a, b)
    trusted = ssl.create_default_context(cafile=str(router.ca))
    proxy = f"http://{router.host}:{router.port}"
    url = "https://api.openai.com/v1"
    socket = await stack.enter_async_context(socket_to(url, proxy=proxy, ssl=trusted))
    assert [await socket.says(text) for text in ("first", "second")] == ["one", "two"]
    [error] = await socket.ask("third", model="nobodys")
    assert error["status"] == 404
    assert not router.watcher.dialled


async def test_it_works_in_reverse_mode(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a, mode="reverse:http://127.0.0.1:9")
    socket = await socket_of(stack, router)
    assert await socket.says("first") == "one"
    assert not router.watcher.dialled


async def test_the_flow_of_a_connection_says_what_it_was(stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a)
    socket = await socket_of(stack, router)
    await socket.ask("first")
    await socket.ask("second")
    await socket.connection.close(1000, "done")
    await no_leaks(router)
    upgrade = router.watcher.flows[0]
    assert upgrade.comment == "WebSocket connection, 2 requests"
    assert (upgrade.response.status_code, upgrade.websocket.close_code, upgrade.live) == (101, 1000, False)
    assert upgrade.websocket.close_reason == "done"
    shown = [flow.client_conn.peername for flow in router.watcher.flows]
    assert len(set(shown)) == 1


async def test_connections_to_other_servers_are_relayed_as_before(stack, tmp_path):
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"echo {message!s}")

    server = await stack.enter_async_context(serve(echo, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    a = await demo(stack, behaviours.answer("never"))
    router = await router_of(stack, tmp_path, a)
    for path in ("/socket", "/v1/responses"):
        proxy = f"http://{router.host}:{router.port}"
        async with connect(f"ws://127.0.0.1:{port}{path}", proxy=proxy) as connection:
            await connection.send("hi")
            assert await connection.recv() == "echo hi"
    assert not a.seen
    assert not router.gateway.sockets


async def test_any_bytes_close_a_connection_in_order(stack, tmp_path, caplog):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a)
    for seed in range(60):
        noise = Random(seed)
        opcode = noise.choice((0x01, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x80, 0xC1, 0x83, noise.randrange(256)))
        size = noise.randrange(126)
        frame = bytes([opcode, 0x80 | size]) + noise.randbytes(4 + size) + noise.randbytes(noise.randrange(200))
        async with socket_to(router.base_url) as socket:
            socket.connection.transport.write(frame if seed % 4 else noise.randbytes(300))
            socket.connection.transport.write_eof()
            await socket.closed()
    await no_leaks(router)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert await (await socket_of(stack, router)).says("hi") == "one"


@pytest.mark.parametrize("prefix", ["", "/v1/v1", "/some/prefix/v1"])
async def test_another_spelling_of_the_path_means_the_same(prefix, stack, tmp_path):
    a = await demo(stack, behaviours.answer("one"))
    router = await router_of(stack, tmp_path, a)
    socket = await stack.enter_async_context(socket_to(f"{router.url}{prefix}"))
    assert await socket.says("first") == "one"

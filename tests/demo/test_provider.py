from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from urllib.parse import urlsplit

import aiohttp
import openai
import pytest

from demo.raw_client import RawClient, ask, question
from pointsman.demo import Behaviour, Provider, Responder, behaviours, rotation
from support.http_requests import http_client


class TestScript:
    async def test_one_behaviour_answers_every_request(self, session):
        async with Provider(behaviours.answer("same")) as provider:
            assert [(await ask(session, provider)).said for _ in range(3)] == ["same"] * 3

    async def test_a_list_gives_one_behaviour_per_request_and_repeats_the_last(self, session):
        async with Provider([behaviours.status(503), behaviours.answer("a"), behaviours.answer("b")]) as provider:
            replies = [await ask(session, provider) for _ in range(4)]
        assert replies[0].status == 503
        assert [reply.said for reply in replies[1:]] == ["a", "b", "b"]

    async def test_a_function_sees_the_request(self, session):
        async with Provider(lambda request: behaviours.answer(request.question.upper())) as provider:
            assert (await ask(session, provider, "louder")).said == "LOUDER"

    async def test_a_rotation_starts_over(self, session):
        async with Provider(rotation(behaviours.answer("a"), behaviours.answer("b"))) as provider:
            assert [(await ask(session, provider)).said for _ in range(5)] == ["a", "b", "a", "b", "a"]

    async def test_a_script_can_be_replaced_while_running(self, session):
        async with Provider(behaviours.answer("before")) as provider:
            await ask(session, provider)
            provider.script = [behaviours.answer("after")]
            assert (await ask(session, provider)).said == "after"

    def test_an_empty_list_is_no_script(self):
        with pytest.raises(ValueError, match="at least one behaviour"):
            Provider([])

    async def test_a_script_that_raises_breaks_its_connection_only_and_is_logged(self, session, caplog):
        def script(request):
            return {"good": behaviours.answer("fine")}[request.question]

        async with Provider(script, name="clumsy") as provider:
            with pytest.raises(aiohttp.ClientError):
                await ask(session, provider, "bad")
            assert (await ask(session, provider, "good")).said == "fine"
        assert "provider clumsy could not play its script" in caplog.text

    async def test_a_behaviour_of_ones_own(self, session):
        async def play(responder: Responder) -> None:
            await responder.reply(418, b"short and stout")

        async with Provider(Behaviour("teapot", play)) as provider:
            reply = await ask(session, provider)
        assert (reply.status, reply.body) == (418, b"short and stout")
        assert provider.seen[0].behaviour == "teapot"


class TestSeen:
    async def test_records_the_request_as_received(self, session):
        async with Provider(behaviours.answer()) as provider:
            url = f"{provider.base_url}/chat/completions?trace=1"
            async with session.post(url, json=question("why?"), headers={"X-Odd-CASE": "1"}) as response:
                await response.read()
        (request,) = provider.seen
        assert (request.method, request.path, request.route) == (
            "POST",
            "/v1/chat/completions?trace=1",
            "/v1/chat/completions",
        )
        assert ("X-Odd-CASE", "1") in request.headers
        assert (request.header("x-odd-case"), request.header("absent")) == ("1", None)
        assert request.json == json.loads(request.body) == question("why?")
        assert (request.question, request.number, request.behaviour) == ("why?", 1, "answer")

    async def test_distinguishes_pooled_connections_from_new_ones(self, session):
        async with Provider(behaviours.answer()) as provider:
            await ask(session, provider)
            await ask(session, provider)
            async with aiohttp.ClientSession() as other:
                await ask(other, provider)
        assert [request.connection for request in provider.seen] == [1, 1, 2]
        assert provider.accepted == 2

    async def test_counts_the_body_sent_and_reports_its_end(self, session):
        gate = asyncio.Event()
        script = behaviours.answer(tokens=["a", "b"], gate_after={1: gate})
        async with Provider(script) as provider:
            asking = asyncio.create_task(ask(session, provider, stream=True))
            request = await provider.arrived()
            while not request.sent:
                await asyncio.sleep(0)
            assert not request.finished
            gate.set()
            reply = await asking
        assert request.finished
        assert request.sent == len(reply.body)

    async def test_credentials_stay_out_of_its_repr(self, session):
        async with Provider(behaviours.answer()) as provider:
            url = f"{provider.base_url}/chat/completions"
            async with session.post(url, json=question("secret-body"), headers={"Authorization": "Bearer secret-key"}):
                pass
        assert "secret" not in repr(provider.seen)

    async def test_only_the_last_requests_are_kept(self, session):
        async with Provider(behaviours.answer(), keep=2) as provider:
            for _ in range(4):
                await ask(session, provider)
        assert [request.number for request in provider.seen] == [3, 4]


class TestClosedByPeer:
    @pytest.mark.parametrize(
        "behaviour",
        [
            behaviours.hang(),
            behaviours.hang("after-headers"),
            behaviours.hang("after-role"),
            behaviours.stall(),
            behaviours.answer(first_delay=60),
        ],
        ids=lambda behaviour: behaviour.name,
    )
    async def test_is_true_when_the_peer_leaves_before_the_end(self, behaviour, complaints):
        async with Provider(behaviour) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True)
            request = await provider.arrived()
            await client.close()
            assert await request.closed_by_peer() is True
            assert not request.finished

    async def test_is_true_when_the_peer_leaves_while_the_provider_waits_to_write(self, complaints):
        async with Provider(behaviours.endless_line()) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True)
            request = await provider.arrived()
            while not request.sent:
                await asyncio.sleep(0)
            client.writer.transport.abort()
            assert await request.closed_by_peer() is True

    async def test_is_true_when_a_tls_peer_leaves(self, tls, complaints):
        async with Provider(behaviours.stall(), tls=tls.server) as provider:
            client = await RawClient.open(provider, tls.client)
            client.post(stream=True)
            request = await provider.arrived()
            await client.close()
            assert await request.closed_by_peer() is True

    async def test_is_false_when_the_answer_was_complete(self, session):
        async with Provider(behaviours.answer()) as provider:
            await ask(session, provider)
            assert await provider.seen[0].closed_by_peer() is False

    async def test_is_false_when_the_provider_broke_off(self, session):
        async with Provider(behaviours.reset_within()) as provider:
            await ask(session, provider, stream=True)
            assert await provider.seen[0].closed_by_peer() is False

    async def test_is_false_when_the_provider_was_closed(self):
        async with Provider(behaviours.hang()) as provider:
            client = await RawClient.open(provider)
            client.post()
            request = await provider.arrived()
        assert await request.closed_by_peer() is False
        await client.close()


class TestHttp:
    async def test_models_are_listed_without_using_up_the_script(self, session):
        async with Provider([behaviours.answer("first")], models=["demo", "demo-1"]) as provider:
            async with session.get(f"{provider.base_url}/models") as response:
                listing = await response.json()
            assert (await ask(session, provider)).said == "first"
        assert listing["object"] == "list"
        assert [(row["id"], row["object"]) for row in listing["data"]] == [("demo", "model"), ("demo-1", "model")]

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/v1/nothing"), ("POST", "/"), ("GET", "/v1/chat/completions")]
    )
    async def test_any_other_path_is_a_json_404(self, session, method, path):
        async with Provider(behaviours.answer()) as provider:
            url = provider.base_url.removesuffix("/v1") + path
            async with session.request(method, url) as response:
                assert response.status == 404
                assert (await response.json())["error"]["code"] == "not_found"

    async def test_any_prefix_may_stand_before_a_chat_path(self, session):
        async with Provider(behaviours.answer("there")) as provider:
            url = provider.base_url.removesuffix("/v1") + "/some/prefix/v1/chat/completions"
            async with session.post(url, json=question()) as response:
                assert (await response.json())["choices"][0]["message"]["content"] == "there"

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"{}", b"[" * 100_000])
    async def test_a_body_that_is_no_question_is_a_400_and_does_not_use_up_the_script(self, session, body):
        async with Provider([behaviours.answer("first"), behaviours.answer("second")]) as provider:
            async with session.post(f"{provider.base_url}/chat/completions", data=body) as response:
                assert response.status == 400
                assert (await response.json())["error"]["type"] == "invalid_request_error"
            assert (await ask(session, provider)).said == "first"

    async def test_connection_close_is_honoured(self):
        async with Provider(behaviours.answer()) as provider:
            client = await RawClient.open(provider)
            client.post(extra="Connection: close\r\n")
            raw = await client.rest()
            await client.close()
        assert b"\r\nConnection: close\r\n" in raw

    async def test_http_1_0_gets_a_body_that_ends_with_the_connection(self):
        async with Provider(behaviours.answer("old")) as provider:
            client = await RawClient.open(provider)
            payload = json.dumps(question(stream=True)).encode()
            client.writer.write(
                b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload
            )
            head, _, body = (await client.rest()).partition(b"\r\n\r\n")
            await client.close()
        assert b"chunked" not in head
        assert body.startswith(b"data: ")
        assert body.endswith(b"data: [DONE]\n\n")

    async def test_pipelined_requests_are_answered_in_order(self):
        async with Provider([behaviours.answer("one"), behaviours.answer("two")]) as provider:
            client = await RawClient.open(provider)
            client.post()
            client.post(extra="Connection: close\r\n")
            raw = await client.rest()
            await client.close()
        assert raw.index(b'"one"') < raw.index(b'"two"')

    async def test_expect_100_continue(self):
        payload = json.dumps(question()).encode()
        async with Provider(behaviours.answer()) as provider:
            client = await RawClient.open(provider)
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {len(payload)}\r\n\r\n"
            )
            client.writer.write(head.encode())
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert provider.seen == []
            client.writer.write(payload)
            assert (await client.reader.readuntil(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"
            await client.close()

    async def test_a_chunked_request_body(self):
        payload = json.dumps(question("in pieces")).encode()
        async with Provider(behaviours.echo("", "")) as provider, http_client() as client:

            async def pieces():
                yield payload[:7]
                yield payload[7:]

            response = await client.post(f"{provider.base_url}/chat/completions", content=pieces())
        assert response.json()["choices"][0]["message"]["content"] == "in pieces"
        assert provider.seen[0].header("transfer-encoding") == "chunked"
        assert provider.seen[0].body == payload

    async def test_a_body_of_20_mb(self):
        text = "x" * 20_000_000
        async with Provider(behaviours.answer("read it all")) as provider:
            client = await RawClient.open(provider)
            client.post(extra="Connection: close\r\n", body=json.dumps(question(text)).encode())
            assert b"read it all" in await client.rest()
            await client.close()
        assert provider.seen[0].question == text

    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (b"hello\r\n\r\n", 400),
            (b"GET / HTTP/2.0\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nspaced : x\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 2_000_000, 431),
        ],
        ids=lambda value: str(value)[:40],
    )
    async def test_what_is_no_request_gets_an_error_and_a_closed_connection(self, raw, status, complaints):
        async with Provider(behaviours.answer()) as provider:
            client = await RawClient.open(provider)
            client.writer.write(raw)
            assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 %d " % status)
            with contextlib.suppress(ConnectionResetError):
                await client.rest()
            await client.close()

    async def test_small_writes_go_out_at_once(self, session):
        async def play(responder: Responder) -> None:
            sock = responder._writer.get_extra_info("socket")
            await responder.reply(200, str(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)).encode())

        async with Provider(Behaviour("look", play)) as provider:
            assert (await ask(session, provider)).body == b"1"

    async def test_many_clients_at_once(self, session):
        async with Provider(behaviours.echo("", "")) as provider:
            replies = await asyncio.gather(*(ask(session, provider, f"q{n}", stream=True) for n in range(80)))
        assert [reply.said for reply in replies] == [f"q{n}" for n in range(80)]

    async def test_the_openai_client_reads_a_stream(self):
        async with (
            Provider(behaviours.answer("hello from afar", reasoning="hmm")) as provider,
            openai.AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0) as client,
        ):
            stream = await client.chat.completions.create(
                model="demo",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
            listing = [model.id async for model in client.models.list()]
        deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(deltas) == "hello from afar"
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 4
        assert listing == ["demo"]


class TestLifetime:
    async def test_close_ends_connections_tasks_and_timers(self, complaints):
        scripts = [
            behaviours.hang(),
            behaviours.answer(first_delay=60),
            behaviours.endless(),
            behaviours.stall(),
            behaviours.silence(),
        ]
        tasks_before = asyncio.all_tasks()
        providers = [Provider(script) for script in scripts]
        clients = []
        for provider in providers:
            await provider.start()
            client = await RawClient.open(provider)
            client.post(stream=True)
            clients.append(client)
        for provider in providers[:-1]:
            await provider.arrived()
        assert [provider.connections for provider in providers] == [1] * len(providers)
        for provider in providers:
            await provider.close()
        assert [provider.connections for provider in providers] == [0] * len(providers)
        assert asyncio.all_tasks() == tasks_before
        assert live_timers() == []
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                await client.rest()
            await client.close()

    async def test_close_ends_tls_connections_within_the_handshake_and_after(self, tls, complaints):
        async with Provider(behaviours.hang(), tls=tls.server) as provider:
            where = urlsplit(provider.base_url)
            shy, shy_writer = await asyncio.open_connection(where.hostname, where.port)
            client = await RawClient.open(provider, tls.client)
            client.post()
            await provider.arrived()
            assert provider.connections == 2
        assert provider.connections == 0
        assert await shy.read() == b""
        shy_writer.close()
        with contextlib.suppress(OSError):
            await client.rest()
        await client.close()

    async def test_it_comes_back_at_the_same_address(self, session):
        provider = Provider(behaviours.answer("back"))
        await provider.start()
        address = provider.base_url
        await provider.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(session, provider)
        async with provider:
            assert provider.base_url == address
            assert (await ask(session, provider)).said == "back"

    async def test_a_bound_provider_has_its_address_and_serves_early_callers_once_started(self):
        provider = Provider(behaviours.answer("worth the wait"))
        provider.bind()
        client = await RawClient.open(provider)
        client.post(extra="Connection: close\r\n")
        async with provider:
            assert b"worth the wait" in await client.rest()
        await client.close()

    async def test_a_bound_provider_can_be_closed_without_a_start(self):
        provider = Provider(behaviours.answer())
        provider.bind()
        await provider.close()
        with pytest.raises(ConnectionRefusedError):
            await RawClient.open(provider)

    async def test_close_may_be_called_twice_or_without_a_start(self):
        provider = Provider(behaviours.answer())
        await provider.close()
        async with provider:
            await provider.close()

    def test_no_address_is_known_before_the_start(self):
        with pytest.raises(RuntimeError, match="has not been started"):
            _ = Provider(behaviours.answer()).base_url

    async def test_a_taken_port_is_an_error(self):
        async with Provider(behaviours.answer()) as first:
            second = Provider(behaviours.answer(), port=urlsplit(first.base_url).port or 0)
            with pytest.raises(OSError, match="in use"):
                await second.start()
            await second.close()

    async def test_drop_idle_closes_connections_that_wait_and_no_others(self, session):
        gate = asyncio.Event()
        script = [behaviours.answer("a"), behaviours.gated(behaviours.answer("b"), gate), behaviours.answer("c")]
        async with Provider(script) as provider:
            await ask(session, provider)
            idle = await RawClient.open(provider)
            asking = asyncio.create_task(ask(session, provider))
            await provider.arrived(2)
            provider.drop_idle()
            assert await idle.rest() == b""
            await idle.close()
            gate.set()
            assert (await asking).said == "b"

    async def test_a_connection_is_not_counted_once_its_peer_is_gone(self):
        async with Provider(behaviours.answer()) as provider:
            client = await RawClient.open(provider)
            client.post()
            await provider.arrived()
            assert provider.connections == 1
            await client.close()
            while provider.connections:
                await asyncio.sleep(0)


class TestTls:
    async def test_answers_over_tls(self, session, tls):
        async with Provider(behaviours.answer("safe"), tls=tls.server) as provider:
            assert provider.base_url.startswith("https://")
            url = f"{provider.base_url}/chat/completions"
            async with session.post(url, json=question(stream=True), ssl=tls.client) as response:
                assert (await response.read()).endswith(b"data: [DONE]\n\n")

    async def test_a_peer_that_speaks_no_tls_leaves_no_trace(self, tls, complaints):
        async with Provider(behaviours.answer(), tls=tls.server) as provider:
            client = await RawClient.open(provider)
            client.post()
            with contextlib.suppress(ConnectionResetError):
                await client.rest()
            await client.close()
        assert provider.seen == []

    async def test_silence_leaves_the_handshake_unanswered(self, tls):
        async with Provider(behaviours.silence(), tls=tls.server) as provider:
            opening = asyncio.create_task(RawClient.open(provider, tls.client))
            while not provider.accepted:
                await asyncio.sleep(0.001)
            done, _ = await asyncio.wait([opening], timeout=0.05)
            assert not done
        with pytest.raises(ConnectionError):
            await opening

    async def test_a_reset_within_a_stream(self, tls):
        async with Provider(behaviours.reset_within(), tls=tls.server) as provider:
            client = await RawClient.open(provider, tls.client)
            client.post(stream=True)
            with pytest.raises(ConnectionResetError):
                await client.rest()
            await client.close()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("spec", behaviours.NAMES)
async def test_a_peer_that_leaves_at_any_moment_leaves_no_trace(spec, stream, complaints):
    behaviour = behaviours.parse(f"counted{spec}" if spec.startswith("|") else spec)
    async with Provider(behaviour) as provider:
        for reads in (0, 1, 200):
            client = await RawClient.open(provider)
            client.post(stream=stream)
            with contextlib.suppress(OSError):
                await asyncio.wait_for(client.reader.read(reads), 0.02)
            client.writer.transport.abort()
        while provider.connections:
            await asyncio.sleep(0)
    assert live_timers() == []


def live_timers() -> list[asyncio.TimerHandle]:
    """Timers that are still to fire: the event loop offers no other way to see them."""
    return [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]

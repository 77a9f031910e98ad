"""What mitmproxy's own controls do to a routed flow: intercept, edit, kill, replay."""

import asyncio
import json
import logging
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy.addons.clientplayback import ClientPlayback
from mitmproxy.http import HTTPFlow, Request
from mitmproxy.test import tflow

from pointsman.demo import Provider, behaviours
from pointsman.recording.flow_notes import Mark, is_attempt, note
from pointsman.recording.replays import replay_refusal
from support.http_requests import ask, http_client, started
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.settings import provider

CLIENT_KEY = "sk-the-clients-own-key-77"
BEARER = {"authorization": f"Bearer {CLIENT_KEY}"}


class Editor:
    """Does to every request what a user would do with it intercepted."""

    def __init__(self, **edits: Any) -> None:
        self.edits = edits

    def request(self, flow: HTTPFlow) -> None:
        if flow.live and not is_attempt(flow):
            flow.intercept()
            asyncio.get_running_loop().call_soon(self._edit, flow)

    def _edit(self, flow: HTTPFlow) -> None:
        for name, value in self.edits.items():
            setattr(flow.request, name, value)
        flow.resume()


class Killer:
    """Kills every request once it is intercepted."""

    def request(self, flow: HTTPFlow) -> None:
        flow.intercept()
        asyncio.get_running_loop().call_later(0.01, flow.kill)


class TestIntercepted:
    async def test_the_edited_request_is_routed(self, tmp_path: Path) -> None:
        body = json.dumps({"model": "n", "stream": False, "messages": [{"role": "user", "content": "edited"}]}).encode()
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.echo())
            entries = {"one": provider(one.base_url, "m", "n")}
            router = await stack.enter_async_context(running(tmp_path, entries, addons=[Editor(content=body)]))
            answer = await ask(router.base_url, stream=True)
        assert answer.headers["x-routed-via"] == "one/n"
        assert "edited" in answer.json["choices"][0]["message"]["content"]

    async def test_an_edited_path_changes_the_dialect(self, tmp_path: Path) -> None:
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.answer("hello"))
            entries = {"one": provider(one.base_url, dialect="anthropic")}
            router = await stack.enter_async_context(running(tmp_path, entries, addons=[Editor(path="/v1/messages")]))
            answer = await ask(router.base_url, stream=False, max_tokens=5)
        assert answer.headers["x-routed-via"] == "one/m"
        assert answer.json["type"] == "message"


async def test_what_is_refused_is_marked_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, {"one": provider()}) as router:
        assert (await ask(router.base_url, model="nobody/has-it")).status == 404
        [flow] = router.watcher.flows
    assert (flow.comment, flow.marked) == ("404 refused: model_not_found", Mark.FAILURE)


class TestKilled:
    async def test_while_it_is_intercepted(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer("hello")) as one,
            running(tmp_path, {"one": provider(one.base_url)}, addons=[Killer()]) as router,
        ):
            with pytest.raises(httpx.RemoteProtocolError):
                await ask(router.base_url)
        assert one.seen == []
        assert [end for end, _ in router.watcher.ended] == ["error"]

    async def test_every_attempt_ends_at_once(self, tmp_path: Path) -> None:
        gate = asyncio.Event()
        async with Provider(behaviours.answer("one two", gate_after={1: gate})) as one:
            async with running(tmp_path, {"one": provider(one.base_url)}) as router:
                asked = asyncio.create_task(ask(router.base_url))
                await soon(lambda: bool(router.watcher.flows and router.watcher.flows[0].response))
                [flow], [driver] = router.watcher.flows, router.drivers
                running_tasks = list(driver._tasks.values())
                assert running_tasks
                flow.kill()
                for task in running_tasks:
                    with pytest.raises(asyncio.CancelledError):
                        await task
                assert driver.exchange.ended
                with pytest.raises(httpx.RemoteProtocolError):
                    await asked
            gate.set()
        assert [end for end, _ in router.watcher.ended] == ["error"]
        assert flow.error
        assert "kill" not in vars(flow)
        assert flow.response
        assert b"one" in (flow.response.raw_content or b"")
        assert [attempt["outcome"] for attempt in note(flow)["attempts"]] == ["client_abort"]
        assert re.match(r"200 one/m \S+ s · client_abort · miss · sticky miss ", flow.comment)

    async def test_so_does_every_attempt_of_a_race(self, tmp_path: Path) -> None:
        async with Provider(behaviours.hang()) as one, Provider(behaviours.hang("after-role")) as two:
            entries = {"one": provider(one.base_url), "two": provider(two.base_url)}
            async with running(tmp_path, entries, hedge={"after": "10ms"}) as router:
                asked = asyncio.create_task(ask(router.base_url))
                await soon(lambda: bool(two.seen and two.seen[0].sent))
                [flow], [driver] = router.watcher.flows, router.drivers
                attempts = list(driver._tasks.values())
                flow.kill()
                ends = await asyncio.gather(*attempts, return_exceptions=True)
                assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
                with pytest.raises(httpx.RemoteProtocolError):
                    await asked
                await no_leaks(router)
        told = [attempt["outcome"] for attempt in note(flow)["attempts"]]
        assert told == ["hedge_triggered", "client_abort", "client_abort"]
        assert re.match(
            r"client left not answered \S+ s · 2 attempts · miss · one@client_abort · two@client_abort", flow.comment
        )

    async def test_a_flow_that_has_ended_is_not_killed_again(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer("hello")) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            assert (await ask(router.base_url)).status == 200
            [flow] = router.watcher.flows
            assert not flow.killable
            assert "kill" not in vars(flow)


class Replaying:
    """A router with mitmproxy's own replays."""

    def __init__(self, router: Router, playback: ClientPlayback) -> None:
        self.router, self.playback = router, playback

    async def replay(self, flow: HTTPFlow) -> None:
        self.playback.start_replay([flow])
        await self.playback.queue.join()


async def replaying(stack: AsyncExitStack, folder: Path, one: Provider, **sections: Any) -> Replaying:
    playback = ClientPlayback()
    sections = {"server": {"client_key": CLIENT_KEY}, **sections}
    router = await stack.enter_async_context(
        running(folder, {"one": provider(one.base_url, keys=["sk-key-of-provider-1"])}, addons=[playback], **sections)
    )
    own = router.context.master.addons
    assert own.get("clientplayback") is playback
    playback.running()
    stack.push_async_callback(playback.done)
    return Replaying(router, playback)


class TestReplayed:
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_a_clients_flow_is_routed_like_a_new_request(self, tmp_path: Path, stream: bool) -> None:
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.answer("hello"))
            own = await replaying(stack, tmp_path, one)
            answer = await ask(own.router.base_url, stream=stream, headers={**BEARER, "X-Session-ID": "mine"})
            [flow] = own.router.watcher.flows
            first_id = flow.request.headers["x-request-id"]
            await own.replay(flow)
            second_id = flow.request.headers["x-request-id"]
            newest, oldest = own.router.gateway.recent_exchanges.newest(2)
            assert not own.router.gateway.running
        assert answer.status == 200
        assert flow.is_replay == "request"
        assert flow.error is None
        assert flow.response
        assert flow.response.status_code == 200
        assert b"hello" in (flow.response.content or b"")
        assert (newest.request_id, oldest.request_id) == (second_id, first_id)
        assert first_id != second_id
        assert oldest.session is not None
        assert newest.session is None
        assert newest.attempts[0].outcome == "request_success"
        assert flow.comment.startswith("200 one/m ")

    async def test_while_its_client_is_still_connected(self, tmp_path: Path) -> None:
        """Its events must not go to the connection that it came by."""
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.answer("hello"))
            own = await replaying(stack, tmp_path, one)
            client = await stack.enter_async_context(http_client(headers=BEARER))
            request = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "again"}]}
            url = f"{own.router.base_url}/chat/completions"
            first = await client.post(url, json=request)
            await own.replay(own.router.watcher.flows[0])
            second = await client.post(url, json=request)
            assert len(own.router.server.connections) == 1
        assert first.status_code == second.status_code == 200
        assert len(one.seen) == 3

    async def test_a_failing_one_is_reported_on_the_flow(self, tmp_path: Path) -> None:
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.status(503))
            own = await replaying(stack, tmp_path, one)
            await ask(own.router.base_url, headers=BEARER)
            [flow] = own.router.watcher.flows
            await own.replay(flow)
        assert flow.response
        assert flow.response.status_code in (502, 503)

    async def test_what_came_by_proxy_is_routed_too(self, tmp_path: Path) -> None:
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.answer("hello"))
            own = await replaying(stack, tmp_path, one, server={"intercept": ["provider.test"]})
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Which track?"}]}).encode()
            flow = tflow.tflow(req=Request.make("POST", "https://provider.test/v1/chat/completions", body))
            flow.live, flow.metadata["pointsman"] = False, {"door": "PROXY"}
            await own.replay(flow)
        assert flow.comment.startswith("200 one/m ")
        assert len(one.seen) == 1
        assert own.router.watcher.dialled == []

    async def test_a_request_to_somewhere_else_goes_there(self, tmp_path: Path) -> None:
        async with AsyncExitStack() as stack:
            one, other = await started(stack, behaviours.answer("hello"), behaviours.answer("elsewhere"))
            own = await replaying(stack, tmp_path, one)
            flow = tflow.tflow(req=Request.make("POST", f"{other.base_url}/chat/completions", b"{}"))
            flow.request.headers["x-request-id"] = "theirs"
            flow.live = False
            await own.replay(flow)
        assert len(other.seen) == 1
        assert flow.request.headers["x-request-id"] == "theirs"
        assert not one.seen

    async def test_an_attempts_flow_is_refused_with_the_reason(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        flow = tflow.tflow(resp=True)
        flow.live = False
        flow.metadata["pointsman"] = {"kind": "attempt", "request_id": "the-id"}
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.answer("hello"))
            own = await replaying(stack, tmp_path, one)
            with caplog.at_level(logging.WARNING):
                await own.replay(flow)
        assert flow.response
        assert flow.is_replay is None
        assert "an attempt cannot be replayed" in caplog.text
        assert "exchange the-id" in caplog.text

    def test_other_flows_are_mitmproxys_to_judge(self) -> None:
        assert replay_refusal(tflow.tflow()) is None

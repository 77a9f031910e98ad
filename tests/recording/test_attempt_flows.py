"""Every attempt becomes a flow: before a real router with mitmproxy's own view."""

import base64
import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from mitmproxy.addons.intercept import Intercept
from mitmproxy.addons.save import Save
from mitmproxy.addons.view import View
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader, FlowWriter

from pointsman.demo import Behaviour, behaviours
from pointsman.domain.records import ExchangeRecord
from pointsman.recording.flow_notes import Mark, is_attempt, note
from pointsman.transport.body_capture import MAX_CAPTURED_BYTES
from support.http_requests import Asked, ask, started
from support.router import Router, running
from support.settings import provider

KEYS = {"a": "sk-first-provider-0001", "b": "sk-second-provider-002"}
CLIENT_KEY = "sk-the-clients-own-key-77"
ADMIN_KEY = "the-admins-secret-99"


class Yard:
    """A router over two providers, each with a key, and a view of its flows."""

    def __init__(self, router: Router, view: View) -> None:
        self.router, self.view = router, view

    @property
    def told(self) -> ExchangeRecord | None:
        """The last exchange, as its page has it."""
        return next(self.router.gateway.recent_exchanges.newest(1), None)

    async def ask(self, **asked: Any) -> Asked:
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        return await ask(self.router.base_url, headers=headers, **asked)

    async def flows(self) -> tuple[HTTPFlow, list[HTTPFlow]]:
        """The client's, and its attempts'."""
        await self.router.gateway.flow_queue.close()
        everything: list[HTTPFlow] = list(self.view._store.values())  # type: ignore[arg-type]
        [client] = [flow for flow in everything if not is_attempt(flow)]
        return client, [flow for flow in everything if is_attempt(flow)]


@asynccontextmanager
async def yard(
    folder: Path,
    first: Behaviour,
    second: Behaviour,
    *addons: object,
    record: bool = True,
    a: Mapping[str, Any] = MappingProxyType({}),
    **sections: Any,
) -> AsyncIterator[Yard]:
    """`a`: what the configuration says of the first provider besides."""
    async with AsyncExitStack() as stack:
        one, two = await started(stack, first, second)
        view = View()
        entries = {
            "a": provider(one.base_url, keys=[KEYS["a"]], **a),
            "b": provider(two.base_url, keys=[KEYS["b"]]),
        }
        sections = {"server": {"client_key": CLIENT_KEY, "admin_key": ADMIN_KEY}, **sections}
        options = {"pointsman_record_attempts": record}
        router = await stack.enter_async_context(
            running(folder, entries, options=options, addons=(*addons, view), **sections)
        )
        yield Yard(router, view)


class TestFailover:
    async def test_the_client_sees_one_line_and_every_attempt_has_a_flow(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.status(503), behaviours.answer("hello")) as own:
            answer = await own.ask()
            client, (failed, won) = await own.flows()
        assert answer.status == 200
        assert re.match(r"200 b/m \S+ s · 2 attempts · miss · a@503 · sticky miss ", client.comment)
        assert client.comment.endswith(" s to first token")
        assert (client.marked, failed.marked, won.marked) == (Mark.FAILOVER, Mark.FAILURE, Mark.WINNER)
        assert failed.response
        assert (failed.response.status_code, failed.live) == (503, False)
        assert "retry_failed" in failed.comment
        assert won.response
        assert won.response.content == answer.body
        assert won.server_conn.address == client.server_conn.address == (won.request.host, won.request.port)
        request_id = client.request.headers["x-request-id"]
        assert {note(flow)["request_id"] for flow in (failed, won)} == {request_id}
        assert {note(flow)["client_flow"] for flow in (failed, won)} == {client.id}
        assert all(request_id in flow.comment for flow in (failed, won))
        assert own.told is not None
        assert own.told.to_dict().items() <= note(client).items()
        assert [attempt["outcome"] for attempt in note(client)["attempts"]] == [
            "retry_failed",
            "retry_success",
        ]

    async def test_the_request_is_the_rewritten_one(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.answer("hello"), behaviours.answer("hello")) as own:
            await own.ask(model="auto")
            client, (won,) = await own.flows()
        assert b'"auto"' in (client.request.content or b"")
        assert b'"m"' in (won.request.content or b"")
        assert won.request.path == "/v1/chat/completions"
        assert won.request.headers["authorization"] == "Bearer sk-…0001"
        assert client.request.headers["authorization"] == "Bearer sk-…y-77"

    async def test_of_a_provider_that_cannot_be_reached_the_error_is_kept(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.reset(), behaviours.answer("hello")) as own:
            await own.ask()
            _, (failed, _) = await own.flows()
        assert failed.response is None
        assert failed.error
        assert failed.marked == Mark.FAILURE

    async def test_what_did_not_convert_was_not_sent_and_the_next_one_is_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("llm_rosetta.ConversionPipeline.convert_request", lambda *_: 1 / 0)
        async with yard(
            tmp_path, behaviours.answer("hello"), behaviours.answer("hello"), a={"dialect": "anthropic"}
        ) as own:
            answer = await own.ask()
            client, (won,) = await own.flows()
        assert answer.headers["x-fallback-trail"] == "a/m@inconvertible"
        assert re.match(r"200 b/m \S+ s · 2 attempts · miss · a@inconvertible · ", client.comment)
        assert "attempt 2 · b/m · retry_success" in won.comment

    async def test_nothing_is_recorded_unless_asked_for(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.status(503), behaviours.answer("hello"), record=False) as own:
            await own.ask()
            client, attempts = await own.flows()
        assert re.match(r"200 b/m \S+ s · 2 attempts", client.comment)
        assert attempts == []


class TestBodies:
    async def test_a_long_answer_is_kept_to_its_bound(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.answer(tokens=["y" * 4000] * 100), behaviours.answer("")) as own:
            answer = await own.ask()
            client, (won,) = await own.flows()
        assert len(answer.body) > MAX_CAPTURED_BYTES
        assert client.response
        assert won.response
        assert client.response.raw_content == won.response.raw_content == answer.body[:MAX_CAPTURED_BYTES]
        assert note(client)["size"] == len(answer.body)

    async def test_of_a_broken_stream_what_came_is_kept(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.reset_within("one two three"), behaviours.answer("")) as own:
            answer = await own.ask()
            client, (broken,) = await own.flows()
        assert client.response
        assert client.response.raw_content == answer.body
        assert b"stream_broken" in answer.body
        assert client.marked == broken.marked == Mark.FAILURE
        assert broken.response
        assert b"two" in (broken.response.raw_content or b"")
        assert broken.error

    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_of_a_compressed_answer_the_words_are_kept(self, tmp_path: Path, stream: bool) -> None:
        async with yard(tmp_path, behaviours.compressed(behaviours.answer("hello")), behaviours.answer("")) as own:
            answer = await own.ask(stream=stream)
            _, (won,) = await own.flows()
        assert won.response
        assert won.response.content == won.response.raw_content == answer.body

    async def test_when_the_pieces_came_is_known(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.answer("one two"), behaviours.answer("")) as own:
            await own.ask()
            client, (won,) = await own.flows()
        for flow in (client, won):
            offset, moment = note(flow)["marks"][0]
            assert offset == 0
            assert moment >= 0


class TestSecrets:
    @staticmethod
    def echo_of_the_key(key: str) -> Behaviour:
        """A provider that repeats what it was sent, and sets a cookie."""
        said = {"error": {"message": f"the key {key} is not ours"}}
        return behaviours.status(401, said, (("Set-Cookie", f"session={key}"), ("X-Debug", f"you sent {key}")))

    async def test_no_file_holds_any_and_it_loads_again(self, tmp_path: Path) -> None:
        path = tmp_path / "flows"
        async with yard(tmp_path, self.echo_of_the_key(KEYS["a"]), behaviours.answer("hello"), save := Save()) as own:
            own.router.context.configure(save, save_stream_file=str(path))
            assert (await own.ask()).status == 200
            await own.flows()
            save.done()
        saved = path.read_bytes()
        for secret in (*KEYS.values(), CLIENT_KEY, ADMIN_KEY):
            assert secret.encode() not in saved
        with path.open("rb") as file:
            flows = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
        assert sorted(is_attempt(flow) for flow in flows) == [False, True, True]
        assert all(note(flow) and flow.comment for flow in flows)

    async def test_a_whole_answer_that_repeats_one_reaches_its_client_but_no_file(self, tmp_path: Path) -> None:
        path, said = tmp_path / "flows", f"the key is {KEYS['a']}"
        async with yard(tmp_path, behaviours.answer(tokens=[said]), behaviours.answer(""), save := Save()) as own:
            own.router.context.configure(save, save_stream_file=str(path))
            answer = await own.ask(stream=False)
            client, _ = await own.flows()
            save.done()
        assert answer.json["choices"][0]["message"]["content"] == said
        assert client.response
        assert b"the key is ***" in (client.response.raw_content or b"")
        assert KEYS["a"].encode() not in path.read_bytes()

    async def test_such_an_answer_can_be_edited_all_the_same(self, tmp_path: Path) -> None:
        class Editor:
            def response(self, flow: HTTPFlow) -> None:
                assert flow.response
                flow.response.content = b"edited"

        said = f"the key is {KEYS['a']}"
        async with yard(
            tmp_path, behaviours.answer(tokens=[said]), behaviours.answer(""), Editor(), record=False
        ) as own:
            answer = await own.ask(stream=False)
            client, _ = await own.flows()
        assert client.response
        assert answer.body == client.response.content == b"edited"

    @pytest.mark.parametrize("mode", ["regular", "upstream", "reverse"])
    async def test_nor_does_it_hold_what_mitmproxy_asks_or_gives_for_its_user(self, tmp_path: Path, mode: str) -> None:
        """Its passwords are neither put into an attempt's flow, nor asked of it."""
        proxy = "me:the-proxys-password-77"
        option = "proxyauth" if mode == "regular" else "upstream_auth"
        async with AsyncExitStack() as stack:
            (one,) = await started(stack, behaviours.answer("hello"))
            view, host = View(), one.base_url.removesuffix("/v1")
            router = await stack.enter_async_context(
                running(
                    tmp_path,
                    {"one": provider(one.base_url)},
                    mode if mode == "regular" else f"{mode}:{host}",
                    {"pointsman_record_attempts": True, option: proxy},
                    [view],
                )
            )
            password = {"proxy-authorization": f"Basic {base64.b64encode(proxy.encode()).decode()}"}
            assert (await ask(router.base_url, headers=password if mode == "regular" else None)).status == 200
            client, won = await Yard(router, view).flows()
            for flow in (client, *won):
                assert flow.response
                assert flow.response.status_code == 200
                file = io.BytesIO()
                FlowWriter(file).add(flow)
                assert base64.b64encode(proxy.encode()) not in file.getvalue()


class TestIntercepting:
    async def test_an_intercept_filter_does_not_hold_an_attempt(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.answer("hello"), behaviours.answer(""), intercept := Intercept()) as own:
            own.router.context.configure(intercept, intercept="~comment attempt.1")
            await own.ask()
            _, (won,) = await own.flows()
        assert not won.intercepted
        assert won.response


async def test_what_waits_is_entered_at_the_end(tmp_path: Path) -> None:
    async with yard(tmp_path, behaviours.answer("hello"), behaviours.answer("")) as own:
        await own.ask()
        view = own.view
    assert sum(map(is_attempt, view._store.values())) == 1


def test_a_note_is_saved_with_its_flow() -> None:
    from mitmproxy.test import tflow

    flow = tflow.tflow(resp=True)
    flow.metadata["pointsman"] = {"marks": [[0, 0.5], [10, 1.25]], "audit": {"error": None, "attempts": [{"n": 1}]}}
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    file.seek(0)
    [loaded] = FlowReader(file).stream()
    assert loaded.metadata == flow.metadata


class TestRefusals:
    """A refused request is a flow too, which says why."""

    async def test_at_the_head(self, tmp_path: Path) -> None:
        server = {"client_key": "the-client-key-0123456789", "admin_key": "the-admin-key-0123456789"}
        async with yard(tmp_path, behaviours.answer("a"), behaviours.answer("b"), server=server) as own:
            assert (await own.ask()).status == 401
            [flow] = own.router.watcher.flows
        assert (flow.comment, flow.marked) == ("401 refused: invalid_api_key", Mark.FAILURE)

    @pytest.mark.parametrize(
        ("members", "comment"),
        [
            ({"model": "nonsense"}, "404 refused: model_not_found"),
            ({"messages": "hi"}, "400 refused: invalid_request"),
            ({"messages": [{"role": "user", "content": "x" * 2000}]}, "413 refused: request_too_large"),
        ],
    )
    async def test_for_what_it_says(self, tmp_path: Path, members: dict[str, Any], comment: str) -> None:
        server = {"max_body": "1KiB"}
        async with yard(tmp_path, behaviours.answer("a"), behaviours.answer("b"), server=server) as own:
            answer = await ask(own.router.base_url, **members)
            [flow] = own.router.watcher.flows
        assert (flow.comment, flow.marked) == (comment, Mark.FAILURE)
        assert answer.status == int(comment[:3])

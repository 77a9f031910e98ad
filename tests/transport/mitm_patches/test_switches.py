"""Patches that are turned off: the stock code does the same."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.exceptions import OptionsError
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons

from pointsman.addon import Pointsman
from pointsman.demo import Provider, behaviours
from pointsman.transport.mitm_patches.switches import ALL, VARIABLE, Switches, UnknownSwitch, switches
from support.http_requests import ask, get, started
from support.leak_checks import no_leaks, soon
from support.process import mitmdump
from support.router import running
from support.settings import provider, write

NAMES = [each.name for each in fields(Switches)]
EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"exact"}}]}\n\n', b"data:[DONE]\n\n"]
WHOLE = b'{"choices":[{"index":0,"message":{"content":"exact"},"finish_reason":"stop"}]}'


class TestReading:
    def test_everything_is_on_by_default(self) -> None:
        assert Switches.from_environment({}) == Switches()
        assert all(getattr(Switches(), name) for name in NAMES)

    def test_named_patches_are_off(self) -> None:
        found = Switches.from_environment({VARIABLE: " eager_hooks, direct_write,"})
        assert found == Switches(eager_hooks=False, direct_write=False)

    def test_all_turns_every_one_off(self) -> None:
        found = Switches.from_environment({VARIABLE: ALL})
        assert not any(getattr(found, name) for name in NAMES)

    def test_an_unknown_name_is_refused_with_the_names_that_there_are(self) -> None:
        with pytest.raises(UnknownSwitch) as raised:
            Switches.from_environment({VARIABLE: "eager_hook,client_buffer"})
        assert "unknown name client_buffer, eager_hook" in str(raised.value)
        assert all(name in str(raised.value) for name in (*NAMES, ALL))


@pytest.fixture
def turned_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The patches named by the test's parameter; all of them if there is none."""
    monkeypatch.setenv(VARIABLE, getattr(request, "param", ALL))
    switches.cache_clear()
    yield
    switches.cache_clear()


@pytest.mark.parametrize("turned_off", ["nonsense"], indirect=True)
@pytest.mark.usefixtures("turned_off")
async def test_the_router_does_not_start_with_an_unknown_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with taddons.context(Proxyserver(), addon := Pointsman()) as context:
        context.configure(addon, pointsman_config=str(write(tmp_path, {"one": provider("http://127.0.0.1:9/v1")})))
    assert addon.gateway is None
    assert "unknown name nonsense" in caplog.text


@pytest.mark.usefixtures("turned_off")
class TestEverythingOff:
    async def test_chats_fail_over_streamed_and_whole(self, tmp_path: Path) -> None:
        async with AsyncExitStack() as stack:
            busy, streaming = await started(stack, behaviours.status(503), behaviours.exact(EVENTS))
            entries = {"busy": provider(busy.base_url), "good": provider(streaming.base_url)}
            router = await stack.enter_async_context(running(tmp_path, entries))
            assert router.context.master.addons.trigger_event.__func__ is AddonManager.trigger_event
            answer = await ask(router.base_url)
            assert (answer.status, answer.body) == (200, b"".join(EVENTS))
            assert answer.headers["x-fallback-trail"] == "busy/m@503"
            await no_leaks(router)
        async with (
            Provider(behaviours.exact([WHOLE], content_type="application/json")) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            answer = await ask(router.base_url, stream=False)
            assert (answer.status, answer.body) == (200, WHOLE)
            await no_leaks(router)

    async def test_a_race_has_a_winner(self, tmp_path: Path) -> None:
        async with Provider(behaviours.hang()) as slow, Provider(behaviours.answer("in time")) as quick:
            entries = {"slow": provider(slow.base_url), "quick": provider(quick.base_url)}
            async with running(tmp_path, entries, hedge={"after": "10ms"}) as router:
                answer = await ask(router.base_url)
                assert answer.headers["x-routed-via"] == "quick/m"
                await no_leaks(router)

    async def test_a_killed_flow_ends_with_the_next_piece(self, tmp_path: Path) -> None:
        gate = asyncio.Event()
        async with (
            Provider(behaviours.answer("one two", gate_after={1: gate})) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
        ):
            asked = asyncio.create_task(ask(router.base_url))
            await soon(lambda: bool(router.watcher.flows and router.watcher.flows[0].response))
            router.watcher.flows[0].kill()
            gate.set()
            with pytest.raises(httpx.RemoteProtocolError):
                await asked
            await no_leaks(router)
            assert [end for end, _ in router.watcher.ended] == ["error"]

    async def test_an_addon_that_fails_at_a_hook_keeps_no_answer_back(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with (
            Provider(behaviours.exact(EVENTS)) as one,
            running(tmp_path, {"one": provider(one.base_url)}, addons=[Failing()]) as router,
        ):
            answer = await ask(router.base_url)
            assert (answer.status, answer.body) == (200, b"".join(EVENTS))
            await no_leaks(router)
        assert "Addon error at requestheaders: this is not wanted" in caplog.text


class Failing:
    """Raises what mitmproxy lets pass."""

    def requestheaders(self, flow: HTTPFlow) -> None:
        raise OptionsError("this is not wanted")

    request = responseheaders = response = requestheaders


async def test_a_process_without_patches_serves_what_it_serves_with_them(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        script = (behaviours.exact(EVENTS), behaviours.status(503), behaviours.hang())
        good, busy, slow = await started(stack, *script)
        entries = {
            "busy": provider(busy.base_url, "refused"),
            "slow": provider(slow.base_url, "hedged"),
            "good": provider(good.base_url, "streamed", "refused", "hedged"),
        }
        write(tmp_path, entries, hedge={"after": "300ms"})
        confdir = f"confdir={tmp_path}"
        async with mitmdump("-p", "0", "--set", confdir, folder=tmp_path, **{VARIABLE: ALL}) as process:
            base_url = await process.base_url()
            for model in ("streamed", "refused", "hedged"):
                answer = await ask(base_url, model=model)
                assert (answer.status, answer.body) == (200, b"".join(EVENTS))
                assert answer.headers["x-routed-via"] == f"good/{model}"
            page = await get(base_url.removesuffix("/v1") + "/internal/health")
            assert (page.status, page.json["status"]) == (200, "healthy")
            process.tell(signal.SIGTERM)
            await process.ends_cleanly()


@pytest.mark.parametrize("turned_off", NAMES, indirect=True)
@pytest.mark.usefixtures("turned_off")
async def test_a_chat_passes_with_any_single_one_off(tmp_path: Path) -> None:
    async with (
        Provider(behaviours.exact(EVENTS)) as one,
        running(tmp_path, {"one": provider(one.base_url)}) as router,
    ):
        answer = await ask(router.base_url)
        assert (answer.status, answer.body) == (200, b"".join(EVENTS))
        await no_leaks(router)

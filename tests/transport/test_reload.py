"""A configuration file that changes while the router runs."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.exceptions import OptionsError

from pointsman import config, config_watcher
from pointsman.demo import Provider, behaviours
from support.audit_records import exchange_record
from support.h1client import chat, h1_to
from support.http_requests import Asked, ask, get, http_client
from support.leak_checks import no_leaks, soon
from support.ports import free_port
from support.router import Router, running
from support.settings import provider, write

TEXT = "one two three four"
BROKEN = "providers: {one: {base_url: ftp://x, models: []}}\nstream: {stall: soon}\nnonsense: 1\n"
BROKEN_PATHS = ("providers.one.base_url", "stream.stall", "nonsense")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_watcher, "POLL_INTERVAL", 0.02)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


class Yard:
    """Providers a, b and c, and a router that knows some of them."""

    def __init__(self, folder: Path, log: pytest.LogCaptureFixture, stack: AsyncExitStack) -> None:
        self.folder, self.log, self._stack = folder, log, stack
        self.a, self.b, self.c = (Provider(behaviours.answer(f"from {name}"), name=name) for name in "abc")
        self.router: Router

    async def open(
        self, *names: str, mode: str = "regular", entries: Mapping[str, Any] | None = None, **sections: Any
    ) -> Router:
        """`entries` holds further members of single providers."""
        for each in (self.a, self.b, self.c):
            await self._stack.enter_async_context(each)
        written = {name: {**entry, **(entries or {}).get(name, {})} for name, entry in self.entries(*names).items()}
        self.router = await self._stack.enter_async_context(running(self.folder, written, mode, **sections))
        return self.router

    def entries(self, *names: str, **more: Any) -> dict[str, Mapping[str, Any]]:
        return {name: provider(getattr(self, name).base_url, **more) for name in names}

    async def change(self, *names: str, **sections: Any) -> None:
        """The file names these providers from now on; waits until it is in force."""
        await self.take(lambda: write(self.folder, self.entries(*names), **sections))

    async def take(self, edit: Any) -> None:
        count = self.told("was reloaded")
        edit()
        await soon(lambda: self.told("was reloaded") > count, lambda: self.log.text)

    async def refuse(self, edit: Any) -> str:
        """Waits until the edited file has been refused. Returns what the log says of it."""
        count = self.told("the previous configuration stays")
        edit()
        await soon(lambda: self.told("the previous configuration stays") > count, lambda: self.log.text)
        return self.log.messages[-1]

    def told(self, words: str) -> int:
        return sum(words in message for message in self.log.messages)

    async def via(self, **asked: Any) -> str | None:
        via: str | None = (await ask(self.router.base_url, **asked)).headers.get("x-routed-via")
        return via


@pytest.fixture
async def yard(tmp_path: Path, log: pytest.LogCaptureFixture) -> AsyncIterator[Yard]:
    async with AsyncExitStack() as stack:
        yield Yard(tmp_path, log, stack)


class TestFaultyProviders:
    """A fault within one provider concerns that one alone."""

    async def faults(self, yard: Yard) -> list[tuple[str, str, bool]]:
        """As the dashboard shows them."""
        key = f"Bearer {yard.router.addon._admin_key.value}"
        shown = [
            (await get(f"{yard.router.url}/api/{page}", authorization=key)).json["faults"]
            for page in ("overview", "settings")
        ]
        assert shown[0] == shown[1]
        return [(fault["provider"], fault["path"], fault["in_force"]) for fault in shown[0]]

    async def test_at_start_it_is_left_out(self, yard: Yard) -> None:
        await yard.open("a", "b", entries={"a": {"nonsense": 1}})
        assert [await yard.via(model=model) for model in ("m", "a/m")] == ["b/m", None]
        assert await self.faults(yard) == [("a", "providers.a.nonsense", False)]
        assert "providers.a.nonsense: is not a known key" in yard.log.text
        assert not [record for record in yard.log.records if record.levelno >= logging.ERROR], "mitmproxy would end"
        await yard.change("a", "b")
        assert await yard.via(model="a/m") == "a/m"
        assert await self.faults(yard) == []

    async def test_at_a_reload_its_previous_entry_stays_in_force(self, yard: Yard) -> None:
        await yard.open("a", "b")
        for _ in range(2):  # the previous entry is the one that was good, however often the file is read
            broken = {**yard.entries("a", keys=[1], nonsense=1), **yard.entries("b", "c")}
            await yard.take(lambda broken=broken: write(yard.folder, broken, stream={"stall": "9s"}))
            assert [await yard.via(model=model) for model in ("a/m", "c/m")] == ["a/m", "c/m"]
            told = await self.faults(yard)
            assert sorted(told) == [("a", "providers.a.keys[0]", True), ("a", "providers.a.nonsense", True)]
        assert yard.router.gateway.settings.stream.stall == 9.0
        assert "its previous entry stays in force" in yard.log.text
        await yard.change("b")
        assert await self.faults(yard) == []
        assert await yard.via(model="a/m") is None

    async def test_a_new_one_is_left_out(self, yard: Yard) -> None:
        await yard.open("a")
        await yard.take(lambda: write(yard.folder, yard.entries("a") | yard.entries("b", nonsense=1)))
        assert [await yard.via(model=model) for model in ("a/m", "b/m")] == ["a/m", None]
        assert await self.faults(yard) == [("b", "providers.b.nonsense", False)]

    async def test_changes_made_at_runtime_go_on_beside_it(self, yard: Yard) -> None:
        await yard.open("a", "b", entries={"a": {"nonsense": 1}})
        for mode, status in (("smart", 200), ("nobody", 400)):
            async with http_client() as client:
                answer = await client.patch(
                    f"{yard.router.url}/api/settings",
                    json={"routing": {"default_mode": mode}},
                    headers={"Authorization": f"Bearer {yard.router.addon._admin_key.value}"},
                )
            assert answer.status_code == status
            assert ("nonsense" in answer.text) is (status == 200)
        assert await self.faults(yard) == [("a", "providers.a.nonsense", False)]


class TestTakingOver:
    async def test_new_exchanges_are_routed_by_the_new_file(self, yard: Yard) -> None:
        await yard.open("a")
        assert await yard.via() == "a/m"
        await yard.change("b")
        assert await yard.via() == "b/m"

    async def test_a_running_stream_goes_on_to_its_end(self, yard: Yard) -> None:
        gate = asyncio.Event()
        yard.a.script = behaviours.answer(TEXT, gate_after={2: gate})
        router = await yard.open("a")
        async with h1_to(router.host, router.port) as client:
            await client.ask(chat())
            await client.head()
            while b" two" not in await client.chunk():
                pass
            await yard.change("b")
            assert await yard.via() == "b/m"
            gate.set()
            rest = await client.chunks()
            assert b" four" in rest
            assert rest.endswith(b"data: [DONE]\n\n")
        await no_leaks(router)

    async def test_a_running_exchange_fails_over_among_the_providers_it_began_with(self, yard: Yard) -> None:
        gate = asyncio.Event()
        yard.a.script = behaviours.gated(behaviours.status(503), gate)
        await yard.open("a", "b")
        asking = asyncio.create_task(ask(yard.router.base_url))
        await yard.a.arrived()
        await yard.change("c")
        gate.set()
        answer = await asking
        assert (answer.headers["x-routed-via"], answer.headers["x-fallback-trail"]) == ("b/m", "a/m@503")
        assert await yard.via() == "c/m"

    async def test_keys_that_vanish_are_used_and_masked_to_the_end_by_those_that_began_with_them(
        self, yard: Yard
    ) -> None:
        gate = asyncio.Event()
        complaint = b'{"error":{"message":"sk-the-old-key-1234 is odd"}}'
        yard.a.script = [
            behaviours.gated(behaviours.exact([complaint], content_type="application/json", status=400), gate),
            behaviours.answer("with the new one"),
        ]
        await yard.open("b")
        await yard.take(lambda: write(yard.folder, yard.entries("a", keys=["sk-the-old-key-1234"])))
        asking = asyncio.create_task(ask(yard.router.base_url))
        await yard.a.arrived(1)
        await yard.take(lambda: write(yard.folder, yard.entries("a", keys=["sk-the-new-key-5678"])))
        assert (await ask(yard.router.base_url)).status == 200
        gate.set()
        answer = await asking
        assert answer.status == 400
        assert b"sk-the-old-key" not in answer.body
        given = [seen.header("authorization") for seen in yard.a.seen]
        assert given == ["Bearer sk-the-old-key-1234", "Bearer sk-the-new-key-5678"]

    async def test_a_conversation_whose_provider_vanishes_goes_on_elsewhere(self, yard: Yard) -> None:
        session = {"X-Session-ID": "turn-after-turn"}
        await yard.open("a", "b")
        first = await yard.via(headers=session)
        assert await yard.via(headers=session) == first
        other = {"a/m": "b", "b/m": "a"}[first or ""]
        await yard.change(other)
        assert await yard.via(headers=session) == f"{other}/m"

    @pytest.mark.parametrize(
        ("sections", "asked", "expected"),
        [
            ({"server": {"client_key": "a-client-key-0123456789"}}, {}, (401, "invalid_api_key")),
            ({"server": {"max_body": "20B"}}, {}, (413, "request_too_large")),
            ({"routing": {"aliases": {"nick": "a/m"}}}, {"model": "nick"}, (200, None)),
            ({"routing": {"unknown_model": "auto"}}, {"model": "nick"}, (200, None)),
            ({}, {"model": "nick"}, (404, "model_not_found")),
        ],
        ids=["client_key", "max_body", "aliases", "unknown_model", "as it was"],
    )
    async def test_every_section_takes_part(
        self, yard: Yard, sections: dict[str, Any], asked: dict[str, Any], expected: tuple[int, str | None]
    ) -> None:
        await yard.open("a")
        await yard.change("a", **sections)
        answer = await ask(yard.router.base_url, stream=False, **asked)
        assert (answer.status, answer.json.get("error", {}).get("code")) == expected

    async def test_what_is_known_of_earlier_exchanges_stays(self, yard: Yard) -> None:
        await yard.open("a")
        yard.router.gateway.recent_exchanges.add(exchange_record("before"))
        await yard.change("b")
        assert yard.router.gateway.recent_exchanges.find("before")

    async def test_a_file_that_is_only_touched_changes_nothing(self, yard: Yard) -> None:
        await yard.open("a")
        await yard.take(lambda: os.utime(yard.folder / "pointsman.yaml"))
        assert await yard.via() == "a/m"


class TestRefusing:
    async def test_a_broken_file_is_reported_with_all_its_faults_and_the_old_one_stays(self, yard: Yard) -> None:
        await yard.open("a")
        told = await yard.refuse(lambda: (yard.folder / "pointsman.yaml").write_text(BROKEN))
        for path in BROKEN_PATHS:
            assert path in told
        assert await yard.via() == "a/m"
        await yard.change("b")
        assert await yard.via() == "b/m"

    async def test_it_is_logged_once_not_at_every_look(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        await yard.open("a")
        await yard.refuse(lambda: (yard.folder / "pointsman.yaml").write_text(BROKEN))
        look, looks = config_watcher.ConfigWatcher._fingerprint, []
        monkeypatch.setattr(config_watcher.ConfigWatcher, "_fingerprint", lambda own: looks.append(1) or look(own))
        await soon(lambda: len(looks) > 10)
        assert yard.told("the previous configuration stays") == 1

    @pytest.mark.parametrize(
        "edit",
        [
            lambda path: path.unlink(),
            lambda path: (path.unlink(), path.mkdir()),
            lambda path: path.write_bytes(b"\xff\xfe\x00 providers"),
            lambda path: path.write_text(path.read_text()[:-10]),
            lambda path: path.write_text("- just\n- a list\n"),
        ],
        ids=["gone", "a folder", "not text", "half written", "no mapping"],
    )
    async def test_a_file_that_cannot_be_read_leaves_the_old_one_in_force(self, yard: Yard, edit: Any) -> None:
        await yard.open("a")
        path = yard.folder / "pointsman.yaml"
        assert str(path) in await yard.refuse(lambda: edit(path))
        assert await yard.via() == "a/m"
        if path.is_dir():
            path.rmdir()
        await yard.change("b")
        assert await yard.via() == "b/m"

    async def test_settings_that_would_open_the_router_to_all_are_refused(self, yard: Yard) -> None:
        keyed = {"server": {"client_key": "a-client-key-0123456789"}}
        await yard.open("a", mode=f"regular@0.0.0.0:{free_port()}", **keyed)
        told = await yard.refuse(lambda: write(yard.folder, yard.entries("b")))
        assert "0.0.0.0" in told
        assert "server.client_key" in told
        assert "does not start" not in told
        assert (await ask(f"http://127.0.0.1:{yard.router.port}/v1")).status == 401
        await yard.change("b", **keyed)

    async def test_a_failure_of_the_router_itself_does_not_end_the_watch(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await yard.open("a")
        with monkeypatch.context() as patched:
            patched.setattr(config, "build", lambda *_: 1 / 0)
            assert "ZeroDivisionError" in await yard.refuse(lambda: write(yard.folder, yard.entries("b")))
        assert await yard.via() == "a/m"
        await yard.change("c")
        assert await yard.via() == "c/m"


class TestOnRequest:
    @pytest.fixture(autouse=True)
    def _never(self, monkeypatch: pytest.MonkeyPatch, _often: None) -> None:
        monkeypatch.setattr(config_watcher, "POLL_INTERVAL", 3600)

    async def test_the_command_reads_the_file_again(self, yard: Yard) -> None:
        router = await yard.open("a")
        write(yard.folder, yard.entries("b"))
        await yard.take(lambda: router.context.master.commands.call("pointsman.reload"))
        assert await yard.via() == "b/m"

    async def test_it_refuses_a_broken_one(self, yard: Yard) -> None:
        router = await yard.open("a")
        (yard.folder / "pointsman.yaml").write_text(BROKEN)
        told = await yard.refuse(lambda: router.context.master.commands.call("pointsman.reload"))
        assert all(path in told for path in BROKEN_PATHS)
        assert await yard.via() == "a/m"

    async def test_a_hangup_signal_does_the_same(self, yard: Yard) -> None:
        await yard.open("a")
        write(yard.folder, yard.entries("b"))
        await yard.take(lambda: os.kill(os.getpid(), signal.SIGHUP))
        assert await yard.via() == "b/m"


class TestWhatNeedsARestart:
    @pytest.mark.parametrize(
        ("name", "value"), [("listen_port", 1), ("listen_host", "127.0.0.2"), ("pointsman_config", "other.yaml")]
    )
    async def test_an_option_that_cannot_change_says_so(self, yard: Yard, name: str, value: object) -> None:
        router = await yard.open("a")
        router.context.options.update(**{name: value})
        assert f"Pointsman: restart to apply the new {name}." in yard.log.messages
        assert await yard.via() == "a/m"

    async def test_a_mode_that_is_added_routes_and_says_what_it_does_not_do(self, yard: Yard) -> None:
        port, more = free_port(), free_port()
        router = await yard.open("a", mode=f"regular@{port}")
        router.server.running()  # from here on mitmproxy itself follows its options
        router.context.options.update(mode=[f"regular@{port}", f"reverse:http://127.0.0.1:9@{more}"])
        assert any("new mode" in message and "restart" in message for message in yard.log.messages)
        await soon(lambda: len(router.server.listen_addrs()) == 2)
        assert {host for host, *_ in router.server.listen_addrs()} == {"127.0.0.1"}
        for each in (port, more):
            assert (await ask(f"http://127.0.0.1:{each}/v1")).headers["x-routed-via"] == "a/m"

    async def test_one_that_names_no_address_listens_on_this_machine_only(self, yard: Yard) -> None:
        """Even where the mode that the router was started with had named one, so that no option has it."""
        port, more = free_port(), free_port()
        router = await yard.open("a", mode=f"regular@127.0.0.1:{port}", options={"listen_host": ""})
        router.server.running()
        router.context.options.update(mode=[f"regular@127.0.0.1:{port}", f"reverse:http://127.0.0.1:9@{more}"])
        await soon(lambda: len(router.server.listen_addrs()) == 2)
        assert {host for host, *_ in router.server.listen_addrs()} == {"127.0.0.1"}

    @pytest.mark.parametrize("change", [{"mode": ["regular@0.0.0.0:1"]}, {"listen_host": "0.0.0.0"}])
    async def test_one_that_would_open_the_router_to_all_is_refused(self, yard: Yard, change: dict[str, Any]) -> None:
        router = await yard.open("a")
        with pytest.raises(OptionsError, match=r"0\.0\.0\.0.* without a client key"):
            router.context.options.update(**change)
        assert (router.context.options.mode, router.context.options.listen_host) == (["regular"], "127.0.0.1")
        assert await yard.via() == "a/m"


class TestUnderLoad:
    STREAMS = 50
    RELOADS = 20
    ASKERS = 8
    """Clients that ask again and again: enough that one of them always asks, few enough for a slow machine."""

    async def test_streams_that_run_through_all_reloads_lose_no_byte(self, yard: Yard) -> None:
        gate, other = asyncio.Event(), asyncio.Event()
        yard.a.script = behaviours.answer(TEXT, gate_after={2: gate})
        yard.b.script = behaviours.answer(TEXT, gate_after={2: other})
        other.set()
        router = await yard.open("a")
        asking = [asyncio.create_task(ask(router.base_url)) for _ in range(self.STREAMS)]
        await yard.a.arrived(self.STREAMS)
        for n in range(self.RELOADS):
            await yard.change(*(("b",), ("b", "c"))[n % 2])
            assert await yard.via() == "b/m"
        gate.set()
        answers = await asyncio.gather(*asking)
        assert {answer.headers["x-routed-via"] for answer in answers} == {"a/m"}
        assert all(whole(answer) for answer in answers)
        await no_leaks(router)

    async def test_requests_that_come_all_the_while_are_all_answered(self, yard: Yard) -> None:
        router = await yard.open("a")
        over, answers = asyncio.Event(), asyncio.Queue[Asked]()
        reloads = asyncio.create_task(self.reload_often(yard, over, answers))
        kept = await asyncio.gather(*(self.keep_asking(router, over, answers) for _ in range(self.ASKERS)))
        await reloads
        assert all(whole(answer) for each in kept for answer in each)
        assert {answer.headers.get("x-routed-via") for each in kept for answer in each} == {"a/m", "b/m"}
        await no_leaks(router)

    async def reload_often(self, yard: Yard, over: asyncio.Event, answers: asyncio.Queue[Asked]) -> None:
        """Each configuration is followed by the next one only when a request has been answered by its provider."""
        try:
            for n in range(self.RELOADS):
                name = "ba"[n % 2]
                await yard.change(name, routing={"deadline": f"{100 + n}s"})
                while (await answers.get()).headers.get("x-routed-via") != f"{name}/m":
                    pass
        finally:
            over.set()

    async def keep_asking(self, router: Router, over: asyncio.Event, answers: asyncio.Queue[Asked]) -> list[Asked]:
        kept = []
        while not over.is_set():
            kept.append(await ask(router.base_url))
            answers.put_nowait(kept[-1])
        return kept


def whole(answer: Asked) -> bool:
    return answer.status == 200 and answer.body.endswith(b"data: [DONE]\n\n") and b'"error"' not in answer.body

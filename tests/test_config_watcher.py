"""A configuration file that changes under a router in a process of its own: a clock, and signals."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pointsman import config_watcher
from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.process import Process, mitmdump
from support.settings import provider, write

STREAMS, HANGUPS = 20, 10
BROKEN = "providers: {one: {base_url: ftp://x, models: []}}\nstream: {stall: soon}\nnonsense: 1\n"
BROKEN_PATHS = ("providers.one.base_url", "stream.stall", "nonsense")


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[Process, str, Provider]]:
    async with (
        Provider(behaviours.answer("from a")) as a,
        Provider(behaviours.answer("from b")) as b,
    ):
        write(folder, {"a": provider(a.base_url)})
        async with mitmdump("-p", "0", folder=folder) as router:
            yield router, await router.base_url(), b


async def test_a_change_takes_effect_at_the_next_look(tmp_path: Path) -> None:
    async with started(tmp_path) as (router, base_url, b):
        assert (await ask(base_url)).headers["x-routed-via"] == "a/m"
        write(tmp_path, {"b": provider(b.base_url)})
        await router.prints("was reloaded")
        assert (await ask(base_url)).headers["x-routed-via"] == "b/m"
        router.tell(signal.SIGTERM)
        await router.ends_cleanly()


def test_it_looks_often_enough_to_take_effect_within_two_seconds() -> None:
    assert config_watcher.POLL_INTERVAL <= 1


async def test_a_hangup_takes_the_new_file_at_once_and_a_broken_one_never(tmp_path: Path) -> None:
    async with started(tmp_path) as (router, base_url, b):
        write(tmp_path, {"b": provider(b.base_url)})
        router.tell(signal.SIGHUP)
        await router.prints("was reloaded")
        assert (await ask(base_url)).headers["x-routed-via"] == "b/m"
        (tmp_path / "pointsman.yaml").write_text(BROKEN)
        router.tell(signal.SIGHUP)
        await router.prints("the previous configuration stays")
        for path in BROKEN_PATHS:
            await router.prints(path.replace(".", r"\."))
        assert (await ask(base_url)).headers["x-routed-via"] == "b/m"
        router.tell(signal.SIGTERM)
        assert await router.ends() == 0
        assert "Traceback" not in router.text


async def test_without_a_file_a_hangup_says_that_there_is_none(tmp_path: Path) -> None:
    async with mitmdump("-p", "0", folder=tmp_path) as router:
        await router.base_url()
        router.tell(signal.SIGHUP)
        await router.prints("no configuration file to reload")
        router.tell(signal.SIGTERM)
        assert await router.ends() == 0


async def test_hangups_under_load_cost_no_stream_a_byte_and_no_request_its_answer(tmp_path: Path) -> None:
    gate, text = asyncio.Event(), "one two three four"
    before_the_change = behaviours.answer("the last one repeats")
    async with (
        Provider([behaviours.answer(text, gate_after={2: gate})] * STREAMS + [before_the_change]) as a,
        started(tmp_path) as (router, base_url, b),
    ):
        write(tmp_path, {"a": provider(a.base_url)})
        router.tell(signal.SIGHUP)
        await router.prints("was reloaded")
        held = [asyncio.create_task(ask(base_url)) for _ in range(STREAMS)]
        await a.arrived(STREAMS)
        write(tmp_path, {"b": provider(b.base_url)})
        for n in range(HANGUPS):
            router.tell(signal.SIGHUP)
            passing = await asyncio.gather(*(ask(base_url) for _ in range(4)))
            assert {answer.status for answer in passing} == {200}
            await router.prints(f"(?s)(was reloaded.*){{{n + 2}}}")
        gate.set()
        for answer in await asyncio.gather(*held):
            assert answer.headers["x-routed-via"] == "a/m"
            assert all(f'" {word}"'.encode() in answer.body for word in text.split()[1:])
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert b"error" not in answer.body
        assert (await ask(base_url)).headers["x-routed-via"] == "b/m"
        router.tell(signal.SIGTERM)
        await router.ends_cleanly()

"""Now: traffic appears while it runs, and an exchange opens to what was done for it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.settings import provider
from web.dashboard.page_driver import opened

HEAD = ".x-head"


async def test_traffic_appears_live_while_requests_run(tmp_path: Path) -> None:
    may_answer = asyncio.Event()
    async with (
        Provider(behaviours.answer("The left track.", gate_after={0: may_answer})) as slow,
        opened(tmp_path, {"slow": provider(slow.base_url)}) as (router, dashboard),
    ):
        await dashboard.sees("No requests yet.")
        asked = asyncio.create_task(ask(router.base_url))
        await dashboard.until("document.querySelectorAll('.running li').length === 1")
        assert await dashboard.texts(HEAD) == []
        may_answer.set()
        assert (await asked).status == 200
        await dashboard.until("document.querySelectorAll('.x-head').length === 1")
        await dashboard.until("document.querySelectorAll('.running li').length === 0")
        [line] = await dashboard.texts(HEAD)
        assert "answered" in line
        assert "slow/m" in line
        await dashboard.until("document.querySelector('.figure').textContent === '1'")
        await dashboard.enter("requests")
        await dashboard.sees("There is no history (history.path is off).")
        assert "slow/m" in " ".join(await dashboard.texts(HEAD))
        await dashboard.type(".filter-status input", "4xx")
        await dashboard.sees("No request matches these filters.")


async def test_an_exchange_opens_to_its_attempts_and_to_its_excluded_candidates(tmp_path: Path) -> None:
    async with Provider(behaviours.status(503)) as bad, Provider(behaviours.answer("The left track.")) as good:
        off = provider("http://127.0.0.1:9/v1") | {"models": [{"id": "m", "enabled": False}]}
        providers = {"bad": provider(bad.base_url), "good": provider(good.base_url), "off": off}
        async with opened(tmp_path, providers) as (router, dashboard):
            assert (await ask(router.base_url)).headers["x-routed-via"] == "good/m"
            await dashboard.act(HEAD)
            await dashboard.becomes(HEAD, "aria-expanded", "true")
            await dashboard.sees("Excluded")
            first, second = await dashboard.texts(".lane")
            assert "1. bad/m" in first
            assert "failed" in first
            assert "status 503" in first
            assert "2. good/m" in second
            assert "answered after a failure" in second
            for phase in ("connect", "wait", "first content", "stream"):
                assert phase in second
            bars = await dashboard.page.run(
                "[...document.querySelectorAll('.lane:nth-child(2) .bar')].filter(bar => bar.offsetWidth > 1).length"
            )
            assert bars == 4, "one for each phase"
            excluded = {line.split()[0]: line for line in await dashboard.texts(".excluded li")}
            assert "disabled" in excluded["off/m"]


async def test_what_is_open_and_focused_stays_so_while_new_exchanges_come(tmp_path: Path) -> None:
    async with (
        Provider(behaviours.answer("The left track.")) as good,
        opened(tmp_path, {"good": provider(good.base_url)}) as (router, dashboard),
    ):
        await ask(router.base_url, headers={"X-Request-ID": "the-first"})
        await dashboard.act(HEAD)
        await dashboard.becomes(HEAD, "aria-expanded", "true")
        await dashboard.page.run("window.kept = document.querySelector('[data-id=the-first]')")
        await ask(router.base_url, headers={"X-Request-ID": "the-second"})
        await dashboard.until("document.querySelector('[data-id=the-second]')")
        assert await dashboard.page.run("window.kept === document.querySelector('[data-id=the-first]')")
        assert await dashboard.attribute("[data-id=the-first] .x-head", "aria-expanded") == "true"
        assert await dashboard.page.run("window.kept.contains(document.activeElement)")
        assert await dashboard.attribute("[data-id=the-second] .x-head", "aria-expanded") == "false"


async def test_what_providers_and_clients_write_is_shown_as_text(tmp_path: Path) -> None:
    evil = "<img src=x onerror='window.harmed=1'><script>window.harmed=1</script>"
    async with (
        Provider(behaviours.status(503, {"error": {"message": evil}})) as bad,
        opened(tmp_path, {"bad": provider(bad.base_url)}) as (router, dashboard),
    ):
        await ask(router.base_url)
        await ask(router.base_url, model=evil)
        await dashboard.until("document.querySelector('.x-head')")
        await dashboard.act(HEAD)
        await dashboard.page.run("document.querySelectorAll('.x-head[aria-expanded=false]').forEach(e => e.click())")
        await dashboard.sees("<img src=x onerror=")
        assert await dashboard.page.run("document.querySelectorAll('#room img, #room script').length") == 0
        assert await dashboard.page.run("window.harmed") is None


async def test_a_cooldown_runs_down_and_is_ended_by_its_button(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(Provider(behaviours.rate_limited(600)))
        good = await stack.enter_async_context(Provider(behaviours.answer("The left track.")))
        providers = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
        router, dashboard = await stack.enter_async_context(opened(tmp_path, providers, sticky={"enabled": False}))
        await ask(router.base_url)
        await dashboard.until("document.querySelector('.side-list .countdown')")
        left = await dashboard.texts(".side-list .countdown")
        await dashboard.until(f"document.querySelector('.side-list .countdown').innerText !== {left[0]!r}")
        await dashboard.act(".side-list .button")
        await dashboard.sees("No active cooldowns.")
        bad.script = behaviours.answer("The right track.")
        assert (await ask(router.base_url)).headers["x-routed-via"] == "bad/m"


@pytest.mark.parametrize("room", ["now", "sessions"])
async def test_a_ban_is_shown_and_lifted_and_the_next_request_goes_there_again(tmp_path: Path, room: str) -> None:
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(Provider(behaviours.status(503)))
        good = await stack.enter_async_context(Provider(behaviours.answer("The left track.")))
        providers = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
        settings = {
            "protection": {"bad": "provider-ban"},
            "cooldowns": {"transient": "off"},
            "sticky": {"modes": [], "show_words": True},  # the ban alone keeps the session away, not its pin
        }
        router, dashboard = await stack.enter_async_context(opened(tmp_path, providers, room=room, **settings))

        async def asked() -> str:
            return (await ask(router.base_url, headers={"X-Session-ID": "a-chat"})).headers["x-routed-via"]

        assert await asked() == "good/m"
        bad.script = behaviours.answer("The right track.")
        assert await asked() == "good/m"
        await dashboard.until(
            "[...document.querySelectorAll('#room button')].some(e => e.innerText.startsWith('Unban'))"
        )
        if room == "sessions":
            await dashboard.until("/^session \\w+: \\w+/.test(document.querySelector('.side-name span').innerText)")
        await dashboard.act(".side-list button")
        await dashboard.sees("The session can use bad again.")
        await dashboard.until(
            "![...document.querySelectorAll('#room button')].some(e => e.innerText.startsWith('Unban'))"
        )
        assert await dashboard.page.run("document.activeElement !== document.body")
        assert await asked() == "bad/m"

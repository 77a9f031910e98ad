"""The first page while nothing is configured, and the form that adds any provider after a live test."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.browser import browser
from support.http_requests import ask
from support.model_servers import listed, model_server
from support.process import mitmdump
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import ADMIN, SCREENSHOTS, Dashboard, opened
from web.dashboard.test_pages import faults

KEY = "sk-typed-by-hand-9876"
CATALOG = """
from pointsman import catalog

known, servers = catalog.known, catalog.local_servers()
catalog.known = lambda: {{**known(), "groq": {{**known()["groq"], "base_url": {base_url!r}}}}}
catalog.local_servers = lambda: servers
"""
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture
async def newcomer(tmp_path: Path) -> AsyncIterator[Dashboard]:
    """A start without configuration; the environment has a key of groq, the machine an Ollama and Claude Code."""
    async with AsyncExitStack() as stack:
        groq = await stack.enter_async_context(
            Provider(behaviours.answer("a real answer"), keys=(KEY,), models=("llama",), name="groq")
        )
        port = await stack.enter_async_context(model_server(listed("llama3:latest")))
        (tmp_path / "sitecustomize.py").write_text(CATALOG.format(base_url=groq.base_url))
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "claude").touch(0o755)
        env = {
            "POINTSMAN_SERVER__ADMIN_KEY": ADMIN,
            "GROQ_API_KEY": KEY,
            "OLLAMA_HOST": f"127.0.0.1:{port}",
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        router = await stack.enter_async_context(mitmdump("-p", "0", folder=tmp_path, **env))
        url = (await router.base_url()).removesuffix("/v1")
        page = await stack.enter_async_context(browser(tmp_path))
        yield Dashboard(page, url)


async def test_a_newcomer_adds_what_was_found_and_is_served(newcomer: Dashboard) -> None:
    dashboard = newcomer
    await dashboard.page.go(dashboard.url)
    await dashboard.type("#admin-key", ADMIN)
    await dashboard.press("Enter")
    await dashboard.sees("key in the environment: GROQ_API_KEY")
    await dashboard.sees("pointsman run claude-code")
    await dashboard.sees(f"{dashboard.url}/v1")
    await dashboard.sees("Nothing is configured yet")
    for width, scheme in LOOKS:
        await dashboard.looks(width, scheme)
        await dashboard.page.screenshot(SCREENSHOTS / f"start-{width}-{scheme}.png")
        assert await dashboard.page.run("document.documentElement.scrollWidth") <= width
        assert await faults(dashboard) == []
    await dashboard.act("[data-id=GROQ_API_KEY] button")
    await dashboard.sees("Provider added: groq.")
    await dashboard.sees("Your own providers answer.")
    await dashboard.until("document.querySelector('[data-id=GROQ_API_KEY] .tag').checkVisibility()")
    await dashboard.act("[data-id^='http'] button")
    await dashboard.sees("Provider added: Ollama.")
    assert KEY not in await dashboard.page.run("document.documentElement.outerHTML")
    assert (
        b"a real answer" in (await ask(f"{dashboard.url}/v1", model="groq/llama-3.3-70b-versatile", stream=False)).body
    )


@pytest.fixture
async def mine() -> AsyncIterator[Provider]:
    async with Provider(behaviours.answer("from mine"), name="mine", keys=(KEY,), models=("m1", "m2")) as started:
        yield started


@pytest.fixture
async def yard(tmp_path: Path, mine: Provider) -> AsyncIterator[tuple[Router, Dashboard]]:
    async with (
        Provider(behaviours.answer("The left track."), name="p") as p,
        opened(tmp_path, {"p": provider(p.base_url)}, room="providers") as (router, dashboard),
    ):
        yield router, dashboard


async def choose_own(dashboard: Dashboard, address: str, key: str) -> None:
    await dashboard.until("document.querySelectorAll('.add-provider select option').length > 10")
    await dashboard.page.run(
        "(each => (each.value = '', each.dispatchEvent(new Event('change'))))"
        "(document.querySelector('.add-provider select'))"
    )
    await dashboard.type(".own-provider input", "mine")
    await dashboard.type(".add-provider input[type=url]", address)
    await dashboard.type(".add-provider input[type=password]", key)


async def test_a_provider_of_ones_own_is_tested_and_added_with_the_models_that_it_lists(
    yard: tuple[Router, Dashboard], mine: Provider
) -> None:
    router, dashboard = yard
    await choose_own(dashboard, mine.base_url, "sk-wrong-0000")
    await dashboard.press("Enter")
    await dashboard.sees("Not added. The test failed: the provider rejects this key.")
    for width, scheme in LOOKS:
        await dashboard.looks(width, scheme)
        await dashboard.page.screenshot(SCREENSHOTS / f"add-provider-{width}-{scheme}.png")
        assert await dashboard.page.run("document.documentElement.scrollWidth") <= width
        assert await faults(dashboard) == []
    await dashboard.type(".add-provider input[type=password]", KEY)
    await dashboard.press("Enter")
    await dashboard.sees("Provider added: mine.")
    assert await dashboard.page.run("document.querySelector('.add-provider input[type=password]').value") == ""
    assert KEY not in await dashboard.page.run("document.documentElement.outerHTML")
    assert [each.id for each in router.gateway.settings.providers["mine"].models] == ["m1", "m2"]
    assert b"from mine" in (await ask(router.base_url, model="mine/m2", stream=False)).body


async def test_a_model_is_added_after_a_test_and_a_provider_deleted(
    yard: tuple[Router, Dashboard], mine: Provider
) -> None:
    router, dashboard = yard
    await choose_own(dashboard, mine.base_url, KEY)
    await dashboard.type(".add-provider textarea", "m1")
    await dashboard.page.click(".add-provider button", "Test and add")
    await dashboard.sees("Provider added: mine.")
    await dashboard.act("[data-name=mine] .pool-head")
    await dashboard.type("[data-name=mine] .add-model input", "m2")
    await dashboard.press("Enter")
    await dashboard.sees("Model added: m2.")
    assert b"from mine" in (await ask(router.base_url, model="mine/m2", stream=False)).body
    await dashboard.page.click("[data-name=mine] .provider-head button", "Delete")
    await dashboard.act("dialog .main")
    await dashboard.sees("Provider deleted.")
    assert list(router.gateway.settings.providers) == ["p"]

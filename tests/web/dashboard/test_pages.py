"""Sessions, analytics and settings, and what all rooms have in common."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.router import Router
from support.settings import provider
from support.valkey import Valkey
from web.dashboard.page_driver import API, ROOMS, SCREENSHOTS, Dashboard, opened

AXE = Path(__file__).parent / "axe" / "axe.min.js"
WIDTHS = (360, 1600)
SCHEMES = ("light", "dark")
POLL_NOW = "document.dispatchEvent(new Event('visibilitychange')); 0"
"""JavaScript that makes the page poll at once, as it does when its tab is seen again."""
CHAT = {"X-Session-ID": "a-chat", "x-api-key": "key-of-ci-0123456789"}
CLIENTS = {
    "ci": {
        "key": CHAT["x-api-key"],
        "models": ["auto-fast", "good/*", "bad/*"],
        "limits": {"rpm": 60, "concurrency": 4},
        "budgets": [{"usd": 5, "per": "day"}, {"tokens": 2000, "per": "month", "zone": "Europe/Berlin"}],
        "on_exhausted": "auto-fast",
    }
}
SERIOUS = ("serious", "critical")


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[tuple[Router, Dashboard]]:
    """A router that has something to show in every room: answers, failures, a cooldown, sessions, keys."""
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(Provider(behaviours.rate_limited(600), name="bad"))
        good = await stack.enter_async_context(Provider(behaviours.answer("The left track."), name="good"))
        providers = {
            "bad": provider(bad.base_url, "m") | {"keys": [{"value": "sk-bad-key-1234", "label": "only"}]},
            "good": provider(good.base_url, "m", "other"),
        }
        router, dashboard = await stack.enter_async_context(
            opened(tmp_path, providers, history={"path": str(tmp_path / "history.db")}, clients=CLIENTS)
        )
        for _ in range(4):
            await ask(router.base_url, headers=CHAT)
        yield router, dashboard


async def show(dashboard: Dashboard, room: str) -> None:
    """The room with everything in it open."""
    await dashboard.enter(room)
    await dashboard.until("document.querySelector('.x-head, .target, tbody tr, .setting, .provider-head, .playground')")
    await dashboard.page.run(
        "document.querySelectorAll('#room [aria-expanded=false]').forEach((each, at) => at < 2 && each.click())"
    )
    if room == "now":
        await dashboard.sees("Excluded")


async def faults(dashboard: Dashboard) -> list[str]:
    """What axe-core finds serious on the page as it is."""
    await dashboard.page.run(AXE.read_text() + ";0")
    found = await dashboard.page.run(
        "axe.run({resultTypes: ['violations']}).then(told => told.violations.map("
        "each => [each.impact, each.id, each.nodes.map(node => node.target.join(' ')).join(', ')]))"
    )
    return [f"{rule}: {where}" for impact, rule, where in found if impact in SERIOUS]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
async def test_no_room_has_a_serious_fault_or_is_wider_than_the_window(
    busy: tuple[Router, Dashboard], width: int, scheme: str
) -> None:
    _, dashboard = busy
    await dashboard.looks(width, scheme)
    for room in ROOMS:
        await show(dashboard, room)
        assert await faults(dashboard) == [], room
        assert await dashboard.page.run("document.documentElement.scrollWidth") <= width, room
        await dashboard.page.screenshot(SCREENSHOTS / f"{room}-{width}-{scheme}.png")
    await dashboard.act("#logout")
    await dashboard.sees("You are logged out.")
    assert await faults(dashboard) == []


async def test_every_room_is_reached_and_left_by_keyboard_alone(busy: tuple[Router, Dashboard]) -> None:
    _, dashboard = busy
    await dashboard.enter(ROOMS[-1])
    await dashboard.focus(".top .brand")
    for room in ROOMS:
        await dashboard.press("Tab")
        assert await dashboard.page.run("document.activeElement.hash") == f"#{room}"
        assert await dashboard.page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await dashboard.press("Enter")
        await dashboard.until(f"document.querySelector('.ways a[aria-current]').hash === '#{room}'")
        await dashboard.until("document.activeElement.id === 'room'")
        await dashboard.focus(f".ways a[href='#{room}']")


async def test_nothing_on_any_page_breaks_its_own_policy(busy: tuple[Router, Dashboard]) -> None:
    _, dashboard = busy
    await dashboard.page.run(
        "window.broken = [];"
        "document.addEventListener('securitypolicyviolation', each => broken.push(each.blockedURI));"
        "addEventListener('error', each => broken.push(each.message));"
        "addEventListener('unhandledrejection', each => broken.push(String(each.reason)))"
    )
    for room in ROOMS:
        await show(dashboard, room)
    assert await dashboard.page.run("broken") == []
    hosts = await dashboard.page.run(
        "[...new Set(performance.getEntriesByType('resource').map(each => new URL(each.name).origin))]"
    )
    assert hosts == [dashboard.url]


@pytest.mark.parametrize("address", ["bogus", "/Requests?status=4xx", "constructor"])
async def test_an_address_without_a_page_says_so_and_shows_the_pages(
    busy: tuple[Router, Dashboard], address: str
) -> None:
    _, dashboard = busy
    await dashboard.visit(address)
    await dashboard.sees(f"There is no page “{address.removeprefix('/')}”")
    assert await dashboard.page.run("[...document.querySelectorAll('#room a')].map(each => each.hash.slice(1))") == [
        *ROOMS
    ]
    assert await faults(dashboard) == []
    await dashboard.act("#room a[href='#requests']")
    await dashboard.until("document.querySelector('.ways a[aria-current]')?.hash === '#requests'")
    await dashboard.visit("/")
    await dashboard.until("document.querySelector('.ways a[aria-current]')?.hash === '#now'")


async def test_a_session_is_shown_and_forgotten(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("sessions")
    await dashboard.until("document.querySelectorAll('tbody tr').length === 1")
    [row] = await dashboard.texts("tbody tr")
    assert "session header" in row
    assert "good/m" in row
    await dashboard.act("tbody button")
    await dashboard.act("dialog .main")
    await dashboard.sees("No sessions yet.")
    assert (await ask(router.base_url, headers=CHAT)).headers["x-sticky-session"] == "miss"


async def test_analytics_draw_what_was_written_down(busy: tuple[Router, Dashboard]) -> None:
    _, dashboard = busy
    await dashboard.enter("analytics")
    await dashboard.until("document.querySelectorAll('canvas').length === 3")
    assert sorted(await dashboard.texts(".chart-legend tbody th")) == ["bad/m", "good/m"]
    assert await dashboard.texts(".strips b") == ["bad", "good"]
    assert await dashboard.page.run("document.querySelectorAll('.strips rect').length") == 2 * 48
    shown = "[...document.querySelectorAll('.table tbody .lead')].map(each => each.innerText).sort().join(' ')"
    for by, names in (("target", "bad/m good/m"), ("provider", "bad good"), ("mode", "balanced")):
        await dashboard.act(f"[data-value={by}]")
        await dashboard.until(f"{shown} === '{names}'")
    assert await dashboard.page.run("location.hash") == "#/analytics?window=24h&by=mode"


async def test_a_setting_is_changed_shown_as_changed_and_taken_back(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("settings")
    row = "[data-name='routing.default_mode']"
    await dashboard.focus(f"{row} select")
    await dashboard.page.run(
        "(s => { s.value = 'fast'; s.dispatchEvent(new Event('change', {bubbles: true})) })(document.activeElement)"
    )
    await dashboard.until(f"document.querySelector({json.dumps(row)}).innerText.includes('changed here')")
    assert router.gateway.settings.routing.default_mode == "fast"
    await dashboard.act(f"{row} .bare")
    await dashboard.until(f"!document.querySelector({json.dumps(row)}).innerText.includes('changed here')")
    assert router.gateway.settings.routing.default_mode == "balanced"


async def test_a_list_is_changed_as_a_list_and_a_number_in_its_unit(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("settings")
    modes = "[data-name='sticky.modes']"
    await dashboard.act(f"{modes} [data-value=fast] [aria-label^=Remove]")
    await dashboard.until(f"document.querySelector({json.dumps(modes)}).innerText.includes('changed here')")
    assert router.gateway.settings.sticky.modes == ("balanced", "smart")
    await dashboard.act(f"{modes} [data-value=smart] [aria-label^=Earlier]")
    await dashboard.until(f"document.querySelector({json.dumps(modes)} + ' .entries li').dataset.value === 'smart'")
    assert router.gateway.settings.sticky.modes == ("smart", "balanced")
    await dashboard.act(f"{modes} form button")
    await dashboard.until(f"document.querySelectorAll({json.dumps(modes)} + ' .entries li').length === 3")
    keep = "[data-name='sticky.idle_ttl'] input"
    assert await dashboard.page.run(f"document.querySelector({json.dumps(keep)}).value") == "30 m"
    await dashboard.type(keep, "2 h")
    await dashboard.press("Enter")
    await dashboard.sees("sticky.idle_ttl changed.")
    assert router.gateway.settings.sticky.idle_ttl == 7200.0


async def test_what_is_changed_elsewhere_meanwhile_is_kept_or_told(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("settings")
    modes = "[data-name='sticky.modes']"
    await dashboard.until(f"document.querySelector({json.dumps(modes)} + ' [data-value=fast]')")
    await dashboard.type("[data-name='sticky.rest'] input", "9 m")

    async def elsewhere(section: str) -> None:
        sent = f"api.send('PATCH', '/api/settings', {{sticky: {section}}})"
        await dashboard.page.run(f"{API}.then(api => {sent}).then(() => 0)")

    await elsewhere("{modes: ['fast', 'balanced'], rest: '4m'}")
    await dashboard.act(f"{modes} [data-value=balanced] [aria-label^=Remove]")
    await dashboard.until(f"document.querySelectorAll({json.dumps(modes)} + ' .entries li').length === 1")
    assert router.gateway.settings.sticky.modes == ("fast",)  # as it was shown, smart would have come back
    await dashboard.sees("It has been changed to 4 m meanwhile. Save replaces that.")
    await elsewhere("{modes: null, rest: null}")


async def test_state_that_is_not_shared_is_a_banner(tmp_path: Path) -> None:
    engine = Valkey(tmp_path / "valkey")
    async with opened(tmp_path, {"p": provider()}, shared={"url": engine.url}) as (_, dashboard):
        await dashboard.until("document.querySelector('#banner-shared').checkVisibility()")
        [words] = await dashboard.texts("#banner-shared")
        assert words.startswith(f"State is not shared: no connection to {engine.url}")
        await engine.start()
        await dashboard.page.run(POLL_NOW)
        await dashboard.until("!document.querySelector('#banner-shared').checkVisibility()")
    await engine.kill()


async def test_a_router_that_takes_connections_and_never_answers_is_a_banner(busy: tuple[Router, Dashboard]) -> None:
    _, dashboard = busy
    await dashboard.enter("now")
    await dashboard.page.run(
        "window.usual = AbortSignal.timeout; AbortSignal.timeout = () => usual.call(AbortSignal, 300)"
    )
    await dashboard.page.tell("Fetch.enable", patterns=[{"urlPattern": "*/api/*"}])  # none of them goes on
    await dashboard.until("document.querySelector('#banner-stopped').checkVisibility()")
    assert await dashboard.attribute("#room", "data-stale") is not None
    await dashboard.page.tell("Fetch.disable")
    await dashboard.page.run("AbortSignal.timeout = usual; 0")
    await dashboard.page.run(POLL_NOW)
    await dashboard.until("!document.querySelector('#banner-stopped').checkVisibility()")


async def test_a_refused_file_and_a_router_that_is_gone_are_banners(
    busy: tuple[Router, Dashboard],
) -> None:
    router, dashboard = busy
    (router.confdir / "pointsman.yaml").write_text("nonsense: 1")
    await dashboard.page.run(f"{API}.then(api => api.send('POST', '/api/reload')).catch(() => 0)")
    await dashboard.page.run(POLL_NOW)
    await dashboard.until("document.querySelector('#banner-file').checkVisibility()")
    [words] = await dashboard.texts("#banner-file")
    assert "nonsense" in words
    await dashboard.page.tell("Network.enable")
    gone = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await dashboard.page.tell("Network.emulateNetworkConditions", **gone)
    await dashboard.until("document.querySelector('#room').hasAttribute('data-stale')")
    [words] = await dashboard.texts("#banner-stopped")
    assert "What is shown is as of" in words
    for room in ("keys", "requests", "clients"):
        await dashboard.enter(room)
        await dashboard.sees("The data could not be loaded.")
        assert not [each for each in await dashboard.texts(".blank") if each.startswith("No ")], room
        [words] = await dashboard.texts("#banner-stopped")
        assert "as of" not in words
    await dashboard.page.tell("Network.emulateNetworkConditions", **gone | {"offline": False})
    await dashboard.page.run(POLL_NOW)
    await dashboard.until("!document.querySelector('#room').hasAttribute('data-stale')")
    assert await dashboard.texts("#banner-stopped") == []


async def test_a_provider_is_changed_on_its_page(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("providers")
    await dashboard.act("[data-name=good] .provider-head .buttons [aria-expanded]")
    await dashboard.type("[data-name=good] [data-name='timeouts.stall'] input", "3 m")
    await dashboard.press("Enter")
    await dashboard.sees("timeouts.stall changed.")
    assert router.gateway.settings.providers["good"].timeouts.stall == 180.0
    await dashboard.type("[data-name=good] [data-name='timeouts.stall'] input", "")
    await dashboard.press("Enter")
    stall = "document.querySelector(\"[data-name=good] [data-name='timeouts.stall'] input\").value"
    await dashboard.until(f"{stall} === '1 m'")
    assert router.gateway.settings.providers["good"].timeouts.stall == 60.0
    reset = "document.querySelector('[data-name=good] [data-name=quota_reset] input').value"
    assert await dashboard.page.run(reset) == "00:00 UTC"
    marks = "[data-name=good] [data-name='quirks.cache_marks']"
    await dashboard.focus(f"{marks} select")
    await dashboard.page.run(
        "(s => { s.value = 'false'; s.dispatchEvent(new Event('change', {bubbles: true})) })(document.activeElement)"
    )
    await dashboard.sees("quirks.cache_marks changed.")
    assert router.gateway.settings.providers["good"].quirks.cache_marks is False
    await dashboard.act(f"{marks} .bare")
    await dashboard.until(f"document.querySelector(\"{marks} select\").selectedOptions[0]?.text === 'not set'")


async def test_what_a_model_has_not_set_can_be_set(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("providers")
    await dashboard.act("[data-name=good] .pool-head")
    await dashboard.act("[data-name=good] .models-of li:first-child [aria-expanded]")
    await dashboard.act("[data-name=good] .models-of [data-name=supports] form button")
    await dashboard.sees("supports changed.")
    await dashboard.type("[data-name=good] .models-of [data-name='timeouts.first_byte'] input", "9 s")
    await dashboard.press("Enter")
    await dashboard.sees("timeouts.first_byte changed.")
    model = router.gateway.settings.providers["good"].models[0]
    assert model.supports == frozenset({"tools"})
    assert model.timeouts
    assert model.timeouts.first_byte == 9.0


async def test_a_setting_that_is_wrong_is_refused_with_its_place(busy: tuple[Router, Dashboard]) -> None:
    router, dashboard = busy
    await dashboard.enter("settings")
    await dashboard.type("[data-name='hedge.after'] input", "soon")
    await dashboard.press("Enter")
    field = "document.querySelector(\"[data-name='hedge.after'] input\")"
    beside = f"document.getElementById({field}.getAttribute('aria-describedby'))"
    await dashboard.until(f"{beside}.innerText.includes('hedge.after: ')")
    assert not await dashboard.texts(".notice p")
    assert await dashboard.attribute("[data-name='hedge.after'] input", "aria-invalid") == "true"
    assert router.gateway.settings.hedge.after is None

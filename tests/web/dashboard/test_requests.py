"""Requests and analytics, with a history: what is asked is found, one page at a time, and each request has its page."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from history.history_builders import fill_disk, writing
from pointsman.demo import Provider, behaviours
from pointsman.history.request_rows import RefusedRequest, refusal_row, request_row
from pointsman.history.rows import attempt_rows
from support.audit_records import attempt_record, exchange_record
from support.http_requests import ask
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import API, Dashboard, opened
from web.dashboard.test_pages import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERED = 100
IDS = "[...document.querySelectorAll('.exchange')].map(each => each.dataset.id).join(' ')"
ROWS = "document.querySelectorAll('.exchange').length"


def prepare(path: Path) -> None:
    """A hundred answers of an hour ago, and a refusal for each of two clients."""
    began = time.time() - 3600
    with writing(path) as recorder:
        for number in range(ANSWERED):
            attempt = attempt_record(provider="good", model="m", started=began + number, cost=1000)
            record = exchange_record(
                f"old-{number}", client="ci", session=f"s{number % 3}", started=began + number, attempts=(attempt,)
            )
            recorder.enqueue((request_row(record, "/v1/chat/completions"), *attempt_rows(record, 10)))
        for client, status, reason in (("ci", 404, "model_not_found"), ("laptop", 401, "invalid_api_key")):
            at = began + ANSWERED
            message = f"Refused as {reason}."
            refused = RefusedRequest(f"refused-{client}", client, None, "gpt-9", "/v1", status, reason, message, at, at)
            recorder.enqueue((refusal_row(refused),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Router, Dashboard]]:
    folder = tmp_path_factory.mktemp("yard")
    prepare(folder / "history.db")
    async with Provider(behaviours.answer("The left track."), name="good") as good:
        providers = {"good": provider(good.base_url)}
        async with opened(folder, providers, history={"path": str(folder / "history.db")}) as opened_yard:
            yield opened_yard


async def enter(dashboard: Dashboard, address: str) -> None:
    await dashboard.page.run(f"location.hash = '#now'; location.hash = {address!r}")


async def test_a_full_disk_is_a_banner_and_hides_nothing(
    yard: tuple[Router, Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    router, dashboard = yard
    await enter(dashboard, "#/requests?client=laptop")
    await dashboard.page.until(f"{ROWS} === 1")
    with monkeypatch.context() as patch:
        fill_disk(patch)
        answer = await ask(router.base_url, headers={"x-request-id": "while-full"})
        assert answer.status == 200
        await dashboard.page.sees("The history cannot be written: database or disk is full.")
        await enter(dashboard, "#/requests")
        await dashboard.page.until(f"{IDS}.startsWith('while-full ') && {IDS}.includes(' refused-laptop ')")
        await dashboard.page.sees("refused requests are missing until it can")
        await enter(dashboard, "#/analytics")
        await dashboard.page.sees("The newest requests are missing")
    await dashboard.page.until("!document.querySelector('#banner-history').checkVisibility()")
    await enter(dashboard, "#/requests?q=while-full")
    await dashboard.page.until(f"{ROWS} === 1 && !document.body.innerText.includes('refused requests are missing')")


async def test_filters_of_the_address_and_of_the_fields_find_the_same(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/requests?status=4xx&client=ci")
    await dashboard.until(f"{IDS} === 'refused-ci'")
    await dashboard.type(".filter-client input", "laptop")
    await dashboard.until(f"{IDS} === 'refused-laptop'")
    assert await dashboard.page.run("location.hash") == "#/requests?status=4xx&client=laptop"
    await dashboard.type(".filter-status input", "teapot")
    await dashboard.sees("status must be such as 404")
    await dashboard.type(".filter-status input", "5xx")
    await dashboard.sees("No request matches these filters.")
    await dashboard.act(".blank button")
    await dashboard.until(f"{ROWS} === 60")
    assert await dashboard.page.run("location.hash") == "#/requests"


async def test_what_the_fields_do_not_offer_is_kept_or_refused_and_never_left_out(
    yard: tuple[Router, Dashboard],
) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/requests?since=90m&status=404")
    await dashboard.until(f"{IDS} === 'refused-ci'")
    chosen = "document.querySelector('.filter-last select').selectedOptions[0].text"
    assert await dashboard.page.run(chosen) == "the last 90m"
    await enter(dashboard, "#/requests?since=30s&status=404")
    await dashboard.sees("No request matches these filters.")
    for filters, words in (
        ("since=yesterday", "since must be"),
        ("until=soon", "until must be"),
        ("outcome=fine", "outcome must be one of"),
        ("status=teapot", "status must be such as"),
    ):
        await enter(dashboard, f"#/requests?{filters}")
        await dashboard.sees(words)
        assert await dashboard.texts(".blank") == [], "nothing is said of what was not found"
        assert await dashboard.page.run(ROWS) == 0
    await dashboard.type(".filter-status input", "404")
    await dashboard.until(f"{IDS}.includes('refused-ci')")
    await dashboard.type(".filter-status input", "teapot")
    await dashboard.until(f"{ROWS} === 0")
    await dashboard.type(".filter-status input", "404")
    await dashboard.until(f"{IDS}.includes('refused-ci')")


async def test_what_the_router_says_is_in_words_and_in_the_time_of_the_reader(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/requests")
    await dashboard.page.tell("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    await dashboard.page.tell("Page.reload")
    await dashboard.until("document.querySelector('.exchange')")
    words = f"{API.replace('api.js', 'words.js')}.then(words => words.readable('%s'))"
    said = await dashboard.page.run(words % "last_resort: cooling until 2026-01-02T21:12:04+00:00 (connect_refused)")
    assert said == "last resort: cooling until 3 Jan, 06:12 (connect refused)"
    assert await dashboard.page.run(words % "pinned to a/my_model") == "pinned to a/my_model"
    await dashboard.page.tell("Emulation.setTimezoneOverride", timezoneId="")
    await dashboard.page.tell("Page.reload")
    await dashboard.until("document.querySelector('.exchange')")


async def test_pages_hold_sixty_requests_sorted_by_the_time_that_is_shown(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/requests?q=old-")
    await dashboard.until(f"{ROWS} === 60")
    newest = (await dashboard.page.run(IDS)).split()
    assert newest == [f"old-{number}" for number in reversed(range(ANSWERED - 60, ANSWERED))]
    times = await dashboard.texts(".exchange .x-when")
    assert times == sorted(times, reverse=True)
    await dashboard.page.click(".pages button", "Older")
    await dashboard.until(f"{ROWS} === {ANSWERED - 60}")
    assert (await dashboard.page.run(IDS)).split()[-1] == "old-0"
    await dashboard.page.click(".pages button", "Newer")
    await dashboard.until(f"{IDS} === {' '.join(newest)!r}")


async def test_the_id_of_an_error_finds_its_reason_and_has_a_page(yard: tuple[Router, Dashboard]) -> None:
    router, dashboard = yard
    refused = await ask(router.base_url, model="no-such-model")
    told = refused.json["error"]["request_id"]
    await enter(dashboard, "#/requests")
    await dashboard.type(".filter-q input", f'"{told}"')
    await dashboard.sees("404: unknown model.")
    await dashboard.sees("add the model on the page Providers.")
    assert await dashboard.page.run(IDS) == told
    await dashboard.page.click("a", "Link to this request")
    await dashboard.until(f"location.hash === '#/requests/{told}'")
    await dashboard.page.tell("Page.reload")
    await dashboard.until("document.querySelector('.request-result')")
    await dashboard.sees("No configured provider has a model named 'no-such-model'")


async def test_attempts_of_an_earlier_run_are_shown(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/requests/old-7")
    await dashboard.until("document.querySelector('.lane')")
    [lane] = await dashboard.texts(".lane")
    assert "good/m" in lane
    await enter(dashboard, "#/requests/never-seen")
    await dashboard.sees("No request with this id is on record.")


async def test_new_requests_come_while_the_list_is_live(yard: tuple[Router, Dashboard]) -> None:
    router, dashboard = yard
    await enter(dashboard, "#/requests?session=live")
    await dashboard.sees("No request matches these filters.")
    await enter(dashboard, "#/requests?q=live-")
    await ask(router.base_url, headers={"X-Request-ID": "live-1"})
    await dashboard.until(f"{IDS} === 'live-1'")
    await dashboard.page.click(".room-head button", "Live")
    await dashboard.sees("Paused")
    await ask(router.base_url, headers={"X-Request-ID": "live-2"})
    polls = "performance.getEntriesByType('resource').filter(each => each.name.includes('until=')).length"
    await dashboard.until(f"{polls} >= 2")
    assert await dashboard.page.run(IDS) == "live-1"
    await dashboard.page.click(".room-head button", "Paused")
    await dashboard.until(f"{IDS} === 'live-2 live-1'")


async def test_analytics_say_who_spends_and_what_another_model_had_cost(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/analytics?window=7d&by=client")
    await dashboard.until("document.querySelectorAll('.usage-table tbody tr').length >= 2")
    assert (await dashboard.texts(".usage-table tbody .lead"))[0] == "ci"
    await dashboard.type(".reference input", "openai/no-such-model")
    await dashboard.sees("The price of 'openai/no-such-model' is not known")
    await dashboard.type(".reference input", "openai/gpt-4o")
    await dashboard.sees("with openai/gpt-4o")
    await dashboard.until("document.querySelectorAll('td.compared')[0]?.checkVisibility()")
    link = "document.querySelector('a[download^=usage]').href"
    csv = await dashboard.page.run(f"fetch({link}).then(told => told.text())")
    assert csv.startswith("client,requests,")
    assert "\r\nci," in csv
    await dashboard.act("[data-value='24h']")
    await dashboard.until("location.hash.includes('window=24h')")
    await dashboard.until("document.querySelector('.usage-table a').href.endsWith('since=24h')")
    await dashboard.page.click(".usage-table a", "ci")
    await dashboard.until(f"location.hash === '#/requests?client=ci&since=24h' && {ROWS} === 60")


async def test_analytics_of_one_client_by_day(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await enter(dashboard, "#/analytics?window=7d&by=day&client=laptop")
    requests = "document.querySelector('.usage-table tbody td.num')?.textContent"
    await dashboard.until(f"{requests} === '1'")
    assert not await dashboard.page.run("document.body.innerText.includes('over time')"), "that is of all clients"
    await dashboard.page.click(".room-head button", "Only laptop ×")
    await dashboard.until(f"location.hash === '#/analytics?window=7d&by=day' && {requests} !== '1'")


@pytest.mark.parametrize(
    "address", ["#/requests/refused-ci", "#/requests?since=7d", "#/analytics?window=7d&reference=openai/gpt-4o"]
)
async def test_at_any_width_nothing_sticks_out_and_nothing_is_faulty(
    yard: tuple[Router, Dashboard], address: str
) -> None:
    _, dashboard = yard
    for width in (390, 725, 830, 1000, 1440):
        await dashboard.looks(width, "dark")
        await enter(dashboard, address)
        await dashboard.until("document.querySelector('.x-head, .usage-table tbody tr, .request-result')")
        assert await dashboard.page.run("document.documentElement.scrollWidth") <= width, width
    assert await faults(dashboard) == []

"""`GET /metrics` of a running router: who may read it, and what requests of all kinds add to it."""

from contextlib import AsyncExitStack
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from pointsman.demo import behaviours
from support.http_requests import ask, get, http_client, started
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider

ADMIN = "an-admin-key-0123456789"
FOREIGN = "evil.test:8080"
type Series = dict[tuple[str, frozenset[str]], float]
"""Values by the name of a sample and the values of its labels."""


async def scrape(router: Router) -> Series:
    answer = await get(f"{router.url}/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    return {(each.name, frozenset(each.labels.values())): each.value for family in families for each in family.samples}


def of(series: Series, name: str, *labels: str) -> float | None:
    return series.get((f"pointsman_{name}", frozenset(labels)))


async def test_answers_and_refusals_count(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bad, good = await started(stack, behaviours.status(503), behaviours.answer("hello"))
        entries = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
        server = {"client_key": "the-client-key"}
        sections = {"server": server, "cooldowns": {"transient": "10m"}}
        router = await stack.enter_async_context(running(tmp_path, entries, **sections))
        key = {"authorization": "Bearer the-client-key"}
        assert (await ask(router.base_url, headers=key)).status == 200
        assert (await ask(router.base_url)).status == 401
        assert (await ask(router.base_url, headers=key, model="gone")).status == 404
        assert (await ask(router.base_url, headers=key, messages=7)).status == 400
        assert (await get(f"{router.url}/api/keys")).status == 401
        assert (await get(f"{router.url}/internal/health")).status == 200
        await no_leaks(router)
        seen = await scrape(router)
    assert sum(value for (name, _), value in seen.items() if name == "pointsman_requests_total") == 5
    refused = {("none", "401"), ("default", "404"), ("default", "400")}
    assert [of(seen, "requests_total", client, "openai-chat", "none", status) for client, status in refused] == [
        1,
        1,
        1,
    ]
    assert of(seen, "requests_total", "none", "401") == 1  # of an own page
    assert of(seen, "attempts_total", "bad", "m", "retry_failed") == 1
    assert of(seen, "attempts_total", "good", "m", "retry_success") == 1
    assert of(seen, "first_content_seconds_count", "good", "m") == 1
    assert of(seen, "tokens_total", "good", "m", "output")
    assert of(seen, "cooldowns", "bad") == 1
    assert of(seen, "cooldowns", "good") == 0
    assert of(seen, "sessions") == 1
    assert of(seen, "router_overhead_seconds_count") == 1


async def test_it_is_for_this_machine_or_the_admin_key(tmp_path: Path) -> None:
    async with running(tmp_path, {"one": provider()}, server={"admin_key": ADMIN}) as router:
        async with http_client() as client:
            for path in ("/metrics", "/internal/metrics"):
                url = f"{router.url}{path}"
                assert (await client.get(url)).status_code == 200
                assert (await client.get(url, headers={"host": FOREIGN})).status_code == 401
                with_key = {"host": FOREIGN, "authorization": f"Bearer {ADMIN}"}
                assert (await client.get(url, headers=with_key)).status_code == 200
            assert (await client.post(f"{router.url}/metrics")).status_code == 405
        assert router.watcher.flows == []

"""The history over real sockets: questions are answered while other requests run, and a restart loses nothing."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from pointsman.history import history as history_module
from support.h1client import h1_to
from support.http_requests import ask, get
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider

ADMIN = "an-admin-key-0123456789"
SERVER = {"admin_key": ADMIN}


async def analytics(router: Router, query: str = "", key: str = ADMIN) -> Any:
    return await get(f"{router.url}/api/analytics{query}", authorization=f"Bearer {key}")


async def test_it_shows_what_happened_and_survives_a_restart(tmp_path: Path) -> None:
    history = {"path": str(tmp_path / "history.db")}
    async with Provider(behaviours.answer("hello")) as bad, Provider(behaviours.answer("hello")) as good:
        bad.script = [behaviours.status(503), behaviours.answer("hello")]
        providers = {"bad": provider(bad.base_url, keys=["sk-a-very-secret-key"]), "good": provider(good.base_url)}
        sections = {"server": SERVER, "history": history, "cooldowns": {"transient": "off"}}
        async with running(tmp_path, providers, **sections) as router:
            for n in range(4):
                assert (await ask(router.base_url, messages=[{"role": "user", "content": str(n)}])).status == 200
            rows = {row["target"]: row for row in (await analytics(router)).json["rows"]}
            assert rows["bad/m"]["raw"] == {"attempts": 4, "successes": 3, "failures": 1}
            assert rows["bad/m"]["failures_by_kind"] == {"server_error": 1}
            assert rows["good/m"]["raw"] == {"attempts": 1, "successes": 1, "failures": 0}
            assert rows["good/m"]["first_content_ms"]["p50"] > 0
            [by_key] = [row for row in (await analytics(router, "?by=key")).json["rows"] if row["provider"] == "bad"]
            assert by_key["key"] == "key-1"
            before = router.gateway.router.statistics.stats_for("bad/m", time.time())
        assert (before.successes, before.failures) == (3, 1)
        async with running(tmp_path, providers, **sections) as router:
            after = router.gateway.router.statistics.stats_for("bad/m", time.time())
            assert (after.successes, after.failures, after.attempts) == pytest.approx((3, 1, 4), rel=0.01)
            assert after.first_content == pytest.approx(before.first_content)
    assert b"secret" not in (tmp_path / "history.db").read_bytes()


@pytest.mark.parametrize(
    ("query", "key", "status"), [("", "wrong", 401), ("?window=1y", ADMIN, 400), ("?by=models", ADMIN, 400)]
)
async def test_unauthorized_and_malformed_questions_are_refused(
    tmp_path: Path, query: str, key: str, status: int
) -> None:
    async with running(tmp_path, {"one": provider()}, server=SERVER) as router:
        assert (await analytics(router, query, key)).status == status
        assert router.watcher.flows == []


async def test_a_count_of_tokens_says_nothing_of_answering(tmp_path: Path) -> None:
    async with Provider(behaviours.answer("hello")) as one:
        providers = {"one": provider(one.base_url, dialect="anthropic")}
        async with running(tmp_path, providers, server=SERVER, history={"path": str(tmp_path / "h.db")}) as router:
            request = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            async with h1_to(router.host, router.port) as client:
                await client.ask(json.dumps(request).encode(), "/v1/messages/count_tokens")
                assert (await client.head())[0] == 200
            assert len(one.seen) == 1
            assert (await analytics(router)).json["rows"] == []
            assert router.gateway.router.statistics.stats_for("one/m", time.time()).attempts == 0


class Held:
    """A question to the file that is answered when it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self._free = asyncio.Event(), asyncio.Event()

        async def analytics(*_: object) -> dict[str, Any]:
            self.asked.set()
            await self._free.wait()
            return {"said": "at last"}

        monkeypatch.setattr(history_module.History, "analytics", analytics)

    def let_go(self) -> None:
        self._free.set()


async def test_a_slow_page_delays_no_other_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    async with (
        Provider(behaviours.answer("hello")) as one,
        running(tmp_path, {"one": provider(one.base_url)}, server=SERVER) as router,
    ):
        slow = asyncio.create_task(analytics(router))
        await held.asked.wait()
        assert (await ask(router.base_url)).status == 200
        held.let_go()
        assert (await slow).json == {"said": "at last"}
        await no_leaks(router)


async def test_a_client_that_leaves_before_its_page_is_ready_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(monkeypatch)
    async with running(tmp_path, {"one": provider()}, server=SERVER) as router:
        async with h1_to(router.host, router.port) as client:
            client.send(
                f"GET /api/analytics HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode()
            )
            await held.asked.wait()
        held.let_go()
        await no_leaks(router)
        assert (await get(f"{router.url}/healthz")).status == 200
    assert "Traceback" not in caplog.text
    assert "crashed" not in caplog.text

"""What outlives the process, and what never leaves it: routers in processes of their own."""

import os
import signal
from pathlib import Path
from typing import Any

from pointsman.demo import Provider, behaviours
from support.admin import ADMIN, CLIENT, SERVER, bearer, call
from support.http_requests import ask, http_client
from support.process import mitmdump
from support.settings import provider, write

SECRETS = {"file": "sk-in-the-file-aaaa1111", "added": "sk-by-the-api-bbbb2222", "wrong": "sk-mistyped-key-cccc3333"}


async def test_a_write_survives_being_killed_right_after_its_answer(tmp_path: Path) -> None:
    async with Provider(behaviours.answer("a")) as a, Provider(behaviours.answer("b")) as b:
        entries = {"a": provider(a.base_url), "b": provider(b.base_url)}
        write(tmp_path, entries, server=SERVER)
        changes: list[tuple[str, str, dict[str, Any]]] = [
            ("PUT", "fallback", {"targets": [{"provider": "a", "model": "m", "enabled": False}]}),
            ("POST", "keys", {"provider": "b", "value": SECRETS["added"], "label": "mine"}),
            ("PATCH", "settings", {"routing": {"default_mode": "smart"}}),
        ]
        for method, path, sent in changes:
            async with mitmdump("-p", "0", folder=tmp_path) as router:
                url = (await router.base_url()).removesuffix("/v1")
                assert (await call(url, method, path, json=sent)).status_code in (200, 201)
                os.kill(router.pid, signal.SIGKILL)
                await router.ends()
        async with mitmdump("-p", "0", folder=tmp_path) as router:
            url = (await router.base_url()).removesuffix("/v1")
            answer = await ask(f"{url}/v1", headers=bearer(CLIENT))
            assert answer.headers["x-routed-via"] == "b/m"
            (exchange,) = (await call(url, "GET", "exchanges")).json()["exchanges"]
            assert (exchange["mode"], exchange["attempts"][0]["key"]) == ("smart", "mine")
            router.tell(signal.SIGTERM)
            await router.ends_cleanly()
    kept = sorted(path.name for path in (tmp_path / ".pointsman").iterdir())
    assert kept == ["ledger.db", "overrides.json", "overrides.key"]


async def test_a_damaged_file_of_changes_is_a_warning_and_the_router_starts(tmp_path: Path) -> None:
    async with Provider(behaviours.answer("a")) as a:
        write(tmp_path, {"a": provider(a.base_url)}, server=SERVER)
        (tmp_path / ".pointsman").mkdir()
        (tmp_path / ".pointsman" / "overrides.json").write_text("{")
        async with mitmdump("-p", "0", folder=tmp_path) as router:
            assert (await ask(await router.base_url(), headers=bearer(CLIENT))).status == 200
            assert "saved changes are not applied" in router.text
            router.tell(signal.SIGTERM)
            assert await router.ends() == 0


async def test_changes_that_no_longer_fit_the_file_are_moved_aside(tmp_path: Path) -> None:
    async with Provider(behaviours.answer("a")) as a:
        write(tmp_path, {"a": provider(a.base_url)}, server=SERVER)
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "overrides.json").write_text('{"version": 1, "settings": {"hedge": {"after": "soon"}}}')
        async with mitmdump("-p", "0", "--set", "pointsman_data=data", folder=tmp_path) as router:
            assert (await ask(await router.base_url(), headers=bearer(CLIENT))).status == 200
            assert "hedge.after: must be a duration" in router.text
        assert [path.name for path in (tmp_path / "data").glob("overrides*")] == ["overrides.json.damaged-1"]


async def test_the_demo_keeps_changes_too(tmp_path: Path) -> None:
    sent = {"routing": {"default_mode": "smart"}}
    for options, folder in (((), ".pointsman"), (("--set", "pointsman_data=data"), "data")):
        async with mitmdump("-p", "0", *options, folder=tmp_path, POINTSMAN_SERVER__ADMIN_KEY=ADMIN) as router:
            url = (await router.base_url()).removesuffix("/v1")
            file = tmp_path / folder / "overrides.json"
            assert not file.exists()
            assert (await call(url, "PATCH", "settings", json=sent)).json()["kept"] == str(file)
            assert file.exists()


async def test_no_key_is_left_in_clear_anywhere(tmp_path: Path) -> None:
    """A scripted session; then every file it left, every line it printed and every answer it gave is searched."""
    answers: list[str] = []
    async with Provider(behaviours.answer("a")) as a, Provider(behaviours.status(401)) as b:
        entries = {"a": provider(a.base_url, keys=["${FILE_KEY}"]), "b": provider(b.base_url)}
        write(tmp_path, entries, server=SERVER, history={"path": str(tmp_path / "data" / "history.db")})
        options = ("-p", "0", "-w", str(tmp_path / "data" / "flows"), "--set", f"confdir={tmp_path / 'ca'}")
        async with mitmdump(*options, "-v", folder=tmp_path, FILE_KEY=SECRETS["file"]) as router:
            url = (await router.base_url()).removesuffix("/v1")
            for method, path, sent in _session():
                answers.append((await call(url, method, path, json=sent)).text)
            for key in (CLIENT, SECRETS["wrong"]):
                for model in ("a/m", "b/m"):
                    answer = await ask(f"{url}/v1", model=model, headers=bearer(key))
                    answers.append(answer.body.decode() + str(answer.headers))
            for key_id in [key["id"] for key in (await call(url, "GET", "keys")).json()["keys"]]:
                answers.append((await call(url, "POST", f"keys/{key_id}/test")).text)
            for page in _pages():
                answers.append((await call(url, "GET", page)).text)
            router.tell(signal.SIGTERM)
            assert await router.ends() == 0
        shown = {dict(request.headers).get("Authorization", "")[7:] for each in (a, b) for request in each.seen}
        assert {SECRETS["file"], SECRETS["added"]} <= shown
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert {"history.db", "flows", "overrides.json"} <= {path.name for path in files}
    for secret in (*SECRETS.values(), ADMIN, CLIENT):
        for path in files:
            assert secret.encode() not in path.read_bytes(), path
        assert secret not in router.text
        assert not [answer for answer in answers if secret in answer]


def _session() -> list[tuple[str, str, Any]]:
    return [
        ("POST", "login", {"admin_key": SECRETS["wrong"]}),
        ("POST", "login", {"admin_key": ADMIN}),
        ("POST", "keys", {"provider": "b", "value": SECRETS["added"], "label": "mine"}),
        ("POST", "keys", {"provider": "b", "value": SECRETS["added"], "label": "again"}),
        ("POST", "keys", {"provider": "b", "value": f"{SECRETS['wrong']} \n", "label": SECRETS["wrong"] * 20}),
        ("POST", "keys", {"provider": "b", "valve": SECRETS["wrong"]}),
        ("PATCH", "settings", {"server": {"admin_key": SECRETS["wrong"]}}),
    ]


def _pages() -> list[str]:
    names = ("overview", "exchanges", "fallback", "keys", "settings", "cooldowns", "sessions", "health", "analytics")
    return [*names, "analytics?by=key", "analytics/traffic", "openapi.json", "../", "../internal/exchanges"]


async def test_the_dashboard_is_reached_through_the_proxy_by_its_name(tmp_path: Path) -> None:
    async with mitmdump("-p", "0", folder=tmp_path, POINTSMAN_SERVER__ADMIN_KEY=ADMIN) as router:
        url = (await router.base_url()).removesuffix("/v1")
        async with http_client(proxy=url) as client:
            for path in ("/", "/static/index.html", "/api/openapi.json"):
                headers = {"accept": "text/html"} | bearer(ADMIN)
                assert (await client.get(f"http://pointsman.local{path}", headers=headers)).status_code == 200
            entered = await client.post("http://pointsman.local/api/login", json={"admin_key": ADMIN})
            token = {"X-CSRF-Token": entered.json()["csrf"], "Origin": "http://pointsman.local"}
            change = {"routing": {"default_mode": "fast"}}
            done = await client.patch("http://pointsman.local/api/settings", json=change, headers=token)
            assert done.status_code == 200

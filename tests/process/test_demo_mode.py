"""The built-in demo providers: what is added beside them stays, and they leave when a real provider answers."""

import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from pointsman import catalog
from pointsman.demo import Provider, behaviours
from support.admin import ADMIN, call
from support.http_requests import ask
from support.process import Process, mitmdump

KEY = "sk-own-key-0123456789"
DEMO = ["demo-flaky", "demo-slow", "demo-steady"]


def groq(**more: Any) -> Provider:
    """A provider of the user's own, in the place of a known one."""
    return Provider(behaviours.answer("a real answer"), **{"models": ("llama",), "keys": (KEY,), **more})


CATALOG = """
from pointsman import catalog

known = catalog.known
catalog.known = lambda: {{**known(), "groq": {{**known()["groq"], "base_url": {base_url!r}}}}}
"""


def start(folder: Path, own: Provider) -> AbstractAsyncContextManager[Process]:
    """Without configuration; the catalog has the address of `own` for one of its providers."""
    (folder / "sitecustomize.py").write_text(CATALOG.format(base_url=own.base_url))
    return mitmdump("-p", "0", folder=folder, POINTSMAN_SERVER__ADMIN_KEY=ADMIN)


async def url_of(router: Process) -> str:
    return (await router.base_url()).removesuffix("/v1")


async def end(router: Process) -> None:
    router.tell(signal.SIGTERM)
    await router.ends_cleanly()


async def overview(url: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await call(url, "GET", "overview")).json()
    return answer


async def add_key(url: str, value: str = KEY) -> str:
    answer = await call(url, "POST", "keys", json={"provider": "groq", "value": value, "label": "mine"})
    assert answer.status_code == 201, answer.text
    key_id: str = answer.json()["id"]
    return key_id


async def keys(url: str) -> list[tuple[str, str]]:
    return [(key["provider"], key["label"]) for key in (await call(url, "GET", "keys")).json()["keys"]]


async def test_an_added_key_stays_and_the_demo_leaves_when_its_provider_answers(tmp_path: Path) -> None:
    async with groq() as own:
        async with start(tmp_path, own) as router:
            url = await url_of(router)
            await router.prints("keys that are added on the dashboard are kept in .*/.pointsman")
            assert not (tmp_path / ".pointsman" / "overrides.json").exists(), "nothing was added yet"
            told = await overview(url)
            assert (told["demo"], told["kept"]) == (True, str(tmp_path / ".pointsman" / "overrides.json"))
            assert (await ask(f"{url}/v1", model="demo")).status == 200

            await add_key(url)
            await router.prints(r"changes are kept in .*/.pointsman/overrides.json and are there after a restart")
            await router.prints("groq answers, so the demo providers")
            told = await overview(url)
            assert (told["demo"], [each["name"] for each in told["providers"]]) == (False, ["groq"])
            assert (await ask(f"{url}/v1", model="demo")).status == 404
            assert b"a real answer" in (await ask(f"{url}/v1", model="auto", stream=False)).body
            await end(router)
        assert KEY not in router.text
        async with start(tmp_path, own) as again:
            url = await url_of(again)
            assert await keys(url) == [("groq", "mine")]
            await again.prints("groq answers, so the demo providers")
            assert b"a real answer" in (await ask(f"{url}/v1", model="auto", stream=False)).body
            await end(again)


async def test_the_demo_stays_while_the_key_is_rejected_and_leaves_with_the_first_answer(tmp_path: Path) -> None:
    """The own provider lists no models to this key, and answers nevertheless."""
    async with groq(keys=()) as own, start(tmp_path, own) as router:
        url = await url_of(router)
        await add_key(url)
        await router.prints(r"groq, key mine: the provider rejects this key\. The demo providers stay")
        assert (await overview(url))["demo"]
        model = catalog.known()["groq"]["models"][0]["id"]
        assert b"a real answer" in (await ask(f"{url}/v1", model=f"groq/{model}", stream=False)).body
        await router.prints("groq answers, so the demo providers")
        assert not (await overview(url))["demo"]
        await end(router)


async def test_the_demo_returns_when_the_last_own_provider_is_removed(tmp_path: Path) -> None:
    async with groq() as own, start(tmp_path, own) as router:
        url = await url_of(router)
        key_id = await add_key(url)
        await router.prints("groq answers")
        assert (await call(url, "DELETE", f"keys/{key_id}")).status_code == 204
        await router.prints("the demo providers answer again")
        assert [each["name"] for each in (await overview(url))["providers"]] == DEMO
        assert (await ask(f"{url}/v1", model="demo")).status == 200
        await end(router)


async def test_the_demo_leaves_for_a_provider_that_needs_no_key(tmp_path: Path) -> None:
    async with groq(keys=None, name="local") as own, start(tmp_path, own) as router:
        url = await url_of(router)
        new = {"name": "local", "base_url": own.base_url, "models": [{"id": "llama"}]}
        assert (await call(url, "POST", "providers", json=new)).status_code == 201
        await router.prints("local answers, so the demo providers")
        assert b"a real answer" in (await ask(f"{url}/v1", model="auto", stream=False)).body
        await end(router)


@pytest.mark.parametrize("folder", ["open", "in the way"])
async def test_a_folder_that_may_not_be_used_is_a_warning_and_the_demo_starts(tmp_path: Path, folder: str) -> None:
    (data := tmp_path / ".pointsman").mkdir()
    if folder == "open":
        data.chmod(0o777)
    else:
        data.rmdir()
        data.write_text("in the way")
    async with mitmdump("-p", "0", folder=tmp_path, POINTSMAN_SERVER__ADMIN_KEY=ADMIN) as router:
        url = await url_of(router)
        assert "changes are kept until this process ends" in router.text
        assert (await overview(url))["kept"] is None
        assert (await ask(f"{url}/v1", model="demo")).status == 200

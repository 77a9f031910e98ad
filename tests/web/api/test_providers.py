"""Providers and models that are added by the admin API: tested first, used at once, kept, and never at the price of a
key.
"""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from pointsman import catalog
from pointsman.demo import Provider, behaviours, closed_port
from pointsman.domain.failures import Scope
from routing.routing_builders import cool
from support import router
from support.admin import CLIENT, SERVER, bearer, call
from support.http_requests import ask
from support.model_servers import listed, model_server
from support.settings import provider, write

KEY = "sk-typed-by-hand-9876"


@pytest.fixture
async def mine() -> AsyncIterator[Provider]:
    """A provider of the user's own, which wants KEY."""
    async with Provider(behaviours.answer("from mine"), name="mine", keys=(KEY,), models=("m1", "m2")) as started:
        yield started


async def add(one: router.Router, **members: Any) -> httpx.Response:
    return await call(one.url, "POST", "providers", json=members)


async def tried(one: router.Router, **members: Any) -> Any:
    answer = await call(one.url, "POST", "provider-tests", json=members)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {each["path"]: each["problem"] for each in answer.json()["error"]["faults"]}


async def names(one: router.Router) -> list[str]:
    return [each["name"] for each in (await call(one.url, "GET", "providers")).json()["providers"]]


def of(mine: Provider, **more: Any) -> dict[str, Any]:
    return {"name": "mine", "base_url": mine.base_url, "key": KEY, **more}


async def via(one: router.Router, model: str) -> bytes:
    return (await ask(one.base_url, model=model, headers=bearer(CLIENT), stream=False)).body


class TestLiveTest:
    async def test_it_names_the_models_and_saves_nothing(self, one: router.Router, mine: Provider) -> None:
        told = await tried(one, **of(mine))
        assert (told["ok"], told["listed"], told["asked"]) == (True, ["m1", "m2"], None)
        assert await names(one) == ["a", "b"]
        assert {each.method for each in mine.seen} == {"GET"}, "a list is all that is asked for"

    async def test_a_model_is_asked_for_one_token(self, one: router.Router, mine: Provider) -> None:
        told = await tried(one, **of(mine), ask="m2")
        assert (told["ok"], told["asked"]["ok"], told["asked"]["model"]) == (True, True, "m2")
        sent = json.loads(mine.seen[-1].body)
        assert (sent["model"], sent["max_tokens"]) == ("m2", 1)

    async def test_a_rejected_key_is_said_and_not_repeated(self, one: router.Router, mine: Provider) -> None:
        answer = await call(one.url, "POST", "provider-tests", json={**of(mine), "key": "sk-wrong-5555"})
        told = answer.json()
        assert (told["ok"], told["message"]) == (False, "the provider rejects this key")
        assert "sk-wrong-5555" not in answer.text

    async def test_a_provider_that_repeats_the_key_does_not_give_it_away(self, one: router.Router) -> None:
        body = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
        async with model_server(body, status=401) as port:
            new = {"name": "mine", "base_url": f"http://127.0.0.1:{port}/v1", "key": KEY, "ask": "m1"}
            answer = await call(one.url, "POST", "provider-tests", json=new)
        assert "Incorrect API key" in answer.json()["asked"]["message"]
        assert KEY not in answer.text

    async def test_an_address_where_nothing_answers_is_said(self, one: router.Router) -> None:
        told = await tried(one, name="mine", base_url=closed_port())
        assert not told["ok"]
        assert "cannot be reached" in told["message"]

    async def test_a_saved_provider_is_tested_with_its_own_key(self, one: router.Router, mine: Provider) -> None:
        await add(one, **of(mine, models=[{"id": "m1"}]))
        answer = await call(one.url, "POST", "providers/mine/test", json={"ask": "m2"})
        assert (answer.json()["ok"], answer.json()["listed"]) == (True, ["m1", "m2"])
        assert (await call(one.url, "POST", "providers/none/test", json={})).status_code == 404


class TestAdding:
    async def test_it_serves_the_next_request_and_after_a_restart(self, tmp_path: Path, mine: Provider) -> None:
        async with Provider(behaviours.answer("from a"), name="a") as a:
            entries: Mapping[str, Any] = {"a": provider(a.base_url)}
            async with router.running(tmp_path, entries, server=SERVER) as one:
                answer = await add(one, **of(mine, models=[{"id": "m1"}]))
                assert answer.status_code == 201
                assert KEY not in answer.text
                assert b"from mine" in await via(one, "mine/m1")
            for path in (tmp_path / "data").iterdir():
                assert KEY.encode() not in path.read_bytes()
            async with router.running(tmp_path, entries, server=SERVER) as again:
                assert b"from mine" in await via(again, "mine/m1")
                [row] = [
                    each
                    for each in (await call(again.url, "GET", "providers")).json()["providers"]
                    if each["name"] == "mine"
                ]
                assert (row["source"], row["keys"], [each["id"] for each in row["models"]]) == ("override", 1, ["m1"])

    async def test_a_server_without_a_key_may_speak_another_dialect(self, one: router.Router) -> None:
        async with Provider(behaviours.answer("hello"), name="local", models=("m",)) as local:
            new = {"name": "local", "base_url": local.base_url, "dialect": "anthropic", "models": [{"id": "m"}]}
            assert (await add(one, **new)).status_code == 201
            assert b"hello" in await via(one, "local/m")

    async def test_models_come_beside_those_of_the_catalog(self, one: router.Router) -> None:
        answer = await add(one, name="groq", key=KEY, models=[{"id": "new-model", "pool": "smart", "context": 9000}])
        ids = [each["id"] for each in answer.json()["models"]]
        assert ids == [*(each["id"] for each in catalog.known()["groq"]["models"]), "new-model"]
        rows = (await call(one.url, "GET", "fallback")).json()["targets"]
        [row] = [each for each in rows if each["target"] == "groq/new-model"]
        assert (row["pool"], row["context"]) == ("smart", 9000)

    @pytest.mark.parametrize(
        ("members", "path", "words"),
        [
            ({"name": "mine"}, "base_url", "is required for a provider that the catalog does not have"),
            ({"name": "groq"}, "key", "is required: groq answers only with a key"),
            ({"name": "mine", "base_url": "api.example.com"}, "base_url", "must be an absolute http or https URL"),
            ({"name": "mine", "base_url": "http://h/${HOME}"}, "base_url", "must be a plain address"),
            ({"name": "mine", "base_url": "http://h/v1"}, "models", "must name at least one"),
            ({"name": "a b", "base_url": "http://h/v1"}, "name", "must be 1 to 200 visible ASCII characters"),
            ({"name": "auto", "base_url": "http://h/v1", "models": [{"id": "m"}]}, "providers.auto", "rename it"),
            ({"name": "mine", "base_url": "http://h/v1", "models": [{"id": "m"}] * 2}, "models", "names m twice"),
            ({"name": "mine", "base_url": "http://h/v1", "dialect": "smoke"}, "dialect", "must be one of"),
        ],
    )
    async def test_what_is_wrong_is_said_with_its_place(
        self, one: router.Router, members: dict[str, Any], path: str, words: str
    ) -> None:
        told = await faults(await add(one, **members))
        assert words in told[path]
        assert await names(one) == ["a", "b"]

    async def test_one_that_is_configured_is_not_replaced(self, one: router.Router, mine: Provider) -> None:
        """Its keys would go to the new address."""
        for path in ("providers", "provider-tests"):
            for name in ("a", "A"):
                new = {"name": name, "base_url": mine.base_url, "models": [{"id": "m1"}]}
                answer = await call(one.url, "POST", path, json=new)
                assert answer.status_code == 409
                assert "is configured already" in answer.json()["error"]["message"]
        assert mine.seen == []

    async def test_a_key_is_text_and_no_reference(
        self, one: router.Router, mine: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise it would send any variable of the environment to any address."""
        monkeypatch.setenv("PRIVATE", KEY)
        told = await tried(one, **{**of(mine), "key": "${PRIVATE}"})
        assert (told["ok"], told["message"]) == (False, "the provider rejects this key")

    async def test_a_deleted_one_is_gone_with_its_key(self, one: router.Router, mine: Provider) -> None:
        await add(one, **of(mine, models=[{"id": "m1"}]))
        assert (await call(one.url, "DELETE", "providers/mine")).status_code == 204
        assert await names(one) == ["a", "b"]
        assert not one.addon.gateway.settings.providers.get("mine")
        await add(one, name="mine", base_url=mine.base_url, models=[{"id": "m1"}])
        assert {each["provider"] for each in (await call(one.url, "GET", "keys")).json()["keys"]} == {"a"}
        assert (await call(one.url, "DELETE", "providers/a")).status_code == 409
        assert (await call(one.url, "DELETE", "providers/none")).status_code == 404

    async def test_one_that_the_file_names_meanwhile_is_the_files(self, tmp_path: Path, mine: Provider) -> None:
        async with Provider(behaviours.answer("from the file")) as a:
            entry = provider(a.base_url, "m1")
            async with router.running(tmp_path, {"a": entry}, server=SERVER) as one:
                await add(one, **of(mine, models=[{"id": "m2"}]))
                write(tmp_path, {"a": entry, "Mine": entry}, server=SERVER)
                assert (await call(one.url, "POST", "reload")).status_code == 200
                assert await names(one) == ["a", "Mine"]


class TestModels:
    async def test_one_is_added_tested_used_and_removed(self, one: router.Router, mine: Provider) -> None:
        await add(one, **of(mine, models=[{"id": "m1"}]))
        answer = await call(one.url, "POST", "providers/mine/models", json={"id": "m2", "pool": "fast"})
        assert answer.status_code == 201
        assert [each["id"] for each in answer.json()["models"]] == ["m1", "m2"]
        assert b"from mine" in await via(one, "mine/m2")
        assert (await call(one.url, "DELETE", "providers/mine/models?model=m2")).status_code == 204
        assert (await ask(one.base_url, model="mine/m2", headers=bearer(CLIENT))).status == 404

    async def test_one_of_the_file_stays_and_the_file_wins(self, one: router.Router) -> None:
        assert (await call(one.url, "POST", "providers/a/models", json={"id": "other"})).status_code == 201
        assert (await call(one.url, "DELETE", "providers/a/models?model=m")).status_code == 409
        assert (await call(one.url, "DELETE", "providers/a/models?model=none")).status_code == 404
        assert "id" in await faults(await call(one.url, "POST", "providers/a/models", json={"id": "m"}))
        assert (await call(one.url, "POST", "providers/none/models", json={"id": "m"})).status_code == 404

    async def test_the_last_one_stays(self, one: router.Router, mine: Provider) -> None:
        await add(one, **of(mine, models=[{"id": "m1"}]))
        answer = await call(one.url, "DELETE", "providers/mine/models?model=m1")
        assert (answer.status_code, "only model" in answer.text) == (409, True)


class TestOnboarding:
    @pytest.fixture(autouse=True)
    def lonely(self, monkeypatch: pytest.MonkeyPatch, mine: Provider, tmp_path: Path) -> None:
        """No key in the environment but one of groq, whose address is that of `mine`, and no server but Ollama."""
        for name in catalog.known():
            for variable in catalog.key_variables(name):
                monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("GROQ_API_KEY", KEY)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        known = {**catalog.known(), "groq": {**catalog.known()["groq"], "base_url": mine.base_url}}
        servers = catalog.local_servers()
        monkeypatch.setattr(catalog, "known", lambda: known)
        monkeypatch.setattr(catalog, "local_servers", lambda: servers)

    async def found(self, one: router.Router) -> Any:
        answer = await call(one.url, "GET", "onboarding")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def test_keys_are_found_by_name_and_added_by_it(self, one: router.Router, mine: Provider) -> None:
        answer = await call(one.url, "GET", "onboarding")
        [key] = answer.json()["keys"]
        assert (key["provider"], key["variable"], key["configured"]) == ("groq", "GROQ_API_KEY", False)
        assert KEY not in answer.text
        named = {"name": "groq", "variable": "GROQ_API_KEY", "models": [{"id": "m1"}]}
        assert (await tried(one, **named))["ok"]
        assert (await add(one, **named)).status_code == 201
        assert (await self.found(one))["keys"][0]["configured"] is True
        assert b"from mine" in await via(one, "groq/m1")

    async def test_a_variable_goes_nowhere_but_to_its_provider(
        self, one: router.Router, mine: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PRIVATE", KEY)
        for members in (
            {"name": "groq", "variable": "GROQ_API_KEY", "base_url": "http://198.51.100.7/v1"},
            {"name": "groq", "variable": "GROQ_API_KEY", "base_url": "http://127.0.0.1:9/v1"},
            {"name": "groq", "variable": "PRIVATE"},
            {"name": "mine", "variable": "GROQ_API_KEY", "base_url": mine.base_url},
        ):
            assert "variable" in await faults(await add(one, **members))
        assert mine.seen == []

    async def test_servers_and_clients_are_found(
        self, one: router.Router, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "claude").touch(0o755)
        async with model_server(listed("llama3:latest", "nomic-embed-text:latest")) as port:
            monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
            found = await self.found(one)
            [server] = [each for each in found["servers"] if each["name"] == "ollama"]
            assert (server["title"], server["configured"]) == ("Ollama", False)
            assert server["models"] == [{"id": "llama3:latest"}, {"id": "nomic-embed-text:latest", "kind": "embedding"}]
            new = {"name": "ollama", "base_url": server["base_url"], "models": server["models"]}
            assert (await tried(one, **new))["ok"]
            assert (await add(one, **new)).status_code == 201
            assert next(each for each in (await self.found(one))["servers"] if each["name"] == "ollama")["configured"]
        assert ("Claude Code", "pointsman run claude-code") in [
            (each["title"], each["command"]) for each in found["clients"]
        ]


class TestModelTest:
    async def test_a_good_answer_shows_its_first_content_and_ends_the_cooldown(self, one: router.Router) -> None:
        for scope in (Scope.TARGET, Scope.KEY, Scope.MODEL_OF_KEY):
            cool(one.gateway.router, scope, "a/m", "503", 600.0, monotonic())
        told = (await call(one.url, "POST", "providers/a/model-tests", json={"model": "m"})).json()
        assert (told["ok"], told["message"], told["key"]) == (True, "answered", "key-1")
        assert 0 < told["first_content_ms"] <= told["ms"]
        assert one.gateway.router.cooldowns_to_dict(0.0, 0.0) == {"targets": [], "keys": []}

    async def test_a_bad_answer_leaves_the_cooldown(self, one: router.Router) -> None:
        async with Provider(behaviours.status(401), name="mine") as refusing:
            await add(one, **of(refusing, models=[{"id": "m1"}]))
            cool(one.gateway.router, Scope.TARGET, "mine/m1", "503", 600.0, monotonic())
            told = (await call(one.url, "POST", "providers/mine/model-tests", json={"model": "m1"})).json()
        assert (told["ok"], told["first_content_ms"]) == (False, None)
        assert "correct the key" in told["message"]
        assert KEY not in json.dumps(told)
        assert len(one.gateway.router.cooldowns_to_dict(0.0, 0.0)["targets"]) == 1

    @pytest.mark.parametrize("path", ["providers/nobody/model-tests", "providers/a/model-tests"])
    async def test_what_does_not_exist_is_not_asked(self, one: router.Router, path: str) -> None:
        assert (await call(one.url, "POST", path, json={"model": "none"})).status_code == 404

"""`/api/clients`: clients of the file and added ones, their keys, what they may do, and that all of it survives."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Provider, behaviours
from support import router
from support.admin import ADMIN, call
from support.http_requests import ask
from support.settings import provider

FILE_KEY = "key-of-ci-0123456789"


@pytest.fixture
async def upstream() -> AsyncIterator[Provider]:
    async with Provider(behaviours.answer("hello")) as one:
        yield one


def started(folder: Path, upstream: Provider, **clients: Any) -> Any:
    sections = {"server": {"admin_key": ADMIN}, "clients": clients}
    return router.running(folder, {"one": provider(upstream.base_url)}, **sections)


async def status(one: router.Router, key: str) -> int:
    return (await ask(one.base_url, headers={"x-api-key": key})).status


async def names(one: router.Router) -> list[str]:
    return [row["name"] for row in (await call(one.url, "GET", "clients")).json()["clients"]]


async def test_a_client_is_added_given_a_new_key_disabled_and_removed(tmp_path: Path, upstream: Provider) -> None:
    wanted = {"name": "anna", "models": ["one/*"], "limits": {"rpm": 30}, "budgets": [{"usd": 5, "per": "day"}]}
    async with started(tmp_path, upstream) as one:
        assert (await ask(one.base_url)).status == 200  # no client needs a key
        made = await call(one.url, "POST", "clients", json=wanted)
        first = made.json()["key"]
        assert (made.status_code, first[:3], len(first)) == (201, "pm-", 46)
        assert (await ask(one.base_url)).status == 401  # now every client needs a key
        assert await status(one, first) == 200
    written = (tmp_path / "data" / "overrides.json").read_text()
    assert first not in written
    async with started(tmp_path, upstream) as one:
        assert await status(one, first) == 200
        turned = await call(one.url, "POST", "clients/anna/rotate")
        second = turned.json()["key"]
        assert [await status(one, first), await status(one, second)] == [401, 200]
        [row] = (await call(one.url, "GET", "clients")).json()["clients"]
        assert "key" not in row
        assert (row["models"], row["limits"]["rpm"]) == (["one/*"], 30)
        assert (row["editable"], row["source"]) == (True, "override")
        assert (row["requests"], row["budgets"][0]["usd"], row["budgets"][0]["per"]) == (3, "5", "day")
        changed = await call(one.url, "PATCH", "clients/anna", json={"disabled": True, "limits": None})
        assert (changed.json()["disabled"], changed.json()["limits"]["rpm"]) == (True, None)
        assert await status(one, second) == 403
        assert (await call(one.url, "DELETE", "clients/anna")).status_code == 204
        assert (await ask(one.base_url)).status == 200


async def test_of_a_client_of_the_file_only_the_switch_can_be_changed(tmp_path: Path, upstream: Provider) -> None:
    async with started(tmp_path, upstream, ci={"key": FILE_KEY}) as one:
        assert (await call(one.url, "PATCH", "clients/ci", json={"disabled": True})).json()["disabled"]
        assert await status(one, FILE_KEY) == 403
        for method, path, body in [
            ("PATCH", "clients/ci", {"limits": {"rpm": 1}}),
            ("POST", "clients/ci/rotate", None),
            ("DELETE", "clients/ci", None),
            ("POST", "clients", {"name": "CI"}),
        ]:
            answer = await call(one.url, method, path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
        assert (await call(one.url, "PATCH", "clients/nobody", json={})).status_code == 404
        assert (await call(one.url, "GET", "clients/nobody")).status_code == 404
        [*_, row] = (await call(one.url, "GET", "clients")).json()["clients"]
        assert (await call(one.url, "GET", f"clients/{row['name']}")).json() == row
    async with started(tmp_path, upstream, ci={"key": FILE_KEY}) as one:
        assert await status(one, FILE_KEY) == 403
        await call(one.url, "PATCH", "clients/ci", json={"disabled": None})
        assert await status(one, FILE_KEY) == 200


async def test_what_a_removed_client_has_used_is_still_reported(tmp_path: Path, upstream: Provider) -> None:
    async with started(tmp_path, upstream, other={"key": FILE_KEY}) as one:
        key = (await call(one.url, "POST", "clients", json={"name": "anna"})).json()["key"]
        assert await status(one, key) == 200
        used = (await call(one.url, "GET", "clients")).json()
        assert used["former"] == []
        assert (await call(one.url, "DELETE", "clients/anna")).status_code == 204
        told = (await call(one.url, "GET", "clients")).json()
    assert [row["name"] for row in told["clients"]] == ["other"]
    [anna] = [row for row in used["clients"] if row["name"] == "anna"]
    assert told["former"] == [{name: anna[name] for name in told["former"][0]}]
    assert (anna["requests"], anna["usage"]["output"] > 0) == (1, True)
    async with started(tmp_path, upstream, other={"key": FILE_KEY}) as one:
        assert (await call(one.url, "GET", "clients")).json()["former"] == told["former"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "default"}, "name"),
        ({"name": "x", "limits": {"rpm": "many"}}, "clients.x.limits.rpm"),
        ({"name": "x", "budgets": [{"usd": 5, "per": "year"}]}, "clients.x.budgets[0].per"),
        ({"name": "x", "models": []}, "clients.x.models"),
        ({"name": "x", "on_exhausted": "no-such-model"}, "on_exhausted"),
        ({"name": "x", "key": "sk-of-my-own"}, "key"),
    ],
)
async def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, upstream: Provider, body: dict[str, Any], path: str
) -> None:
    async with started(tmp_path, upstream) as one:
        answer = await call(one.url, "POST", "clients", json=body)
        assert answer.status_code == 400
        assert [fault["path"] for fault in answer.json()["error"]["faults"]] == [path]
        assert await names(one) == []


async def test_a_client_that_the_file_has_got_meanwhile_is_the_files(tmp_path: Path, upstream: Provider) -> None:
    async with started(tmp_path, upstream) as one:
        key = (await call(one.url, "POST", "clients", json={"name": "anna"})).json()["key"]
    async with started(tmp_path, upstream, Anna={"key": FILE_KEY}) as one:
        assert await names(one) == ["Anna"]
        assert [await status(one, key), await status(one, FILE_KEY)] == [401, 200]

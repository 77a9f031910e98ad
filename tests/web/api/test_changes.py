"""Changes by the admin API: what they do to the next request, what refuses them, and what is left of them."""

from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from pointsman.demo import closed_port
from pointsman.domain.failures import Scope
from routing.routing_builders import cool
from support import router
from support.admin import CLIENT, SERVER, bearer, call
from support.http_requests import ask
from support.settings import provider, write


async def via(one: router.Router, **members: Any) -> str | None:
    answer = await ask(one.base_url, headers=bearer(CLIENT), **members)
    return answer.headers.get("x-routed-via")


async def get(one: router.Router, path: str) -> Any:
    return (await call(one.url, "GET", path)).json()


async def target(one: router.Router, label: str) -> Any:
    return next(row for row in (await get(one, "fallback"))["targets"] if row["target"] == label)


async def setting(one: router.Router, name: str) -> Any:
    return next(row for row in (await get(one, "settings"))["settings"] if row["name"] == name)


def cool_key(one: router.Router) -> None:
    """As a whole, and for one model."""
    for scope in (Scope.KEY, Scope.MODEL_OF_KEY):
        cool(one.gateway.router, scope, "a/m", "quota", 9000.0, monotonic())


class TestFallback:
    async def test_it_names_the_speed_rank(self, one: router.Router) -> None:
        await call(one.url, "POST", "keys", json={"provider": "groq", "value": "gsk-5Tk2nWq8Rb4x"})
        ranks = {row["target"]: row["speedRank"] for row in (await get(one, "fallback"))["targets"]}
        assert (ranks["groq/llama-3.3-70b-versatile"], ranks["a/m"]) == (2, None)

    async def test_a_target_that_is_switched_off_is_avoided_by_the_next_request(self, one: router.Router) -> None:
        rows = [{"provider": "a", "model": "m", "enabled": False}]
        assert (await call(one.url, "PUT", "fallback", json={"targets": rows})).status_code == 200
        assert {await via(one) for _ in range(5)} == {"b/m"}
        assert (await target(one, "a/m"))["overridden"] == ["enabled"]
        assert (await call(one.url, "DELETE", "fallback")).status_code == 200
        assert (await target(one, "a/m"))["enabled"] is True

    async def test_the_order_of_the_list_is_the_order_of_the_targets(self, one: router.Router) -> None:
        rows = (await get(one, "fallback"))["targets"]
        answer = await call(one.url, "PUT", "fallback", json={"targets": rows[::-1]})
        assert [row["target"] for row in answer.json()["targets"]] == ["b/m", "a/m"]
        assert [each.label for each in one.gateway.router.inventory.targets] == ["b/m", "a/m"]
        answer = await call(one.url, "PUT", "fallback", json={"targets": rows})
        assert [row["overridden"] for row in answer.json()["targets"]] == [[], []]

    async def test_a_pool_may_be_changed_and_one_that_is_as_written_is_no_change(self, one: router.Router) -> None:
        for pool, overridden in (("fast", ["pool"]), ("balanced", [])):
            await call(one.url, "PUT", "fallback", json={"targets": [{"provider": "a", "model": "m", "pool": pool}]})
            row = await target(one, "a/m")
            assert (row["pool"], row["overridden"]) == (pool, overridden)

    async def test_targets_not_named_follow_as_they_stood(self, one: router.Router) -> None:
        answer = await call(one.url, "PUT", "fallback", json={"targets": [{"provider": "b", "model": "m"}]})
        assert [row["target"] for row in answer.json()["targets"]] == ["b/m", "a/m"]

    @pytest.mark.parametrize(
        ("rows", "paths"),
        [
            ([{"provider": "a", "model": "x"}, {"provider": "z", "model": "m"}], ["targets[0]", "targets[1]"]),
            ([{"provider": "a", "model": "m"}] * 2, ["targets[1]"]),
            ([{"provider": "a", "model": "m", "pool": "slow"}, {"model": 1}],
             ["targets[0].pool", "targets[1].provider", "targets[1].model"]),
        ],
    )  # fmt: skip
    async def test_every_fault_is_reported_with_its_place(
        self, one: router.Router, rows: Any, paths: list[str]
    ) -> None:
        answer = await call(one.url, "PUT", "fallback", json={"targets": rows})
        assert answer.status_code == 400
        assert [fault["path"] for fault in answer.json()["error"]["faults"]] == paths


class TestKeys:
    async def test_an_added_key_is_used_by_the_next_request_and_is_never_shown(self, one: router.Router) -> None:
        secret = "sk-added-by-the-api-7777"
        answer = await call(one.url, "POST", "keys", json={"provider": "b", "value": secret, "label": "mine"})
        assert answer.status_code == 201
        key = answer.json()
        assert (key["masked"], key["label"], key["source"]) == ("sk-…7777", "mine", "override")
        assert secret not in answer.text + (await call(one.url, "GET", "keys")).text
        assert await via(one, model="b/m") == "b/m"
        exchanges = (await get(one, "exchanges?limit=1"))["exchanges"]
        assert exchanges[0]["attempts"][0]["key"] == "mine"

    async def test_a_key_for_a_provider_of_the_catalog_brings_it_in(self, one: router.Router) -> None:
        await call(one.url, "POST", "keys", json={"provider": "groq", "value": "gsk-1234567890"})
        assert "groq" in one.gateway.settings.providers
        assert any(row["provider"] == "groq" for row in (await get(one, "fallback"))["targets"])

    async def test_a_key_of_the_file_may_be_switched_and_labelled_but_not_removed(self, one: router.Router) -> None:
        (key,) = (await get(one, "keys"))["keys"]
        assert (key["label"], key["source"], key["overridden"]) == ("key-1", "file", [])
        changed = (await call(one.url, "PATCH", f"keys/{key['id']}", json={"label": "old", "enabled": False})).json()
        assert (changed["label"], changed["enabled"], changed["overridden"]) == ("old", False, ["enabled", "label"])
        assert {await via(one) for _ in range(3)} == {"b/m"}
        back = (await call(one.url, "PATCH", f"keys/{key['id']}", json={"label": "key-1", "enabled": True})).json()
        assert (back["id"], back["overridden"]) == (key["id"], [])
        refused = await call(one.url, "DELETE", f"keys/{key['id']}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")

    async def test_an_added_key_may_be_changed_and_removed(self, one: router.Router) -> None:
        key = (await call(one.url, "POST", "keys", json={"provider": "b", "value": "sk-1234567890"})).json()
        changed = (await call(one.url, "PATCH", f"keys/{key['id']}", json={"enabled": False})).json()
        assert (changed["enabled"], changed["source"]) == (False, "override")
        assert (await call(one.url, "DELETE", f"keys/{key['id']}")).status_code == 204
        assert (await call(one.url, "DELETE", f"keys/{key['id']}")).status_code == 404
        assert [each["provider"] for each in (await get(one, "keys"))["keys"]] == ["a"]

    async def test_a_key_is_tried_at_its_provider(self, one: router.Router) -> None:
        (key,) = (await get(one, "keys"))["keys"]
        told = (await call(one.url, "POST", f"keys/{key['id']}/test")).json()
        assert (told["ok"], told["status"]) == (True, 200)

    async def test_a_key_that_its_provider_accepts_has_no_cooldowns_left(self, one: router.Router) -> None:
        cool_key(one)
        (key,) = (await get(one, "keys"))["keys"]
        assert key["cooldown"]["reason"] == "quota"
        assert (await call(one.url, "POST", f"keys/{key['id']}/test")).json()["ok"]
        assert (await get(one, "cooldowns"))["keys"] == []

    async def test_one_that_could_not_be_tested_keeps_them(self, tmp_path: Path) -> None:
        entries = {"a": provider(closed_port(), keys=["sk-of-nobody-0001"])}
        async with router.running(tmp_path, entries, server=SERVER) as one:
            cool_key(one)
            (key,) = (await get(one, "keys"))["keys"]
            assert not (await call(one.url, "POST", f"keys/{key['id']}/test")).json()["ok"]
            assert len((await get(one, "cooldowns"))["keys"]) == 2

    @pytest.mark.parametrize(
        ("sent", "paths"),
        [
            ({}, ["provider", "value"]),
            ({"provider": "b", "value": "sk-ab\n", "label": "", "enabled": "yes", "sk-lost": 1},
             ["value", "label", "enabled", "body"]),
            ({"provider": "nobody", "value": "sk-1234567890"}, ["provider"]),
            ({"provider": "a", "value": "sk-of-the-file-0001", "label": "key-1"}, ["value", "label"]),
        ],
    )  # fmt: skip
    async def test_every_fault_is_reported_and_no_value(self, one: router.Router, sent: Any, paths: list[str]) -> None:
        answer = await call(one.url, "POST", "keys", json=sent)
        assert answer.status_code == 400
        assert [fault["path"] for fault in answer.json()["error"]["faults"]] == paths
        assert "sk-" not in answer.text


class TestSettings:
    async def test_a_change_is_in_force_and_shows_the_value_beneath(self, one: router.Router) -> None:
        assert (await setting(one, "routing.default_mode"))["source"] == "default"
        sent = {"routing": {"default_mode": "smart"}, "hedge": {"after": "8s"}, "protection": {"b": "provider-ban"}}
        assert (await call(one.url, "PATCH", "settings", json=sent)).status_code == 200
        row = await setting(one, "routing.default_mode")
        assert (row["value"], row["source"]) == ("smart", "override")
        assert row["beneath"] == {"value": "balanced", "text": "balanced", "source": "default"}
        await via(one)
        assert (await get(one, "exchanges"))["exchanges"][0]["mode"] == "smart"
        assert one.gateway.settings.protection_of("b", "m") == "provider-ban"

    async def test_lists_are_changed_as_lists_and_numbers_with_their_units(self, one: router.Router) -> None:
        sent = {"sticky": {"modes": ["smart"], "key_sources": ["prefix_hash", "ip"], "idle_ttl": "90 m"}}
        assert (await call(one.url, "PATCH", "settings", json=sent)).status_code == 200
        modes, ttl = await setting(one, "sticky.modes"), await setting(one, "sticky.idle_ttl")
        assert (modes["value"], modes["is_list"], modes["text"]) == (["smart"], True, None)
        assert modes["choices"] == ["balanced", "smart", "fast"]
        assert (ttl["value"], ttl["text"], ttl["unit"]) == (5400.0, "90 m", "seconds")
        assert ttl["beneath"]["text"] == "30 m"
        assert (await setting(one, "server.max_body"))["text"] == "64 MiB"
        assert ttl["about"] == "a session expires when it has not been used for this long"

    async def test_null_takes_a_change_back(self, one: router.Router) -> None:
        await call(one.url, "PATCH", "settings", json={"hedge": {"after": "8s"}, "protection": {"b": "off"}})
        await call(one.url, "PATCH", "settings", json={"hedge": {"after": None}, "protection": {"b": None}})
        assert (await setting(one, "hedge.after"))["source"] == "default"
        assert one.addon._configuration
        assert one.addon._configuration.current.overrides.settings == {}

    async def test_every_fault_is_reported_at_once_and_nothing_changes(self, one: router.Router) -> None:
        sent = {"hedge": {"after": "soon", "x": 1}, "server": {"drain": "1s"}, "sticky": {"modes": ["quick"]}}
        answer = await call(one.url, "PATCH", "settings", json=sent)
        assert answer.status_code == 400
        paths = {fault["path"] for fault in answer.json()["error"]["faults"]}
        assert paths == {"server.drain", "hedge.after", "hedge.x", "sticky.modes[0]"}
        assert (await setting(one, "hedge.after"))["source"] == "default"

    async def test_the_value_of_the_file_is_shown_and_secrets_are_not(self, one: router.Router) -> None:
        assert (await setting(one, "server.admin_key"))["value"] == "***"
        assert (await setting(one, "history.path"))["source"] == "file"

    async def test_a_reload_keeps_the_changes_over_the_new_file(self, one: router.Router) -> None:
        await call(one.url, "PATCH", "settings", json={"routing": {"default_mode": "fast"}})
        entries = {"c": provider("http://127.0.0.1:9/v1")}
        write(one.confdir, entries, server={"admin_key": "the-admin-key-of-tests"}, routing={"default_mode": "smart"})
        assert (await call(one.url, "POST", "reload")).status_code == 200
        row = await setting(one, "routing.default_mode")
        assert (row["value"], row["beneath"]) == ("fast", {"value": "smart", "text": "smart", "source": "file"})
        assert list(one.gateway.settings.providers) == ["c"]

    async def test_a_broken_file_is_refused_with_every_fault(self, one: router.Router) -> None:
        write(one.confdir, {"c": {"base_url": "ftp://x", "models": []}}, nonsense=1)
        answer = await call(one.url, "POST", "reload")
        assert answer.status_code == 400
        assert {fault["path"] for fault in answer.json()["error"]["faults"]} == {"providers.c.base_url", "nonsense"}
        assert list(one.gateway.settings.providers) == ["a", "b"]
        told = (await get(one, "health"))["refused_file"]
        assert told["file"].endswith("pointsman.yaml")
        assert {fault["path"] for fault in told["faults"]} == {"providers.c.base_url", "nonsense"}
        write(one.confdir, {"a": provider()}, server=SERVER)
        assert (await call(one.url, "POST", "reload")).status_code == 200
        assert (await get(one, "health"))["refused_file"] is None


class TestEntries:
    async def test_a_provider_and_its_model_are_changed_and_changed_back(self, one: router.Router) -> None:
        own, of_model = "providers/a/settings", "providers/a/settings?model=m"
        sent = {"timeouts": {"stall": "2 m"}, "enabled": False, "limits": {"concurrency": 3}}
        rows = (await call(one.url, "PATCH", own, json=sent)).json()["settings"]
        row = next(row for row in rows if row["name"] == "timeouts.stall")
        assert (row["text"], row["source"], row["beneath"]["text"]) == ("2 m", "override", "1 m")
        sent = {"context": 1000, "limits": {"rpm": 7}}
        rows = (await call(one.url, "PATCH", of_model, json=sent)).json()["settings"]
        assert next(row for row in rows if row["name"] == "context")["value"] == 1000
        provider = one.gateway.settings.providers["a"]
        assert (provider.enabled, provider.timeouts.stall, provider.limits.concurrency) == (False, 120.0, 3)
        assert (provider.models[0].context, provider.models[0].limits.rpm) == (1000, 7)
        assert {await via(one) for _ in range(3)} == {"b/m"}
        undone = {"timeouts": {"stall": None}, "enabled": None, "limits": {"concurrency": None}}
        await call(one.url, "PATCH", own, json=undone)
        await call(one.url, "PATCH", of_model, json={"context": None, "limits": {"rpm": None}})
        assert one.addon._configuration
        assert one.addon._configuration.current.overrides.entries == {}

    @pytest.mark.parametrize(
        ("path", "sent", "place"),
        [
            ("providers/a/settings", {"base_url": "https://elsewhere.example/v1"}, "base_url"),
            ("providers/a/settings", {"keys": ["sk-other"]}, "keys"),
            ("providers/a/settings", {"nonsense": 1}, "nonsense"),
            ("providers/a/settings", {"timeouts": {"stall": "soon"}}, "providers.a.timeouts.stall"),
            ("providers/a/settings?model=m", {"id": "other"}, "id"),
            ("providers/a/settings?model=m", {"context": -1}, "providers.a.models[0].context"),
        ],
    )
    async def test_what_is_wrong_or_not_to_be_changed_is_refused(
        self, one: router.Router, path: str, sent: dict[str, Any], place: str
    ) -> None:
        """Above all where a provider is asked: its keys would go there."""
        answer = await call(one.url, "PATCH", path, json=sent)
        assert answer.status_code == 400
        assert [fault["path"] for fault in answer.json()["error"]["faults"]] == [place]

    async def test_what_is_not_set_has_the_kind_of_its_value(self, one: router.Router) -> None:
        told = await get(one, "providers/a/settings?model=m")
        rows = {each["name"]: each for each in told["settings"]}
        assert (rows["supports"]["value"], rows["supports"]["is_list"]) == (None, True)
        assert (rows["timeouts.stall"]["value"], rows["timeouts.stall"]["unit"]) == (None, "seconds")
        assert "timeouts" not in rows

    @pytest.mark.parametrize("path", ["providers/nobody/settings", "providers/a/settings?model=none"])
    async def test_what_does_not_exist_is_not_found(self, one: router.Router, path: str) -> None:
        assert (await call(one.url, "GET", path)).status_code == 404

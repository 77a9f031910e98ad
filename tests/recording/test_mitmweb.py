"""A real mitmweb, by its own API: what its users see of an exchange, and what they can do with it."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.demo import Behaviour, Provider, behaviours
from support.http_requests import ask
from support.process import mitmdump
from support.settings import provider, write
from support.web_api import WebApi, web

KEYS = {"bad": "sk-key-of-the-bad-one-1", "good": "sk-key-of-the-good-one-2"}
CLIENT_KEY = "sk-the-clients-own-key-77"
ADMIN_KEY = "the-admins-secret-99"
BEARER = {"authorization": f"Bearer {CLIENT_KEY}"}
SECRETS = (*KEYS.values(), CLIENT_KEY, ADMIN_KEY)

type Flows = list[dict[str, Any]]


@asynccontextmanager
async def yard(folder: Path, bad: Behaviour, good: Behaviour, *arguments: str) -> AsyncIterator[WebApi]:
    async with Provider(bad) as first, Provider(good) as second:
        write(
            folder,
            {
                "bad": provider(first.base_url, keys=[KEYS["bad"]]),
                "good": provider(second.base_url, keys=[KEYS["good"]]),
            },
            server={"client_key": CLIENT_KEY, "admin_key": ADMIN_KEY},
        )
        async with web(folder, *arguments) as api:
            yield api


def clients(flows: Flows) -> Flows:
    return [flow for flow in flows if not flow["comment"].startswith("attempt ")]


def attempts(flows: Flows) -> Flows:
    return sorted((flow for flow in flows if flow["comment"].startswith("attempt ")), key=lambda flow: flow["comment"])


def leaky() -> Behaviour:
    """It repeats the key that it was sent."""
    return behaviours.status(500, {"error": {"message": f"{KEYS['bad']} is out of order"}}, (("X-Sent", KEYS["bad"]),))


class TestSeeing:
    async def test_the_turn_its_attempts_and_the_views_also_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "saved.flows"
        async with yard(tmp_path, leaky(), behaviours.answer("hello there"), "-w", str(path)) as api:
            assert (await ask(api.base_url, headers=BEARER)).status == 200
            flows = await api.flows(lambda flows: len(flows) == 3)
            [client], [failed, won] = clients(flows), attempts(flows)
            assert re.match(r"200 good/m \S+ s · 2 attempts · miss · bad@500 · sticky miss ", client["comment"])
            assert len({flow["marked"] for flow in (client, failed, won)} - {""}) == 3
            assert failed["response"]["status_code"] == 500
            assert client["server_conn"]["address"] == won["server_conn"]["address"]
            shown = {flow["comment"]: await self.views(api, flow) for flow in flows}
            assert "hello there" in shown[client["comment"]][1]
            assert "bad/m" in shown[client["comment"]][1]
            assert "data: [DONE]" in shown[client["comment"]][2]
            everything = json.dumps([flows, list(shown.values())])
            assert not [secret for secret in SECRETS if secret in everything]
            api.process.tell(signal.SIGTERM)
            await api.process.ends_cleanly()
        saved = path.read_bytes()
        assert not [secret for secret in SECRETS if secret.encode() in saved]
        assert b"Bearer sk-\xe2\x80\xa6ne-1" in saved
        async with web(tmp_path, "-r", str(path)) as again:
            loaded = await again.flows(lambda flows: len(flows) == 3)
            assert {flow["comment"]: await self.views(again, flow) for flow in loaded} == shown

    @staticmethod
    async def views(api: WebApi, flow: dict[str, Any]) -> list[str]:
        return [
            await api.shown(flow, "request"),
            await api.shown(flow),
            await api.shown(flow, view="LLM events"),
        ]

    async def test_mitmdump_records_no_attempts_by_default(self, tmp_path: Path) -> None:
        async with Provider(behaviours.answer("hello")) as one:
            write(tmp_path, {"one": provider(one.base_url)})
            for given, saved in (((), 0), (("--set", "pointsman_record_attempts=true"), 1)):
                path = tmp_path / f"flows{saved}"
                async with mitmdump("-p", "0", "-w", str(path), *given, folder=tmp_path) as dump:
                    assert (await ask(await dump.base_url())).status == 200
                    dump.tell(signal.SIGTERM)
                    await dump.ends_cleanly()
                assert path.read_bytes().count(b"attempt 1 ") == saved

    async def test_mitmweb_records_none_if_configured_so(self, tmp_path: Path) -> None:
        arguments = ("--set", "pointsman_record_attempts=false")
        async with yard(tmp_path, behaviours.status(503), behaviours.answer("hello"), *arguments) as api:
            await ask(api.base_url, headers=BEARER)
            await ask(api.base_url, headers=BEARER)
            assert attempts(await api.flows(lambda flows: len(flows) == 2)) == []

    async def test_its_list_has_the_comment_unless_its_user_has_chosen_columns(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.answer("one"), behaviours.answer("two")) as api:
            columns = (await api.get("/options"))["web_columns"]["value"]
        assert columns == ["icon", "path", "method", "status", "size", "time", "comment"]
        async with yard(
            tmp_path, behaviours.answer("one"), behaviours.answer("two"), "--set", "web_columns=size"
        ) as api:
            assert (await api.get("/options"))["web_columns"]["value"] == ["size"]

    async def test_the_view_stays_at_its_bound(self, tmp_path: Path) -> None:
        arguments = ("--set", "pointsman_max_flows=4")
        async with yard(tmp_path, behaviours.answer("one"), behaviours.answer("two"), *arguments) as api:
            await ask(api.base_url, headers=BEARER)
            [first] = clients(await api.flows(lambda flows: len(flows) == 2))
            await api.do("PUT", f"/flows/{first['id']}", json={"marked": ":red_circle:"})
            for _ in range(5):
                await ask(api.base_url, headers=BEARER)
            flows = await api.flows(lambda flows: len(flows) <= 4)
            assert first["id"] in {flow["id"] for flow in flows}


class TestDoing:
    async def test_an_intercepted_request_is_routed_as_it_was_edited(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.echo(), behaviours.echo()) as api:
            await api.do("PUT", "/options", json={"intercept": "~m POST & ~u chat"})
            asked = asyncio.create_task(ask(api.base_url, headers=BEARER))
            [flow] = await api.flows(lambda flows: len(flows) == 1 and flows[0]["intercepted"])
            edited = {"model": "good/m", "messages": [{"role": "user", "content": "an edited question"}]}
            await api.do("PUT", f"/flows/{flow['id']}", json={"request": {"content": json.dumps(edited)}})
            await api.do("PUT", "/options", json={"intercept": None})
            await api.do("POST", f"/flows/{flow['id']}/resume")
            answer = await asked
            assert answer.headers["x-routed-via"] == "good/m"
            assert b"an edited question" in answer.body

    async def test_a_killed_flow_ends_and_so_do_its_attempts(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.stall("one two three"), behaviours.answer("hello")) as api:
            asked = asyncio.create_task(ask(api.base_url, headers=BEARER))
            [flow] = await api.flows(lambda flows: len(flows) == 1 and "response" in flows[0])
            await api.do("POST", f"/flows/{flow['id']}/kill")
            with pytest.raises(httpx.RemoteProtocolError):
                await asked
            [attempt] = attempts(await api.flows(lambda flows: len(attempts(flows)) == 1))
            assert "client_abort" in attempt["comment"]

    async def test_a_clients_flow_is_replayed_and_an_attempts_is_refused(self, tmp_path: Path) -> None:
        async with yard(tmp_path, behaviours.answer("hello"), behaviours.answer("hello")) as api:
            await ask(api.base_url, headers=BEARER)
            flows = await api.flows(lambda flows: len(flows) == 2)
            [client], [attempt] = clients(flows), attempts(flows)
            await api.do("POST", f"/flows/{client['id']}/replay")
            flows = await api.flows(lambda flows: len(attempts(flows)) == 2)
            [client] = clients(flows)
            assert (client["is_replay"], client["response"]["status_code"]) == ("request", 200)
            assert "hello" in await api.shown(client)
            await api.do("POST", f"/flows/{attempt['id']}/replay")
            assert "an attempt cannot be replayed" in await api.says("Pointsman: an attempt")
            assert len(await api.get("/flows")) == 3

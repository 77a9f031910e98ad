"""Which clients may use what, and which errors others get, before a body is read."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from pointsman.demo import behaviours
from support.http_requests import ask, get, started
from support.router import running
from support.settings import provider

KEY = "the-client-key-0123456789"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def keyed(stack, tmp_path):
    [one] = await started(stack, behaviours.answer("hello"))
    server = {"client_key": KEY, "admin_key": "the-admin-key-0123456789"}
    return await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}, server=server))


@pytest.fixture
async def free(stack, tmp_path):
    [one] = await started(stack, behaviours.answer("hello"))
    return await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))


class TestClientKey:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": f"Bearer {KEY}"},
            {"Authorization": f"bearer {KEY}"},
            {"x-api-key": KEY},
            {"x-goog-api-key": KEY},
        ],
    )
    async def test_it_is_taken_in_any_form(self, keyed, headers):
        assert (await ask(keyed.base_url, headers=headers)).status == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": KEY},
            {"x-api-key": ""},
            {"Authorization": "Bearer the-admin-key-0123456789"},
        ],
    )
    async def test_anything_else_is_401_in_the_clients_dialect(self, keyed, headers):
        answer = await ask(keyed.base_url, headers=headers)
        assert answer.status == 401
        assert answer.json["error"]["code"] == "invalid_api_key"
        assert answer.headers["x-request-id"]

    async def test_it_is_judged_before_the_body_is_in(self, keyed):
        reader, writer = await asyncio.open_connection(keyed.host, keyed.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in head.lower()
        writer.close()

    async def test_the_model_list_requires_it_too(self, keyed):
        assert (await get(f"{keyed.base_url}/models")).status == 401
        assert (await get(f"{keyed.base_url}/models", authorization=f"Bearer {KEY}")).status == 200

    async def test_the_admin_key_opens_no_chat_and_the_client_key_no_api(self, keyed):
        assert (await get(f"{keyed.url}/api/anything", authorization=f"Bearer {KEY}")).status in (401, 404)


class TestBrowsers:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:3000"},
            {"Origin": "https://evil.test"},
            {"Origin": "null"},
            {"Origin": "http://127.evil.test"},
        ],
    )
    async def test_a_page_of_another_site_cannot_spend_keys(self, free, headers):
        answer = await ask(free.base_url, headers=headers)
        assert answer.status == 403
        assert answer.json["error"]["code"] == "forbidden"

    @pytest.mark.parametrize("headers", [{"Origin": "http://localhost:3000"}, {"Sec-Fetch-Site": "same-origin"}, {}])
    async def test_a_page_of_this_machine_may(self, free, headers):
        assert (await ask(free.base_url, headers=headers)).status == 200

    async def test_a_foreign_name_pointed_here_sees_no_internal_page(self, free):
        assert (await get(f"{free.url}/internal/exchanges", host="evil.test")).status == 401
        assert (await get(f"{free.url}/internal/exchanges", origin="https://evil.test")).status == 401


class TestPaths:
    async def test_any_prefix_may_stand_before_a_chat_path(self, free):
        assert (await ask(f"{free.url}/olla/proxy/v1")).status == 200

    async def test_the_models_are_listed(self, stack, tmp_path):
        [one] = await started(stack, behaviours.answer())
        providers = {
            "one": provider(one.base_url, models=[{"id": "m", "context": 1000}, {"id": "off", "enabled": False}])
        }
        router = await stack.enter_async_context(
            running(tmp_path, providers, routing={"aliases": {"gpt-4o": "auto-smart"}})
        )
        listed = (await get(f"{router.base_url}/models")).json
        assert listed["object"] == "list"
        rows = {row["id"]: row for row in listed["data"]}
        assert set(rows) == {"auto", "auto-balanced", "auto-smart", "auto-fast", "gpt-4o", "one/m"}
        assert rows["one/m"]["owned_by"] == "one"
        assert rows["one/m"]["context_window"] == 1000
        assert all(row["object"] == "model" for row in rows.values())

    async def test_health_is_for_all(self, keyed):
        assert (await get(f"{keyed.url}/healthz")).json == {"status": "ok"}

    async def test_nothing_there_is_a_json_404(self, free):
        answer = await get(f"{free.url}/nothing/here")
        assert answer.status == 404
        assert answer.json["error"]["code"] == "not_found"

    async def test_a_wrong_method_is_a_json_405(self, free):
        answer = await get(f"{free.base_url}/chat/completions")
        assert answer.status == 405
        assert answer.headers["allow"] == "POST"
        assert answer.json["error"]["code"] == "method_not_allowed"

    @pytest.mark.parametrize(
        ("members", "param"),
        [
            ({"messages": None}, "messages"),
            ({"model": 5}, "model"),
            ({"stream": "yes"}, "stream"),
        ],
    )
    async def test_a_bad_request_is_a_400_that_names_the_member(self, free, members, param):
        answer = await ask(free.base_url, **members)
        assert answer.status == 400
        assert answer.json["error"]["code"] == "invalid_request"
        assert answer.json["error"]["param"] == param
        assert param in answer.json["error"]["message"]

    async def test_a_chat_without_messages_is_a_400_that_is_not_to_be_repeated(self, free):
        answer = await ask(free.base_url, messages=[])
        assert (answer.status, answer.headers["x-should-retry"]) == (400, "false")
        assert (answer.json["error"]["code"], answer.json["error"]["param"]) == ("invalid_request", "messages")
        assert "`messages` is an empty list" in answer.json["error"]["message"]

    async def test_an_unknown_model_is_a_404(self, free):
        answer = await ask(free.base_url, model="no-such-model")
        assert answer.status == 404
        assert answer.json["error"]["code"] == "model_not_found"

    @pytest.mark.parametrize("model", ["m", "one/m", "auto", "auto-fast", "nick", None])
    async def test_a_model_can_be_named_in_many_ways(self, stack, tmp_path, model):
        [one] = await started(stack, behaviours.answer())
        aliases = {"nick": "nickname", "nickname": "one/m"}
        router = await stack.enter_async_context(
            running(tmp_path, {"one": provider(one.base_url)}, routing={"aliases": aliases})
        )
        assert (await ask(router.base_url, model=model)).status == 200
        assert one.seen[0].json["model"] == "m"

    async def test_own_pages_leave_no_flow(self, free):
        await get(f"{free.url}/healthz", authorization="Bearer secret")
        await get(f"{free.url}/internal/exchanges")
        assert free.watcher.flows == []


class TestProxyDoor:
    """As a client's HTTP proxy: only chat paths on intercepted hosts are ours."""

    async def ask_through(self, router, url: str, connect_headers: bytes = b"") -> bytes:
        reader, writer = await asyncio.open_connection(router.host, router.port)
        body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
        writer.write(
            b"POST %s HTTP/1.1\r\nHost: whatever\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (url.encode(), connect_headers, len(body), body)
        )
        answer = await reader.read()
        writer.close()
        return answer

    async def test_an_intercepted_host_is_routed(self, free):
        answer = await self.ask_through(free, "http://api.openai.com/v1/chat/completions")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"X-Routed-Via: one/m" in answer

    async def test_another_host_is_not(self, stack, free):
        [other] = await started(stack, behaviours.answer("from the other host"))
        answer = await self.ask_through(free, f"{other.base_url}/chat/completions")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"X-Routed-Via" not in answer
        assert other.seen[0].json["model"] == "m"

    async def test_the_client_key_as_proxy_password_goes_to_no_other_host(self, stack, keyed):
        [other] = await started(stack, behaviours.answer("from the other host"))
        credential = base64.b64encode(f"me:{KEY}".encode())
        await self.ask_through(
            keyed, f"{other.base_url}/chat/completions", b"Proxy-Authorization: Basic %s\r\n" % credential
        )
        assert other.seen[0].header("proxy-authorization") is None
        assert credential.decode() not in str([flow.get_state() for flow in keyed.watcher.flows])

    async def test_our_own_address_through_ourselves_is_our_own_door(self, free):
        answer = await self.ask_through(free, f"{free.base_url}/chat/completions")
        assert b"X-Routed-Via: one/m" in answer

    async def test_an_unknown_model_goes_to_its_own_host_with_its_credential(self, stack, tmp_path):
        one, other = await started(stack, behaviours.answer(), behaviours.answer("from the original host"))
        host = "127.0.0.1"
        server = {"intercept": [host]}
        router = await stack.enter_async_context(
            running(tmp_path, {"one": provider(one.base_url, "different")}, server=server)
        )
        answer = await self.ask_through(
            router, f"{other.base_url}/chat/completions", b"Authorization: Bearer sk-the-clients-own-key\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert other.seen[0].header("authorization") == "Bearer sk-the-clients-own-key"
        assert not one.seen
        [flow] = router.watcher.flows
        assert "sk-the-clients-own-key" not in str(flow.get_state())

    async def test_with_a_client_key_it_is_the_proxy_password_that_counts(self, keyed):
        credential = base64.b64encode(f"me:{KEY}".encode())
        headers = b"Authorization: Bearer for-the-provider\r\nProxy-Authorization: Basic %s\r\n" % credential
        answer = await self.ask_through(keyed, "http://api.openai.com/v1/chat/completions", headers)
        assert b"X-Routed-Via: one/m" in answer

"""Every dialect through the router, like to like: credentials, counts, lists, providers, paths."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from support.dialects import AUTH, CHATS, CONTENTS, PROVIDER_KEY, USER, credentials_of, entry, url_for
from support.http_requests import get, http_client
from support.router import Router, running
from support.router_sdk_calls import ANTHROPIC, GENAI, KEY, SDKS, Sdk, forget_environment, told
from support.settings import provider

CLIENT_KEY = "the-client-key-0123456789"
COUNTS: Mapping[Dialect, tuple[str, Mapping[str, Any], str]] = {
    Dialect.ANTHROPIC: ("/v1/messages/count_tokens", {"model": "m", "messages": [USER]}, "input_tokens"),
    Dialect.GEMINI: ("/v1beta/models/m:countTokens", {"contents": CONTENTS}, "totalTokens"),
}
ALIASES = {"aliases": {"gemini-flash": "other/spelt/oddly@1", "nick": "m"}}

every_sdk = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.dialect.value)
counting_sdk = pytest.mark.parametrize("sdk", [ANTHROPIC, GENAI], ids=["anthropic", "gemini"])


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def one(stack: AsyncExitStack) -> Provider:
    """A provider that answers well, and counts."""
    return await stack.enter_async_context(Provider(behaviours.answer("left")))


async def post(url: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
    async with http_client() as client:
        return await client.post(url, json=body, headers=headers)


async def chat(router: Router, dialect: Dialect, **more: Any) -> httpx.Response:
    path, body = CHATS[dialect]
    return await post(router.url + path, {**body, **more})


class TestCredentials:
    WAYS: tuple[tuple[dict[str, str], str], ...] = (
        ({"Authorization": f"Bearer {CLIENT_KEY}"}, ""),
        ({"x-api-key": CLIENT_KEY}, ""),
        ({"x-goog-api-key": CLIENT_KEY}, ""),
        ({}, f"?key={CLIENT_KEY}"),
        ({}, f"?alt=json&key={CLIENT_KEY}&pretty=1"),
    )

    @pytest.mark.parametrize("dialect", Dialect)
    @pytest.mark.parametrize(
        ("headers", "query"), WAYS, ids=["bearer", "x-api-key", "x-goog-api-key", "query", "within-a-query"]
    )
    async def test_the_client_key_opens_and_goes_no_further(
        self,
        stack: AsyncExitStack,
        tmp_path: Path,
        one: Provider,
        dialect: Dialect,
        headers: dict[str, str],
        query: str,
    ) -> None:
        entries = {"p": entry(dialect, one, keys=[PROVIDER_KEY])}
        router = await stack.enter_async_context(running(tmp_path, entries, server={"client_key": CLIENT_KEY}))
        path, body = CHATS[dialect]
        assert (await post(router.url + path, body)).status_code == 401
        assert (await post(f"{router.url}{path}?key=not-{CLIENT_KEY}", body)).status_code == 401
        assert not one.seen
        answer = await post(router.url + path + query, body, headers)
        assert answer.status_code == 200
        [seen] = one.seen
        assert credentials_of(seen.headers) == [AUTH[dialect]]
        assert CLIENT_KEY not in str(seen.headers) + seen.path
        has_query = "alt" in query and dialect is not Dialect.OPENAI_CHAT
        assert seen.path == path + ("?alt=json&pretty=1" if has_query else "")

    @pytest.mark.parametrize("dialect", Dialect)
    @pytest.mark.parametrize("name", ["key", "%24key", "$key", "k%65y", "access_token"])
    async def test_a_key_in_the_query_goes_no_further_however_it_is_spelt(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, dialect: Dialect, name: str
    ) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": entry(dialect, one)}))
        path, body = CHATS[dialect]
        assert (await post(f"{router.url}{path}?{name}={CLIENT_KEY}", body)).status_code == 200
        assert one.seen[0].path == path

    @every_sdk
    async def test_the_sdks_send_it_in_their_own_way(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, sdk: Sdk
    ) -> None:
        entries = {"p": entry(sdk.dialect, one, keys=[PROVIDER_KEY])}
        router = await stack.enter_async_context(running(tmp_path, entries, server={"client_key": CLIENT_KEY}))
        refused = await told(sdk.whole, router.url, key=KEY)
        assert (refused.failure, refused.detail["status"]) == (sdk.failures[401], 401)
        assert (await told(sdk.streamed, router.url, key=CLIENT_KEY)).text == "left"
        assert credentials_of(one.seen[0].headers) == [AUTH[sdk.dialect]]

    async def test_anthropic_gets_a_version_if_the_client_names_none(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider
    ) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": entry(Dialect.ANTHROPIC, one)}))
        path, body = CHATS[Dialect.ANTHROPIC]
        await post(router.url + path, body)
        await post(router.url + path, body, {"anthropic-version": "2024-10-22"})
        versions = [[value for name, value in seen.headers if name.lower() == "anthropic-version"] for seen in one.seen]
        assert versions == [["2023-06-01"], ["2024-10-22"]]


class TestCounts:
    @counting_sdk
    async def test_come_from_a_provider_that_counts(self, stack: AsyncExitStack, tmp_path: Path, sdk: Sdk) -> None:
        one, other = [
            await stack.enter_async_context(Provider(behaviours.answer(), counts=counts)) for counts in (False, True)
        ]
        entries = {"one": entry(sdk.dialect, one), "other": entry(sdk.dialect, other, keys=[PROVIDER_KEY])}
        router = await stack.enter_async_context(running(tmp_path, entries))
        told_count = await sdk.counted(router.url)
        assert told_count == len(other.seen[0].body) // 4
        assert credentials_of(other.seen[0].headers) == [AUTH[sdk.dialect]]
        assert len(one.seen) == 1

    @counting_sdk
    async def test_are_estimated_where_no_provider_counts_and_nothing_cools_down(
        self, stack: AsyncExitStack, tmp_path: Path, sdk: Sdk
    ) -> None:
        one = await stack.enter_async_context(Provider(behaviours.answer("left"), counts=False))
        router = await stack.enter_async_context(running(tmp_path, {"p": entry(sdk.dialect, one)}))
        path, body, member = COUNTS[sdk.dialect]
        answer = await post(router.url + path, body)
        assert (answer.status_code, answer.json()) == (200, {member: len(USER["content"]) // 4})
        assert await sdk.counted(router.url) == len(USER["content"]) // 4
        assert (await get(f"{router.url}/internal/status/cooldowns")).json == {"targets": [], "keys": []}
        got = await told(sdk.whole, router.url)
        assert (got.text, got.failure) == ("left", None)

    @counting_sdk
    async def test_are_estimated_if_no_provider_speaks_the_dialect(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, sdk: Sdk
    ) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": provider(one.base_url)}))
        assert await sdk.counted(router.url) == len(USER["content"]) // 4
        assert not one.seen

    async def test_a_short_text_has_one_token(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": provider(one.base_url)}))
        path, body, member = COUNTS[Dialect.ANTHROPIC]
        short = {**body, "messages": [{"role": "user", "content": "hi"}]}
        assert (await post(router.url + path, short)).json() == {member: 1}

    @counting_sdk
    async def test_an_unknown_model_is_not_counted(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, sdk: Sdk
    ) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": entry(sdk.dialect, one)}))
        path, body, _ = COUNTS[sdk.dialect]
        answer = await post(router.url + path.replace("/m:", "/nobodys:"), {**body, "model": "nobodys"})
        assert answer.status_code == 404


class TestOtherRequests:
    async def test_a_websocket_is_refused_so_that_the_client_posts(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider
    ) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": entry(Dialect.OPENAI_CHAT, one)}))
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with http_client() as client:
            answer = await client.get(f"{router.url}/v1/chat/completions", headers=asked)
            assert answer.status_code == 426
            assert answer.headers["content-type"] == "application/json"
            assert "POST" in answer.json()["error"]["message"]
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            again = await client.post(f"{router.url}/v1/chat/completions", json=body)
            assert again.status_code == 200

    async def test_head_of_the_root_is_fine(self, stack: AsyncExitStack, tmp_path: Path, one: Provider) -> None:
        router = await stack.enter_async_context(running(tmp_path, {"p": entry(Dialect.ANTHROPIC, one)}))
        async with http_client() as client:
            answer = await client.head(f"{router.url}/")
            assert (answer.status_code, answer.content) == (200, b"")

    @every_sdk
    async def test_the_model_list_is_in_the_askers_form(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, sdk: Sdk
    ) -> None:
        router = await stack.enter_async_context(
            running(tmp_path, {"p": entry(sdk.dialect, one)}, server={"client_key": CLIENT_KEY})
        )
        names = [name.removeprefix("models/") for name in await sdk.listed(router.url, CLIENT_KEY)]
        assert names == ["auto", "auto-balanced", "auto-smart", "auto-fast", "p/m"]


class TestProviders:
    async def test_one_that_speaks_two_dialects_is_asked_at_the_address_of_each(
        self, stack: AsyncExitStack, tmp_path: Path
    ) -> None:
        messages, completions = [
            await stack.enter_async_context(Provider(behaviours.answer(text))) for text in ("messages", "completions")
        ]
        both = provider(
            completions.base_url, keys=[PROVIDER_KEY], dialects={Dialect.ANTHROPIC: f"{messages.base_url}/"}
        )
        router = await stack.enter_async_context(running(tmp_path, {"both": both}))
        assert "completions" in (await chat(router, Dialect.OPENAI_CHAT)).text
        assert "messages" in (await chat(router, Dialect.ANTHROPIC)).text
        assert [seen.path for seen in completions.seen] == ["/v1/chat/completions"]
        assert [seen.path for seen in messages.seen] == ["/v1/messages"]
        assert credentials_of(messages.seen[0].headers) == [AUTH[Dialect.ANTHROPIC]]
        assert credentials_of(completions.seen[0].headers) == [AUTH[Dialect.OPENAI_CHAT]]

    @every_sdk
    async def test_one_that_does_not_speak_the_clients_dialect_answers_in_it(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, sdk: Sdk
    ) -> None:
        entries = {"p": provider(one.base_url, keys=[PROVIDER_KEY])}
        router = await stack.enter_async_context(running(tmp_path, entries))
        assert (await told(sdk.whole, router.url)).text == "left"
        [seen] = one.seen
        assert seen.path == "/v1/chat/completions"
        assert credentials_of(seen.headers) == [AUTH[Dialect.OPENAI_CHAT]]


class TestAsProxy:
    @pytest.mark.parametrize(
        ("dialect", "host"),
        [
            (Dialect.OPENAI_RESPONSES, "api.openai.com"),
            (Dialect.ANTHROPIC, "api.anthropic.com"),
            (Dialect.GEMINI, "generativelanguage.googleapis.com"),
        ],
    )
    async def test_the_hosts_of_the_dialects_are_ours_and_their_credential_is_not(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, dialect: Dialect, host: str
    ) -> None:
        entries = {"p": entry(dialect, one, keys=[PROVIDER_KEY])}
        router = await stack.enter_async_context(running(tmp_path, entries, server={"client_key": CLIENT_KEY}))
        path, body = CHATS[dialect]
        trusting = ssl.create_default_context(cafile=router.ca)
        async with http_client(proxy=router.url, verify=trusting, http2=True) as client:
            answer = await client.post(f"https://{host}{path}", json=body, headers={"x-api-key": KEY})
        assert answer.status_code == 200
        assert credentials_of(one.seen[0].headers) == [AUTH[dialect]]
        assert router.watcher.dialled == []


class TestGeminisPath:
    @pytest.mark.parametrize(
        ("asked", "sent"),
        [
            ("m", "m"),
            ("nick", "m"),
            ("auto", "m"),
            ("auto-fast", "m"),
            ("p/m", "m"),
            ("gemini-flash", "spelt/oddly@1"),
            ("other/spelt/oddly@1", "spelt/oddly@1"),
            ("spelt%2Foddly@1", "spelt/oddly@1"),
        ],
    )
    @pytest.mark.parametrize("root", ["/v1beta", "/v1", "/v1alpha", "/some/prefix/v1beta"])
    async def test_names_the_model_that_the_provider_has(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider, root: str, asked: str, sent: str
    ) -> None:
        entries = {
            "p": entry(Dialect.GEMINI, one),
            "other": provider(url_for(Dialect.GEMINI, one), "spelt/oddly@1", dialect=Dialect.GEMINI),
        }
        router = await stack.enter_async_context(running(tmp_path, entries, routing=ALIASES))
        body = b'{"contents": [ {"role":"user","parts":[{"text":"model"}]} ], "n": 12345678901234567890}'
        async with http_client() as client:
            answer = await client.post(f"{router.url}{root}/models/{asked}:generateContent", content=body)
        assert answer.status_code == 200
        [seen] = one.seen
        assert seen.path == f"/v1beta/models/{sent}:generateContent"
        assert seen.body == body

    async def test_without_alt_sse_the_stream_is_one_list(self, stack: AsyncExitStack, tmp_path: Path) -> None:
        good, broken = [
            await stack.enter_async_context(Provider(behaviour))
            for behaviour in (behaviours.answer("left or right"), behaviours.cut("left or right", after_tokens=2))
        ]
        entries = {
            "good": provider(url_for(Dialect.GEMINI, good), "good", dialect=Dialect.GEMINI),
            "broken": provider(url_for(Dialect.GEMINI, broken), "broken", dialect=Dialect.GEMINI),
        }
        router = await stack.enter_async_context(running(tmp_path, entries))

        async def stream(model: str) -> list[dict[str, Any]]:
            answer = await post(f"{router.url}/v1beta/models/{model}:streamGenerateContent", {"contents": CONTENTS})
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("application/json")
            chunks: list[dict[str, Any]] = answer.json()
            return chunks

        assert (await stream("good"))[-1]["candidates"][0]["finishReason"] == "STOP"
        *said, error = await stream("broken")
        assert len(said) == 2
        assert error["error"]["code"] == 502
        assert error["error"]["details"][0]["reason"] == "stream_broken"

    async def test_the_sdk_may_name_an_alias_or_a_mode(
        self, stack: AsyncExitStack, tmp_path: Path, one: Provider
    ) -> None:
        router = await stack.enter_async_context(
            running(tmp_path, {"p": entry(Dialect.GEMINI, one)}, routing={"aliases": {"nick": "m"}})
        )
        for name in ("nick", "auto", "auto-smart", "p/m", "models/m"):
            assert (await told(GENAI.streamed, router.url, model=name)).text == "left", name
        assert {seen.route for seen in one.seen} == {"/v1beta/models/m:streamGenerateContent"}

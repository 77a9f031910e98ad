"""A client's credentials: used to let it in, and then nowhere to be found."""

import base64
import gzip
import json
import logging
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from mitmproxy import http
from mitmproxy.addons.save import Save

from pointsman.demo import Provider, behaviours
from support.h1client import Headers, chat, h1_to
from support.h2client import h2_through
from support.http_requests import get, http_client
from support.process import mitmdump
from support.router import Router, running
from support.settings import provider

KEY = "ck-7Tq2mZx9Jd5wPk1sVn8h"
PROVIDER_KEY = "pk-5Wd8kRe2Bn7jXc4tMf9y"
OTHER = "ot-8Yr3nQb5Hs6cZg2vLa7u"
BASIC = base64.b64encode(f"me:{KEY}".encode()).decode()
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Form:
    """A way to send a credential."""

    name: str
    headers: Headers = ()
    path: str = PATH
    secrets: tuple[str, ...] = (KEY,)
    connect: Headers = ()
    """Headers of the CONNECT before it, where there is one."""


KNOWN = (
    Form("bearer", (("Authorization", f"Bearer {KEY}"),)),
    Form("bearer-in-lower-case", (("authorization", f"bearer   {KEY}"),)),
    Form("x-api-key", (("x-api-key", KEY),)),
    Form("x-goog-api-key", (("x-goog-api-key", KEY),)),
    Form("query", path=f"{PATH}?key={KEY}"),
    Form("query-among-others", path=f"{PATH}?alt=sse&key={KEY}&x=1"),
)
"""These let a client in."""

OTHERS = (
    Form("no-scheme", (("Authorization", OTHER),), secrets=(OTHER,)),
    Form("basic", (("Authorization", f"Basic {BASIC}"),), secrets=(BASIC, KEY)),
    Form("words-after-it", (("Authorization", f"Bearer {OTHER} and more"),), secrets=(OTHER,)),
    Form("twice", (("Authorization", f"Bearer {OTHER}"), ("Authorization", f"Bearer {KEY}")), secrets=(OTHER, KEY)),
    Form("digest", (("Authorization", f'Digest username="me", response="{OTHER}", qop=auth'),), secrets=(OTHER,)),
    Form("cookie", (("Cookie", f"session={OTHER}"),), secrets=(OTHER,)),
    Form("cookies", (("Cookie", f"session={OTHER}; csrf={KEY}; theme=dark"),), secrets=(OTHER, KEY)),
    Form("api-key", (("api-key", OTHER),), secrets=(OTHER,)),
    Form("some-api-key", (("openai-api-key", OTHER),), secrets=(OTHER,)),
    Form("proxy-authorization", (("Proxy-Authorization", f"Basic {BASIC}"),), secrets=(BASIC, KEY)),
)
"""These do not, and are private all the same."""


class Snapshots:
    """The state of every flow at every hook, as any other addon could have written it down."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def _take(self, flow: http.HTTPFlow) -> None:
        self.taken.append(repr(flow.get_state()))

    requestheaders = request = responseheaders = response = error = http_connect = http_connected = _take


@dataclass(frozen=True)
class Outcome:
    status: int
    texts: Mapping[str, str] = field(repr=False)
    """Everything that outlives the request or leaves the router, by where it is found."""

    def has_no(self, *secrets: str) -> None:
        for where, text in self.texts.items():
            for secret in secrets:
                # The last four characters may be shown, so that people can tell keys apart.
                assert secret[:8] not in text, f"{secret} is in {where}"
                assert secret[-12:-4] not in text, f"{secret} is in {where}"


async def over_http1(router: Router, form: Form) -> tuple[int, str]:
    async with h1_to(router.host, router.port) as client:
        await client.ask(chat(stream=False), form.path, (*form.headers, ("Connection", "close")))
        raw = (await client.reader.read()).decode()
        return int(raw.split()[1]), raw


async def over_http2(router: Router, form: Form) -> tuple[int, str]:
    async with h2_through(router.url, router.ca, connect=form.connect) as client:
        headers = tuple((name.lower(), value) for name, value in form.headers)
        stream = await client.ask(chat(stream=False), form.path, headers)
        await client.whole(stream)
        return stream.status, repr(stream)


class Ask(Protocol):
    async def __call__(self, form: Form, *, http2: bool = False, **server: Any) -> Outcome: ...


@pytest.fixture
def ask(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Ask:
    """Sends one request in a form, and looks everywhere."""
    caplog.set_level(logging.WARNING, "hpack")  # as mitmproxy's own programs set it
    caplog.set_level(logging.DEBUG)  # last, since it is what `caplog` itself takes

    async def ask(form: Form, *, http2: bool = False, **server: Any) -> Outcome:
        snapshots, save, saved = Snapshots(), Save(), tmp_path / "flows"
        async with (
            Provider(behaviours.answer()) as one,
            running(
                tmp_path,
                {"one": provider(one.base_url, keys=[PROVIDER_KEY])},
                addons=(snapshots, save),
                server=server,
            ) as router,
        ):
            router.context.configure(save, save_stream_file=str(saved))
            status, answer = await (over_http2 if http2 else over_http1)(router, form)
            audit = await get(f"{router.url}/internal/exchanges")
            save.done()
            received = [(seen.path, seen.headers, seen.body) for seen in one.seen]
        assert snapshots.taken
        assert saved.stat().st_size
        texts = {
            "a flow": "".join(snapshots.taken),
            "the saved file": saved.read_bytes().decode("latin-1"),
            "the log": caplog.text,
            "the answer": answer,
            "the audit": audit.body.decode(),
        }
        Outcome(status, texts).has_no(PROVIDER_KEY)
        return Outcome(status, {**texts, "what the provider got": repr(received)})

    return ask


def sent(*forms: Form) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("form", forms, ids=lambda form: form.name)


@sent(*KNOWN)
async def test_what_lets_a_client_in_is_forgotten(ask: Ask, form: Form) -> None:
    outcome = await ask(form, client_key=KEY)
    assert outcome.status == 200
    outcome.has_no(*form.secrets)


@sent(*KNOWN, *OTHERS)
async def test_what_does_not_let_it_in_is_forgotten_too(ask: Ask, form: Form) -> None:
    outcome = await ask(form, client_key="ck-somebody-elses-key-9876543210")
    assert outcome.status == 401
    outcome.has_no(*form.secrets)


@sent(*KNOWN, *OTHERS)
async def test_unsolicited_credentials_are_removed_too(ask: Ask, form: Form) -> None:
    outcome = await ask(form)
    assert outcome.status == 200
    outcome.has_no(*form.secrets)


@sent(*KNOWN, *OTHERS)
async def test_a_key_for_the_original_host_is_forgotten_by_its_proxy(ask: Ask, form: Form) -> None:
    outcome = await ask(form, http2=True)
    assert outcome.status == 200
    outcome.has_no(*form.secrets)


@pytest.mark.parametrize("value", [f"Basic {BASIC}", f"Bearer {KEY}"], ids=["basic", "bearer"])
async def test_a_proxy_password_is_forgotten(ask: Ask, value: str) -> None:
    outcome = await ask(Form("connect", connect=(("Proxy-Authorization", value),)), http2=True, client_key=KEY)
    assert outcome.status == 200
    outcome.has_no(KEY, BASIC)


async def test_a_proxy_password_does_not_go_on_to_the_original_host(tmp_path: Path) -> None:
    """No target here has the model, so its own host gets the request, with the credential that was meant for it."""
    async with (
        Provider(behaviours.answer()) as original,
        running(
            tmp_path,
            {"one": provider(behaviours.closed_port())},
            server={"client_key": KEY, "intercept": ["127.0.0.1"]},
        ) as router,
        h1_to(router.host, router.port) as client,
    ):
        headers = (("Authorization", f"Bearer {OTHER}"), ("Proxy-Authorization", f"Basic {BASIC}"))
        await client.ask(chat(model="elsewhere"), f"{original.base_url}/chat/completions", headers)
        assert (await client.head())[0] == 200
        [seen] = original.seen
        assert seen.header("authorization") == f"Bearer {OTHER}"
        assert seen.header("proxy-authorization") is None
        assert BASIC not in repr([flow.get_state() for flow in router.watcher.flows])


@pytest.mark.parametrize("packed", [False, True])
async def test_what_the_original_host_repeats_is_its_clients_to_read_and_no_flows(tmp_path: Path, packed: bool) -> None:
    said = json.dumps({"error": {"message": f"{OTHER} is wrong", "code": 401}}).encode()
    refusal = behaviours.exact([said], "application/json", 401, (("x-request-id", OTHER), ("Set-Cookie", f"a={OTHER}")))
    snapshots = Snapshots()
    async with (
        Provider(behaviours.compressed(refusal) if packed else refusal) as original,
        running(
            tmp_path,
            {"one": provider(behaviours.closed_port())},
            server={"intercept": ["127.0.0.1"]},
            addons=(snapshots,),
        ) as router,
        h1_to(router.host, router.port) as client,
    ):
        headers = (("Authorization", f"Bearer {OTHER}"), ("X-Session-ID", f"of {OTHER}"))
        await client.ask(chat(model="elsewhere"), f"{original.base_url}/chat/completions", headers)
        status, told, body = await client.answer()
        assert (status, told["x-request-id"], told["set-cookie"]) == (401, OTHER, f"a={OTHER}")
        assert (gzip.decompress(body) if packed else body) == said
        [seen] = original.seen
        assert seen.header("x-session-id") == f"of {OTHER}"
        kept = [flow.response.text or "" for flow in router.watcher.flows if flow.response]
        states = [*snapshots.taken, *(repr(flow.get_state()) for flow in router.watcher.flows)]
    assert ["*** is wrong" in text for text in kept] == [True]
    assert OTHER not in repr(states)


async def test_mitmdump_writes_none_down(tmp_path: Path) -> None:
    """The program itself, at its most talkative and saving every flow."""
    config, saved = tmp_path / "pointsman.yaml", tmp_path / "flows"
    options = ("--set", f"pointsman_config={config}", "--set", f"confdir={tmp_path}", "-w", str(saved))
    talkative = ("-v", "--flow-detail", "4", "--listen-host", "127.0.0.1", "--listen-port", "0")
    async with Provider(behaviours.answer()) as one, http_client() as client:
        entries = {"one": provider(one.base_url, keys=[PROVIDER_KEY])}
        config.write_text(json.dumps({"providers": entries, "server": {"client_key": KEY, "admin_key": OTHER}}))
        async with mitmdump(*options, *talkative, folder=tmp_path) as process:
            url = (await process.base_url()).removesuffix("/v1")
            for form in KNOWN:
                answer = await client.post(f"{url}{form.path}", content=chat(), headers=dict(form.headers))
                assert answer.content.endswith(b"data: [DONE]\n\n")
            process.tell(signal.SIGINT)
            assert await process.ends() == 0
        assert len(one.seen) == len(KNOWN)
    written = saved.read_bytes().decode("latin-1")
    assert written.count("chat/completions") >= len(KNOWN)
    assert process.text.count("chat/completions") >= len(KNOWN)
    Outcome(0, {"what it said": process.text, "the saved file": written}).has_no(KEY, OTHER, PROVIDER_KEY)

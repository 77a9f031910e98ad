"""Every way out for what others have written: none of them lets a secret through, in whatever spelling.

The provider repeats the key that it was asked with, wherever it can; the client puts its own into odd places. Then
everything that has left the router is searched.
"""

import ast
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.addons.save import Save
from mitmproxy.addons.view import View

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.responder import Responder
from pointsman.web.openapi import ROUTES
from support.h1client import Headers, chat, h1_to
from support.http_requests import get
from support.router import Router, running
from support.settings import provider
from support.spellings import SPELLINGS, spelled, traces

PROVIDER_KEY = "pk-5Wd8/kRe2Bn7jX/c4tMf9y"
OTHER_KEY = "pk-9Gm1/hQs6Vz3aL/e8uPn2w"
CLIENT_KEY = "ck-7Tq2mZx9Jd5wPk1sVn8h"
ADMIN_KEY = "ak-3Fb6/yTc4Ru8oE/i0gKs5d"
KEYS = (PROVIDER_KEY, OTHER_KEY, CLIENT_KEY, ADMIN_KEY)
PATH = "/v1/chat/completions"
TYPES = ("application/json", "text/html; charset=utf-8", "image/svg+xml", "text/xml", "text/javascript")

REPEATING: Headers = (
    ("openai-organization", spelled(PROVIDER_KEY)),
    ("anthropic-organization-id", PROVIDER_KEY),
    ("x-request-id", PROVIDER_KEY),
    ("x-odd-header", f"{CLIENT_KEY} {ADMIN_KEY}"),
    ("set-cookie", f"session={PROVIDER_KEY}"),
)


def complaint() -> str:
    """An error object that repeats every key in every spelling; it is JSON."""
    keys = " ".join(map(spelled, KEYS))
    return f'{{"error": {{"message": "no key {keys}", "type": "invalid_request_error", "code": 400}}}}'


def event(text: str) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def refusing(content_type: str = "application/json", status: int = 400) -> Behaviour:
    return behaviours.exact([complaint().encode()], content_type, status, REPEATING)


def breaking() -> Behaviour:
    """An answer that begins well; its keys come in a comment and in an error, cut by reads."""
    raw = b": " + " ".join(map(spelled, KEYS)).encode() + b"\n\n" + b"data: " + complaint().encode() + b"\n\n"
    third = len(raw) // 3
    return behaviours.exact([event("one "), raw[:third], raw[third:-third], raw[-third:]], headers=REPEATING)


def hanging_up() -> Behaviour:
    """The body of its error ends within the key."""

    async def play(stage: Responder) -> None:
        await stage.head(400, [("Content-Type", "text/plain")], length=1000)
        await stage.chunk(f"no key {PROVIDER_KEY}"[:-6].encode())

    return Behaviour("hanging up", play)


ODD_PLACES: Headers = (
    ("Authorization", f"Bearer {CLIENT_KEY}"),
    ("X-Request-ID", CLIENT_KEY),
    ("X-Session-ID", f"of {CLIENT_KEY}"),
    ("X-Auth-Token", OTHER_KEY),
    ("X-Whatever", spelled(PROVIDER_KEY)),
    ("X-Other", " ".join(KEYS)),
    ("User-Agent", f"agent {ADMIN_KEY}"),
    ("openai-project", CLIENT_KEY),
    ("Cookie", f"a={CLIENT_KEY}; b={ADMIN_KEY}"),
)
ODD_QUERY = "?" + "&".join(
    [f"api_key={CLIENT_KEY}", f"access_token={OTHER_KEY}", f"x={SPELLINGS['percent, lower case'](PROVIDER_KEY)}"]
    + [f"{name}={CLIENT_KEY}" for name in ("Api-Key", "token", "what", "alt")]
)


class Snapshots:
    """The state of every flow at every hook."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def _take(self, flow: http.HTTPFlow) -> None:
        self.taken.append(repr(flow.get_state()))

    requestheaders = request = responseheaders = response = error = http_connect = http_connected = _take


class Exits:
    """Everything that has left the router, by where."""

    def __init__(self) -> None:
        self.left: dict[str, bytes] = {}

    def are_clean(self, *, but_for: str = "") -> None:
        assert all(self.left.values()), [where for where, data in self.left.items() if not data]
        found = [
            f"{where}: {trace.decode()} of {key}"
            for where, data in self.left.items()
            for key in KEYS
            for trace in traces(key)
            if where != but_for and trace in data
        ]
        assert not found, "\n".join(found)


type Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Ask:
    """One request, and then a look everywhere."""
    caplog.set_level(logging.WARNING, "hpack")
    caplog.set_level(logging.DEBUG)  # last, since it is what `caplog` itself takes

    async def ask(behaviour: Behaviour, *, stream: bool, timing: dict[str, str] | None = None) -> Exits:
        exits, snapshots, save, view = Exits(), Snapshots(), Save(), View()
        history = tmp_path / "history" / "history.db"
        async with (
            Provider(behaviour) as one,
            running(
                tmp_path,
                {"one": provider(one.base_url, keys=[PROVIDER_KEY]), "off": provider(keys=[OTHER_KEY])},
                options={"pointsman_record_attempts": True},
                addons=(snapshots, save, view),
                server={"client_key": CLIENT_KEY, "admin_key": ADMIN_KEY},
                history={"path": str(history)},
                routing={"max_attempts": 1},
                stream=timing or {},
            ) as router,
        ):
            router.context.configure(save, save_stream_file=str(tmp_path / "flows"))
            async with h1_to(router.host, router.port) as client:
                await client.ask(chat(stream=stream), PATH + ODD_QUERY, (*ODD_PLACES, ("Connection", "close")))
                head, _, body = (await client.reader.read()).partition(b"\r\n\r\n")
            await router.gateway.flow_queue.close()
            exits.left |= {"head": head, "body": unchunked(head, body), "log": caplog.text.encode()}
            exits.left["flows"] = "".join(snapshots.taken).encode()
            exits.left["attempts"] = repr([flow.get_state() for flow in view]).encode()
            exits.left |= await pages(router)
            save.done()
            exits.left["saved file"] = (tmp_path / "flows").read_bytes()
        exits.left["history"] = dumped(history)
        assert len(one.seen) == 1
        return exits

    return ask


async def pages(router: Router) -> dict[str, bytes]:
    """Every page with facts, as the operator reads it."""
    paths = ["/internal/exchanges", "/internal/status/cooldowns", "/internal/stats/sticky", "/internal/health"]
    paths += [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path]
    assert len(paths) > 15
    found = {}
    for path in paths:
        answer = await get(f"{router.url}{path}", authorization=f"Bearer {ADMIN_KEY}")
        found[path] = repr(sorted(answer.headers.items())).encode() + answer.body
    return found


def dumped(history: Path) -> bytes:
    with closing(sqlite3.connect(history)) as db:
        return "\n".join(db.iterdump()).encode() + history.read_bytes()


def unchunked(head: bytes, body: bytes) -> bytes:
    if headers_of(head).get("transfer-encoding") != "chunked":
        return body
    whole = b""
    while size := int(body.partition(b"\r\n")[0] or b"0", 16):
        start = body.index(b"\r\n") + 2
        whole, body = whole + body[start : start + size], body[start + size + 2 :]
    return whole


def headers_of(head: bytes) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in pairs}


@pytest.mark.parametrize("content_type", TYPES)
async def test_of_a_refusal_nothing_gets_out(ask: Ask, content_type: str) -> None:
    exits = await ask(refusing(content_type), stream=False)
    exits.are_clean()
    headers = headers_of(exits.left["head"])
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(exits.left["body"])["error"]["message"].startswith("no key ***")


async def test_of_a_refusal_that_is_packed_nothing_gets_out(ask: Ask) -> None:
    exits = await ask(behaviours.compressed(refusing()), stream=False)
    exits.are_clean()
    assert exits.left["body"].startswith(b'{"error": {"message": "no key ***')


async def test_of_a_page_for_an_error_nothing_gets_out(ask: Ask) -> None:
    page = f"<html><script>alert('{spelled(PROVIDER_KEY)}')</script><p>no messages</p></html>"
    exits = await ask(behaviours.exact([page.encode()], "text/html", 422, REPEATING), stream=False)
    exits.are_clean()
    assert exits.left["body"].startswith(b"<html><script>alert('***")
    assert headers_of(exits.left["head"])["content-type"] == "text/plain; charset=utf-8"


async def test_of_an_error_that_is_cut_nothing_gets_out(ask: Ask) -> None:
    exits = await ask(hanging_up(), stream=False)
    exits.are_clean()
    assert PROVIDER_KEY[:8].encode() not in b"".join(exits.left.values())


async def test_of_a_failure_nothing_gets_out(ask: Ask) -> None:
    exits = await ask(refusing(status=503), stream=True)
    exits.are_clean()
    assert b" 502 " in exits.left["head"] or b" 503 " in exits.left["head"]


async def test_of_a_stream_that_breaks_nothing_gets_out(ask: Ask) -> None:
    exits = await ask(breaking(), stream=True)
    exits.are_clean()
    assert b'"one "' in exits.left["body"]
    assert b"no key ***" in exits.left["body"]


async def test_of_a_stream_that_fails_behind_an_early_head_nothing_gets_out(ask: Ask) -> None:
    exits = await ask(behaviours.delayed(refusing(), 0.5), stream=True, timing={"early_headers": "100ms"})
    exits.are_clean()
    assert exits.left["head"].startswith(b"HTTP/1.1 200 ")
    assert b"no key ***" in exits.left["body"]


async def test_of_an_error_in_a_good_status_nothing_gets_out(ask: Ask) -> None:
    for stream in (True, False):
        kind = "text/event-stream" if stream else "application/json"
        raw = f"data: {complaint()}\n\n" if stream else complaint()
        (await ask(behaviours.exact([raw.encode()], kind, headers=REPEATING), stream=stream)).are_clean()


async def test_a_good_answer_is_not_touched_and_only_its_client_gets_it(ask: Ask) -> None:
    words = (
        event(PROVIDER_KEY) + event("one") + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    )
    exits = await ask(behaviours.exact([words, b"data: [DONE]\n\n"], headers=REPEATING), stream=True)
    exits.are_clean(but_for="body")
    assert words in exits.left["body"]


@pytest.mark.parametrize("content_type", ["text/html", "application/json; charset=utf-8", ""])
async def test_so_it_is_with_a_whole_one(ask: Ask, content_type: str) -> None:
    message = {"role": "assistant", "content": f"<script>{PROVIDER_KEY}</script>"}
    whole = json.dumps({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    exits = await ask(behaviours.exact([whole], content_type or None, headers=REPEATING), stream=False)
    exits.are_clean(but_for="body")
    assert exits.left["body"] == whole
    assert headers_of(exits.left["head"])["content-type"].startswith("application/json")


class TestOddHeads:
    """What a client sends in a header comes back in one line, or not at all."""

    ODD = ("abc\rInjected: 1", "abc\nInjected: 1", "abc\r\n Injected: 1", "abc\0Injected: 1", "abc\x1b[31mred")

    @pytest.mark.parametrize("value", ODD)
    async def test_no_header_gets_a_second_line(self, tmp_path: Path, value: str) -> None:
        names = ("X-Session-ID", "X-Request-ID", "Access-Control-Request-Headers")
        async with Provider(behaviours.answer()) as one, running(tmp_path, {"one": provider(one.base_url)}) as router:
            for name in names:
                async with h1_to(router.host, router.port) as client:
                    origin = (("Origin", "http://localhost:3000"), ("Connection", "close"))
                    await client.ask(chat(stream=False), headers=(*origin, (name, value)))
                    self.is_clean(await client.reader.read(), one)
                async with h1_to(router.host, router.port) as client:
                    client.send(
                        f"OPTIONS {PATH} HTTP/1.1\r\nHost: router\r\nOrigin: http://localhost:1\r\n"
                        f"{name}: {value}\r\nConnection: close\r\n\r\n".encode()
                    )
                    self.is_clean(await client.reader.read(), one)
            flows = [flow.request.headers for flow in router.watcher.flows]
            assert not any(set("\r\n\0\x1b") & set(text) for fields in flows for _, text in fields.items(multi=True))

    @staticmethod
    def is_clean(answer: bytes, one: Provider) -> None:
        head = answer.partition(b"\r\n\r\n")[0]
        assert head.startswith(b"HTTP/1.1 ")
        assert not any(line.lower().startswith(b"injected") for line in head.replace(b"\r", b"\n").split(b"\n"))
        assert not set(head.replace(b"\r\n", b"")) & set(b"\r\n\0\x1b")
        for seen in one.seen:
            assert not any(set("\r\n\0\x1b") & set(value) for _, value in seen.headers)

    async def test_a_providers_header_gets_no_second_line_either(self, tmp_path: Path) -> None:
        odd = (("openai-version", "one\r\n two"), ("x-request-id", "three\r\n\tfour"))
        behaviour = behaviours.with_headers(behaviours.answer(), odd)
        async with (
            Provider(behaviour) as one,
            running(tmp_path, {"one": provider(one.base_url)}) as router,
            h1_to(router.host, router.port) as client,
        ):
            await client.ask(chat(stream=False))
            status, headers, _ = await client.answer()
        assert (status, headers["openai-version"]) == (200, "one two")


async def test_a_request_id_that_is_a_secret_is_replaced(tmp_path: Path) -> None:
    key = CLIENT_KEY
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"one": provider(one.base_url, keys=[key])}) as router,
    ):
        async with h1_to(router.host, router.port) as client:
            await client.ask(chat(stream=False), headers=(("X-Request-ID", key),))
            _, headers, _ = await client.answer()
        assert len(headers["x-request-id"]) == 32
        [record] = router.gateway.recent_exchanges.newest(1)
        assert record.request_id == headers["x-request-id"]


async def test_a_key_that_names_a_provider_is_no_secret(tmp_path: Path) -> None:
    """Local servers take any key, and people write the server's name."""
    async with (
        Provider(behaviours.answer()) as one,
        running(tmp_path, {"ollama": provider(one.base_url, keys=["ollama"])}) as router,
        h1_to(router.host, router.port) as client,
    ):
        await client.ask(chat(stream=False))
        _, headers, _ = await client.answer()
    assert headers["x-routed-via"] == "ollama/m"


async def test_the_length_of_an_answer_is_no_secret(tmp_path: Path) -> None:
    digits = "100100"
    body = json.dumps({"error": {"message": "", "code": 400}})
    body = body.replace('""', json.dumps("x" * (int(digits) - len(body))))
    behaviour = behaviours.exact([body.encode()], "application/json", 400)
    async with (
        Provider(behaviour) as one,
        running(tmp_path, {"one": provider(one.base_url, keys=[digits])}) as router,
        h1_to(router.host, router.port) as client,
    ):
        await client.ask(chat(stream=False))
        status, headers, answer = await client.answer()
    assert (status, headers["content-length"], len(answer)) == (400, digits, int(digits))


async def test_the_key_of_before_a_reload_is_still_masked(tmp_path: Path) -> None:
    async with running(tmp_path, {"one": provider(keys=[PROVIDER_KEY])}) as router:
        settings = router.gateway.settings
        router.gateway.update_settings(settings.model_copy(update={"providers": {}}))
        assert PROVIDER_KEY not in router.gateway.masker.text(PROVIDER_KEY)


async def test_the_admin_key_that_is_made_up_is_masked(tmp_path: Path) -> None:
    async with running(tmp_path, {"one": provider()}) as router:
        assert router.addon._admin_key.value
        assert router.gateway.masker.text(router.addon._admin_key.value) == "***"


async def test_a_traceback_is_masked_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path, {"one": provider(keys=[PROVIDER_KEY])}):
        try:
            raise ValueError(f"this is {PROVIDER_KEY}")
        except ValueError:
            logging.getLogger("somebody.else").exception("%s failed", PROVIDER_KEY)
    assert PROVIDER_KEY not in caplog.text
    assert "*** failed" in caplog.text
    assert "ValueError: this is ***" in caplog.text
    logging.getLogger("somebody.else").warning(PROVIDER_KEY)
    assert PROVIDER_KEY in caplog.text, "it is this router's business only as long as it runs"


def calls_of(name: str) -> Iterator[str]:
    package = Path(__file__).parents[2] / "addon" / "pointsman"
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                yield path.relative_to(package).as_posix()


def test_every_head_for_a_client_is_made_in_one_place() -> None:
    assert set(calls_of("make_response")) == {"transport/response.py", "recording/attempt_flows.py"}
    assert set(calls_of("ResponseHeaders")) == {"transport/page_responder.py", "transport/exchange_responder.py"}

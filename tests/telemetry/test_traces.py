"""Traces of a running router, decoded by a collector; and what a collector that fails costs: nothing."""

import logging
import os
import subprocess
import sys
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.config import ConfigError, rules
from pointsman.demo import behaviours
from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.masking import Masker
from pointsman.telemetry import traces
from pointsman.telemetry.traced_exchange import TracedExchange
from pointsman.telemetry.traces import TraceSender
from support.audit_records import attempt_record, exchange_record
from support.http_requests import ask, started
from support.router import running
from support.settings import provider, settings

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")
from opentelemetry import trace

from pointsman.telemetry.span_export import cause_of, parent_context
from support.time_limit import LONGEST
from telemetry.collector import collecting

SERVER, CLIENT, UNSET, ERROR = 2, 3, 0, 2
"""Kinds and states of spans, as the protocol numbers them."""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "sk-a-very-secret-key"


async def test_an_exchange_is_a_span_with_its_attempts_below_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bad, good = await started(stack, behaviours.status(503), behaviours.answer("hello there"))
        collector = await stack.enter_async_context(collecting())
        entries = {"bad": provider(bad.base_url, keys=[SECRET]), "good": provider(good.base_url)}
        telemetry = {"otlp": collector.url}
        router = await stack.enter_async_context(running(tmp_path, entries, telemetry=telemetry))
        answer = await ask(router.base_url, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        assert answer.status == 200
        whole, first, second = await collector.has(3)
    assert collector.resource["service.name"] == "pointsman"
    assert (whole.name, whole.kind, whole.trace, whole.parent, whole.status) == ("chat m", SERVER, TRACE, PARENT, UNSET)
    assert whole.attributes["pointsman.request_id"] == answer.headers["x-request-id"]
    assert whole.attributes["gen_ai.request.model"] == "m"
    assert whole.attributes["http.response.status_code"] == 200
    assert "gen_ai.usage.output_tokens" not in whole.attributes  # collectors would count them twice
    assert {each.trace for each in (first, second)} == {TRACE}
    assert {each.parent for each in (first, second)} == {whole.id}
    assert (first.kind, first.status, first.attributes["error.type"]) == (CLIENT, ERROR, "503")
    assert (first.attributes["gen_ai.provider.name"], first.links) == ("bad", [])
    assert (second.status, second.links) == (UNSET, [(first.id, "retry")])
    assert second.attributes["gen_ai.operation.name"] == "chat"
    assert second.attributes["gen_ai.usage.output_tokens"] > 0
    assert second.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert second.attributes["pointsman.outcome"] == "retry_success"
    assert (second.attributes["server.address"], second.attributes["server.port"]) == (
        "127.0.0.1",
        int(good.base_url[17:-3]),
    )
    assert whole.start <= first.start < first.end <= second.end <= whole.end
    told = str(collector.spans)
    assert "hello there" not in told
    assert "Which" not in told
    assert SECRET not in told


async def test_content_is_there_when_it_is_asked_for_without_secrets(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        (one,) = await started(stack, behaviours.answer("hello there"))
        collector = await stack.enter_async_context(collecting())
        entries = {"one": provider(one.base_url, keys=[SECRET])}
        telemetry = {"otlp": f"{collector.url}/v1/traces", "content": True}
        router = await stack.enter_async_context(running(tmp_path, entries, telemetry=telemetry))
        said = [{"role": "user", "content": f"My key is {SECRET}."}]
        assert (await ask(router.base_url, stream=False, messages=said)).status == 200
        whole, _ = await collector.has(2)
    assert "My key is ***." in whole.attributes["pointsman.request.content"]
    assert "hello there" in whole.attributes["pointsman.response.content"]


async def test_a_collector_that_hangs_holds_up_neither_requests_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "PATIENCE", 0.1)
    async with AsyncExitStack() as stack:
        (one,) = await started(stack, behaviours.answer())
        collector = await stack.enter_async_context(collecting())
        collector.gate.clear()
        router = running(tmp_path, {"one": provider(one.base_url)}, telemetry={"otlp": collector.url})
        async with router as running_router:
            assert (await ask(running_router.base_url)).status == 200
            await collector.asked.wait()
            assert (await ask(running_router.base_url)).status == 200
        assert collector.spans == []


class Stub:
    """An exporter that waits until it is let on, and then does as it is told."""

    def __init__(self) -> None:
        self.is_open, self.is_asked, self.is_done = threading.Event(), threading.Event(), threading.Event()
        self.takes = True
        self.sizes: list[int] = []

    def send(self, exchanges: list[TracedExchange], _: Masker) -> bool:
        self.is_asked.set()
        self.is_open.wait(LONGEST)
        self.sizes.append(len(exchanges))
        takes = self.takes
        self.is_done.set()
        return takes

    def close(self) -> None:
        self.is_open.set()


ONE = TracedExchange(exchange_record())


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "GATHERING_SECONDS", 0.01)
    stub = Stub()
    sender = TraceSender(lambda: stub, "http://c", Masker)
    sender.add(ONE)
    assert stub.is_asked.wait(LONGEST)
    for _ in range(traces.MAX_WAITING + 7):
        sender.add(ONE)
    assert sender.dropped == 7
    stub.is_open.set()
    sender.close()
    assert sum(stub.sizes) == traces.MAX_WAITING + 1
    assert max(stub.sizes) <= traces.MAX_BATCH


def test_a_collector_that_fails_is_logged_once_and_so_is_its_return(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(traces, "GATHERING_SECONDS", 0.01)
    caplog.set_level(logging.INFO, logger="pointsman")
    monkeypatch.setattr(traces, "MAX_BATCH", 1)
    stub = Stub()
    stub.takes = False
    stub.is_open.set()
    sender = TraceSender(lambda: stub, "http://c", Masker)
    for takes in (False, False, False, True, True):
        stub.takes = takes
        stub.is_done.clear()
        sender.add(ONE)
        assert stub.is_done.wait(LONGEST)
    sender.close()
    assert [record.getMessage() for record in caplog.records] == [
        "Pointsman: http://c does not accept traces; they are lost until it does.",
        "Pointsman: http://c accepts traces again; exchanges lost meanwhile: 3.",
    ]


@pytest.mark.parametrize(
    ("header", "is_valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"01-{TRACE}-{PARENT}-01-later", True),
        (None, False),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01", False),
    ],
)
def test_a_traceparent_counts_if_it_is_valid(header: str | None, is_valid: bool) -> None:
    assert trace.get_current_span(parent_context(header)).get_span_context().is_valid is is_valid


START = 1_700_000_000.0


def attempt(n: int, outcome: Outcome, at: float, ms: float) -> AttemptRecord:
    return attempt_record(n=n, outcome=outcome, started=START + at, settled_ms=ms)


@pytest.mark.parametrize(
    ("others", "n", "cause"),
    [
        ([], 1, None),
        ([attempt(1, Outcome.RETRY_FAILED, 0, 500)], 2, ("retry", 1)),
        ([attempt(1, Outcome.HEDGE_TRIGGERED, 0, 900), attempt(1, Outcome.HEDGE_WINNER, 0, 2000)], 2, ("hedge", 1)),
        ([attempt(1, Outcome.HEDGE_TRIGGERED, 0, 400), attempt(1, Outcome.RETRY_FAILED, 0, 500)], 2, ("retry", 1)),
        ([attempt(1, Outcome.RETRY_FAILED, 0, 100), attempt(2, Outcome.RETRY_FAILED, 0.2, 100)], 3, ("retry", 2)),
    ],
)
def test_an_attempt_has_one_cause(others: list[AttemptRecord], n: int, cause: Any) -> None:
    last = attempt(n, Outcome.RETRY_SUCCESS, 1.0, 300)
    assert cause_of(last, (*others, last)) == cause


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    code = (
        "import sys, pointsman.addon; from pointsman.telemetry import Traces;"
        "from pointsman.config import TelemetrySettings; Traces(TelemetrySettings(), None);"
        "print(sorted({'opentelemetry.sdk', 'opentelemetry.exporter', 'requests'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "addon")}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == "[]"


class TestConfiguration:
    def test_without_the_packages_it_is_refused_with_the_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(_: str) -> None:
            raise ModuleNotFoundError

        monkeypatch.setattr(rules, "find_spec", missing)
        assert settings({"one": provider()}).telemetry.otlp is None
        with pytest.raises(
            ConfigError, match=r"telemetry\.otlp: needs packages .* the extra otel, as docs/install\.md"
        ):
            settings({"one": provider()}, telemetry={"otlp": "http://127.0.0.1:4318"})

    @pytest.mark.parametrize("url", ["127.0.0.1:4318", "grpc://c:4317", "http://user:pw@c", "http://c?key=1"])
    def test_a_url_that_cannot_be_used_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigError, match=r"telemetry\.otlp"):
            settings({"one": provider()}, telemetry={"otlp": url})

"""How flows of ours enter mitmproxy."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow

from pointsman.recording import flow_queue
from pointsman.recording.flow_queue import FlowQueue


class Seen:
    """The hooks that an addon sees, and of whom."""

    def __init__(self) -> None:
        self.hooks: list[tuple[str, HTTPFlow]] = []

    def requestheaders(self, flow: HTTPFlow) -> None:
        self.hooks.append(("requestheaders", flow))

    def response(self, flow: HTTPFlow) -> None:
        flow.intercept()
        self.hooks.append(("response", flow))

    def error(self, flow: HTTPFlow) -> None:
        self.hooks.append(("error", flow))


@pytest.fixture
def seen() -> Iterator[Seen]:
    own = Seen()
    with taddons.context(own):
        yield own


def broken() -> HTTPFlow:
    raise ValueError("a URL that is none")


async def test_flows_enter_in_order_and_nothing_holds_them(seen: Seen) -> None:
    own, answered, failed = FlowQueue(), tflow.tflow(resp=True), tflow.tflow(err=True)
    own.put(lambda: answered)
    own.put(lambda: failed)
    assert seen.hooks == []
    await own.close()
    assert seen.hooks == [("response", answered), ("error", failed)]
    assert not answered.intercepted


async def test_one_that_cannot_be_made_keeps_no_other_out(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    own, flow = FlowQueue(), tflow.tflow(resp=True)
    own.put(broken)
    own.put(lambda: flow)
    await own.close()
    assert [each for _, each in seen.hooks] == [flow]
    assert "could not be recorded" in caplog.text


async def test_of_too_many_the_oldest_are_lost_and_that_is_said(
    seen: Seen, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_queue, "MAX_QUEUED", 2)
    own, flows = FlowQueue(), [tflow.tflow(resp=True) for _ in range(5)]
    with caplog.at_level(logging.WARNING):
        for flow in flows:
            own.put(lambda flow=flow: flow)  # type: ignore[misc]
        await own.close()
    assert [flow for hook, flow in seen.hooks if hook == "response"] == flows[3:]
    assert "3 attempts were not recorded" in caplog.text


async def test_it_goes_on_after_it_was_empty(seen: Seen) -> None:
    own = FlowQueue()
    for _ in range(2):
        own.put(lambda: tflow.tflow(resp=True))
        await own.close()
        await asyncio.sleep(0)
    assert len(seen.hooks) == 2

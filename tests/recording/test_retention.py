"""The bound on the view: what goes, what stays, and that memory is flat once it is reached."""

import asyncio
import gc
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from mitmproxy import ctx
from mitmproxy.addons.view import View
from mitmproxy.exceptions import OptionsError
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow

from pointsman.demo import Provider, menu
from pointsman.recording import retention
from pointsman.recording.notes import Mark, is_attempt
from pointsman.recording.retention import may_go, trim
from pointsman.recording.showing import Showing
from support.asking import QUESTION
from support.router import running
from support.settings import provider


def finished(**members: object) -> HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.live = False
    for name, value in members.items():
        setattr(flow, name, value)
    return flow


class TestWhatMayGo:
    @pytest.mark.parametrize(
        ("flow", "goes"),
        [
            (finished(), True),
            (finished(live=True), False),
            (finished(intercepted=True), False),
            (finished(marked=":red_circle:"), False),
            (finished(marked=Mark.FAILURE.value), False),
            (finished(marked=Mark.FAILURE.value, metadata={"pointsman": {"mark": Mark.FAILURE.value}}), True),
            (finished(marked=":red_circle:", metadata={"pointsman": {"mark": Mark.FAILURE.value}}), False),
            (finished(response=None), False),
            (finished(response=None, error=tflow.terr()), True),
            (tflow.ttcpflow(), True),
        ],
        ids=[
            "finished", "live", "intercepted", "marked", "marked like ours but not by us", "marked by us",
            "marked by hand over ours", "waiting to be replayed", "failed", "TCP",
        ],
    )  # fmt: skip
    def test_only_what_is_finished_and_nobody_has_touched(self, flow: Flow, goes: bool) -> None:
        if not isinstance(flow, HTTPFlow):
            flow.live = False
        assert may_go(flow) is goes


class TestTrimming:
    @staticmethod
    def viewed(most: int, flows: list[HTTPFlow]) -> list[Flow]:
        with taddons.context(view := View(), Showing()):
            ctx.options.pointsman_max_flows = most
            view.add(flows)
            trim()
            return list(view._store.values())

    def test_the_oldest_go(self) -> None:
        flows = [finished() for _ in range(5)]
        assert self.viewed(3, flows) == flows[2:]

    def test_what_must_stay_stays_even_over_the_bound(self) -> None:
        flows = [finished(marked=":red_circle:"), finished(live=True), finished(), finished()]
        assert self.viewed(1, flows) == flows[:2]

    def test_nothing_goes_below_it(self) -> None:
        flows = [finished() for _ in range(3)]
        assert self.viewed(3, flows) == flows

    def test_a_large_view_is_trimmed_by_the_hundredth(self) -> None:
        flows = [finished() for _ in range(201)]
        assert self.viewed(200, flows) == flows[3:]

    def test_without_a_view_there_is_nothing_to_do(self) -> None:
        with taddons.context(Showing()):
            trim()

    def test_the_bound_is_a_positive_number(self) -> None:
        with taddons.context(Showing()) as context, pytest.raises(OptionsError, match="at least 1"):
            context.options.update(pointsman_max_flows=0)


class Keeper:
    """Marks some of the first flows by hand, and remembers them."""

    def __init__(self) -> None:
        self.marked: list[HTTPFlow] = []
        self.removed_alive = 0

    def response(self, flow: HTTPFlow) -> None:
        if len(self.marked) < 20 and not is_attempt(flow):
            flow.marked = ":red_circle:"
            self.marked.append(flow)

    def watch(self, view: View) -> None:
        view.sig_store_remove.connect(self._removed)

    def _removed(self, flow: Flow) -> None:
        self.removed_alive += flow.live or flow.marked == ":red_circle:"


EXCHANGES, CLIENTS, MOST = 3000, 30, 500
FULL = 1200
"""Exchanges after which the view, and everything else that is bounded, is full."""


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_thousands_of_exchanges_leave_the_view_at_its_bound_and_memory_flat(tmp_path: Path) -> None:
    """Each with two attempts. The bound is lower than its default, so that it is reached early."""
    view, keeper = View(), Keeper()
    keeper.watch(view)
    full = 0
    async with AsyncExitStack() as stack:
        behaviours = (menu.status(503), menu.answer("hello"))
        bad, good = [await stack.enter_async_context(Provider(each, keep=10)) for each in behaviours]
        entries = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
        options = {"pointsman_record_attempts": True, retention.OPTION: MOST}
        sections = {"cooldowns": {"transient": "off"}, "sticky": {"enabled": False}}
        router = await stack.enter_async_context(
            running(tmp_path, entries, options=options, addons=[keeper, view], **sections)
        )
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))
        request = {"model": "m", "stream": True, "messages": QUESTION}
        for done in range(0, EXCHANGES, CLIENTS):
            asked = [client.post(f"{router.base_url}/chat/completions", json=request) for _ in range(CLIENTS)]
            answers = await asyncio.gather(*asked)
            assert {answer.headers["x-fallback-attempts"] for answer in answers} == {"1"}
            await router.dispatcher.intake.close()
            assert len(view) <= MOST + CLIENTS
            for seen in (router.watcher.flows, router.watcher.ended, router.conductors):
                seen.clear()
            if done == FULL:
                full = objects()
        trim()
        assert MOST - MOST // retention.SLACK <= len(view) <= MOST
        assert all(flow in view for flow in keeper.marked)
        assert keeper.removed_alive == 0
        assert objects() < full * 1.03

"""The bound on the view: what goes, what stays, and that memory is flat once it is reached."""

import gc

import pytest
from mitmproxy import ctx
from mitmproxy.addons.view import View
from mitmproxy.connection import Server
from mitmproxy.exceptions import OptionsError
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.proxy.layers.http import HttpRequestHeadersHook, HttpResponseHook
from mitmproxy.test import taddons, tflow

from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.records import Outcome
from pointsman.masking import Masker
from pointsman.recording import retention
from pointsman.recording.attempt_flows import AttemptFlowRecorder
from pointsman.recording.flow_notes import Mark, note_exchange
from pointsman.recording.flow_queue import FlowQueue
from pointsman.recording.mitm_integration import MAX_FLOWS, MitmIntegration
from pointsman.recording.retention import is_removable, trim
from support.audit_records import attempt_record, exchange_record


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
    def test_only_finished_and_untouched_flows_are_removable(self, flow: Flow, goes: bool) -> None:
        if not isinstance(flow, HTTPFlow):
            flow.live = False
        assert is_removable(flow) is goes


class TestTrimming:
    @staticmethod
    def viewed(most: int, flows: list[HTTPFlow]) -> list[Flow]:
        with taddons.context(view := View(), MitmIntegration()):
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
        with taddons.context(MitmIntegration()):
            trim()

    def test_the_bound_is_a_positive_number(self) -> None:
        with taddons.context(MitmIntegration()) as context, pytest.raises(OptionsError, match="at least 1"):
            context.options.update(pointsman_max_flows=0)


class Yard:
    """What mitmproxy and the router show of exchanges, without the sockets."""

    def __init__(self) -> None:
        self.view, self.intake, self.masker = View(), FlowQueue(), Masker(["sk-a-providers-key"])
        self.touched: list[HTTPFlow] = []
        """Marked by hand, or live to the end."""
        self.removed: set[str] = set()
        self.view.sig_store_remove.connect(self._remove)

    def _remove(self, flow: Flow) -> None:
        self.removed.add(flow.id)

    async def exchange(self, number: int) -> None:
        """With two attempts, the first of which fails. One in a hundred is marked by hand, or does not end."""
        client = tflow.tflow()
        await ctx.master.addons.trigger_event(HttpRequestHeadersHook(client))
        recorder = AttemptFlowRecorder(client, f"exchange-{number}", self.masker, self.intake)
        for record in ATTEMPTS:
            recorder.on_request(record.n, OUTBOUND, 0.0)
            recorder.on_head(record.n, record.status or 0, (("content-type", "text/event-stream"),))
            recorder.on_data(record.n, b"data: {}\n\n" * 20, 0.0)
            recorder.on_settled(record, Server(address=("127.0.0.1", 443)))
        await self.intake.close()
        if number % 100 == 1:
            self.touched.append(client)
            return
        note_exchange(client, exchange_record(attempts=ATTEMPTS))
        client.response = Response.make(200, b"data: [DONE]\n\n")
        if number % 100 == 2:
            client.marked = ":red_circle:"
            self.touched.append(client)
        client.live = False
        await ctx.master.addons.trigger_event(HttpResponseHook(client))


ATTEMPTS = (
    attempt_record(n=1, status=503, outcome=Outcome.RETRY_FAILED, error="503"),
    attempt_record(n=2, outcome=Outcome.RETRY_SUCCESS),
)
OUTBOUND = UpstreamRequest(
    "http://127.0.0.1/v1/chat/completions", (("authorization", "Bearer sk-a-providers-key"),), b"{}"
)
EXCHANGES, FULL = 3000, 1000
"""Of three flows each: the view, with its bound of 2,000, is full long before the latter."""


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_thousands_of_exchanges_leave_the_view_at_its_bound_and_memory_flat() -> None:
    own, full = Yard(), 0
    with taddons.context(own.view, MitmIntegration()):
        assert ctx.options.pointsman_max_flows == MAX_FLOWS
        for number in range(EXCHANGES):
            await own.exchange(number)
            assert own.view.store_count() <= MAX_FLOWS
            if number == FULL:
                full = objects()
        assert own.view.store_count() >= MAX_FLOWS - MAX_FLOWS // retention.TRIM_DIVISOR
        assert len(own.removed) == 3 * EXCHANGES - own.view.store_count()
        assert not own.removed & {flow.id for flow in own.touched}
        assert len(own.touched) == 2 * EXCHANGES // 100
        assert objects() < full * 1.03

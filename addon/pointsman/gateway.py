"""The gateway: everything between a client's stream and the parts that decide. It wires admission, wire, routing,
exchange and the router's own pages together.

There is one for as long as the addon lives. Settings may be replaced while it runs; an exchange keeps those it started
with.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sized
from secrets import token_bytes, token_hex
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.utils import asyncio_utils

from pointsman.admission import ChatRequest, Decision, EntryMode, NotRouted, OwnPage
from pointsman.client_admission import ClientAdmission
from pointsman.clients.clients import Clients
from pointsman.config import HistorySettings, Settings
from pointsman.configured_secrets import secrets_of
from pointsman.converted_items import ConvertedItems
from pointsman.dashboard_admission import admit_session
from pointsman.exchange.client_request import ExchangeRules
from pointsman.exchange.engine import Exchange
from pointsman.exchange.response_headers import body_headers, retry_after_headers, routing_headers
from pointsman.exchange_factory import ExchangeFactory
from pointsman.exchange_recorder import ExchangeRecorder
from pointsman.history import History
from pointsman.ledger_file import LedgerFile, LedgerWriter
from pointsman.masking import Masker
from pointsman.overrides.shared_secret import SharedSecretFile
from pointsman.recent_exchanges import RecentExchanges
from pointsman.recording.attempt_flows import AttemptFlowRecorder
from pointsman.recording.flow_notes import note_capture, note_exchange
from pointsman.recording.flow_queue import FlowQueue
from pointsman.recording.log_output import LogOutput
from pointsman.refusal_recorder import RefusalRecorder
from pointsman.request_reader import ParsedRequest, RequestReader
from pointsman.routing.router import Router
from pointsman.shared_routing import SharedRouting, shared_to_dict
from pointsman.telemetry import Gauges, RequestMetrics, Traces, metrics_text
from pointsman.transport.body_capture import BodyCapture
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.exchange_driver import ExchangeDriver
from pointsman.transport.mitm_patches.allocator import FreedMemory
from pointsman.transport.proxies import environment_passwords
from pointsman.transport.stream_events import PageReady
from pointsman.transport.stream_host import ClosableSocket, ForwardToOrigin, WholeResponse
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.transport.worker import Worker, make_converters_thread_safe
from pointsman.web.http import PageReply, PageRequest
from pointsman.web.page_router import PageRouter
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers
from pointsman.workers.this_worker import own_file

logger = logging.getLogger(__name__)
logging.getLogger("llm_rosetta").setLevel(logging.CRITICAL)  # it would log pieces of what people say
make_converters_thread_safe()

VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REQUEST_ID_HEADER = "x-request-id"
SHUTDOWN_POLL_INTERVAL = 0.05
LAST_REQUESTS = 0.5
"""Seconds after the process was told to end in which open connections are kept for one more request each."""


class Gateway:
    """Implements `transport.stream_host.StreamHost`. Without a `ledger`, what clients have spent is lost at the end."""

    def __init__(
        self,
        settings: Settings,
        providers: UpstreamClient,
        log: LogOutput,
        secrets: Iterable[str] = (),
        ledger: LedgerFile | None = None,
        secret_file: SharedSecretFile | None = None,
    ) -> None:
        self.log = log
        secret_file = secret_file or SharedSecretFile(None)
        self.router = Router(settings, secret_file.read() if settings.shared.url else token_bytes(32))
        self.recent_exchanges = RecentExchanges()
        self.metrics = RequestMetrics()
        self.gauges = Gauges(self.router)
        self.history = History(_own_history(settings))
        self.clients = Clients(settings)
        self._ledger_writer = LedgerWriter(self.clients.ledger, ledger) if ledger else None
        self.gauges.budgets = lambda: self.clients.budgets_left(time.time())
        self.gauges.shared_up = lambda: self.shared.hub.is_connected if self.shared else None
        self.upstream_client = providers
        self.admission = ClientAdmission(settings)
        self.running: dict[Exchange, ExchangeDriver] = {}
        self.sockets: set[ClosableSocket] = set()
        """Open WebSocket connections."""
        self.pages: PageRouter | None = None
        self._upstream_options: dict[ProxyMode, UpstreamOptions] = {}
        self.flow_queue = FlowQueue()
        """Attempts that wait to be shown as flows."""
        self.converted_items = ConvertedItems(time.monotonic)
        self.worker = Worker()
        """The thread that reads and converts large requests."""
        self._freed_memory = FreedMemory()
        self.closing = False
        """The process ends: no new connection is accepted, and every answer is the last one on its connection."""
        self._drains = False
        """Until what runs has ended, a request that comes on an open connection is still served."""
        self._own_secrets = (*secrets, *environment_passwords(os.environ))
        self._rules = ExchangeRules.from_settings(settings, Masker([*secrets_of(settings), *self._own_secrets]))
        self.shared: SharedRouting | None = None
        """None: this instance is alone. The settings are those of the start."""
        if settings.shared.url:
            name = ledger.name() if ledger else None
            self.shared = SharedRouting(self.router, self.clients, settings.shared, secret_file, name)
        self.traces = Traces(settings.telemetry, lambda: self._rules.masker)
        self._exchange_factory = ExchangeFactory(self.router, self.clients, self.converted_items, self.request_id)
        self.exchange_recorder = ExchangeRecorder(self.router, self.metrics, self.traces, self.history, log)
        self._refusals = RefusalRecorder(self.request_id, lambda: self.masker, self.history, self.metrics, log)

    @property
    def settings(self) -> Settings:
        return self.router.settings

    @property
    def masker(self) -> Masker:
        return self._rules.masker

    @property
    def max_body(self) -> int:
        return self.admission.server.max_body

    def on_options_changed(self) -> None:
        """mitmproxy's options say how providers are reached, and how long a request may be."""
        self._upstream_options.clear()
        self.admission.update_settings(self.settings)

    def table_sizes(self, now: float) -> dict[str, int]:
        """The sizes of all tables that grow and shrink; `now` is on the clock of the sessions."""
        cooldowns, view = self.router.cooldowns_to_dict(now, now), ctx.master.addons.get("view")
        return {
            "exchanges": len(self.running),
            "attempts": self.upstream_client.in_use,
            "sockets": len(self.sockets),
            "clients": len(ctx.master.addons.get("proxyserver").connections),
            "tasks": len(asyncio.all_tasks()),
            "flows": view.store_count() if view else 0,
            "records": len(self.recent_exchanges),
            "sessions": self.router.sessions.stats(now).get("active_sessions", 0),
            "cooldowns": sum(map(len, cooldowns.values())),
            "limits": len(self.router.limits),
        }

    def shared_state(self) -> dict[str, Any]:
        """Whether state is shared with other instances, in plain JSON types."""
        return shared_to_dict(self.shared)

    def metrics_text(self) -> bytes:
        return metrics_text(self.metrics, self.gauges, time.monotonic())

    def update_settings(self, settings: Settings) -> None:
        """New settings for exchanges that begin from now on."""
        before = self.settings
        for provider, pins in self.router.update_settings(settings, time.monotonic()).items():
            if not self.closing:
                state = "disabled" if provider in settings.providers else "removed"
                logger.info(f"Pointsman: provider {provider} was healthy and is {state}; pins removed: {pins}.")
        if settings.shared != before.shared:
            logger.warning("Pointsman: restart to apply the changed section shared.")
        self.history.update_settings(_own_history(settings))
        self.traces.update_settings(settings.telemetry)
        self.clients.update_settings(settings)
        if self.shared:
            self.shared.update_settings()
        # A provider that was asked with the previous key may still repeat it.
        self._rules = ExchangeRules.from_settings(
            settings, Masker([*secrets_of(settings), *secrets_of(before), *self._own_secrets])
        )
        self.admission.update_settings(settings)

    async def restore_history(self) -> None:
        """Opens the history, and restores the statistics from it."""
        self.history.start()
        memory = await self.history.restore(self.router.statistics.labels)
        self.router.restore(memory.hours, memory.waits, memory.attempts, time.time(), memory.of_keys)

    async def start_shared(self) -> None:
        """Act as one with other instances, if the settings name an engine."""
        if self.shared:
            await self.shared.start()

    async def close(self, patience: float, connections: Sized) -> None:
        """Lets running exchanges finish within this many seconds, then ends the rest with a proper error to their
        clients. `connections` are those of all clients.
        """
        self.closing = True
        if self.running:
            logger.info(f"Pointsman: shutting down: waiting up to {patience:g} s for {len(self.running)} requests.")
        await self._drain(patience, connections)
        problem = shutting_down()
        await asyncio.gather(*(driver.fail_with(problem) for driver in list(self.running.values())))
        await asyncio.sleep(0)  # until those that ended last are known
        await asyncio.gather(*(socket.shut_down() for socket in list(self.sockets)))
        if self.shared:
            await self.shared.stop()
        await self.history.close()
        await self.traces.close()
        if self._ledger_writer:
            await self._ledger_writer.stop()
        await self.flow_queue.close()
        self.worker.close()
        self._freed_memory.close()

    async def _drain(self, patience: float, connections: Sized) -> None:
        """A client that keeps its connection may be sending its next request at this moment, to a router that no longer
        listens: it would be lost if the connection was closed now.
        """
        began = time.monotonic()
        self._drains = patience > 0
        while (elapsed := time.monotonic() - began) < patience:
            if not self.running and (elapsed >= LAST_REQUESTS or not connections):
                break
            await asyncio.sleep(SHUTDOWN_POLL_INTERVAL)
        self._drains = False

    # Heads.

    def admit(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision:
        decision, address = self.admission.admit(request, context, mode), context.client.peername
        if self.pages:
            decision = admit_session(decision, request, context, mode, self.admission.server, self.pages.access)
        if isinstance(decision, OwnPage):
            self.log.connections.on_page(address)
        else:
            self.log.connections.on_request(address)
        return decision

    def admit_replay(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        decision = self.admission.admit_replay(flow, context, mode)
        if decision is not NotRouted.FORWARD:
            flow.request.headers.pop(REQUEST_ID_HEADER, None)  # it is a new request
        return decision

    # Answers without an exchange.

    def error_response(
        self, problem: Problem, chat: ChatRequest, request: http.Request, headers: Headers = ()
    ) -> WholeResponse:
        name = self.request_id(request)
        body = self._rules.masker.data(chat.form.error_body(problem.with_request_id(name)))
        routed = routing_headers(name, self._rules.prefix, None, ())
        form = (*body_headers("application/json", body), *retry_after_headers(problem.retry_after))
        return WholeResponse(problem.status, (*form, *routed, *headers), body)

    def note_refusal(self, flow: http.HTTPFlow, chat: ChatRequest, problem: Problem, model: str | None = None) -> None:
        self._refusals.on_chat_refused(flow, chat, problem, model)

    def on_client_left(self, flow: http.HTTPFlow, chat: ChatRequest) -> None:
        self._refusals.on_client_left(flow.request, chat)

    def on_message_refused(self, upgrade: http.Request, chat: ChatRequest, problem: Problem) -> None:
        self._refusals.on_message_refused(upgrade, chat, problem)

    def on_page_refused(self, request: http.Request, problem: Problem) -> None:
        self._refusals.on_page_refused(request, problem)

    def on_tunnel_refused(self, request: http.Request, problem: Problem) -> None:
        self._refusals.on_tunnel_refused(request, problem)

    def on_head_refused(self, problem: Problem) -> str:
        return self._refusals.on_head_refused(problem)

    def internal_error(self, request: http.Request) -> Problem:
        name = self.request_id(request)
        return Problem(Code.INTERNAL_ERROR, f"The router failed on this request; search its log for {name}.")

    def serve_page(self, request: PageRequest, stream: ClientStream) -> PageReply | None:
        assert self.pages
        reply = self.pages.handle(request)
        if isinstance(reply, PageReply):
            return reply
        handler = stream.http_layer.handler

        async def post(pending: Awaitable[PageReply]) -> None:
            await handler.server_event(PageReady(stream, await pending))

        asyncio_utils.create_task(post(reply), name=f"page {request.path}", keep_ref=True)
        return None

    # WebSocket connections.

    def on_socket_opened(self, socket: ClosableSocket) -> None:
        self.sockets.add(socket)

    def on_socket_closed(self, socket: ClosableSocket) -> None:
        self.sockets.discard(socket)

    # Exchanges.

    def request_reader(self, flow: http.HTTPFlow, chat: ChatRequest, credential: str | None) -> RequestReader:
        self._freed_memory.on_body(len(flow.request.raw_content or b""))
        key = None
        if credential and self.admission.keys.client_of(credential) is not None:
            key, credential = credential, None  # the client's name says as much, and stays when its key is replaced
        return RequestReader(
            flow, chat, credential, self.max_body, self.router, self.converted_items, key, self.shared is not None
        )

    async def run_in_thread[T](self, work: Callable[[], T]) -> Callable[[], T]:
        return await self.worker.outcome(work)

    def prepare(
        self, flow: http.HTTPFlow, chat: ChatRequest, read: ParsedRequest | Problem, is_again: bool
    ) -> Awaitable[object] | None:
        """Looks up what peers know of this request and this instance does not."""
        if self.shared is None or isinstance(read, Problem):
            return None
        return self.shared.prepare(chat, read, is_again)

    def open_exchange(
        self, flow: http.HTTPFlow, chat: ChatRequest, read: ParsedRequest | Problem, is_last: bool = False
    ) -> Exchange | WholeResponse | ForwardToOrigin:
        """The request is complete: its content decides whether an exchange begins."""
        try:
            if self.closing and not (self._drains and is_last):
                raise shutting_down()
            if isinstance(read, Problem):
                raise read
            return self._exchange_factory.create(flow, chat, read, self._rules)
        except Problem as problem:
            if _is_elsewhere(problem, chat) and _has_origin(chat):
                return ForwardToOrigin()
            model = None if isinstance(read, Problem) else read.facts.model
            self.note_refusal(flow, chat, problem, model)
            return self.error_response(problem, chat, flow.request)

    def start_driver(self, exchange: Exchange, stream: ClientStream) -> ExchangeDriver:
        try:
            driver = self._make_driver(exchange, stream)
        except BaseException:
            exchange.plan.discard()
            raise
        self.running[exchange] = driver
        return driver

    def _make_driver(self, exchange: Exchange, stream: ClientStream) -> ExchangeDriver:
        client = stream.context.client
        recorder = None
        if ctx.options.pointsman_record_attempts:
            recorder = AttemptFlowRecorder(
                stream.flow, exchange.client_request.request_id, exchange.rules.masker, self.flow_queue
            )
        upstream = self.upstream_options(client.proxy_mode)
        return ExchangeDriver(
            exchange, stream, stream.http_layer.handler, self.upstream_client, upstream, self.worker, recorder
        )

    def upstream_options(self, mode: ProxyMode) -> UpstreamOptions:
        """The way to providers for clients that come in by `mode`."""
        upstream = self._upstream_options.get(mode)
        if upstream is None:
            upstream = self._upstream_options[mode] = UpstreamOptions.from_options(ctx.options, mode)
        return upstream

    def on_exchange_ended(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        self.running.pop(exchange, None)
        record = exchange.to_record()
        self.recent_exchanges.add(record)
        received = sum(each.bytes_received for each in record.attempts)
        self._freed_memory.on_body(len(exchange.client_request.body) + received)
        note_exchange(flow, record)
        asyncio.get_running_loop().call_soon(self.exchange_recorder.record, exchange, record, flow)

    def store_capture(self, capture: BodyCapture, flow: http.HTTPFlow) -> None:
        assert flow.response
        flow.response.data.content = capture.body(self.masker.cut_data)
        note_capture(flow, capture)

    def discard(self, exchange: Exchange) -> None:
        exchange.plan.discard()
        if driver := self.running.pop(exchange, None):
            driver.discard()

    def request_id(self, request: http.Request) -> str:
        """The client's own id, if it is well-formed and contains no secret; otherwise a new one, which the flow then
        carries.
        """
        given: str = request.headers.get(REQUEST_ID_HEADER, "")
        if not VALID_REQUEST_ID.fullmatch(given) or self.masker.text(given) != given:
            given = request.headers[REQUEST_ID_HEADER] = token_hex(16)
        return given


def _is_elsewhere(problem: Problem, chat: ChatRequest) -> bool:
    """No provider here has the model or the stored answer, or what is no chat does not name a model."""
    is_unknown = problem.code in (Code.MODEL_NOT_FOUND, Code.NOT_FOUND)
    return is_unknown or (chat.endpoint is not None and problem.param == "model")


def _has_origin(chat: ChatRequest) -> bool:
    """The request may go to where it would go without the router. In reverse mode that holds for what is no chat."""
    is_passed_through = chat.entry_mode is EntryMode.REVERSE and chat.endpoint is not None
    return chat.may_pass and (chat.entry_mode is EntryMode.PROXY or is_passed_through)


def _own_history(settings: Settings) -> HistorySettings:
    """Each worker writes a file of its own."""
    history = settings.history
    return history.model_copy(update={"path": own_file(history.path)}) if history.path else history


def shutting_down() -> Problem:
    return Problem(Code.SHUTTING_DOWN, "The router is shutting down.", retry_after=1)

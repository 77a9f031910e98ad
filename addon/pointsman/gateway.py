"""The gateway: everything between a client's stream and the parts that decide. It wires admission, wire, routing,
exchange and the router's own pages together.

There is one for as long as the addon lives. Settings may be replaced while it runs; an exchange keeps those it started
with.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from secrets import token_bytes, token_hex

from mitmproxy import ctx, http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode, Socks5Mode
from mitmproxy.utils import asyncio_utils, human

from pointsman.admission import (
    ChatRequest,
    Decision,
    EntryMode,
    NotRouted,
    Refusal,
    RequestHead,
    admit,
    admit_replay,
    constant_time_equal,
    credentials,
    has_proxy_client_key,
)
from pointsman.auth_throttle import AuthThrottle, check_throttle
from pointsman.config import Forward, Server, Settings
from pointsman.domain.records import ExchangeRecord
from pointsman.exchange.client_request import ClientRequest, ExchangeRules
from pointsman.exchange.engine import Exchange
from pointsman.exchange.response_headers import body_headers, retry_after_headers, routing_headers
from pointsman.history import History
from pointsman.masking import Masker
from pointsman.recent_exchanges import RecentExchanges
from pointsman.recording.attempt_flows import AttemptFlowRecorder
from pointsman.recording.flow_notes import entry_mode_of, note_capture, note_entry_mode, note_exchange, note_refusal
from pointsman.recording.flow_queue import FlowQueue
from pointsman.request_reader import ParsedRequest, RequestReader
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.transport import entry_mode
from pointsman.transport.body_capture import BodyCapture
from pointsman.transport.exchange_driver import ExchangeDriver
from pointsman.transport.own_listeners import listening
from pointsman.transport.stream import RoutedStream
from pointsman.transport.stream_events import PageReady, UploadTimedOut
from pointsman.transport.stream_host import ForwardToOrigin, WholeResponse
from pointsman.transport.upload_timeout import UploadTimer
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.transport.worker import Worker, make_converters_thread_safe
from pointsman.web.http import PageReply, PageRequest
from pointsman.web.router import PageRouter
from pointsman.wire.dialects.base import Purpose
from pointsman.wire.dialects.registry import DEFAULT, DIALECTS, count_body
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers, to_provider
from pointsman.wire.request_facts import RequestFacts

logger = logging.getLogger(__name__)
logging.getLogger("llm_rosetta").setLevel(logging.CRITICAL)  # it would log pieces of what people say
make_converters_thread_safe()

VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REQUEST_ID_HEADER = "x-request-id"
SHUTDOWN_POLL_INTERVAL = 0.05


class Gateway:
    """Implements `transport.stream_host.StreamHost`."""

    def __init__(self, settings: Settings, providers: UpstreamClient, secrets: Iterable[str] = ()) -> None:
        self.router = Router(settings, token_bytes(32))
        self.recent_exchanges = RecentExchanges()
        self.history = History(settings.history)
        self.upstream_client = providers
        self.trusted_connections: set[str] = set()
        """Ids of client connections whose CONNECT carried the client key, until they end."""
        self.running: dict[Exchange, ExchangeDriver] = {}
        self.pages: PageRouter | None = None
        self._upstream_options: dict[ProxyMode, UpstreamOptions] = {}
        self.auth_throttle = AuthThrottle()
        """Of the client key."""
        self.flow_queue = FlowQueue()
        """For the flows of attempts."""
        self.worker = Worker()
        """For large requests."""
        self.closing = False
        """No new exchange begins."""
        self._own_secrets = tuple(secrets)
        self._rules = ExchangeRules.from_settings(settings, Masker([*secrets_of(settings), *self._own_secrets]))
        self._server = _server_settings(settings)

    @property
    def settings(self) -> Settings:
        return self.router.settings

    @property
    def masker(self) -> Masker:
        return self._rules.masker

    @property
    def max_body(self) -> int:
        return self._server.max_body

    def on_options_changed(self) -> None:
        """mitmproxy's options say how providers are reached, and how long a request may be."""
        self._upstream_options.clear()
        self._server = _server_settings(self.settings)

    def table_sizes(self, now: float) -> dict[str, int]:
        """How many there are of what comes and goes; `now` is the time that sessions live by."""
        cooldowns, view = self.router.cooldowns_to_dict(now, now), ctx.master.addons.get("view")
        return {
            "exchanges": len(self.running),
            "attempts": self.upstream_client.in_use,
            "clients": len(ctx.master.addons.get("proxyserver").connections),
            "tasks": len(asyncio.all_tasks()),
            "flows": view.store_count() if view else 0,
            "records": len(self.recent_exchanges),
            "sessions": self.router.sessions.stats(now).get("active_sessions", 0),
            "cooldowns": sum(map(len, cooldowns.values())),
            "limits": len(self.router.limits),
        }

    def update_settings(self, settings: Settings) -> None:
        """New settings for exchanges that begin from now on."""
        before = self.settings
        for provider, pins in self.router.update_settings(settings, time.monotonic()).items():
            if not self.closing:
                state = "disabled" if provider in settings.providers else "removed"
                logger.info(f"Pointsman: provider {provider} was healthy and is {state}; pins removed: {pins}.")
        self.history.update_settings(settings.history)
        # A provider that was asked with the previous key may still repeat it.
        self._rules = ExchangeRules.from_settings(
            settings, Masker([*secrets_of(settings), *secrets_of(before), *self._own_secrets])
        )
        self._server = _server_settings(settings)

    async def restore_history(self) -> None:
        """Begin the history, and learn what it knows."""
        self.history.start()
        memory = await self.history.restore(self.router.statistics.labels)
        self.router.restore(memory.hours, memory.waits, memory.attempts, time.time())

    async def close(self, patience: float) -> None:
        """Let running exchanges end for so many seconds, then end them with a proper word to their clients."""
        self.closing = True
        if self.running:
            logger.info(f"Pointsman: shutting down: waiting up to {patience:g} s for {len(self.running)} requests.")
        until = time.monotonic() + patience
        while self.running and time.monotonic() < until:
            await asyncio.sleep(SHUTDOWN_POLL_INTERVAL)
        problem = Problem(Code.SHUTTING_DOWN, "The router is shutting down.", retry_after=1)
        await asyncio.gather(*(driver.fail_with(problem) for driver in list(self.running.values())))
        await asyncio.sleep(0)  # until those that ended last are known
        await self.history.close()
        await self.flow_queue.close()
        self.worker.close()

    # Heads.

    def admit(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision:
        client, proxyauth = context.client, bool(getattr(ctx.options, "proxyauth", None))
        head = entry_mode.request_head(
            request, context, mode, listening(), client.id in self.trusted_connections, self.is_local(client), proxyauth
        )
        decision = admit(head, self._server)
        if head.entry_mode is not EntryMode.PROXY:
            if not isinstance(decision, ChatRequest | Refusal) or not credentials(head.headers, head.path):
                return decision
            problem = decision.problem if isinstance(decision, Refusal) else None
            return self._throttled(decision, problem, head, client)
        if has_proxy_client_key(head.headers, self.settings.server):
            return self._trust_client(decision, head, request, client, proxyauth)
        if isinstance(decision, Refusal) and "proxy-authorization" in head.headers and not proxyauth:
            return self._throttled(decision, decision.problem, head, client)
        return decision

    def _trust_client(
        self, decision: Decision, head: RequestHead, request: http.Request, client: Client, proxyauth: bool
    ) -> Decision:
        """A proxy's client has sent the client key as the proxy's password."""
        if proxyauth:  # which takes it out itself
            found = decision
        else:
            del request.headers["proxy-authorization"]  # it was meant for this proxy, and goes no further
            found = self._throttled(decision, None, head, client)
        if head.method == "CONNECT" and found is NotRouted.FORWARD:
            self.trusted_connections.add(client.id)
        return found

    def _throttled(self, decision: Decision, problem: Problem | None, head: RequestHead, client: Client) -> Decision:
        """Refuses addresses that sent too many wrong keys. `problem` is what is wrong with this key."""
        found = check_throttle(self.auth_throttle, problem, client.peername[0], head.local, time.monotonic())
        if found is None or found is problem:
            return decision
        return Refusal(decision.dialect if isinstance(decision, ChatRequest | Refusal) else DEFAULT.name, found)

    def admit_replay(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        local = entry_mode.is_local(context.client)
        head = entry_mode.request_head(flow.request, context, mode, listening(), vouched=True, local=local)
        decision = admit_replay(replace(head, entry_mode=entry_mode_of(flow) or head.entry_mode), self._server)
        if decision is not NotRouted.FORWARD:
            flow.request.headers.pop(REQUEST_ID_HEADER, None)  # it is a new request
        return decision

    def is_local(self, client: Client) -> bool:
        """On this machine. The router itself never connects to itself on behalf of somebody else."""
        return entry_mode.is_local(client)

    def forwarding_problem(self, client: Client) -> str | None:
        """Why nothing is dialled for this client, whatever it asks for; None where each request is judged by itself."""
        if (
            entry_mode.is_local(client)
            or not entry_mode.is_forward_proxy(client)
            or getattr(ctx.options, "proxyauth", None)
        ):
            return None
        policy, is_socks = self.settings.server.forwards, isinstance(client.proxy_mode, Socks5Mode)
        if policy is Forward.LOCAL or (policy is Forward.KEY and is_socks):
            return "server.forward lets only clients on this machine connect to other servers this way."
        return None

    # Answers without an exchange.

    def error_response(
        self, problem: Problem, chat: ChatRequest, request: http.Request, headers: Headers = ()
    ) -> WholeResponse:
        body = self._rules.masker.data(DIALECTS[chat.dialect].error_body(problem))
        routed = routing_headers(self.request_id(request), self._rules.prefix, None, ())
        form = (*body_headers("application/json", body), *retry_after_headers(problem.retry_after))
        return WholeResponse(problem.status, (*form, *routed, *headers), body)

    def internal_error(self, request: http.Request) -> Problem:
        name = self.request_id(request)
        return Problem(Code.INTERNAL_ERROR, f"The router failed on this request; search its log for {name}.")

    def start_upload_timer(self, stream: RoutedStream) -> UploadTimer:
        handler = stream.http_layer.handler

        def expired() -> None:
            asyncio_utils.create_task(
                handler.server_event(UploadTimedOut(stream)), name="upload expired", keep_ref=True
            )

        return UploadTimer(expired)

    def serve_page(self, request: PageRequest, stream: RoutedStream) -> PageReply | None:
        assert self.pages
        reply = self.pages.handle(request)
        if isinstance(reply, PageReply):
            return reply
        handler = stream.http_layer.handler

        async def post(pending: Awaitable[PageReply]) -> None:
            await handler.server_event(PageReady(stream, await pending))

        asyncio_utils.create_task(post(reply), name=f"page {request.path}", keep_ref=True)
        return None

    # Exchanges.

    def request_reader(self, flow: http.HTTPFlow, chat: ChatRequest, credential: str | None) -> RequestReader:
        settings = self.settings.server
        shared = settings.client_key
        if shared and credential and constant_time_equal(credential, shared.get_secret_value()):
            credential = None  # a client that sends the key all clients share has told nothing of itself
        return RequestReader(flow, chat, credential, self.max_body, self.router)

    async def run_in_thread[T](self, work: Callable[[], T]) -> Callable[[], T]:
        return await self.worker.outcome(work)

    def open_exchange(
        self, flow: http.HTTPFlow, chat: ChatRequest, read: ParsedRequest | Problem
    ) -> Exchange | WholeResponse | ForwardToOrigin:
        """The request is whole: what it asks for decides whether an exchange begins."""
        request = flow.request
        try:
            if self.closing:
                raise Problem(Code.SHUTTING_DOWN, "The router is shutting down.", retry_after=1)
            if isinstance(read, Problem):
                raise read
            plan = self._plan(chat, read)
        except Problem as problem:
            if problem.code is Code.MODEL_NOT_FOUND and chat.entry_mode is EntryMode.PROXY and chat.may_pass:
                return ForwardToOrigin()
            note_refusal(flow, problem)
            return self.error_response(problem, chat, request)
        call = ClientRequest(
            request_id=self.request_id(request),
            dialect=DIALECTS[chat.dialect],
            facts=read.facts,
            path=request.path,
            body=read.body,
            headers=to_provider(request.headers.items(multi=True)),
            started=time.time(),
            own_answer=_token_estimate(chat, read.facts),
        )
        note_entry_mode(flow, chat.entry_mode)
        return Exchange(call, plan, self._rules)

    def _plan(self, chat: ChatRequest, read: ParsedRequest) -> Plan:
        if chat.purpose is Purpose.COUNT:
            return self.router.count_tokens_plan(read.facts, chat.dialect, read.caller, time.monotonic())
        return self.router.plan(read.facts, chat.dialect, read.caller, time.monotonic(), time.time())

    def start_driver(self, exchange: Exchange, stream: RoutedStream) -> ExchangeDriver:
        client = stream.context.client
        recorder = None
        if ctx.options.pointsman_record_attempts:
            recorder = AttemptFlowRecorder(
                stream.flow, exchange.client_request.request_id, exchange.rules.masker, self.flow_queue
            )
        upstream = self.upstream_options(client.proxy_mode)
        driver = ExchangeDriver(
            exchange, stream, stream.http_layer.handler, self.upstream_client, upstream, self.worker, recorder
        )
        self.running[exchange] = driver
        return driver

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
        note_exchange(flow, record)
        asyncio.get_running_loop().call_soon(self._record_exchange, exchange, record, flow.comment)

    def _record_exchange(self, exchange: Exchange, record: ExchangeRecord, comment: str) -> None:
        """Once the client has its answer, and before anything is heard from it again."""
        try:
            exchange.report_answer(time.monotonic())
            if exchange.client_request.own_answer is None:  # it was no count of tokens, which says nothing of answering
                self.router.observe(record)
                self.history.record(record, exchange.client_request.facts.tokens)
            if getattr(ctx.options, "flow_detail", 1):  # else mitmdump is to say nothing of flows
                logger.info(f"{record.request_id} {record.model}: {comment}")
        except Exception:
            logger.exception(f"The router failed to record exchange {record.request_id}.")

    def store_capture(self, capture: BodyCapture, flow: http.HTTPFlow) -> None:
        assert flow.response
        flow.response.data.content = capture.body(self.masker.cut_data)
        note_capture(flow, capture)

    def discard(self, exchange: Exchange) -> None:
        exchange.plan.discard()
        if driver := self.running.pop(exchange, None):
            driver.discard()

    def request_id(self, request: http.Request) -> str:
        """The client's own, if it is sane and no secret; else a new one, which the flow then carries."""
        given: str = request.headers.get(REQUEST_ID_HEADER, "")
        if not VALID_REQUEST_ID.fullmatch(given) or self.masker.text(given) != given:
            given = request.headers[REQUEST_ID_HEADER] = token_hex(16)
        return given


def _token_estimate(chat: ChatRequest, facts: RequestFacts) -> bytes | None:
    """The answer to a token count if no provider gives one."""
    return count_body(chat.dialect, facts.tokens) if chat.purpose is Purpose.COUNT else None


def _server_settings(settings: Settings) -> Server:
    """That section, its limit on bodies no larger than mitmproxy's own."""
    limit = human.parse_size(ctx.options.body_size_limit)
    if limit is None or limit >= settings.server.max_body:
        return settings.server
    return settings.server.model_copy(update={"max_body": limit})


def secrets_of(settings: Settings) -> list[str]:
    """Every secret of a configuration. A key that stands in the name of a provider or model, as `ollama` may, is none:
    to mask it would spoil what names them.
    """
    server = [key.get_secret_value() for key in (settings.server.client_key, settings.server.admin_key) if key]
    keys = [key.value.get_secret_value() for each in settings.providers.values() for key in each.keys]
    public = [(name, *(model.id for model in each.models)) for name, each in settings.providers.items()]
    names = "\n".join(word for words in public for word in words)
    return [secret for secret in (*server, *keys) if secret not in names]

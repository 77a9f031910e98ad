"""The dispatcher: everything between a client's stream and the parts that decide. It wires reception, wire, routing,
exchange and pages.

One dispatcher lives as long as the addon. Settings may be replaced while it runs; an exchange keeps those it began
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
    Arrival,
    Chat,
    Decision,
    Door,
    Pass,
    Refusal,
    credentials,
    receive,
    receive_again,
    same,
    vouches,
)
from pointsman.auth_throttle import Guesses, weighed
from pointsman.config import Forward, Server, Settings
from pointsman.domain.records import ExchangeRecord
from pointsman.exchange.client_request import Call, Rules
from pointsman.exchange.engine import Exchange
from pointsman.exchange.response_headers import body_headers, retry_after_headers, routing_headers
from pointsman.history import History
from pointsman.masking import Masker
from pointsman.recent_exchanges import Ledger
from pointsman.recording.attempt_flows import Recorder
from pointsman.recording.flow_notes import door_of, note_door, note_exchange, note_refusal, note_tape
from pointsman.recording.flow_queue import Intake
from pointsman.request_reader import Read, Reading
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.transport import entry_mode
from pointsman.transport.body_capture import Tape
from pointsman.transport.exchange_driver import Conductor
from pointsman.transport.own_listeners import listening
from pointsman.transport.stream import RoutedStream
from pointsman.transport.stream_events import PageReady, UploadExpired
from pointsman.transport.stream_host import Answer, PassOn
from pointsman.transport.upload_timeout import UploadWatch
from pointsman.transport.upstream_client import Providers
from pointsman.transport.upstream_options import Outlet
from pointsman.transport.worker import Worker, share_library
from pointsman.web.http import Reply
from pointsman.web.http import Request as PageRequest
from pointsman.web.router import Pages
from pointsman.wire.dialects.base import Purpose
from pointsman.wire.dialects.registry import DEFAULT, DIALECTS, count_body
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers, to_provider
from pointsman.wire.request_facts import RequestFacts

logger = logging.getLogger(__name__)
logging.getLogger("llm_rosetta").setLevel(logging.CRITICAL)  # it would log pieces of what people say
share_library()

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
OWN_REQUEST_ID = "x-request-id"
CLOSING_LOOK = 0.05


class Dispatcher:
    """Implements `transport.station.Station`."""

    def __init__(self, settings: Settings, providers: Providers, secrets: Iterable[str] = ()) -> None:
        self.router = Router(settings, token_bytes(32))
        self.ledger = Ledger()
        self.history = History(settings.history)
        self.providers = providers
        self.vouched: set[str] = set()
        """Ids of client connections whose CONNECT carried the client key, until they end."""
        self.running: dict[Exchange, Conductor] = {}
        self.pages: Pages | None = None
        self._outlets: dict[ProxyMode, Outlet] = {}
        self.guesses = Guesses()
        """Of the client key."""
        self.intake = Intake()
        """For the flows of attempts."""
        self.worker = Worker()
        """For large requests."""
        self.closing = False
        """No new exchange begins."""
        self._own_secrets = tuple(secrets)
        self._rules = Rules.of(settings, Masker([*secrets_of(settings), *self._own_secrets]))
        self._server = _server(settings)

    @property
    def settings(self) -> Settings:
        return self.router.settings

    @property
    def masker(self) -> Masker:
        return self._rules.masker

    @property
    def max_body(self) -> int:
        return self._server.max_body

    def options_changed(self) -> None:
        """mitmproxy's options say how providers are reached, and how long a request may be."""
        self._outlets.clear()
        self._server = _server(self.settings)

    def tables(self, now: float) -> dict[str, int]:
        """How many there are of what comes and goes; `now` is the time that sessions live by."""
        cooldowns, view = self.router.cooldowns.plain(now, now), ctx.master.addons.get("view")
        return {
            "exchanges": len(self.running),
            "attempts": self.providers.in_use,
            "clients": len(ctx.master.addons.get("proxyserver").connections),
            "tasks": len(asyncio.all_tasks()),
            "flows": view.store_count() if view else 0,
            "records": len(self.ledger),
            "sessions": self.router.sessions.stats(now).get("active_sessions", 0),
            "cooldowns": sum(map(len, cooldowns.values())),
            "limits": len(self.router.limits),
        }

    def replace(self, settings: Settings) -> None:
        """New settings for exchanges that begin from now on."""
        before = self.settings
        for provider, pins in self.router.replace(settings, time.monotonic()).items():
            if not self.closing:
                state = "disabled" if provider in settings.providers else "removed"
                logger.info(f"Pointsman: provider {provider} was healthy and is {state}; pins removed: {pins}.")
        self.history.replace(settings.history)
        # Whoever was asked with the key of before may still repeat it.
        self._rules = Rules.of(settings, Masker([*secrets_of(settings), *secrets_of(before), *self._own_secrets]))
        self._server = _server(settings)

    async def remember(self) -> None:
        """Begin the history, and learn what it knows."""
        self.history.start()
        memory = await self.history.recall(self.router.statistics.labels)
        self.router.remember(memory.hours, memory.waits, memory.attempts, time.time())

    async def close(self, patience: float) -> None:
        """Let running exchanges end for so many seconds, then end them with a proper word to their clients."""
        self.closing = True
        if self.running:
            logger.info(f"Pointsman: {len(self.running)} running, which have {patience:g} s to end.")
        until = time.monotonic() + patience
        while self.running and time.monotonic() < until:
            await asyncio.sleep(CLOSING_LOOK)
        problem = Problem(Code.SHUTTING_DOWN, "The router is shutting down.", retry_after=1)
        await asyncio.gather(*(conductor.give_up(problem) for conductor in list(self.running.values())))
        await asyncio.sleep(0)  # until those that ended last are known
        await self.history.close()
        await self.intake.close()
        self.worker.close()

    # Heads.

    def receive(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision:
        client, proxyauth = context.client, bool(getattr(ctx.options, "proxyauth", None))
        arrival = entry_mode.arrival(
            request, context, mode, listening(), client.id in self.vouched, self.is_local(client), proxyauth
        )
        decision = receive(arrival, self._server)
        if arrival.door is not Door.PROXY:
            if not isinstance(decision, Chat | Refusal) or not credentials(arrival.headers, arrival.path):
                return decision
            problem = decision.problem if isinstance(decision, Refusal) else None
            return self._weighed(decision, problem, arrival, client)
        if vouches(arrival.headers, self.settings.server):
            return self._vouched(decision, arrival, request, client, proxyauth)
        if isinstance(decision, Refusal) and "proxy-authorization" in arrival.headers and not proxyauth:
            return self._weighed(decision, decision.problem, arrival, client)
        return decision

    def _vouched(
        self, decision: Decision, arrival: Arrival, request: http.Request, client: Client, proxyauth: bool
    ) -> Decision:
        """A proxy's client has sent the client key as the proxy's password."""
        if proxyauth:  # which takes it out itself
            found = decision
        else:
            del request.headers["proxy-authorization"]  # it was meant for this proxy, and goes no further
            found = self._weighed(decision, None, arrival, client)
        if arrival.method == "CONNECT" and found is Pass.ON:
            self.vouched.add(client.id)
        return found

    def _weighed(self, decision: Decision, problem: Problem | None, arrival: Arrival, client: Client) -> Decision:
        """Whoever sends too many wrong keys is told so. `problem` is what is wrong with the one sent."""
        found = weighed(self.guesses, problem, client.peername[0], arrival.local, time.monotonic())
        if found is None or found is problem:
            return decision
        return Refusal(decision.dialect if isinstance(decision, Chat | Refusal) else DEFAULT.name, found)

    def receive_again(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        local = entry_mode.is_local(context.client)
        arrival = entry_mode.arrival(flow.request, context, mode, listening(), vouched=True, local=local)
        decision = receive_again(replace(arrival, door=door_of(flow) or arrival.door), self._server)
        if decision is not Pass.ON:
            flow.request.headers.pop(OWN_REQUEST_ID, None)  # it is a new request
        return decision

    def is_local(self, client: Client) -> bool:
        """On this machine. The router itself never connects to itself on behalf of somebody else."""
        return entry_mode.is_local(client)

    def keeps_out(self, client: Client) -> str | None:
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

    def say(self, problem: Problem, chat: Chat, request: http.Request, headers: Headers = ()) -> Answer:
        body = self._rules.masker.data(DIALECTS[chat.dialect].error_body(problem))
        routed = routing_headers(self.request_id(request), self._rules.prefix, None, ())
        form = (*body_headers("application/json", body), *retry_after_headers(problem.retry_after))
        return Answer(problem.status, (*form, *routed, *headers), body)

    def crash_of(self, request: http.Request) -> Problem:
        name = self.request_id(request)
        return Problem(Code.INTERNAL_ERROR, f"The router failed on this request; its log has more under {name}.")

    def watch_upload(self, stream: RoutedStream) -> UploadWatch:
        handler = stream.home.handler

        def expired() -> None:
            asyncio_utils.create_task(handler.server_event(UploadExpired(stream)), name="upload expired", keep_ref=True)

        return UploadWatch(expired)

    def page(self, request: PageRequest, stream: RoutedStream) -> Reply | None:
        assert self.pages
        reply = self.pages.answer(request)
        if isinstance(reply, Reply):
            return reply
        handler = stream.home.handler

        async def post(pending: Awaitable[Reply]) -> None:
            await handler.server_event(PageReady(stream, await pending))

        asyncio_utils.create_task(post(reply), name=f"page {request.path}", keep_ref=True)
        return None

    # Exchanges.

    def reading(self, flow: http.HTTPFlow, chat: Chat, credential: str | None) -> Reading:
        settings = self.settings.server
        shared = settings.client_key
        if shared and credential and same(credential, shared.get_secret_value()):
            credential = None  # a client that sends the key all clients share has told nothing of itself
        return Reading(flow, chat, credential, self.max_body, self.router)

    async def elsewhere[T](self, work: Callable[[], T]) -> Callable[[], T]:
        return await self.worker.outcome(work)

    def open(self, flow: http.HTTPFlow, chat: Chat, read: Read | Problem) -> Exchange | Answer | PassOn:
        """The request is whole: what it asks for decides whether an exchange begins."""
        request = flow.request
        try:
            if self.closing:
                raise Problem(Code.SHUTTING_DOWN, "The router is shutting down.", retry_after=1)
            if isinstance(read, Problem):
                raise read
            plan = self._plan(chat, read)
        except Problem as problem:
            if problem.code is Code.MODEL_NOT_FOUND and chat.door is Door.PROXY and chat.may_pass:
                return PassOn()
            note_refusal(flow, problem)
            return self.say(problem, chat, request)
        call = Call(
            request_id=self.request_id(request),
            dialect=DIALECTS[chat.dialect],
            facts=read.facts,
            path=request.path,
            body=read.body,
            headers=to_provider(request.headers.items(multi=True)),
            started=time.time(),
            fallback=_estimate(chat, read.facts),
        )
        note_door(flow, chat.door)
        return Exchange(call, plan, self._rules)

    def _plan(self, chat: Chat, read: Read) -> Plan:
        if chat.purpose is Purpose.COUNT:
            return self.router.count_plan(read.facts, chat.dialect, read.caller, time.monotonic())
        return self.router.plan(read.facts, chat.dialect, read.caller, time.monotonic(), time.time())

    def conduct(self, exchange: Exchange, stream: RoutedStream) -> Conductor:
        client = stream.context.client
        recorder = None
        if ctx.options.pointsman_record_attempts:
            recorder = Recorder(stream.flow, exchange.call.request_id, exchange.rules.masker, self.intake)
        outlet = self.outlet(client.proxy_mode)
        conductor = Conductor(exchange, stream, stream.home.handler, self.providers, outlet, self.worker, recorder)
        self.running[exchange] = conductor
        return conductor

    def outlet(self, mode: ProxyMode) -> Outlet:
        """The way to providers for clients that come in by `mode`."""
        outlet = self._outlets.get(mode)
        if outlet is None:
            outlet = self._outlets[mode] = Outlet.of(ctx.options, mode)
        return outlet

    def ended(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        self.running.pop(exchange, None)
        record = exchange.record()
        self.ledger.add(record)
        note_exchange(flow, record)
        asyncio.get_running_loop().call_soon(self._learn, exchange, record, flow.comment)

    def _learn(self, exchange: Exchange, record: ExchangeRecord, comment: str) -> None:
        """Once the client has its answer, and before anything is heard from it again."""
        try:
            exchange.remember(time.monotonic())
            if exchange.call.fallback is None:  # it was no count of tokens, which says nothing of answering
                self.router.observe(record)
                self.history.add(record, exchange.call.facts.tokens)
            if getattr(ctx.options, "flow_detail", 1):  # else mitmdump is to say nothing of flows
                logger.info(f"{record.request_id} {record.model}: {comment}")
        except Exception:
            logger.exception(f"The router failed to learn from exchange {record.request_id}.")

    def keep(self, tape: Tape, flow: http.HTTPFlow) -> None:
        assert flow.response
        flow.response.data.content = tape.body(self.masker.piece)
        note_tape(flow, tape)

    def abandon(self, exchange: Exchange) -> None:
        exchange.plan.abandoned()
        if conductor := self.running.pop(exchange, None):
            conductor.abandon()

    def request_id(self, request: http.Request) -> str:
        """The client's own, if it is sane and no secret; else a new one, which the flow then carries."""
        given: str = request.headers.get(OWN_REQUEST_ID, "")
        if not SANE_ID.fullmatch(given) or self.masker.text(given) != given:
            given = request.headers[OWN_REQUEST_ID] = token_hex(16)
        return given


def _estimate(chat: Chat, facts: RequestFacts) -> bytes | None:
    """Nobody has to be asked how many tokens a request has."""
    return count_body(chat.dialect, facts.tokens) if chat.purpose is Purpose.COUNT else None


def _server(settings: Settings) -> Server:
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

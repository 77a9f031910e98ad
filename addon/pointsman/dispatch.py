"""The dispatcher: everything between a client's stream and the parts that decide. It wires reception, wire, routing,
exchange and pages.

One dispatcher lives as long as the addon. Settings may be replaced while it runs; an exchange keeps those it began
with.
"""

import asyncio
import logging
import re
import time
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from secrets import token_bytes
from uuid import uuid4

from mitmproxy import ctx, http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils, human

from pointsman.config import Server, Settings
from pointsman.exchange.answer import body_headers, retry_after_headers, routing_headers
from pointsman.exchange.call import Call, Rules
from pointsman.exchange.engine import Exchange
from pointsman.exchange.summary import summary
from pointsman.ledger import Ledger
from pointsman.reception import Chat, Decision, Door, receive, same, vouches
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.secrets import Masker
from pointsman.sessions.keys import Caller
from pointsman.transport import doors
from pointsman.transport.conductor import Conductor
from pointsman.transport.decoding import TooLarge, UnknownCoding, decode
from pointsman.transport.doors import Address
from pointsman.transport.outlet import Outlet
from pointsman.transport.posted import UploadExpired
from pointsman.transport.providers import Providers
from pointsman.transport.station import Answer, PassOn
from pointsman.transport.stream import RoutedStream
from pointsman.transport.upload import UploadWatch
from pointsman.web.page import Reply
from pointsman.web.page import Request as PageRequest
from pointsman.web.pages import Pages
from pointsman.wire.conversation import body_ids, conversation
from pointsman.wire.dialects import DIALECTS, Purpose, count_body
from pointsman.wire.facts import RequestFacts
from pointsman.wire.faults import Code, Problem
from pointsman.wire.headers import Headers, to_provider

logger = logging.getLogger(__name__)

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
OWN_REQUEST_ID = "x-request-id"
CLOSING_LOOK = 0.05


class Dispatcher:
    """Implements `transport.station.Station`."""

    def __init__(self, settings: Settings, providers: Providers, vouched: Collection[str]) -> None:
        self.router = Router(settings, token_bytes(32))
        self.ledger = Ledger()
        self.providers = providers
        self.vouched = vouched
        self.dialled: set[Address] = set()
        """Our own ends of the connections that mitmproxy has made to servers."""
        """Ids of client connections whose CONNECT carried the client key."""
        self.running: dict[Exchange, Conductor] = {}
        self.pages: Pages | None = None
        self._outlets: dict[ProxyMode, Outlet] = {}
        self.closing = False
        """No new exchange begins."""
        self._rules = Rules.of(settings, _masker(settings))
        self._server = _server(settings)

    @property
    def settings(self) -> Settings:
        return self.router.settings

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
        for provider, pins in self.router.replace(settings, time.monotonic()).items():
            if not self.closing:
                state = "disabled" if provider in settings.providers else "removed"
                logger.info(f"Pointsman: provider {provider} was healthy and is {state}; pins removed: {pins}.")
        self._rules = Rules.of(settings, _masker(settings))
        self._server = _server(settings)

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

    # Heads.

    def receive(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision:
        listening = ctx.master.addons.get("proxyserver").listen_addrs()
        arrival = doors.arrival(request, context, mode, listening, context.client.id in self.vouched)
        arrival = replace(arrival, local=self.is_local(context.client))
        asked_by_mitmproxy = getattr(ctx.options, "proxyauth", None)  # which then takes it out itself
        if arrival.door is Door.PROXY and not asked_by_mitmproxy and vouches(arrival.headers, self.settings.server):
            del request.headers["proxy-authorization"]  # it was meant for this proxy, and goes no further
        return receive(arrival, self._server)

    def is_local(self, client: Client) -> bool:
        """On this machine, and not merely this proxy on behalf of somebody it was told to connect here."""
        return doors.is_local(client) and tuple(client.peername[:2]) not in self.dialled

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
        handler = _handler(stream.context.client)

        def expired() -> None:
            asyncio_utils.create_task(handler.server_event(UploadExpired(stream)), name="upload expired", keep_ref=True)

        return UploadWatch(expired)

    def page(self, request: PageRequest) -> Reply:
        assert self.pages
        return self.pages.answer(request)

    # Exchanges.

    def open(self, flow: http.HTTPFlow, chat: Chat, credential: str | None) -> Exchange | Answer | PassOn:
        """The request is whole: what it asks for decides whether an exchange begins."""
        request, dialect = flow.request, DIALECTS[chat.dialect]
        try:
            if self.closing:
                raise Problem(Code.SHUTTING_DOWN, "The router is shutting down.", retry_after=1)
            body = self._decoded(request)
            facts = dialect.facts(body, request.path)
            plan = self._plan(flow, chat, facts, credential)
        except Problem as problem:
            if problem.code is Code.MODEL_NOT_FOUND and chat.door is Door.PROXY:
                return PassOn()
            return self.say(problem, chat, request)
        call = Call(
            request_id=self.request_id(request),
            dialect=dialect,
            facts=facts,
            path=request.path,
            body=body,
            headers=to_provider(request.headers.items(multi=True)),
            started=time.time(),
            fallback=_estimate(chat, facts),
        )
        return Exchange(call, plan, self._rules)

    def _plan(self, flow: http.HTTPFlow, chat: Chat, facts: RequestFacts, credential: str | None) -> Plan:
        if chat.purpose is Purpose.COUNT:
            return self.router.count_plan(facts, chat.dialect)
        caller = self._caller(flow, chat, facts, credential)
        return self.router.plan(facts, chat.dialect, caller, time.monotonic())

    def _caller(self, flow: http.HTTPFlow, chat: Chat, facts: RequestFacts, credential: str | None) -> Caller:
        """A client that sends the key all clients share has told nothing of itself."""
        shared = self.settings.server.client_key
        return Caller(
            headers={name.lower(): value for name, value in flow.request.headers.items()},
            credential=None if shared and credential and same(credential, shared.get_secret_value()) else credential,
            address=flow.client_conn.peername[0],
            body_ids=partial(body_ids, facts.document),
            conversation=partial(conversation, chat.dialect, facts.document),
        )

    def _decoded(self, request: http.Request) -> bytes:
        """The request's body as its client meant it. Raises Problem."""
        body, codings = request.raw_content or b"", request.headers.get("content-encoding", "")
        if not codings:
            return body
        try:
            return decode(body, codings, self.max_body)
        except UnknownCoding as error:
            known = "gzip, deflate, br and zstd"
            raise Problem(
                Code.INVALID_REQUEST, f"Content-Encoding {str(error)[:40]!r} is unknown here; {known} are not."
            ) from None
        except TooLarge:
            message = f"The request's body decodes to more than server.max_body allows ({self.max_body} bytes)."
            raise Problem(Code.REQUEST_TOO_LARGE, message) from None
        except ValueError as error:
            raise Problem(Code.INVALID_REQUEST, f"The request's body is not valid {codings[:40]}: {error}.") from None

    def conduct(self, exchange: Exchange, stream: RoutedStream) -> Conductor:
        client = stream.context.client
        outlet = self._outlets.get(client.proxy_mode)
        if outlet is None:
            outlet = self._outlets[client.proxy_mode] = Outlet.of(ctx.options, client.proxy_mode)
        conductor = self.running[exchange] = Conductor(exchange, stream, _handler(client), self.providers, outlet)
        return conductor

    def ended(self, exchange: Exchange, flow: http.HTTPFlow) -> None:
        self.running.pop(exchange, None)
        record = exchange.record()
        self.ledger.add(record)
        flow.comment = summary(record)
        logger.info(f"{record.request_id} {record.model}: {flow.comment}")

    def abandon(self, exchange: Exchange) -> None:
        if conductor := self.running.pop(exchange, None):
            conductor.abandon()

    def request_id(self, request: http.Request) -> str:
        """The client's own, if it is sane; else a new one, which the flow then carries."""
        given: str = request.headers.get(OWN_REQUEST_ID, "")
        if not SANE_ID.fullmatch(given):
            given = request.headers[OWN_REQUEST_ID] = uuid4().hex
        return given


def _estimate(chat: Chat, facts: RequestFacts) -> bytes | None:
    """Nobody has to be asked how many tokens a request has."""
    return count_body(chat.dialect, facts.tokens) if chat.purpose is Purpose.COUNT else None


def _handler(client: Client) -> ConnectionHandler:
    handler: ConnectionHandler = ctx.master.addons.get("proxyserver").connections[client.id]
    return handler


def _server(settings: Settings) -> Server:
    """That section, its limit on bodies no larger than mitmproxy's own."""
    limit = human.parse_size(ctx.options.body_size_limit)
    if limit is None or limit >= settings.server.max_body:
        return settings.server
    return settings.server.model_copy(update={"max_body": limit})


def _masker(settings: Settings) -> Masker:
    """Knows every secret of the configuration."""
    server = [key.get_secret_value() for key in (settings.server.client_key, settings.server.admin_key) if key]
    keys = [key.value.get_secret_value() for provider in settings.providers.values() for key in provider.keys]
    return Masker([*server, *keys])

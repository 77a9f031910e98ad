"""Makes the exchange of a complete request: plans it, charges its client and describes its session."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from mitmproxy import http

from pointsman.admission import ChatRequest
from pointsman.clients.clients import Clients, RunningRequest
from pointsman.converted_items import ConvertedItems
from pointsman.exchange.client_request import ClientRequest, ExchangeRules
from pointsman.exchange.engine import Exchange
from pointsman.exchange.known_refusals import KnownRefusals
from pointsman.masking import Masker
from pointsman.recording.flow_notes import note_entry_mode
from pointsman.request_reader import ParsedRequest
from pointsman.routing.client_spending import BATCH, expected_tokens, uncounted_work
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.wire.account_requests import PROVIDER_HEADER
from pointsman.wire.conversation import first_words
from pointsman.wire.dialects.base import Purpose
from pointsman.wire.dialects.registry import count_body
from pointsman.wire.headers import to_provider
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.request_options import describe_unknown

logger = logging.getLogger(__name__)

MAX_UNKNOWN_OPTIONS = 100
MAX_SHOWN_WORDS = 120
"""Characters of a conversation's first words that are kept for the page of sessions."""


class ExchangeFactory:
    """`request_id` names a request."""

    def __init__(
        self,
        router: Router,
        clients: Clients,
        converted_items: ConvertedItems,
        request_id: Callable[[http.Request], str],
    ) -> None:
        self._router, self._clients = router, clients
        self._converted_items, self._request_id = converted_items, request_id
        self._known_refusals = KnownRefusals()
        self._unknown_options: set[str] = set()
        """Those that the log has named: at most MAX_UNKNOWN_OPTIONS, until the process ends."""

    def create(self, flow: http.HTTPFlow, chat: ChatRequest, read: ParsedRequest, rules: ExchangeRules) -> Exchange:
        """Raises Problem: no exchange begins, and the client's limits do not count the request."""
        self._warn_of_unknown_options(read.unknown_options)
        plan = self._plan_for_client(chat, read, flow.request)
        try:
            note_entry_mode(flow, chat.entry_mode)
            self._describe_session(plan, chat, read.facts, rules.masker)
            return Exchange(self._client_request(flow.request, chat, read), plan, rules)
        except BaseException:
            plan.discard()
            raise

    def _warn_of_unknown_options(self, names: Iterable[str]) -> None:
        """Once for each name."""
        for name in names:
            if name not in self._unknown_options and len(self._unknown_options) < MAX_UNKNOWN_OPTIONS:
                self._unknown_options.add(name)
                logger.warning(f"Pointsman: {describe_unknown(name)}. A client has sent it.")

    def _describe_session(self, plan: Plan, chat: ChatRequest, facts: RequestFacts, masker: Masker) -> None:
        """For the operators' page of sessions."""

        def words() -> str:
            said = "" if chat.endpoint else first_words(chat.dialect, facts.document)
            return masker.line(said)[:MAX_SHOWN_WORDS]

        self._router.sessions.on_request(plan.binding, chat.recorded_client, facts.model, words)

    def _client_request(self, request: http.Request, chat: ChatRequest, read: ParsedRequest) -> ClientRequest:
        return ClientRequest(
            request_id=self._request_id(request),
            dialect=chat.form,
            facts=read.facts,
            path=request.path,
            body=b"" if chat.purpose is Purpose.STORED and request.method != "POST" else read.body,
            headers=to_provider(request.headers.items(multi=True)),
            started=time.time(),
            own_answer=_token_estimate(chat, read.facts),
            method=request.method,
            client=chat.recorded_client,
            is_chat=chat.purpose not in (Purpose.COUNT, Purpose.STORED),
            on_items=partial(self._converted_items.remember, read.caller.owner),
            refusals=self._known_refusals,
        )

    def _plan_for_client(self, chat: ChatRequest, read: ParsedRequest, request: http.Request) -> Plan:
        """The plan, which ends the request of its client in every ending. Counting tokens and asking for stored answers
        costs nothing. Raises Problem.
        """
        if chat.client is None or chat.purpose in (Purpose.COUNT, Purpose.STORED):
            return self._plan(chat, read, request, None)
        if work := uncounted_work(read.facts, request.method):
            self._clients.refuse_uncounted(chat.client, work, chooses_models=work == BATCH)
        estimate = expected_tokens(read.facts)
        charged = self._clients.begin(chat.client, estimate, time.monotonic(), time.time())
        try:
            return self._plan(chat, read, request, charged)
        except BaseException:
            charged.end()
            raise

    def _plan(
        self, chat: ChatRequest, read: ParsedRequest, request: http.Request, charged: RunningRequest | None
    ) -> Plan:
        if chat.purpose is Purpose.ACCOUNT:
            named = request.headers.get(PROVIDER_HEADER, "").strip()
            now, wall = time.monotonic(), time.time()
            return self._router.account_plan(read.facts, chat.dialect, named, now, wall, chat.client, charged)
        now = time.monotonic()
        if chat.purpose is Purpose.COUNT:
            return self._router.count_tokens_plan(read.facts, chat.dialect, read.caller, now)
        if chat.purpose is Purpose.STORED:
            return self._router.stored_answer_plan(read.facts, chat.dialect, request.method, now, chat.client)
        plan = self._router.plan(read.facts, chat.dialect, read.caller, now, time.time(), charged)
        if notice := self._router.pin_pause_notice(plan, now):
            logger.info(f"Pointsman: {notice}")
        return plan


def _token_estimate(chat: ChatRequest, facts: RequestFacts) -> bytes | None:
    """The answer to a token count if no provider gives one. No request has no tokens, however short it is."""
    return count_body(chat.dialect, max(1, facts.tokens)) if chat.purpose is Purpose.COUNT else None

"""A stage in virtual time: one exchange, a clock that only moves when told, and everything the exchange wanted done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pointsman.clients.clients import RunningRequest
from pointsman.config.enums import Dialect
from pointsman.domain.records import AttemptRecord
from pointsman.exchange.client_request import ClientRequest, ExchangeRules
from pointsman.exchange.effects import Abort, Cancel, Effect, End, Launch, Release, Respond, Send, Settled
from pointsman.exchange.engine import Exchange
from pointsman.exchange.known_refusals import KnownRefusals
from pointsman.masking import Masker
from pointsman.routing.router import Router
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind
from pointsman.wire.headers import Headers
from pointsman.wire.request_options import NO_OPTIONS, RequestOptions
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

WALL = 1_700_000_000.0


def body(stream: bool = True, model: str = "m") -> bytes:
    return b'{"model":"%s","stream":%s,"messages":[{"role":"user","content":"hi"}]}' % (
        model.encode(),
        b"true" if stream else b"false",
    )


def event(content: str) -> bytes:
    choice = b'{"index":0,"delta":{"content":"%s"},"finish_reason":null}' % content.encode()
    return b'data: {"id":"c","object":"chat.completion.chunk","choices":[%s]}\n\n' % choice


ROLE = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
STOP = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
LENGTH = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}'
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


class ExchangeHarness:
    """`count` providers `a`, `b`, …, each with the model `m`. `router` is one that has seen something before."""

    def __init__(
        self,
        count: int = 3,
        *,
        stream: bool = True,
        dialect: Dialect = Dialect.OPENAI_CHAT,
        path: str = "/v1/chat/completions",
        request: bytes | None = None,
        headers: Headers = (),
        keys: Mapping[str, list[str]] | None = None,
        timing: Mapping[str, Any] | None = None,
        redirects: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
        session: str | None = None,
        router: Router | None = None,
        speaks: Mapping[str, Dialect] | None = None,
        more: Mapping[str, Any] | None = None,
        refusals: KnownRefusals | None = None,
        client: RunningRequest | None = None,
        now: float = 1000.0,
        options: RequestOptions = NO_OPTIONS,
        **sections: Any,
    ) -> None:
        """`speaks` names providers with a dialect other than the client's; `more` goes into the entry of each."""
        names = "abcdefghijklmnop"[:count]
        own = {
            name: provider(
                f"http://{name}.test/v1",
                keys=(keys or {}).get(name, []),
                dialect=(speaks or {}).get(name, dialect).value,
                redirects=list((redirects or {}).get(name, ())),
                **(more or {}),
            )
            for name in names
        }
        self.settings = settings(own, stream=dict(timing or {}), **sections)
        self.now = now
        self.effects: list[Effect] = []
        request = body(stream) if request is None else request
        spoken = DIALECTS[dialect]
        known = refusals or KnownRefusals()
        facts = replace(spoken.facts(request, path), options=options)
        call = ClientRequest("req-1", spoken, facts, path, request, headers, WALL, refusals=known)
        secrets = [key.value.get_secret_value() for each in self.settings.providers.values() for key in each.keys]
        rules = ExchangeRules.from_settings(self.settings, Masker(secrets))
        self.router = router or Router(self.settings, SECRET)
        known: dict[str, Any] = {"headers": {"x-session-id": session}} if session else {}
        known |= {"client": client.account.client} if client else {}
        plan = self.router.plan(call.facts, dialect, caller(**known), self.now, charged=client)
        self.exchange = Exchange(call, plan, rules)

    # What happens.

    def start(self) -> "ExchangeHarness":
        return self._apply(self.exchange.start(self.now))

    def made(self, n: int) -> "ExchangeHarness":
        return self._apply(self.exchange.on_request_ready(n, self.now))

    def not_made(self, n: int, why: str) -> "ExchangeHarness":
        return self._apply(self.exchange.on_request_failed(n, why, self.now))

    def connected(self, n: int) -> "ExchangeHarness":
        return self._apply(self.exchange.on_connected(n, self.now))

    def head(self, n: int, status: int = 200, headers: Mapping[str, str] = SSE) -> "ExchangeHarness":
        return self._apply(self.exchange.on_head(n, status, dict(headers), self.now))

    def data(self, n: int, *pieces: bytes) -> "ExchangeHarness":
        for piece in pieces:
            self._apply(self.exchange.on_data(n, piece, self.now))
        return self

    def end(self, n: int) -> "ExchangeHarness":
        return self._apply(self.exchange.on_end(n, self.now))

    def failed(self, n: int, kind: FaultKind = FaultKind.RESET, message: str = "") -> "ExchangeHarness":
        return self._apply(self.exchange.on_connection_error(n, kind, message, self.now))

    def answers(self, n: int, status: int, data: bytes = b"", headers: Mapping[str, str] = JSON) -> "ExchangeHarness":
        """A whole answer that is not streamed."""
        return self.head(n, status, headers).data(n, *([data] if data else [])).end(n)

    def client_backlog(self, waiting: int) -> "ExchangeHarness":
        return self._apply(self.exchange.on_client_backlog(waiting, self.now))

    def client_gone(self) -> "ExchangeHarness":
        return self._apply(self.exchange.on_client_disconnected(self.now))

    def wait(self, seconds: float) -> "ExchangeHarness":
        """Let time pass, with a tick at each date the exchange asks for."""
        until = self.now + seconds
        while (due := self.exchange.next_tick_at) is not None and due <= until:
            self.now = max(self.now, due)
            self._apply(self.exchange.on_tick(self.now))
        self.now = until
        return self

    def _apply(self, effects: list[Effect]) -> "ExchangeHarness":
        self.effects += effects
        return self

    # What came of it.

    def effects_of[E: Effect](self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def launched(self) -> list[str]:
        """The providers launched, in order."""
        return [launch.request.url.split("//")[1].split(".")[0] for launch in self.effects_of(Launch)]

    @property
    def cancelled(self) -> list[int]:
        return [cancel.n for cancel in self.effects_of(Cancel)]

    @property
    def released(self) -> list[int]:
        return [release.n for release in self.effects_of(Release)]

    @property
    def sent(self) -> bytes:
        return b"".join(send.data for send in self.effects_of(Send))

    @property
    def response(self) -> Respond:
        [response] = self.effects_of(Respond)
        return response

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.response.headers}

    @property
    def ended(self) -> bool:
        assert len(self.effects_of(End)) <= 1
        return self.exchange.ended

    @property
    def aborted(self) -> bool:
        return bool(self.effects_of(Abort))

    @property
    def records(self) -> list[AttemptRecord]:
        return [settled.record for settled in self.effects_of(Settled)]

    @property
    def outcomes(self) -> list[str]:
        return [record.outcome.value for record in self.records]

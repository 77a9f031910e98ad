"""Clients, and requests of theirs, in one line."""

from typing import Any

from exchange.exchange_harness import ExchangeHarness
from pointsman.clients.budgets import Account, ExpectedTokens, Ledger
from pointsman.clients.clients import Clients
from pointsman.config import Settings
from pointsman.config.clients import Budget
from pointsman.routing.router import Router
from support.clients_in_core import SECRET
from support.settings import provider, settings


def budget(**written: Any) -> Budget:
    return Budget.model_validate(written)


def account(*budgets: Budget, ledger: Ledger | None = None, name: str = "ci") -> Account:
    ledger = ledger or Ledger()
    ledger.update_settings({name: budgets})
    return ledger[name]


def priced(name: str, price: float | None = None, *models: str) -> dict[str, Any]:
    """A provider whose tokens have that price, in dollars per million."""
    known = {} if price is None else {model: {"input": price, "output": price} for model in models or ("m",)}
    return provider(f"http://{name}.test/v1", *models, prices=known)


class ClientHarness:
    """One client `ci` of a router with these providers; its requests are about one token and at most `max_tokens`."""

    def __init__(
        self, providers: dict[str, Any], *, now: float = 90_000.0, client: Any = None, **sections: Any
    ) -> None:
        self.providers, self.sections, self.now = providers, sections, now
        self.settings = self.configured(client or {})
        self.router, self.clients = Router(self.settings, SECRET), Clients(self.settings)

    def configured(self, client: dict[str, Any]) -> Settings:
        clients = {"ci": {"key": "the-key-of-this-client", **client}}
        server = {"client_key": "the-key-of-everyone"}
        return settings(self.providers, clients=clients, server=server, **self.sections)

    def reload(self, client: dict[str, Any]) -> None:
        self.settings = self.configured(client)
        self.router.update_settings(self.settings, self.now)
        self.clients.update_settings(self.settings)

    def ask(self, max_tokens: int = 999, model: str = "m", session: str | None = None) -> ExchangeHarness:
        """A request of 1,000 tokens at most, unless another number is given: its prompt is one of them."""
        request = b'{"model":"%s","max_tokens":%d,"messages":[{"role":"user","content":"hiya"}]}'
        client = self.clients.begin("ci", ExpectedTokens(1, max_tokens), self.now, self.now)
        return ExchangeHarness(
            len(self.providers),
            request=request % (model.encode(), max_tokens),
            path="/v1/chat/completions",
            router=self.router,
            client=client,
            now=self.now,
            session=session,
        ).start()

    @property
    def account(self) -> Account:
        return self.clients.ledger["ci"]

    def told(self) -> dict[str, Any]:
        return self.clients.to_dicts(self.now)["ci"]


def whole(prompt: int, answer: int) -> bytes:
    """A whole answer that reports so many tokens."""
    choice = b'{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}'
    usage = b'{"prompt_tokens":%d,"completion_tokens":%d}' % (prompt, answer)
    return b'{"id":"c","choices":[%s],"usage":%s}' % (choice, usage)

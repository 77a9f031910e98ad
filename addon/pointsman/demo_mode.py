"""The built-in providers of a start without a configuration file: when they are used, and when they are removed."""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from mitmproxy.utils import asyncio_utils

from pointsman.config import ConfigError, Key, Provider, Settings
from pointsman.config.document import Document
from pointsman.demo import DEMO_ROUTING, demo_providers, demo_settings
from pointsman.domain.records import ExchangeRecord

logger = logging.getLogger(__name__)

LEAVE_NO_TRACE = {"path": "off"}
STAY = "The demo providers stay until a provider of your own answers."


class DemoMode:
    """They serve until a provider of the user's own has answered, and again once no such provider is left.

    `reload` reads `document` again; `test` asks a provider whether it accepts a key.
    """

    def __init__(self) -> None:
        self.providers: Sequence[Any] = ()
        """Empty where there is a configuration file."""
        self.is_serving = False
        self.reload: Callable[[], Awaitable[None]] | None = None
        self.test: Callable[[Provider, Key | None], Awaitable[dict[str, Any]]] | None = None
        self._tested: frozenset[tuple[str, str]] = frozenset()
        """Own keys, as far as they are configured now; the empty one stands for a provider without keys."""

    @property
    def names(self) -> Collection[str]:
        return [provider.name for provider in self.providers]

    def document(self) -> Document:
        """What a configuration file would hold."""
        if not self.providers:
            self.providers, self.is_serving = demo_providers(), True
            for provider in self.providers:
                provider.bind()
        if self.is_serving:
            providers, routing = demo_settings(self.providers), DEMO_ROUTING
        else:
            providers, routing = {}, {"unknown_model": DEMO_ROUTING["unknown_model"]}
        return Document({"providers": providers, "routing": routing, "history": LEAVE_NO_TRACE})

    def on_record(self, record: ExchangeRecord) -> None:
        winner = next((each.provider for each in record.attempts if each.outcome.is_success), None)
        if winner is not None:
            self.on_answer(winner)

    def on_answer(self, provider: str) -> None:
        """The provider has answered: a request, or the test of its key."""
        if self.is_serving and provider not in self.names:
            self.is_serving = False
            asyncio_utils.create_task(self._leave(provider), name="demo leaves", keep_ref=True)

    def on_settings(self, settings: Settings) -> None:
        """Tests own keys that are new, and brings the demo providers back when there is no other."""
        if not self.providers:
            return
        own = [provider for name, provider in settings.providers.items() if name not in self.names]
        if not own and not self.is_serving:
            self.is_serving = True
            asyncio_utils.create_task(self._return(), name="demo returns", keep_ref=True)
        keys = {
            (provider.name, key.id if key else ""): (provider, key)
            for provider in own
            for key in provider.keys or (None,)
            if provider.enabled and (key is None or key.enabled)
        }
        new = [keys[name] for name in keys if name not in self._tested]
        self._tested = frozenset(keys)
        if new and self.is_serving:
            asyncio_utils.create_task(self._test(new), name="test of own keys", keep_ref=True)

    async def _test(self, keys: Sequence[tuple[Provider, Key | None]]) -> None:
        assert self.test
        for provider, key in keys:
            result = await self.test(provider, key)
            if result["ok"]:
                return self.on_answer(provider.name)
            which = f", key {key.label}" if key else ""
            logger.warning(f"Pointsman: {provider.name}{which}: {result['message']}. {STAY}")

    async def _leave(self, provider: str) -> None:
        assert self.reload
        try:
            await self.reload()
        except ConfigError as error:
            self.is_serving = True
            logger.warning(f"Pointsman: {provider} answers, but the demo providers stay: changes name them.\n{error}")
        else:
            logger.info(
                f"Pointsman: {provider} answers, so the demo providers and their model `demo` have been removed."
            )

    async def _return(self) -> None:
        assert self.reload
        try:
            await self.reload()
        except ConfigError as error:
            self.is_serving = False
            logger.warning(f"Pointsman: no provider is left, and the demo providers cannot return.\n{error}")
        else:
            logger.info("Pointsman: no provider of your own is left; the demo providers answer again.")

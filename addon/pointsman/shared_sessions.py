"""Sessions, issued ids and the hashing secret, as this router shares them."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from secrets import token_bytes

from pointsman.admission import ChatRequest
from pointsman.domain.engine_address import EngineAddress
from pointsman.overrides.shared_secret import SharedSecretFile
from pointsman.request_reader import ParsedRequest
from pointsman.routing.router import Router
from pointsman.shared.hub import Hub
from pointsman.shared.issued_ids_part import IssuedIdsPart
from pointsman.shared.part import Call
from pointsman.shared.secret_part import SecretPart, Wrapping
from pointsman.shared.session_part import SessionsPart
from pointsman.wire.dialects.base import Purpose

logger = logging.getLogger(__name__)

WITH_SESSION = (Purpose.CHAT, Purpose.OTHER)


class SharedSessions:
    """Registers its parts with the hub. `on_agreed` is called with each secret that all instances have."""

    def __init__(
        self,
        router: Router,
        hub: Hub,
        address: EngineAddress,
        file: SharedSecretFile,
        on_agreed: Callable[[], None] = lambda: None,
    ) -> None:
        self._router, self._file, self._on_agreed = router, file, on_agreed
        self._sessions = SessionsPart(router.sessions, hub.key, hub.instance, lambda: hub.hasten())
        self._ids = IssuedIdsPart(router.state.issued_ids, hub.key)
        digests = router.sessions.digests
        wrapping = Wrapping(address.password or "", hub.prefix, token_bytes)
        self._secret = SecretPart(digests.secret, wrapping, hub.key("secret"), self._use_secret)
        self.agreed = asyncio.Event()
        """All instances make the same digests."""
        for part in (self._secret, self._sessions, self._ids):
            hub.register(part)

    def lookups(self, chat: ChatRequest, read: ParsedRequest, now: float) -> Iterator[Call]:
        """What has to be looked up for a request; nothing for a known conversation."""
        key = self._router.sessions.key_to_look_up(read.caller, now) if chat.purpose in WITH_SESSION else None
        if key:
            yield self._sessions.look_up(key)
        yield from self._ids.look_up(read.facts.held, key is not None, now)

    def _use_secret(self, secret: bytes) -> None:
        digests = self._router.sessions.digests
        if secret != digests.secret:
            if len(self._router.sessions.store):
                logger.info("Pointsman: shared state: another hashing secret; earlier sessions are not recognised.")
            digests.use(secret)
        self._file.keep(secret)
        self.agreed.set()
        self._on_agreed()

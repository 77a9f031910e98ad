"""A request as a provider received it, and how its answer fared."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from pointsman.demo.dialects import dialect_for
from pointsman.wire.dialects.base import Dialect


@dataclass(eq=False)
class ReceivedRequest:
    """A request received. Headers and body stay out of its repr: they carry credentials."""

    method: str
    path: str
    """The request target as received, query included."""
    headers: list[tuple[str, str]] = field(repr=False)
    version: str = "HTTP/1.1"
    body: bytes = field(default=b"", repr=False)
    connection: int = 0
    """Number of the connection it came on: requests with equal numbers shared one connection."""
    number: int = 0
    """Its place among all requests of the provider, from 1."""
    received: float = field(default_factory=time.time)
    """Unix time in seconds."""
    behaviour: str = ""
    """Name of the behaviour that answers it."""
    sent: int = 0
    """Bytes of body written so far, chunk framing not counted."""
    finished: bool = False
    """The body was ended in order, even if the answer in it was cut."""
    abandoned: bool = False
    """The peer closed the connection before that."""
    _over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @cached_property
    def json(self) -> Any:
        """The body, parsed. Raises ValueError if it is not JSON."""
        return json.loads(self.body)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The body's JSON object; empty if the body is anything else."""
        try:
            return self.json if isinstance(self.json, dict) else {}
        except (ValueError, RecursionError):
            return {}

    @property
    def route(self) -> str:
        """The path without its query, and without the host of an absolute-form target."""
        return urlsplit(self.path).path

    @cached_property
    def dialect(self) -> Dialect | None:
        """The request's dialect; None if its path is not a chat path."""
        return dialect_for(self.route)

    @property
    def question(self) -> str:
        """The text of the last user message, or ""."""
        return self.dialect.demo().question(self.fields) if self.dialect else ""

    @property
    def wants_stream(self) -> bool:
        return self.dialect is not None and self.dialect.demo().wants_stream(self)

    @property
    def keeps_alive(self) -> bool:
        """May the connection carry another request after this one?"""
        wishes = {wish.strip().lower() for wish in (self.header("connection") or "").split(",")}
        return self.version == "HTTP/1.1" and "close" not in wishes

    async def ended(self) -> None:
        """Waits until the answer is over, in whatever way."""
        await self._over.wait()

    async def closed_by_peer(self) -> bool:
        """Waits until the answer is over: did the peer close the connection before it was complete?"""
        await self._over.wait()
        return self.abandoned

    @property
    def is_over(self) -> bool:
        """Has the answer come to its end, in whatever way?"""
        return self._over.is_set()

    def leave(self) -> None:
        """The peer has closed the connection."""
        self.abandoned = self.abandoned or not self.finished

    def end(self) -> None:
        """Nothing more will be written for this request."""
        self._over.set()

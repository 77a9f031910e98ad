"""The provider: listens on loopback, accepts connections, and puts each request to its script."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Collection, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from pointsman.demo.behaviours.errors import status
from pointsman.demo.connection import Connection
from pointsman.demo.dialects import count_member, is_about_account, is_endpoint, list_writer
from pointsman.demo.received_request import ReceivedRequest
from pointsman.demo.script import Behaviour, Script, ScriptRunner
from pointsman.wire.dialects.demo_helpers import encoded, prompt_count

BACKLOG = 1024
PAUSE_AFTER_FAILED_ACCEPT = 0.05
"""Seconds; accepting fails when the process is out of file descriptors, which takes a moment to mend."""

NO_QUESTION = status(400)
NOT_YOU = status(401)
NOTHING_HERE = status(
    404, {"error": {"message": "There is nothing here.", "type": "invalid_request_error", "code": "not_found"}}
)

log = logging.getLogger(__name__)


class Provider:
    """A real HTTP/1.1 server that plays a script. Requests to models use it up; `GET …/models` lists `models`.

    It may be started again after `close()`, and is then found at the same port.
    """

    def __init__(
        self,
        script: Script,
        *,
        name: str = "demo",
        models: Sequence[str] = ("demo",),
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: int = 10_000,
        counts: bool = True,
        keys: Collection[str] | None = None,
    ) -> None:
        """`keep` is how many requests `seen` holds at most; `counts`: it answers how many tokens a request would be,
        in the dialects that ask. `keys` are the bearer tokens that it lists its models for, None: it asks for none.
        Raises ValueError if the script is an empty list.
        """
        self.keys = keys
        self.counts = counts
        self.name = name
        self.models = tuple(models)
        self.seen: list[ReceivedRequest] = []
        """The requests received, oldest first."""
        self.accepted = 0
        """Connections accepted so far."""
        self.script = script
        self._tls = tls
        self._host = host
        self._port = port
        self._keep = keep
        self._received = 0
        self._arrival = asyncio.Event()
        self._listener: socket.socket | None = None
        self._acceptor: asyncio.Task[None] | None = None
        self._serving: dict[asyncio.Task[None], Connection | None] = {}

    @property
    def script(self) -> Script:
        """What it plays; a new script begins with the next request."""
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        self._script = script
        self._runner = ScriptRunner(script)

    @property
    def base_url(self) -> str:
        """What stands before `/chat/completions`. Raises RuntimeError if no port is known yet."""
        if not self._port:
            raise RuntimeError(f"provider {self.name} has not been started")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}/v1"

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._serving)

    def bind(self) -> None:
        """Takes the port, so that `base_url` is known; who connects waits for `start`. Raises OSError if taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, self._port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._port = self._listener.getsockname()[1]

    async def start(self) -> None:
        """Begins to serve. Raises OSError if the port is taken."""
        if self._listener is None:
            self.bind()
        assert self._listener is not None
        self._acceptor = asyncio.create_task(self._accept(self._listener))

    async def stop_listening(self) -> None:
        """Refuses connections from now on, and closes those that no request is being answered on. `start` listens at
        the same port again.
        """
        await asyncio.sleep(0)  # the acceptor takes what it was given already: its cancellation would lose that socket
        if self._acceptor is not None:
            self._acceptor.cancel()
            await asyncio.gather(self._acceptor, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        self._listener = self._acceptor = None
        self.drop_idle()

    async def close(self) -> None:
        """Stops listening and ends every connection, whatever is being played on it."""
        await self.stop_listening()
        tasks = [*self._serving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets one step after they are told to

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def arrived(self, count: int = 1) -> ReceivedRequest:
        """Waits until that many requests are in `seen`, and gives the last of them."""
        while len(self.seen) < count:
            self._arrival.clear()
            await self._arrival.wait()
        return self.seen[count - 1]

    def drop_idle(self) -> None:
        """Closes the connections that no request is being answered on, so that the peers' pools hold stale ones."""
        for connection in self._serving.values():
            if connection is not None and connection.idle:
                connection.close()

    def choose_unread(self, request: ReceivedRequest) -> Behaviour | None:
        """For connections: what answers this request before its body is read, if anything does."""
        behaviour = self._runner.next if _is_scripted(request) else None
        if behaviour is None or behaviour.reads_body:
            return None
        self._record(request)
        return self._named(request, self._runner.advance())

    def choose(self, request: ReceivedRequest) -> Behaviour:
        """For connections: what answers this request."""
        self._record(request)
        if _is_scripted(request):
            is_sound = bool(request.fields) or request.dialect is None
            return self._named(request, self._runner.take(request) if is_sound else NO_QUESTION)
        return self._named(request, self._aside(request))

    def _aside(self, request: ReceivedRequest) -> Behaviour:
        """What answers a request that asks about models."""
        if request.method == "GET" and request.route.endswith("/models"):
            if (
                self.keys is not None
                and dict(request.headers).get("Authorization", "")[len("Bearer ") :] not in self.keys
            ):
                return NOT_YOU
            body = list_writer(request.route, {name.lower(): value for name, value in request.headers}).models_body(
                self.models
            )
        elif request.method == "POST" and self.counts and (member := count_member(request.route)):
            body = encoded({member: prompt_count(request)})
        else:
            return NOTHING_HERE
        return Behaviour("aside", lambda responder: responder.reply(200, body))

    def _record(self, request: ReceivedRequest) -> None:
        self._received += 1
        request.number = self._received
        self.seen.append(request)
        del self.seen[: -self._keep]
        self._arrival.set()

    def _named(self, request: ReceivedRequest, behaviour: Behaviour) -> Behaviour:
        request.behaviour = behaviour.name
        return behaviour

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(PAUSE_AFTER_FAILED_ACCEPT)
                continue
            self.accepted += 1
            task = asyncio.create_task(self._serve(sock, self.accepted))
            self._serving[task] = None
            task.add_done_callback(partial(self._served, sock))

    def _served(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        sock.close()
        del self._serving[task]

    async def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            behaviour = self._runner.next
            if behaviour is not None and behaviour.at_accept is not None:
                self._runner.advance()
                await behaviour.at_accept(sock)
            else:
                await self._serve_http(sock, number)
        except OSError:
            pass  # the peer left before there was a request, or within the TLS handshake
        except Exception:
            log.exception("provider %s could not play its script", self.name)

    async def _serve_http(self, sock: socket.socket, number: int) -> None:
        connection = await Connection.open(self, number, sock, self._tls)
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = connection
        await connection.run()


def _is_scripted(request: ReceivedRequest) -> bool:
    is_asked = request.method == "POST" and (request.dialect is not None or is_endpoint(request.route))
    return is_asked or is_about_account(request.route)

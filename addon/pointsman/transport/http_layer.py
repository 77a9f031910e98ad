"""mitmproxy's HTTP layer with streams that can be routed.

`replace_http_layer` puts it in the place of the stock one. Everything that is not routed runs the stock code; only its
addons are asked here too.
"""

import logging
from collections import deque
from collections.abc import Callable

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import Http1Server, HttpLayer, HTTPMode
from mitmproxy.proxy.layers.tls import ClientTLSLayer
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from pointsman.transport.http1 import ClientHttp1, HttpConnectionEvent
from pointsman.transport.mitm_patches.client_hello import limit_client_hello
from pointsman.transport.mitm_patches.eager_hooks import run_hook_eagerly, run_hook_in_task
from pointsman.transport.mitm_patches.light_objects import fork
from pointsman.transport.mitm_patches.lingering_close import close_in_stages
from pointsman.transport.mitm_patches.switches import switches
from pointsman.transport.stream import Commands, RoutedStream
from pointsman.transport.stream_events import (
    HookFinished,
    RunInThread,
    StreamEvent,
    ThreadCompleted,
    ThreadFinished,
    WaitCompleted,
    WaitFor,
)
from pointsman.transport.stream_host import StreamHost

logger = logging.getLogger(__name__)

MAX_EAGER_HOOKS = 8
"""Hooks that one event may lead to without a turn of the loop: those of two flows."""


class RoutedHttpLayer(HttpLayer):
    """Makes routed streams, brings posted events to them, asks addons on their behalf, and merges the writes that one
    event causes. `handler` is who carries out what it wants: a client's connection, or a replay.
    """

    def __init__(
        self,
        context: Context,
        mode: HTTPMode,
        host: StreamHost,
        handler: ConnectionHandler,
        may_connect: bool = True,
    ) -> None:
        super().__init__(context, mode)
        self.host = host
        self.handler = handler
        self.may_connect = may_connect
        self.on_client_activity: set[Callable[[], None]] = set()
        """Of the exchanges that wait for the client; each removes its own."""

    def layer_for_request(self, context: Context, handler: ConnectionHandler) -> HttpLayer:
        return RoutedHttpLayer(context, self.mode, self.host, handler, may_connect=False)

    def make_stream(self, stream_id: int) -> Commands:
        self.streams[stream_id] = RoutedStream(fork(self.context), stream_id, self, self.host)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def _handle_event(self, event: events.Event) -> Commands:
        """Merge the client's writes: socket writes are a third of what a streamed answer costs."""
        client, pending = self.context.client, list[bytes]()
        try:
            for command in self._run_hooks(event):
                if type(command) is commands.SendData and command.connection is client:
                    pending.append(command.data)
                    continue
                if pending:
                    yield commands.SendData(client, b"".join(pending))
                    pending = []
                yield command
        except Exception:
            if pending:  # an answer that is on record as sent
                yield commands.SendData(client, b"".join(pending))
            raise
        if pending:
            yield commands.SendData(client, b"".join(pending))

    def _run_hooks(self, event: events.Event) -> Commands:
        """A hook that every addon answers at once is over at once. After the first few, hooks go round the event loop,
        as all do in the stock code: requests that were sent ahead are no reason to keep others waiting.
        """
        due, left = deque([event]), MAX_EAGER_HOOKS if switches().eager_hooks else 0
        while due:
            for command in self._handle(due.popleft()):
                stream = command.blocking
                if isinstance(command, RunInThread | WaitFor) and isinstance(stream, RoutedStream):
                    self._begin_work(command, stream)
                elif not isinstance(command, commands.StartHook) or not isinstance(stream, RoutedStream):
                    yield command
                elif not left:
                    run_hook_in_task(command, stream, self.handler)
                else:
                    left -= 1
                    if run_hook_eagerly(command, stream, self.handler):
                        due.append(events.HookCompleted(command))
                del command, stream  # an exception that mitmproxy has dealt with may keep this frame

    def _begin_work(self, command: RunInThread | WaitFor, stream: RoutedStream) -> None:
        async def do() -> None:
            completed: events.CommandCompleted
            if isinstance(command, RunInThread):
                completed = ThreadCompleted(command, await self.host.run_in_thread(command.work))
            else:
                try:
                    await command.awaited
                except Exception:
                    logger.exception("Waiting for other instances failed; the request goes on without them.")
                completed = WaitCompleted(command)
            await self.handler.server_event(ThreadFinished(stream, completed))

        asyncio_utils.create_task(do(), name=repr(command), keep_ref=True)

    def _handle(self, event: events.Event) -> Commands:
        if isinstance(event, StreamEvent):
            yield from self._deliver(event)
            return
        if isinstance(event, HttpConnectionEvent):
            yield from self._deliver_to_connection(event)
            return
        yield from super()._handle_event(event)
        if isinstance(event, events.DataReceived) and event.connection is self.context.client:
            for notify in list(self.on_client_activity):
                notify()
        elif isinstance(event, events.Start) and type(self.connections[self.context.client]) is Http1Server:
            server = ClientHttp1(self.context.fork(), self.host, self._post, self.handler)
            self.connections[self.context.client] = server
            yield from self.event_to_child(server, event)

    def _deliver(self, event: StreamEvent) -> Commands:
        addressee: object = event.stream
        if event.stream.http_layer is self:
            if isinstance(event, HookFinished):
                yield from super()._handle_event(events.HookCompleted(event.hook))
            elif isinstance(event, ThreadFinished):
                yield from super()._handle_event(event.completed)
            elif (stream := self.streams.get(event.stream.stream_id)) and stream is addressee:
                yield from self.event_to_child(stream, event)
            return
        yield from self._pass_inward(event)

    def _deliver_to_connection(self, event: HttpConnectionEvent) -> Commands:
        if self.connections.get(self.context.client) is event.connection:
            yield from self.event_to_child(event.connection, event)
        else:
            yield from self._pass_inward(event)

    def _pass_inward(self, event: events.Event) -> Commands:
        """This is the layer around a CONNECT; what the event is for lives further in."""
        for stream in list(self.streams.values()):
            if stream.child_layer:
                yield from self.event_to_child(stream, event)

    def _post(self, event: events.Event) -> None:
        asyncio_utils.create_task(self.handler.server_event(event), name=repr(event), keep_ref=True)


def replace_http_layer(nextlayer: layer.NextLayer, host: StreamHost, handler: ConnectionHandler) -> None:
    """Put a RoutedHttpLayer in the place of the stock one that was just chosen, if one was, and bound what may come
    before it.
    """
    parent: layer.Layer | layer.NextLayer = nextlayer
    attribute, current = "layer", nextlayer.layer
    while current is not None and not isinstance(current, layer.NextLayer):
        if type(current) is ClientTLSLayer:
            limit_client_hello(current, handler)
        if type(current) is HttpLayer:
            layers = current.context.layers
            routed = RoutedHttpLayer(current.context, current.mode, host, handler)
            layers.pop()  # what the constructor has appended belongs where the stock layer stood
            layers[layers.index(current)] = routed
            setattr(parent, attribute, routed)
            close_in_stages(handler)
            return
        parent, attribute, current = current, "child_layer", getattr(current, "child_layer", None)

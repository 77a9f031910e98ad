"""Events for one stream that are posted from outside, the way mitmproxy injects its own messages."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.commands import StartHook

from pointsman.exchange.effects import Effect
from pointsman.transport.client_stream import ClientStream
from pointsman.web.http import PageReply

type ExchangeInput = Callable[[float], list[Effect]]
"""An exchange's input method with everything but the time filled in."""


class StreamEvent(events.Event):
    """Finds its way through the layers to `stream`."""

    def __init__(self, stream: ClientStream) -> None:
        self.stream = stream

    def __repr__(self) -> str:
        return type(self).__name__


class ExchangeInputEvent(StreamEvent):
    """An input for the stream's exchange; `on_taken` is called when it is with the stream, in whatever state that
    is.
    """

    def __init__(self, stream: ClientStream, given: ExchangeInput, taken: Callable[[], None]) -> None:
        super().__init__(stream)
        self.exchange_input, self.on_taken = given, taken


class HookFinished(StreamEvent):
    """Addons that kept a flow waiting have let it go on."""

    def __init__(self, stream: ClientStream, hook: StartHook) -> None:
        super().__init__(stream)
        self.hook = hook


class ThreadFinished(StreamEvent):
    """What the stream's layer was waiting for, done elsewhere."""

    def __init__(self, stream: ClientStream, completed: events.CommandCompleted) -> None:
        super().__init__(stream)
        self.completed = completed


class RunInThread(commands.Command):
    """Do this elsewhere. The stream waits for it; other streams do not."""

    blocking = True

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def __repr__(self) -> str:
        return type(self).__name__


class WaitFor(commands.Command):
    """Wait for this; what it raises is logged. The stream waits for it; other streams do not."""

    blocking = True

    def __init__(self, awaited: Awaitable[object]) -> None:
        self.awaited = awaited

    def __repr__(self) -> str:
        return type(self).__name__


@dataclass(repr=False)
class ThreadCompleted(events.CommandCompleted):
    """`reply` gives what the work gave, or raises what it raised."""

    command: RunInThread
    reply: Callable[[], Any]


@dataclass(repr=False)
class WaitCompleted(events.CommandCompleted):
    command: WaitFor
    reply: None = None


class PageReady(StreamEvent):
    """The reply of an own page that had to be waited for."""

    def __init__(self, stream: ClientStream, reply: PageReply) -> None:
        super().__init__(stream)
        self.reply = reply


class UploadTimedOut(StreamEvent):
    """The client has stopped sending its request's body."""

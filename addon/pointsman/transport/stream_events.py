"""Something from outside for one stream, posted the way mitmproxy injects its own messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.commands import StartHook

from pointsman.exchange.effects import Effect
from pointsman.web.http import Reply

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

type Input = Callable[[float], list[Effect]]
"""An exchange's input method with everything but the time filled in."""


class ForStream(events.Event):
    """Finds its way through the layers to `stream`."""

    def __init__(self, stream: "RoutedStream") -> None:
        self.stream = stream

    def __repr__(self) -> str:
        return type(self).__name__


class Posted(ForStream):
    """An input for the stream's exchange; `taken` is called when it is with the stream, in whatever state that is."""

    def __init__(self, stream: "RoutedStream", given: Input, taken: Callable[[], None]) -> None:
        super().__init__(stream)
        self.given, self.taken = given, taken


class HookAnswered(ForStream):
    """Addons that kept a flow waiting have let it go on."""

    def __init__(self, stream: "RoutedStream", hook: StartHook) -> None:
        super().__init__(stream)
        self.hook = hook


class WorkDone(ForStream):
    """What the stream's layer was waiting for, done elsewhere."""

    def __init__(self, stream: "RoutedStream", completed: "Completed") -> None:
        super().__init__(stream)
        self.completed = completed


class Work(commands.Command):
    """Do this elsewhere. The stream waits for it; other streams do not."""

    blocking = True

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def __repr__(self) -> str:
        return type(self).__name__


@dataclass(repr=False)
class Completed(events.CommandCompleted):
    """`reply` gives what the work gave, or raises what it raised."""

    command: Work
    reply: Callable[[], Any]


class PageReady(ForStream):
    """The reply of an own page that had to be waited for."""

    def __init__(self, stream: "RoutedStream", reply: Reply) -> None:
        super().__init__(stream)
        self.reply = reply


class UploadExpired(ForStream):
    """The client has stopped sending its request's body."""

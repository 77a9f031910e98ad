"""Something from outside for one stream, posted the way mitmproxy injects its own messages."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mitmproxy.proxy import events

from pointsman.exchange.effects import Effect

if TYPE_CHECKING:
    from pointsman.transport.layers import RoutedStream

type Input = Callable[[float], list[Effect]]
"""An exchange's input method with everything but the time filled in."""


class Posted(events.Event):
    """`size` is how many bytes of a provider's body it carries."""

    __slots__ = ("given", "size", "stream")

    def __init__(self, stream: "RoutedStream", given: Input, size: int = 0) -> None:
        self.stream, self.given, self.size = stream, given, size

    def __repr__(self) -> str:
        return f"Posted({self.size} bytes)"

"""What a trace is made of, and who sends it."""

from dataclasses import dataclass, field
from typing import Protocol

from pointsman.domain.records import ExchangeRecord
from pointsman.masking import Masker


@dataclass(frozen=True, slots=True)
class TracedExchange:
    """`traceparent` is the client's header. The bodies are empty unless traces hold content."""

    record: ExchangeRecord
    traceparent: str | None = None
    request: bytes = field(default=b"", repr=False)
    response: bytes = field(default=b"", repr=False)


class Exporter(Protocol):
    def send(self, exchanges: list[TracedExchange], masker: Masker) -> bool:
        """Whether the collector has taken them. May wait for seconds."""

    def close(self) -> None:
        """Ends a `send` that waits to try again."""

"""What routing needs to know of a request. Each dialect has a pure function that reads it off the body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.config.enums import Capability

IMAGE_TOKENS = 1500
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of one chat request, whatever its dialect.

    `model` is None when the request names none. `tokens` is an estimate: text bytes / 4, and 1,500 for an image.
    `asks_usage`: the client wants a usage event in its stream. `model_span` is where the value of `model` stands in the
    body, None where the body has no such member. `document` is the parsed body, for the ids and turns that sessions
    read; the body itself stays the bytes the client sent. `action` and `query` are what the path says besides: what is
    asked of the model, and the query with its `?`, without credentials; each dialect has its own words for them.
    """

    model: str | None
    stream: bool
    needs: frozenset[Capability]
    tokens: int
    asks_usage: bool = False
    model_span: tuple[int, int] | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    action: str = ""
    query: str = ""

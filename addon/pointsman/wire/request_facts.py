"""What routing needs to know of a request. Each dialect has a pure function that reads it off the body."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.config.enums import Capability, Kind
from pointsman.wire.large_document import LargeDocument
from pointsman.wire.request_options import NO_OPTIONS, RequestOptions

IMAGE_TOKENS = 1500
BYTES_PER_TOKEN = 4
MAX_HELD_IDS = 64
"""Ids of each kind that are looked at, the last ones."""


def estimated_tokens(size: int) -> int:
    """Of an answer whose texts have so many bytes, where its provider does not report them. Rounded up: what was said
    has cost something.
    """
    return -(-size // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class HeldIds:
    """Ids in a request of what a provider holds for an account.

    `answers`: of earlier answers, and of conversations that it keeps; `items`: of parts of these. `shared`: of files,
    cached content, containers and so on, which all keys of an organization may know.
    """

    answers: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, answers: Iterable[object] = (), items: Iterable[object] = (), shared: Iterable[object] = ()
    ) -> "HeldIds":
        """What is no text, or empty, is no id."""
        return cls(
            *(
                tuple(each for each in found if isinstance(each, str) and each)[-MAX_HELD_IDS:]
                for found in (answers, items, shared)
            )
        )

    def __bool__(self) -> bool:
        return bool(self.answers or self.items or self.shared)

    @property
    def own(self) -> tuple[str, ...]:
        """Ids that mean nothing to any other account."""
        return (*self.answers, *self.items)


NO_IDS = HeldIds()


def id_of(value: object) -> object:
    """An id is given as such, or within an object."""
    return value.get("id") if isinstance(value, Mapping) else value


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of one request, whatever its dialect.

    `model` is None when the request names none. `tokens` is an estimate: text bytes / 4, and 1,500 for an image.
    `asks_usage`: the client wants a usage event in its stream. `model_span` is where the value of `model` stands in the
    body, None where the body has no such member. `document` is the parsed body, for the ids and turns that sessions
    read; the body itself stays the bytes the client sent. `action` and `query` are what the path says besides: what is
    asked of the model, and the query with its `?`, without credentials; each dialect has its own words for them.
    `held` is what the request refers to; `stores_answer`: a later request may refer to its answer. `only_native` names
    what only a provider of the client's dialect can do, such as `a compaction`; empty for what can be converted.

    `kind` is that of the models that may take it, None where no model is asked. `boundary` separates the parts of a
    multipart form, in which `model_span` covers the plain text of the field; empty where the body is JSON.
    `passes_bytes`: the answer is neither one JSON document nor events, and reaches the client as it arrives.
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
    held: HeldIds = NO_IDS
    stores_answer: bool = False
    only_native: str = ""
    kind: Kind | None = Kind.CHAT
    boundary: bytes = b""
    passes_bytes: bool = False
    options: RequestOptions = NO_OPTIONS
    """What the client asks of the router."""

    def forget_document(self) -> None:
        """An answer has begun: what is left to do hardly needs the document."""
        if isinstance(self.document, LargeDocument):
            self.document.forget()

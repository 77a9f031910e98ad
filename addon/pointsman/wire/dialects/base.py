"""What a dialect is to the router: one object that names everything in the dialect's folder.

A dialect is one wire format: how to read a request, how to read an answer, and what the router itself says in it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

from pointsman.config import Quirks
from pointsman.config.enums import Dialect as DialectName
from pointsman.config.enums import Kind
from pointsman.wire.continuation.base import DialectContinuation
from pointsman.wire.conversion.base import Conversion
from pointsman.wire.dialects.demo_base import DemoDialect
from pointsman.wire.errors import Fault, Problem
from pointsman.wire.frames import Opening, Reader
from pointsman.wire.headers import Headers
from pointsman.wire.json_access import Document, Members
from pointsman.wire.messages import Conversation, MessageDraft
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Event
from pointsman.wire.transcript import Transcript


class Purpose(Enum):
    CHAT = auto()
    COUNT = auto()
    """How many tokens would this be?"""
    STORED = auto()
    """What a provider has stored, such as an earlier answer: read, cancelled or deleted."""
    OTHER = auto()
    """Anything else of a model: see `Dialect.endpoints`."""
    ACCOUNT = auto()
    """What does an account hold? See `Dialect.account`."""


type OnItems = Callable[[Sequence[Members]], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """The client of an answer: its request's facts, and those of its headers that a provider may see.

    `request_id` and `started` (Unix time in seconds) stand in answers that the router has to open itself.
    """

    facts: RequestFacts
    headers: Headers = field(default=(), repr=False)
    request_id: str = ""
    started: float = 0.0
    on_items: OnItems = lambda _: None
    """Called with the items of a converted answer that later requests may refer to."""


class ControlEvents(Protocol):
    """What the router itself puts into a stream: between a provider's events, or in their place.

    `opening` is what the client has been sent of the answer, None before any of the provider's events has reached it.
    """

    @property
    def stream_type(self) -> str:
        """The content type of a stream."""
        ...

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        """One well-formed error frame, for a stream that cannot go on; before it whatever must open a stream."""
        ...

    def end_marker(self) -> bytes:
        """What ends a stream after an error frame; empty where that frame is the end."""
        ...

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        """What a real client of this dialect takes between two events without noticing."""
        ...

    def comment(self, text: str) -> bytes:
        """A line for people in the stream; empty where clients do not accept comments."""
        ...


class MakeReader(Protocol):
    def __call__(self, facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
        """A reader for a provider's 2xx answer to such a request.

        `content_type`: what the provider says it sends. `drop_usage`: the router asked for a usage event that the
        client did not ask for, so the client gets none.
        """
        ...


class SocketConversation(Protocol):
    """What a client says and gets over one WebSocket connection: messages of JSON, one request at a time."""

    def request(self, message: bytes, answer_id: str, now: float) -> bytes | Sequence[bytes]:
        """The body of the streamed request that a client's message asks for; or the messages that answer it at once,
        under `answer_id`. Raises Problem. `now` is Unix time in seconds.
        """
        ...

    def answer(self, event: Event) -> bytes | None:
        """The message for an event of the answer; None for one that says nothing."""
        ...

    @property
    def is_answered(self) -> bool:
        """The last event of the answer has passed."""
        ...

    def error(self, status: int, body: bytes, headers: Headers) -> bytes:
        """The message for an answer with an error status."""
        ...


class Sockets(NamedTuple):
    """The WebSocket connections of a dialect: whether a path (without its query) takes them, and what begins one."""

    takes: Callable[[str], bool]
    begin: Callable[[], SocketConversation]


class Joiner(Protocol):
    """Makes one whole answer of the documents of a stream. Neither method raises."""

    def add(self, document: Document) -> None:
        """May change the document."""
        ...

    def whole(self) -> Document: ...


class OtherForm(NamedTuple):
    """How an answer gets from one form into the other, whatever members it has.

    `split` takes a whole answer, which it may change, and the facts of its request, and gives the bytes of a stream.
    """

    joiner: Callable[[], Joiner]
    split: Callable[[Document, RequestFacts], bytes]


class CountTokens(NamedTuple):
    """How a dialect asks for a number of tokens: the `action` of such requests, and the answer's member for it. `kind`
    is what the answer's `object` says, None where it has no such member.
    """

    action: str
    member: str
    kind: str | None = None


class UsageOption(NamedTuple):
    """The member of a request that asks for usage in a stream, such as `stream_options`, and its value."""

    member: str
    value: Mapping[str, Any]


class QuirkRules(NamedTuple):
    """How the `quirks` of a provider's configuration are applied to requests of a dialect."""

    are_needed: Callable[[Quirks, Members], bool]
    """The provider would refuse, or mistake, something in the document."""
    apply: Callable[[Quirks, Document], None]
    """Changes the document."""


type DropsPart = Callable[[int, str], bool]
"""Whether a signed part is left out: by the place of its message, and its signature (empty where it lacks one)."""


def _no_members(document: Members, messages: Sequence[Members]) -> Mapping[str, Any]:
    return {}


class SignedParts(NamedTuple):
    """The parts of a request that only their issuer accepts: signed thoughts, encrypted reasoning, signed calls.

    `without` takes the messages and the model's name, and leaves out what is to be dropped; messages that stay as they
    were are the same objects, and what remains is a valid request. `other_members` gives the members of the request
    that must have another value with such messages.
    """

    member: str
    """Where the messages stand."""
    signatures: Callable[[Members], Sequence[str]]
    """Of one message, in order."""
    without: Callable[[Sequence[Document], DropsPart, str], list[Document]]
    other_members: Callable[[Members, Sequence[Members]], Mapping[str, Any]] = _no_members


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One name that a request may carry. `context` is in tokens."""

    id: str
    owner: str
    name: str | None = None
    context: int | None = None
    alias_of: str | None = None
    kinds: tuple[Kind, ...] = (Kind.CHAT,)


class ModelPage(NamedTuple):
    """A part of the list of models. `has_more`: others follow."""

    models: Sequence[ListedModel]
    has_more: bool = False


class ModelList(NamedTuple):
    """The dialect's form of `GET …/models`, and of `GET …/models/ID`.

    `is_asked` judges by the path (without its query) and the headers (names in lower case). `document` takes a page and
    the moment (Unix time in seconds) that stands for the creation of models; `model` is one of its rows.
    """

    is_asked: Callable[[str, Mapping[str, str]], bool]
    document: Callable[[ModelPage, float], dict[str, Any]]
    model: Callable[[ListedModel, float], dict[str, Any]]
    limit: str = "limit"
    """The parameter of the query that bounds a page."""
    after: str = "after"
    """The parameter that holds the name of the last model before a page."""
    kinds: frozenset[Kind] = frozenset(Kind)
    """Of the models that are listed."""


class TranscriptReader(NamedTuple):
    """Reads chats for people: a request's document (None: not a chat), and an answer's documents, streamed or not."""

    request: Callable[[Members], Transcript | None]
    answer: Callable[[Iterable[Members]], Transcript]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Dialect:
    """All of one dialect; each group of fields stands in the file of its folder that the comment names.

    facts = DIALECTS[name].facts(body, "/v1/messages")
    body, path = DIALECTS[name].outbound(body, facts, "claude-sonnet-4-5")
    """

    name: DialectName

    # request.py
    purpose_of: Callable[[str], Purpose | None]
    """What a path (without its query) asks for; None for a path that is not of this dialect."""
    facts: Callable[[bytes, str], RequestFacts]
    """The facts of a body and its path. Raises Problem (invalid_request) that names the invalid member, what it must be
    and what it is.
    """
    outbound: Callable[[bytes, RequestFacts, str], tuple[bytes, str]]
    """The body and the path below a provider's base URL, query included, with the model given in place. Everything else
    is byte for byte as the client sent it. The facts are those of this body.
    """
    auth_headers: Callable[[str], list[tuple[str, str]]]
    """The headers that carry a provider's key."""
    own_headers: Headers = ()
    """Headers that a provider requires and a client may have omitted."""
    list_query: str = ""
    """What asks for a long page of a provider's models, where it pages them."""
    count_tokens: CountTokens | None = None
    """None: the dialect has no such request."""
    stored_methods: Callable[[str], tuple[str, ...]] | None = None
    """The methods that a path (without its query) of purpose STORED takes. None: the dialect has no such requests."""
    sockets: Sockets | None = None
    """None: the dialect has no such connections."""
    usage_option: UsageOption | None = None
    """None: usage need not be asked for."""

    # request_repair.py
    quirks: QuirkRules | None = None

    # signed_parts.py
    signed_parts: SignedParts | None = None
    """None: nothing in a request is signed."""

    # answers.py
    reader: MakeReader

    # other_form.py
    other_form: OtherForm | None = None
    """None: a stream in place of a whole answer is refused, and the other way round."""

    # errors.py
    fault: Callable[[int, bytes, str], Fault]
    """What a provider's answer with an error status means (status, body, content type), read from structured error
    fields only. Never raises.
    """
    error_body: Callable[[Problem], bytes]

    # control_events.py
    control_events: Callable[[Listener], ControlEvents]
    """Makes the events that the router adds to the client's stream."""

    # messages.py
    conversation: Callable[[Members], Conversation]
    """What a request says. Malformed parts are ignored. Never raises."""
    answer_message: Callable[[Iterable[Members]], MessageDraft]
    """What an answer says: the events of a stream, or one whole answer."""
    with_texts_joined: Callable[[bytes], bytes] = lambda stream: stream
    """A stream that says the same in fewer events, which are quicker to read."""

    # endpoints.py
    kind: Kind | None = Kind.CHAT
    """Of the models that its requests ask; None where they ask none."""
    form_facts: Callable[[bytes, str, str], RequestFacts] | None = None
    """In place of `facts` where a body may be a multipart form: body, path and content type."""
    endpoints: Sequence["Dialect"] = ()
    """The dialect's requests that are no chats. Each is a dialect of its own, with the name of this one: its requests
    go to providers that speak this one, and nothing of them is converted.
    """

    account: "Dialect | None" = None
    """The dialect's requests for files and batches, if it has any."""

    # conversion.py, answer_writer.py
    conversion: Conversion

    # continuation.py
    continuation: DialectContinuation | None = None
    """None: a broken answer is not continued."""

    # model_list.py, transcript.py, demo.py
    model_list: ModelList
    transcript: TranscriptReader
    demo: Callable[[], DemoDialect]
    """Loads the module when the demo is used."""

    def __repr__(self) -> str:
        return f"<Dialect {self.name}>"

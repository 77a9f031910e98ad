"""What a dialect says of conversion (`conversion.py` in its folder): one object with the halves of each crossing.

A request crosses as: client's `prepare` → llm-rosetta → provider's `fix_up`; an answer as: provider's `repair` →
llm-rosetta → client's `writer`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion.allowed_tools import AllowedTools
from pointsman.wire.conversion.answer_forms import Form
from pointsman.wire.conversion.answer_writer import DialectWriter
from pointsman.wire.conversion.fit_model import Parameters, WriteThinking
from pointsman.wire.conversion.history import History
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import AnswerState, Piece
from pointsman.wire.conversion.malformed import Forms
from pointsman.wire.conversion.media import Media
from pointsman.wire.conversion.optional_parameters import Paths, Places, Wanted
from pointsman.wire.conversion.response_format import ResponseFormat
from pointsman.wire.conversion.schemas import Subset
from pointsman.wire.json_access import Document, Members
from pointsman.wire.request_facts import RequestFacts

NOTHING_KNOWN = ModelFacts.defaults()


class Recipient(NamedTuple):
    """What is known of the target. `reasons`: its model takes a setting for how much to reason, and earlier thoughts.

    `max_tokens` is what the configuration allows an answer whose client names no limit. `cache_marks`: chat completions
    take Anthropic's marks for caches. `facts` are those of the model, known by its name.
    """

    model: str
    reasons: bool = False
    max_tokens: int | None = None
    cache_marks: bool = False
    facts: ModelFacts = NOTHING_KNOWN


class RequestedFeatures(NamedTuple):
    """What a request asks for that some dialects cannot express. `media` are those of the user's last turn."""

    response_format: ResponseFormat | None
    media: list[Media]
    has_stop_sequences: bool
    has_tools: bool


def nothing(*_: Any) -> tuple[()]:
    """The default of optional functions: yields nothing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversion:
    """Functions that take a `Document` may change it."""

    library_name: str
    """What llm-rosetta calls the dialect."""
    history: History
    call_ids: Spelling
    """Of ids of calls."""

    # What a client asks in this dialect.
    unsupported: Callable[[Members], Iterator[str]]
    """What a request asks that no other dialect can express, or that would be lost."""
    stop_sequences: Callable[[Members], object]
    response_format: Callable[[Members], ResponseFormat | None]
    """None where any text will do."""
    optional: Places = field(default_factory=dict)
    """Where a request has the parameters that it keeps its meaning without (`optional_parameters`)."""
    is_hosted: Callable[[Members], bool]
    """Whether a tool is one that the provider would have to run."""
    free_tools: Callable[[Members], frozenset[str]] = lambda _: frozenset()
    """Names of tools that take any text instead of an object."""

    request_forms: Forms = field(default_factory=dict)
    """What members of a request must be for the rest to be read."""
    tool_forms: Forms = field(default_factory=dict)
    """The same of each of its `tools`."""

    # Its request, on the way to the library.
    format_places: Paths
    """Where a request asks for a response format, which is carried across separately."""
    reasoning_places: Paths
    """Where it says how much to reason, which many models refuse."""
    effort_places: Paths = ()
    """Where it has a word for how much to reason."""
    own_places: Paths = ()
    """What is for a provider of this dialect alone, and nothing is lost without."""
    take_allowed: Callable[[Document], AllowedTools | None] = lambda _: None
    """Takes out which of the tools may be called; the request then leaves the choice among all. None: it does not say.
    """
    prepare: Callable[[Document], None] = lambda _: None
    """Takes out or puts right what the library would lose, mistake or warn about."""
    complete: Callable[[Members, Document], object] = nothing
    """Adds to the library's neutral request what it has not read of a prepared request."""

    # A request for a provider of this dialect, as the library wrote it.
    cannot_express: Callable[[RequestedFeatures], Iterable[str]] = nothing
    fix_up: Callable[[Document, Recipient, Members], None]
    """Puts the request right for real providers; the last argument is the library's own neutral request."""
    refuses_blank_stops: bool = False
    make_valid: Callable[[Document], None] = lambda _: None
    """Called last: completes a request that the dialect would refuse as empty."""
    carried: frozenset[str] = frozenset()
    """The optional parameters that reach a provider of this dialect."""
    write_optional: Callable[[Document, Wanted], Iterable[str]] = nothing
    """Adds those that the library does not write. Gives what is lost."""
    takes_cache_marks: Callable[[Recipient], bool] = lambda _: False
    """Whether its parts and tools may bear marks for caches (`cache_marks`)."""
    write_format: Callable[[ResponseFormat, Document], None]
    functions: Callable[[Document], Iterable[Document]]
    """The tools of a request that are functions, each the object with its name."""
    schema_member: str
    """What has the schema of such a function."""
    schemas: Subset
    """The JSON Schemas that a provider takes."""
    can_allow: Callable[[AllowedTools, ModelFacts], bool] = lambda *_: False
    """A request can say which tools may be called; else the others are left out of it."""
    hold_to_schemas: Callable[[Document, ModelFacts], bool] = lambda *_: False
    """Where single tools cannot be `strict`: asks for it for all of them. Whether the model does it."""
    write_allowed: Callable[[AllowedTools, Document], object] = nothing
    parameters: Parameters
    """Where a request has its parameters."""
    write_thinking: WriteThinking
    stream_member: str | None = "stream"
    """The member of the body that asks for a stream; None: the path does."""
    asked_in_path: Callable[[RequestFacts], RequestFacts] = lambda facts: facts
    """The facts with what the path must say, where the body does not say all of it."""

    # An answer of a provider of this dialect.
    answer_forms: Mapping[str, Form] = field(default_factory=dict)
    """The types of members whose names mean other things elsewhere; `wire/conversion/answer_forms.py` has the common.
    """
    plain_text: Callable[[Document], str | None]
    """The text of an event that is nothing but text, as most are; None for any other, which is the library's to read.
    """
    repair: Callable[[AnswerState, Document], Iterable[Piece]]
    """Puts an event or a whole answer right before the library reads it, and gives what the library would not see."""
    calls: Callable[[AnswerState, Document], Iterable[Piece]] | None = None
    """The pieces of calls in an event or a whole answer, taken out before the library reads the rest; they follow that.
    None: the library reads them.
    """
    late: Callable[[AnswerState, Document], Iterable[Piece]] = nothing
    """What some providers say only when a part begins, or is done."""
    repeated_answer: Callable[[Document], Document | None] | None = None
    """The whole answer that an event repeats, should the events before it have said nothing."""

    # Its answer to a client of this dialect.
    writer: Callable[[RequestFacts], DialectWriter]
    """Makes the writer of one answer to a request."""

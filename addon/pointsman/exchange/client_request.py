"""The input of an exchange: the client's request, and the rules in force when it came."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pointsman.config import Settings, Stream
from pointsman.config.enums import Kind
from pointsman.domain.records import AppliedRedirect, AttemptRecord
from pointsman.domain.targets import Candidate, Target
from pointsman.exchange.known_refusals import KnownRefusals
from pointsman.masking import Masker
from pointsman.wire.conversation import Message
from pointsman.wire.conversion.codec import NOTHING_LEFT_OUT, Codec, codec_for, reasons
from pointsman.wire.conversion.endpoint_codec import EndpointCodec
from pointsman.wire.conversion.unsupported import spoken_to
from pointsman.wire.dialects.base import Dialect, Listener, OnItems
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Fault, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.refusals import Refusal
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import LeftOut, PartId


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """One client request. `headers` are those a provider may see; `started` is on the wall clock, for people."""

    request_id: str
    dialect: Dialect
    facts: RequestFacts
    path: str
    body: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    started: float
    own_answer: bytes | None = None
    """The router's own answer, as JSON, for when no provider has one."""
    method: str = "POST"
    client: str | None = None
    """The name of the client that asks; None: it has none."""
    is_chat: bool = True
    """A model is to answer; else it is asked for something that says nothing of how models answer."""
    on_items: OnItems = lambda _: None
    """See `Listener`."""

    refusals: KnownRefusals = field(default_factory=KnownRefusals, repr=False)
    """What earlier requests have taught, and this one may."""

    def codec(
        self, target: Target, n: int, refusals: Sequence[Refusal] = (), left_out: LeftOut = NOTHING_LEFT_OUT
    ) -> Codec:
        """The way of attempt `n` to a target that can be asked, and back, without what the target has refused."""
        spoken, _ = spoken_to(self.dialect.name, target.spoken_dialects, self.facts)
        assert spoken
        if self.facts.kind is not Kind.CHAT:
            return EndpointCodec(self.dialect, self.facts, target.provider)
        can_reason = reasons(target.model.supports)
        return codec_for(
            self.dialect, DIALECTS[spoken], self.listener(n), target.provider, can_reason, refusals, left_out
        )

    def listener(self, n: int) -> Listener:
        """The client, as the receiver of attempt `n`."""
        return Listener(self.facts, self.headers, f"{self.request_id}-{n}", self.started, self.on_items)


@dataclass(frozen=True, slots=True)
class ExchangeRules:
    """The configuration of exchanges. Times in seconds."""

    max_attempts: int
    deadline: float
    stream: Stream
    prefix: str
    """The prefix of the sticky headers and of `<prefix>Endpoint`, such as `X-`."""
    masker: Masker = field(repr=False)

    @classmethod
    def from_settings(cls, settings: Settings, masker: Masker) -> "ExchangeRules":
        return cls(
            settings.routing.max_attempts,
            settings.routing.deadline,
            settings.stream,
            settings.server.header_prefix,
            masker,
        )


class Planner(Protocol):
    """What an exchange needs from routing."""

    @property
    def mode(self) -> str: ...

    @property
    def taken_as(self) -> str | None:
        """The mode that an unknown model name stands for, or what a client asks whose budget is exhausted; None where
        the named model is asked.
        """
        ...

    @property
    def session(self) -> str | None:
        """A short id of the conversation, for people."""
        ...

    @property
    def needs_answer(self) -> bool:
        """The conversation is known by its words, so the answer's have to be kept."""
        ...

    def next_candidate(self, now: float, running: Sequence[Candidate]) -> Candidate | None:
        """The candidate to launch now, beside those that run."""
        ...

    def next_continuation(self, broken: Candidate, can_go_on: Callable[[Target], bool], now: float) -> Candidate | None:
        """The candidate to continue the answer of one that broke off; never the same target."""
        ...

    def is_worth_a_wait(self, candidate: Candidate, now: float) -> bool:
        """Another request is about to show whether this candidate works."""
        ...

    def wait_until(self, waited: float, latest: float, wake: Callable[[], None], now: float) -> float | None:
        """When to ask again where nothing can be launched, or only what is worth a wait, after `waited` seconds of
        waiting; None: not at all. From `latest` on nothing is launched. `wake` is called when it is worth asking before
        the time given.
        """
        ...

    def end_wait(self) -> None:
        """The request waits no longer."""
        ...

    def is_final(self, fault: Fault) -> bool:
        """The request itself is invalid, so no other candidate is tried."""
        ...

    def on_committed(self, candidate: Candidate, now: float, was_slow: bool = False) -> None:
        """The client sees this candidate's answer begin; `was_slow`: so late that another attempt had been started."""
        ...

    def on_answer_begun(self, answer_id: str, candidate: Candidate, now: float) -> None:
        """The client may ask for the answer of this id from now on, even if it gets no more of it here."""
        ...

    def on_answer_id(self, answer_id: str, candidate: Candidate, now: float) -> None:
        """A later request may refer to the whole answer that the client got of this candidate by this id; empty where
        it has none.
        """
        ...

    def parts_left_out(self, candidate: Candidate) -> LeftOut:
        """The signed parts that its provider has refused in this session."""
        ...

    def on_parts_refused(self, candidate: Candidate, parts: Sequence[PartId]) -> None:
        """Its provider refuses a signed part among these, and is not sent them again in this session."""
        ...

    def on_answer(self, message: Message, now: float) -> None:
        """The client got this whole answer, in its own dialect."""
        ...

    def on_settled(self, candidate: Candidate, record: AttemptRecord, fault: Fault | None, now: float) -> str | None:
        """An attempt has ended; `fault` is None if it is not at fault. Returns, for the log, what this changes for all
        exchanges.
        """
        ...

    def is_last_key(self, candidate: Candidate, now: float) -> bool:
        """No other key of its target may take the request."""
        ...

    def on_response_started(self, answered: Target | None) -> None:
        """The response has started, which happens once: this target answers, or none does."""
        ...

    def on_ended(self, failed: bool, now: float) -> None:
        """The exchange has ended; `failed`: the client received an error."""
        ...

    def discard(self) -> None:
        """The exchange has failed internally: its attempts will not be settled."""
        ...

    def early_session_headers(self, prefix: str) -> Headers:
        """The session headers that are known before a provider has answered."""
        ...

    def session_headers(self, prefix: str, answered: Target | None) -> Headers:
        """The session headers of an answer."""
        ...

    def budget_left(self, now: float) -> str:
        """For the header `X-Budget-Left`: what is left of the client's budgets, once that is little; else empty."""
        ...

    def stickiness(self, answered: Target | None) -> str: ...

    def is_refusal(self, fault: Fault) -> bool:
        """Another candidate may take what this one refused; if all refuse in the same way, the client gets the first
        answer.
        """
        ...

    def on_launched(
        self, n: int, candidate: Candidate, now: float, last_byte: Callable[[], float] | None = None
    ) -> None:
        """An attempt with this candidate begins; `last_byte` returns at any time when it last received anything."""
        ...

    def selection_reason(self, candidate: Candidate, now: float, wall: float) -> str:
        """How the next candidate came to be chosen."""
        ...

    def redirect(self, candidate: Candidate) -> AppliedRedirect | None:
        """The redirect of the model name for this candidate, None if its target's own name is sent."""
        ...

    def hedge_delay(self, candidate: Candidate, wall: float) -> float | None:
        """Seconds after which another attempt starts beside one that has shown nothing; None for never."""
        ...

    def on_head(self, candidate: Candidate, headers: Mapping[str, str], now: float, wall: float) -> None:
        """The head of its answer is in; names in lower case."""
        ...

    def exclusion_dicts(self, now: float, wall: float) -> Sequence[Mapping[str, object]]: ...

    def final_error(self, now: float, wall: float) -> Problem: ...

"""Answers that break off, and models that are asked to go on with them: one exchange each, in virtual time.

The fake model knows one text, the reference. Its behaviour decides what it writes when it is asked to go on.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from time import perf_counter
from typing import Any

from pointsman.config import Settings
from pointsman.config.enums import Dialect
from pointsman.domain.records import AttemptRecord
from pointsman.exchange.client_request import ClientRequest, ExchangeRules
from pointsman.exchange.effects import Effect, End, Launch, Send, Settled
from pointsman.exchange.engine import Exchange
from pointsman.masking import Masker
from pointsman.routing.router import Router
from pointsman.wire.dialects.demo_base import DemoAnswer, DemoError, DemoEvent, EventRole, ReportsUsage, ToolCall
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import FaultKind
from support.client_streams import Seen, read_stream
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

WALL = 1_700_000_000.0
PATHS = {
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
    Dialect.ANTHROPIC: "/v1/messages",
    Dialect.GEMINI: "/v1beta/models/m:streamGenerateContent?alt=sse",
}
FIRST_DELTA = 4
"""The number of a response's first event with content."""
HALF = re.compile("[\ud800-\udfff]")
STREAM = {"content-type": "text/event-stream"}
REFUSAL = "I'm sorry, but I can't continue with that request."
PREAMBLES = ("Sure, here is the rest:\n\n", "Here you go:\n", "Of course! ", 'Continuing from "', "```\n")


class Method(StrEnum):
    PREFILL = "prefill"
    ANCHOR = "anchor"


class Behaviour(StrEnum):
    """What the second model writes."""

    HONOURS = "honours"
    FULL_ECHO = "full_echo"
    ANCHOR_ECHO = "anchor_echo"
    OVERLAP = "overlap"
    PREAMBLE = "preamble"
    RESTART = "restart"
    OTHER_TOKENS = "other_tokens"
    SECOND_CUT = "second_cut"
    TOOL_CALL = "tool_call"
    EMPTY = "empty"
    REFUSAL = "refusal"


SOUND = {
    Method.PREFILL: {Behaviour.HONOURS, Behaviour.OTHER_TOKENS, Behaviour.FULL_ECHO, Behaviour.ANCHOR_ECHO},
    Method.ANCHOR: {Behaviour.HONOURS, Behaviour.OTHER_TOKENS, Behaviour.ANCHOR_ECHO},
}
"""What a model writes that does as it was asked, as far as models do."""


class Break(StrEnum):
    """How the first answer breaks off."""

    RESET = "reset"
    ENDS = "ends"
    ERROR = "error"
    STALLS = "stalls"


@dataclass(frozen=True, slots=True)
class Case:
    client: Dialect
    first: Dialect
    second: Dialect
    method: Method
    behaviour: Behaviour
    text: str
    """The reference."""
    seed: int
    cut: int = 0
    """The first answer breaks off after so many events behind the one that commits it."""


@dataclass(slots=True)
class Outcome:
    case: Case
    said: str = ""
    """The client's text when the first answer broke off."""
    written: str = ""
    """What the second model wrote."""
    prefix: str | None = None
    """The text that the second model was asked to go on from; None: it was not asked."""
    seen: Seen = field(default_factory=Seen)
    records: list[AttemptRecord] = field(default_factory=list)
    seconds: float = 0.0
    """How long the router took at the break."""

    @property
    def is_recovered(self) -> bool:
        return self.seen.is_whole

    @property
    def is_sound(self) -> bool:
        """The second model did as it was asked, and there was something to do: enough text, and some left to write."""
        case, said = self.case, self.said.strip()
        is_plain = case.text in PLAIN_TEXTS and case.behaviour in SOUND[case.method]
        return is_plain and len(said) >= 16 and len(self.said) < len(case.text.rstrip())

    def fault(self) -> str | None:
        """What is wrong with what the client got; None: it is right."""
        if self.seen.faults:
            return f"a stream that is not valid: {self.seen.faults[0]}"
        if self.seen.is_whole == bool(self.seen.errors) or len(self.seen.errors) > 1:
            return f"whole: {self.seen.is_whole}, errors: {len(self.seen.errors)}"
        if self.seen.is_whole and self.case.behaviour is Behaviour.TOOL_CALL:
            return "a call of a tool that was not offered"
        right = self._right_texts()
        if self.seen.is_whole:
            return None if self.seen.text in right else "a wrong text"
        begun = self.seen.text.startswith(self.said) and any(text.startswith(self.seen.text) for text in right)
        return None if begun or self.seen.text == self.said else "a wrong text before the error"

    def _right_texts(self) -> list[str]:
        case = self.case
        if case.method is Method.ANCHOR or self.prefix is None:
            return [case.text]
        as_written = self.said + self.written[_common(self.written, self.said[len(self.prefix) :]) :]
        match case.behaviour:
            case Behaviour.HONOURS | Behaviour.OTHER_TOKENS | Behaviour.SECOND_CUT:
                return [case.text]
            case Behaviour.FULL_ECHO | Behaviour.ANCHOR_ECHO:
                return [case.text]
            case Behaviour.OVERLAP:
                is_known = overlap_of(case) >= min(32, len(self.prefix))
                return [case.text] if is_known else [as_written]
            case _:
                return [as_written]


def _common(one: str, two: str) -> int:
    return next(
        (place for place, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]),
        len(min(one, two, key=len)),
    )


def overlap_of(case: Case) -> int:
    return 1 + case.seed % 60


# Texts.

PROSE = (
    "The lighthouse keeper wrote every evening, “carefully”, about the sea – its colour, its temper, the ships that "
    "passed – and never about himself.\n\nWhen the storm of 1911 came, he noted: wind from the north-west, 11 Bft; a "
    "schooner in distress. Nothing else. The next page is missing, and so is he; naïve readers suspect 海 took him 🌊. "
)
CODE = (
    'def parse(line: str) -> tuple[str, int]:\n    name, _, count = line.partition(":")\n    if not count.strip():\n'
    '        raise ValueError(f"no count in {line!r}")\n    return name.strip(), int(count)\n\n\n'
    "def total(lines):\n    counts = {}\n    for line in lines:\n        name, count = parse(line)\n"
    '        counts[name] = counts.get(name, 0) + count\n    return counts\n\n\nprint(total(open("a\\tb.txt")))\n'
)
LIST = "".join(
    f"{n}. Step number {n}: turn the valve by {n * 7 % 90} degrees,  \n   then wait.\n\n" for n in range(1, 15)
)
WIDE = (
    "絵文字👩‍👩‍👧‍👦と漢字、そして結合文字 e\u0301 a\u0300; “quotes” \\ backslashes / \u2028 separators \t tabs.\n"
    "Ça marche: 🏳️‍🌈 et 🇨🇭, „Grüße“ aus Zürich, ẞ und ß; Ελληνικά και кириллица. 𠮷野家 𩸽 range far: 𓀀 𓁐 🜁.\n"
    "السلام عليكم, שלום עולם, नमस्ते दुनिया, 안녕하세요 세계, สวัสดีชาวโลก — and \u200bzero\u200d width\ufeff too.\n"
    '{"json": "in a text", "n": [1, 2.5e3, null]} <tag attr=\'x\'>&amp;</tag> ```sh\nrm -rf ./build\n```\n終わり。🌊'
)
LAUGHTER = "He laughed: " + "ha " * 60 + "and stopped.\n"
LINES = "| cell | cell | cell | cell | cell |\n" * 12 + "The end.\n"
RULES = "=" * 120 + "\nTitle\n" + "=" * 120 + "\nBody of the text, and its end.\n"
REFRAIN = "".join(
    f"Verse {n} tells of winter nights.\nRow, row, row your boat, gently down the stream.\n" for n in range(8)
)

PLAIN_TEXTS = (PROSE, CODE, LIST, WIDE)
REPEATING_TEXTS = (LAUGHTER, LINES, RULES, REFRAIN)


def tokens(text: str, rng: random.Random, longest: int = 12) -> tuple[str, ...]:
    """The text in pieces. JSON may cut a character beyond the first plane in two; some providers do that."""
    pieces, start = [], 0
    while start < len(text):
        end = start + rng.randint(1, longest)
        pieces.append(text[start:end])
        start = end
    for place in range(len(pieces) - 1):
        last = pieces[place][-1:]
        if last > "\uffff" and rng.random() < 0.5:
            high, low = _halves(last)
            pieces[place], pieces[place + 1] = pieces[place][:-1] + high, low + pieces[place + 1]
    return tuple(pieces)


def _halves(character: str) -> tuple[str, str]:
    code = ord(character) - 0x10000
    return chr(0xD800 + (code >> 10)), chr(0xDC00 + (code & 0x3FF))


def encoded(events: Sequence[DemoEvent]) -> bytes:
    """Halves of characters are escaped, as JSON allows."""
    stream = b"".join(event.encode() for event in events).decode("utf-8", "surrogatepass")
    return HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", stream).encode()


# The model.


@dataclass(slots=True)
class Request:
    """What a demo dialect wants to know of a request."""

    body: bytes
    path: str
    number: int
    received: float = WALL

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def route(self) -> str:
        return self.path.partition("?")[0]


def asked_of(dialect: Dialect, body: bytes) -> tuple[str, str | None]:
    """The text that the model is to go on from, and the words that it is to repeat first."""
    turns = DIALECTS[dialect].conversion.history.read(json.loads(body))
    said = ["".join(part.get("text", "") for part in turn["content"]) for turn in turns]
    if turns[-1]["role"] == "assistant":
        return said[-1], None
    return said[-2], said[-1].rpartition("They are:\n\n")[2]


def written_by(case: Case, prefix: str, anchor: str | None, rng: random.Random) -> str:
    """What the model of a case writes."""
    assert case.text.startswith(prefix), "the model was asked to go on from another text"
    rest, first = case.text[len(prefix) :], anchor or ""
    match case.behaviour:
        case Behaviour.FULL_ECHO:
            return prefix + rest
        case Behaviour.ANCHOR_ECHO:
            return (anchor or prefix[-48:]) + rest
        case Behaviour.OVERLAP:
            return prefix[-overlap_of(case) :] + rest
        case Behaviour.PREAMBLE:
            return rng.choice(PREAMBLES) + first + rest
        case Behaviour.RESTART:
            return f"Let me start again. {case.text}"
        case Behaviour.EMPTY:
            return ""
        case Behaviour.REFUSAL:
            return REFUSAL
        case Behaviour.TOOL_CALL:
            return first + rest[: rng.randint(0, 20)]
        case _:
            return first + rest


# The exchange.


def client_body(dialect: Dialect) -> bytes:
    question = "Tell me."
    match dialect:
        case Dialect.OPENAI_RESPONSES:
            document: dict[str, Any] = {"model": "m", "stream": True, "input": question}
        case Dialect.GEMINI:
            document = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        case _:
            document = {"model": "m", "stream": True, "messages": [{"role": "user", "content": question}]}
    if dialect is Dialect.ANTHROPIC:
        document["max_tokens"] = 8000
    if dialect is Dialect.OPENAI_CHAT:
        document["stream_options"] = {"include_usage": True}
    return json.dumps(document).encode()


@lru_cache(maxsize=64)
def _settings(first: Dialect, second: Dialect, method: Method, recover: str | None) -> Settings:
    model: dict[str, Any] = {"id": "m", "prefill": method is Method.PREFILL}
    return settings(
        {
            "a": provider("http://a.test/v1", dialect=first.value),
            "b": provider("http://b.test/v1", dialect=second.value) | {"models": [model]},
        },
        stream={"recover": recover or ("prefill" if method is Method.PREFILL else "any")},
    )


def _first_events(case: Case) -> tuple[DemoEvent, ...]:
    return _events_of(case.first, case.text, case.seed % 3)


@lru_cache(maxsize=512)
def _events_of(dialect: Dialect, text: str, seed: int) -> tuple[DemoEvent, ...]:
    answer = DemoAnswer(tokens(text, random.Random(seed)), usage=ReportsUsage.ALWAYS)
    return tuple(DIALECTS[dialect].demo().events(answer, Request(client_body(dialect), PATHS[dialect], 1)))


def cuts(case: Case) -> range:
    """How many events behind the first content there may be, without one that says why the answer ends."""
    roles = [event.role for event in _first_events(case)]
    last = next(place for place, role in enumerate(roles) if role in (EventRole.FINISH, EventRole.END))
    return range(last - roles.index(EventRole.CONTENT))


class Run:
    """One case, from the request to the end of the client's stream."""

    def __init__(self, case: Case, recover: str | None = None) -> None:
        self.case, self.rng = case, random.Random(case.seed)
        chosen = _settings(case.first, case.second, case.method, recover)
        dialect, body, path = DIALECTS[case.client], client_body(case.client), PATHS[case.client]
        call = ClientRequest("req-1", dialect, dialect.facts(body, path), path, body, (), WALL)
        self.now, self.sent = 1000.0, bytearray()
        plan = Router(chosen, SECRET).plan(call.facts, case.client, caller(), self.now)
        self.exchange = Exchange(call, plan, ExchangeRules.from_settings(chosen, Masker([])))
        self.outcome, self.launched = Outcome(case), list[Launch]()
        self.has_ended = False

    def run(self) -> Outcome:
        self.apply(self.exchange.start(self.now))
        self.first_answer()
        self.outcome.said = read_stream(self.case.client, bytes(self.sent)).text
        begun = perf_counter()
        self.break_off()
        self.outcome.seconds = perf_counter() - begun
        if len(self.launched) == 2:
            self.second_answer()
        self.outcome.seen = read_stream(self.case.client, bytes(self.sent))
        assert self.has_ended
        return self.outcome

    def apply(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Launch():
                    self.launched.append(effect)
                case Send(data):
                    self.sent += data
                case Settled(record):
                    self.outcome.records.append(record)
                case End():
                    self.has_ended = True

    def first_answer(self) -> None:
        events = _first_events(self.case)
        begun = next(place for place, event in enumerate(events) if event.role is EventRole.CONTENT)
        self.apply(self.exchange.on_head(1, 200, STREAM, self.now))
        self.feed(1, encoded(events[: begun + 1 + self.case.cut]))

    def feed(self, n: int, data: bytes) -> None:
        """In chunks that end anywhere."""
        while data:
            size = self.rng.choice((1, 7, 60, 400, 4000, len(data)))
            self.apply(self.exchange.on_data(n, data[:size], self.now))
            data = data[size:]

    def break_off(self, n: int = 1) -> None:
        match self.rng.choice(tuple(Break)):
            case Break.RESET:
                self.apply(self.exchange.on_connection_error(n, FaultKind.RESET, "", self.now))
            case Break.ENDS:
                self.apply(self.exchange.on_end(n, self.now))
            case Break.ERROR:
                dialect = self.case.first if n == 1 else self.case.second
                error = DemoError("overloaded", "server_error", status=503)
                request = Request(client_body(dialect), PATHS[dialect], n)
                event = encoded([DIALECTS[dialect].demo().error_event(error, request)])
                place = b'"sequence_number":%d' % (self.case.cut + FIRST_DELTA + 1)
                self.feed(n, event.replace(b'"sequence_number":0', place))
            case Break.STALLS:
                self.wait(61)

    def wait(self, seconds: float) -> None:
        until, before = self.now + seconds, len(self.launched)
        while (due := self.exchange.next_tick_at) is not None and due <= until and len(self.launched) == before:
            self.now = max(self.now, due)
            self.apply(self.exchange.on_tick(self.now))

    def second_answer(self) -> None:
        case, rng, request = self.case, self.rng, self.launched[1].request
        prefix, anchor = asked_of(case.second, request.body)
        written = written_by(case, prefix, anchor, rng)
        self.outcome.prefix, self.outcome.written = prefix, written
        calls = (ToolCall("lookup", '{"of": "sea"}'),) if case.behaviour is Behaviour.TOOL_CALL else ()
        longest = 40 if case.behaviour is Behaviour.OTHER_TOKENS else 12
        is_filtered = case.behaviour is Behaviour.REFUSAL and rng.random() < 0.5
        finish = "content_filter" if is_filtered else "tool_calls" if calls else "stop"
        answer = DemoAnswer(tokens(written, rng, longest), finish, ReportsUsage.ALWAYS, tool_calls=calls)
        path = request.url.partition(".test/v1")[2]
        events = DIALECTS[case.second].demo().events(answer, Request(request.body, path, 2))
        if case.behaviour is Behaviour.SECOND_CUT:
            last = max(1, len(events) - 2)
            events = events[: rng.randrange(last)]
        self.apply(self.exchange.on_head(2, 200, STREAM, self.now))
        self.feed(2, encoded(events))
        if self.has_ended:
            return
        if case.behaviour is Behaviour.SECOND_CUT:
            self.break_off(2)
        else:
            self.apply(self.exchange.on_end(2, self.now))


def run(case: Case) -> Outcome:
    return Run(case).run()


def every_cut(
    texts: Sequence[str], behaviours: Sequence[Behaviour], methods: Sequence[Method], seed: int
) -> Iterator[Case]:
    """Each text in each pair of dialects, method and behaviour, cut at every event. The client's dialect is that of
    the first provider or, half as often, any other.
    """
    rng, dialects = random.Random(seed), tuple(Dialect)
    for first in dialects:
        for second in dialects:
            for method in methods:
                for behaviour in behaviours:
                    for text in texts:
                        client = first if rng.random() < 0.5 else rng.choice(dialects)
                        case = Case(client, first, second, method, behaviour, text, rng.randrange(1 << 30))
                        for cut in cuts(case):
                            yield Case(client, first, second, method, behaviour, text, case.seed, cut)

"""What the providers bill: with a price list, arithmetic and forms of usage of their own, none of it the router's.

Seed and number of a request determine what each provider has used to answer it, and in which of its dialect's forms it
reports that, if at all.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, cast

from pointsman.demo import Behaviour, Responder
from pointsman.wire.dialects.demo_base import DemoAnswer, DemoDialect, DemoEvent, DemoRequest, EventRole, ReportsUsage
from robustness.requests import ChatRequest, Dialect

PRICES: Mapping[str, Mapping[str, float]] = {
    "p1": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write_5m": 3.75, "cache_write_1h": 6},
    "p2": {"input": 0.150001, "output": 0.600007, "cache_read": 0.075003},
    "p3": {"input": 1.25, "output": 10, "cache_read": 0.125, "reasoning": 3.333333},
    "p4": {"input": 0.000333, "output": 0.000777},
    "steady": {"input": 0.27, "output": 1.1, "cache_read": 0.07},
    "gone": {"input": 1000, "output": 1000},
    "resetting": {"input": 1000, "output": 1000},
    "e1": {"input": 0.02, "output": 0.02},
    "e2": {"input": 0.130001, "output": 0.5},
    "e3": {"input": 0.1, "output": 0.7},
    "narrow": {"input": 2.5, "output": 11, "cache_read": 0.25},
}
"""Dollars for a million tokens of any model. Two never answer; they may be cancelled before that shows."""
ASKS = "p2"
"""The provider that reports usage in a stream of chat completions only where that is asked for."""
BYTES_PER_TOKEN = 4
NANO = 10**9


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was used; `reasoning` is a part of `output`, and nothing else overlaps."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def written(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.written


def price(provider: str, tokens: Tokens) -> int:
    """Nano-dollars, halves rounded up. What the list leaves out costs as the input, or as the output."""
    listed = PRICES[provider]
    written = listed.get("cache_write_5m", listed["input"])
    each = (
        (tokens.input, listed["input"]),
        (tokens.cache_read, listed.get("cache_read", listed["input"])),
        (tokens.cache_write_5m, written),
        (tokens.cache_write_1h, listed.get("cache_write_1h", written)),
        (tokens.output - tokens.reasoning, listed["output"]),
        (tokens.reasoning, listed.get("reasoning", listed["output"])),
    )
    dollars = sum(count * Decimal(repr(rate)) for count, rate in each) / 10**6
    return int((dollars * NANO).quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Form:
    """How usage is reported: `write` makes the member, of the kinds of tokens that the form has. `told`: it says what
    it bills, too, which then counts instead of the price list.
    """

    kinds: frozenset[str]
    write: Callable[[Tokens, int], dict[str, Any]]
    told: bool = False


def _chat(tokens: Tokens, hidden: int = 0, **more: Any) -> dict[str, Any]:
    """In chat completions; `hidden` tokens of the output are counted in the total alone."""
    said = tokens.output - hidden
    total = tokens.prompt + tokens.output
    return {"prompt_tokens": tokens.prompt, "completion_tokens": said, "total_tokens": total, **more}


def _details(tokens: Tokens, **more: Any) -> dict[str, Any]:
    read = {"cached_tokens": tokens.cache_read, **more}
    return {"prompt_tokens_details": read, "completion_tokens_details": {"reasoning_tokens": tokens.reasoning}}


def _with_writes(tokens: Tokens) -> dict[str, Any]:
    created = {"ephemeral_5m_input_tokens": tokens.cache_write_5m}
    return {"cache_creation_input_tokens": tokens.written, "cache_creation": created, "cache_type": "ephemeral"}


def _deepseek(tokens: Tokens, cost: int) -> dict[str, Any]:
    hit = {"prompt_cache_hit_tokens": tokens.cache_read, "prompt_cache_miss_tokens": tokens.input}
    return _chat(tokens, **hit, completion_tokens_details={"reasoning_tokens": tokens.reasoning})


def _openrouter(tokens: Tokens, cost: int) -> dict[str, Any]:
    details = _details(tokens, cache_write_tokens=tokens.cache_write_5m)
    upstream = {"upstream_inference_cost": cost // 3 / NANO}
    return _chat(tokens, **details, cost=(cost - cost // 3) / NANO, is_byok=True, cost_details=upstream)


def _perplexity(tokens: Tokens, cost: int) -> dict[str, Any]:
    said = tokens.output - tokens.reasoning
    counts = {"prompt_tokens": tokens.prompt, "completion_tokens": said, "total_tokens": tokens.prompt + said}
    return {**counts, "citation_tokens": 7, "reasoning_tokens": tokens.reasoning, "cost": {"total_cost": cost / NANO}}


def _anthropic(tokens: Tokens, cost: int) -> dict[str, Any]:
    lasting = {
        "ephemeral_5m_input_tokens": tokens.cache_write_5m,
        "ephemeral_1h_input_tokens": tokens.cache_write_1h,
    }
    read = {"input_tokens": tokens.input, "cache_read_input_tokens": tokens.cache_read}
    return {**read, "cache_creation_input_tokens": tokens.written, "cache_creation": lasting, **_said(tokens)}


def _said(tokens: Tokens) -> dict[str, Any]:
    return {"output_tokens": tokens.output, "output_tokens_details": {"thinking_tokens": tokens.reasoning}}


def _responses(tokens: Tokens, cost: int, **details: Any) -> dict[str, Any]:
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, **details},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }


def _gemini(tokens: Tokens, cost: int) -> dict[str, Any]:
    tools = tokens.input // 3
    return {
        "promptTokenCount": tokens.prompt - tools,
        "cachedContentTokenCount": tokens.cache_read,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "toolUsePromptTokenCount": tools,
        "totalTokenCount": tokens.prompt + tokens.output,
    }


CACHES, THOUGHTS = frozenset({"cache_read"}), frozenset({"reasoning"})
WRITES, HOUR = frozenset({"cache_write_5m"}), frozenset({"cache_write_1h"})
BOTH = CACHES | THOUGHTS
FORMS: Mapping[Dialect, Mapping[str, Form]] = {
    Dialect.CHAT: {
        "openai": Form(BOTH, lambda tokens, _: _chat(tokens, **_details(tokens))),
        "deepseek": Form(BOTH, _deepseek),
        "openrouter": Form(BOTH | WRITES, _openrouter, told=True),
        "xai": Form(BOTH, lambda tokens, cost: _chat(
            tokens, tokens.reasoning, **_details(tokens), cost_in_usd_ticks=cost * 10
        ), told=True),
        "moonshot": Form(CACHES, lambda tokens, _: _chat(tokens, cached_tokens=tokens.cache_read)),
        "mistral": Form(CACHES, lambda tokens, _: _chat(tokens, num_cached_tokens=tokens.cache_read)),
        "alibaba": Form(BOTH | WRITES, lambda tokens, _: _chat(tokens, **_details(tokens, **_with_writes(tokens)))),
        "google": Form(THOUGHTS, lambda tokens, _: _chat(tokens, tokens.reasoning)),
        "perplexity": Form(THOUGHTS, _perplexity, told=True),
    },
    Dialect.MESSAGES: {"anthropic": Form(BOTH | WRITES | HOUR, _anthropic)},
    Dialect.RESPONSES: {
        "openai": Form(BOTH | WRITES, lambda tokens, cost: _responses(
            tokens, cost, cache_write_tokens=tokens.cache_write_5m
        )),
        "alibaba": Form(BOTH | WRITES, lambda tokens, cost: {
            **_responses(tokens, cost), "x_details": [{"prompt_tokens_details": _with_writes(tokens)}]
        }),
    },
    Dialect.GEMINI: {"google": Form(BOTH, _gemini)},
}  # fmt: skip
SILENT = 0.2
"""Share of the answers that report nothing."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What one provider bills for one request if it answers to the end. `form` is None where it reports nothing."""

    provider: str
    dialect: Dialect
    tokens: Tokens
    form: Form | None
    told: int = 0
    """Nano-dollars that it says it bills, in a form that says so."""

    @property
    def cost(self) -> int:
        return self.told if self.form and self.form.told else price(self.provider, self.tokens)

    @property
    def opening(self) -> Tokens | None:
        """What is reported before the first content, in streams of the dialects that do so."""
        if self.form is None or self.dialect not in (Dialect.MESSAGES, Dialect.GEMINI):
            return None
        return replace(self.tokens, output=int(self.dialect is Dialect.MESSAGES), reasoning=0)

    def member(self) -> dict[str, Any]:
        assert self.form
        return self.form.write(self.tokens, self.told)


def bill(request: ChatRequest, provider: str) -> Bill:
    chance = random.Random(f"{request.seed}/{request.n}/{provider}/bill")
    forms = FORMS[request.dialect]
    form = None if chance.random() < SILENT else forms[chance.choice(list(forms))]
    kinds = form.kinds if form else frozenset()
    counts = {kind: chance.randrange(1, 5000) for kind in sorted(kinds) if chance.random() < 0.7}
    output = counts.get("reasoning", 0) + chance.randrange(1, 3000)
    tokens = Tokens(input=chance.randrange(1, 5000), output=output, **counts)
    return Bill(provider, request.dialect, tokens, form, told=chance.randrange(1, 10**8))


def billed(behaviour: Behaviour, sent: Bill) -> Behaviour:
    """The same behaviour, whose answers report what the bill says."""

    async def play(responder: Responder) -> None:
        responder.dialect = cast(DemoDialect, ReportingDialect(responder.dialect, sent))
        await behaviour.play(responder)

    return replace(behaviour, play=play)


class ReportingDialect:
    """A dialect whose whole answers and streams report what the bill says, and nothing else."""

    def __init__(self, dialect: DemoDialect, sent: Bill) -> None:
        self._dialect, self._bill = dialect, sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)

    def whole(self, answer: DemoAnswer, request: DemoRequest) -> bytes:
        document = json.loads(self._dialect.whole(replace(answer, usage=ReportsUsage.NEVER), request))
        member = "usageMetadata" if self._bill.dialect is Dialect.GEMINI else "usage"
        document.pop(member, None)
        return _dumps({**document, member: self._bill.member()} if self._bill.form else document).encode()

    def events(self, answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
        events = self._dialect.events(replace(answer, usage=ReportsUsage.NEVER), request)
        match self._bill.dialect:
            case Dialect.CHAT:
                return self._with_usage_event(events, request)
            case Dialect.MESSAGES:
                return [self._in_message(event) for event in events]
            case Dialect.RESPONSES:
                return [self._in_response(event) for event in events]
            case Dialect.GEMINI:
                return [self._in_chunk(event) for event in events]

    def _with_usage_event(self, events: list[DemoEvent], request: DemoRequest) -> list[DemoEvent]:
        is_asked = bool((request.fields.get("stream_options") or {}).get("include_usage"))
        if self._bill.form is None or (self._bill.provider == ASKS and not is_asked):
            return events
        frame = {**json.loads(events[0].data), "choices": [], "usage": self._bill.member()}
        ends = [event for event in events if event.role is EventRole.END]
        return [*events[: len(events) - len(ends)], DemoEvent(EventRole.USAGE, _dumps(frame)), *ends]

    def _in_message(self, event: DemoEvent) -> DemoEvent:
        if event.type == "message_start":
            document = json.loads(event.data)
            del document["message"]["usage"]
            if self._bill.form and (opening := self._bill.opening):
                document["message"]["usage"] = self._bill.form.write(opening, 0)
        elif event.type == "message_delta" and self._bill.form:
            document = {**json.loads(event.data), "usage": _said(self._bill.tokens)}
        else:
            return event
        return replace(event, data=_dumps(document))

    def _in_response(self, event: DemoEvent) -> DemoEvent:
        if event.role is not EventRole.END or self._bill.form is None:
            return event
        document = json.loads(event.data)
        document["response"]["usage"] = self._bill.member()
        return replace(event, data=_dumps(document))

    def _in_chunk(self, event: DemoEvent) -> DemoEvent:
        if event.role not in (EventRole.CONTENT, EventRole.FINISH) or self._bill.form is None:
            return event
        opening = self._bill.opening
        assert opening
        tokens = self._bill.tokens if event.role is EventRole.FINISH else opening
        return replace(
            event, data=_dumps({**json.loads(event.data), "usageMetadata": self._bill.form.write(tokens, 0)})
        )


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""A converted request, made to fit its model: what is known of it stands in `model_facts.yaml`.

Each change gives a remark for people, which the audit has.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion.thinking import Thinking
from pointsman.wire.json_access import Document, Members, dicts, mapping

FORCED_TOOL = "forced_tool"
FORCED_MODES = ("any", "tool")
"""The library's words for a tool choice that leaves the model none."""
AFTER_PREFILL = "Go on exactly where your last message ends."

type WriteThinking = Callable[[Document, Thinking, ModelFacts], bool]
"""Puts it into a request in place of what the library wrote. Returns whether the request now asks for thinking."""


class Parameters(NamedTuple):
    """Where a dialect has the parameters of a request. `holder` is the member that they stand in, if they do.

    `limits` are the names that the limit of an answer may have, `least_limit` is the least that a provider takes.
    `stops` are the names of stop sequences, `most_stops` is how many of them it takes; 0: any number.
    """

    limits: tuple[str, ...]
    holder: str | None = None
    least_limit: int = 1
    stops: tuple[str, ...] = ()
    most_stops: int = 0

    def of(self, request: Document) -> Document:
        held = request.get(self.holder) if self.holder else request
        return held if isinstance(held, dict) else {}


def fit(
    request: Document, parameters: Parameters, write_thinking: WriteThinking, facts: ModelFacts, neutral: Members
) -> Iterator[str]:
    """Changes the request; gives what the client may have to know."""
    held = parameters.of(request)
    yield from _fit_limit(held, parameters, facts)
    yield from _fit_stops(held, parameters)
    refused: dict[str, str] = dict.fromkeys(facts.refuses, "the model refuses it")
    is_forced = mapping(neutral.get("tool_choice")).get("mode") in FORCED_MODES
    if is_forced and FORCED_TOOL in facts.refuses:
        is_forced = False
        yield from _leave_choice(request)
    thinking = Thinking.asked_in(neutral) or (Thinking(is_on=True) if is_forced and facts.thinks_by_default else None)
    if facts.thinking and thinking:
        if thinking.is_on and is_forced and FORCED_TOOL in facts.refuses_when_thinking:
            write_thinking(request, Thinking(is_on=False), facts)
            yield "without thinking: the model refuses it with a forced tool"
        elif write_thinking(request, thinking, facts):
            refused |= dict.fromkeys(facts.refuses_when_thinking, "the model refuses it when thinking")
        elif thinking.is_on and facts.can_think:
            yield "without thinking: it does not fit this request"
    for names in facts.exclusive:
        given = [name for name in names if name in held]
        refused |= dict.fromkeys(given[1:], f"the model refuses it beside {', '.join(given[:1])}")
    yield from _drop(held, refused)
    yield from _fit_temperature(held, facts, neutral)
    yield from _fit_roles(request, facts)


def _leave_choice(request: Document) -> Iterator[str]:
    """Whether to call a tool is the model's choice."""
    choice = request.get("tool_choice")
    if choice is None:
        return  # Gemini's dialect puts the choice elsewhere, and none of its models has this rule
    if isinstance(choice, dict) and choice.get("type") in FORCED_MODES:
        kept = {name: value for name, value in choice.items() if name != "name"}
        request["tool_choice"] = {**kept, "type": "auto"}
    else:
        request["tool_choice"] = "auto"
    yield "no tool is forced: the model refuses that"


def _fit_limit(held: Document, parameters: Parameters, facts: ModelFacts) -> Iterator[str]:
    for name in parameters.limits:
        limit = held.get(name)
        if not isinstance(limit, int):
            continue
        if facts.max_output and limit > facts.max_output:
            held[name] = facts.max_output
            yield f"{name} {limit} lowered to {facts.max_output}: the model's limit"
        elif limit < parameters.least_limit:
            held[name] = parameters.least_limit
            yield f"{name} {limit} raised to {parameters.least_limit}: the least that the provider takes"


def _fit_stops(held: Document, parameters: Parameters) -> Iterator[str]:
    for name in parameters.stops:
        stops = held.get(name)
        if isinstance(stops, list) and 0 < parameters.most_stops < len(stops):
            held[name] = kept = stops[: parameters.most_stops]
            yield f"{name} without {stops[len(kept) :]}: the provider takes {len(kept)} at most"


def _drop(held: Document, refused: Mapping[str, str]) -> Iterator[str]:
    for name, why in refused.items():
        if held.pop(name, None) is not None:
            yield f"without {name}: {why}"


def _fit_temperature(held: Document, facts: ModelFacts, neutral: Members) -> Iterator[str]:
    """The library may have lowered it already."""
    given, written = mapping(neutral.get("generation")).get("temperature"), held.get("temperature")
    if not isinstance(given, int | float) or not isinstance(written, int | float):
        return
    if facts.max_temperature is not None and given > facts.max_temperature:
        held["temperature"] = facts.max_temperature
        yield f"temperature {given} lowered to {facts.max_temperature:g}: the model's limit"
    elif written < given:
        yield f"temperature {given} lowered to {written:g}: the most that the provider takes"


def _fit_roles(request: Document, facts: ModelFacts) -> Iterator[str]:
    messages = dicts(request.get("messages"))
    for message in messages:
        if message.get("role") in ("system", "developer"):
            message["role"] = facts.system_role
    last = messages[-1] if messages else {}
    if facts.prefill is False and last.get("role") == "assistant" and not last.get("tool_calls"):
        request["messages"].append({"role": "user", "content": AFTER_PREFILL})
        yield "the model does not go on from the assistant's words: a user's turn was added"

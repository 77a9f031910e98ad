"""Token counts as OpenAI and those like it report them, made into numbers that do not overlap.

>>> counts = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
>>> usage = usage_of_counts(counts)
>>> (usage.input, usage.cache_read, usage.output)
(6, 4, 5)
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pointsman.wire.frames import Usage
from pointsman.wire.json_access import MAX_COUNT, NOTHING, Members, count, mapping, mappings

NANO = 10**9
REPORT_DEPTH = 4
"""Of a usage: Alibaba lists its turns in it, each with details."""
XAI_TICK = Decimal("0.1")
"""Nano-dollars in a tick, xAI's unit of money."""


def usage_of_counts(usage: Members) -> Usage:
    """Of a `usage` member, in the names of chat completions or of responses."""
    read = _details(usage, "prompt_tokens_details", "input_tokens_details", "prompt_token_details")
    said = _details(usage, "completion_tokens_details", "output_tokens_details")
    prompt, output = _first(usage, "prompt_tokens", "input_tokens"), _first(usage, "completion_tokens", "output_tokens")
    reasoning = count(said.get("reasoning_tokens")) or count(usage.get("reasoning_tokens"))
    # Moonshot has `cached_tokens` beside the prompt's count; DeepSeek, Mistral and Anthropic have other names there.
    cache_read = (
        _first(read, "cached_tokens", "cache_read_input_tokens")
        or _first(usage, "cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens")
    )  # fmt: skip
    written, written_1h = _cache_writes(usage, read)
    hidden = count(usage.get("total_tokens")) - prompt - output if prompt or output else 0
    cached = cache_read + written
    if 0 < cached == hidden != reasoning or cached > prompt:
        prompt += cached  # the prompt was counted without its caches
    elif hidden > 0 and reasoning in (0, hidden):
        output, reasoning = output + hidden, hidden  # xAI and Google count thoughts in the total alone
    elif "citation_tokens" in usage:
        output += reasoning  # Perplexity's total lacks them as well
    return Usage(
        input=prompt - cached,
        output=output,
        cache_read=cache_read,
        cache_write_5m=written - written_1h,
        cache_write_1h=written_1h,
        reasoning=min(reasoning, output),
        cost=billed(usage),
    )


def usage_of_report(usage: object) -> Usage | None:
    """The same, of what stands in the place of a report; None if it has no number, or an impossible one."""
    if not isinstance(usage, Mapping) or not any(isinstance(number, int | float) for number in usage.values()):
        return None
    return usage_of_counts(usage) if is_possible(usage) else None


def is_possible(report: object, depth: int = REPORT_DEPTH) -> bool:
    """Whether an answer can have as many tokens as a report counts. One of which a part is wrong is not used: what it
    does not count would be free.

    >>> is_possible({"prompt_tokens": 10}), is_possible({"prompt_tokens": 2**64 - 1}), is_possible({"input_tokens": -1})
    (True, False, False)
    """
    if isinstance(report, list):
        return all(is_possible(each, depth - 1) for each in report)
    if not isinstance(report, Mapping) or depth == 0:
        return True
    for name, value in report.items():
        is_number = isinstance(value, int | float)
        if is_number and "token" in name.lower() and not 0 <= value <= MAX_COUNT:
            return False
        if not is_number and not is_possible(value, depth - 1):
            return False
    return True


def cache_writes(counts: Members) -> tuple[int, int]:
    """Tokens written to a cache, and those of them that stay for an hour; in Anthropic's names."""
    each = mapping(counts.get("cache_creation"))
    hour = count(each.get("ephemeral_1h_input_tokens"))
    five_minutes = count(each.get("ephemeral_5m_input_tokens"))
    return max(count(counts.get("cache_creation_input_tokens")), hour + five_minutes), hour


def _cache_writes(usage: Members, details: Members) -> tuple[int, int]:
    """Alibaba has Anthropic's names in the details, and in responses within a list beside them; OpenAI and OpenRouter
    do not tell how long a write stays.
    """
    written, hour = cache_writes(details)
    if not written:
        written, hour = cache_writes(usage)
    if not written and "x_details" in usage:
        turns = [cache_writes(mapping(turn.get("prompt_tokens_details"))) for turn in mappings(usage["x_details"])]
        written, hour = sum(each for each, _ in turns), sum(each for _, each in turns)
    return written or count(details.get("cache_write_tokens")), hour


def billed(usage: Members) -> int | None:
    """Nano-dollars that the provider says it bills: OpenRouter's `cost`, with what the account of one's own costs
    beside it; Perplexity's `cost.total_cost`; xAI's ticks. None: it says nothing.
    """
    cost = usage.get("cost")
    dollars = _money(mapping(cost).get("total_cost") if isinstance(cost, dict) else cost)
    if dollars is None:
        ticks = _money(usage.get("cost_in_usd_ticks"))
        return None if ticks is None else round(ticks * XAI_TICK)
    if usage.get("is_byok") is True:
        dollars += _money(mapping(usage.get("cost_details")).get("upstream_inference_cost")) or 0
    return round(dollars * NANO)


def _money(value: Any) -> Decimal | None:
    """A number of a sane size; a bill of more than a million dollars is no bill."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**16:
        return None
    return Decimal(repr(value))


def _details(usage: Members, *names: str) -> Members:
    """The first of these members that has anything."""
    for name in names:
        if details := mapping(usage.get(name)):
            return details
    return NOTHING


def _first(counts: Members, *names: str) -> int:
    """The first of these counts that is more than 0."""
    for name in names:
        if number := count(counts.get(name)):
            return number
    return 0

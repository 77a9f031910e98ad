"""Why an answer ended, in four words. Providers use many, and invent more."""

from collections.abc import Mapping
from enum import StrEnum


class Finish(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"


GAVE_UP = (
    "abort", "aborted", "cancelled", "canceled", "error", "insufficient_system_resource", "network_error", "timeout",
)  # fmt: skip
"""The provider gave up within the answer."""
INTERRUPTED = (*GAVE_UP, "incomplete")
"""No dialect says these but as a limit: the answer is not complete."""
_WORDS: Mapping[Finish, tuple[str, ...]] = {
    Finish.STOP: (
        "stop", "end_turn", "stop_sequence", "eos", "eos_token", "stop_token", "complete", "completed", "done",
    ),
    Finish.LENGTH: (
        "length", "max_tokens", "max_output_tokens", "max_length", "max_new_tokens", "model_length", "token_limit",
        "model_context_window_exceeded", "context_length_exceeded", "truncated", *INTERRUPTED,
    ),
    Finish.CONTENT_FILTER: (
        "content_filter", "content_filtered", "refusal", "safety", "recitation", "blocked", "blocklist", "sensitive",
        "prohibited_content", "spii", "guardrail_intervened",
    ),
    Finish.TOOL_CALLS: ("tool_calls", "tool_call", "tool_use", "function_call", "function_calls"),
}  # fmt: skip
_BY_WORD: Mapping[str, Finish] = {word: finish for finish, words in _WORDS.items() for word in words}

UNFINISHED = ("queued", "in_progress", "cancelled")
"""States of an answer that is made in the background, which may have no content yet."""


def finish_of(word: str | None) -> Finish | None:
    """None for a word that is not known, such as `malformed_function_call`.

    finish_of("EOS") is Finish.STOP
    """
    return _BY_WORD.get(_plain(word))


def may_be_empty(word: str | None) -> bool:
    """Whether an answer without content that ended like this is an answer."""
    if word in UNFINISHED:
        return True
    return not gave_up(word) and finish_of(word) in (Finish.LENGTH, Finish.CONTENT_FILTER)


def gave_up(word: str | None) -> bool:
    """Whether an answer that ended like this broke off at its provider."""
    return _plain(word) in GAVE_UP


def _plain(word: str | None) -> str:
    return (word or "").lower().replace("-", "_")

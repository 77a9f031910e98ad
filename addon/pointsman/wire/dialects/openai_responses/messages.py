"""Conversations in the dialect of OpenAI's Responses, where a draft is a row of items."""

from collections.abc import Iterable

from pointsman.wire.dialects.openai_responses.tools import CALLS
from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.messages import (
    ASSISTANT,
    TOOL,
    USER,
    Conversation,
    MessageDraft,
    messages_of,
    preamble_of,
    split_preamble,
)

FUNCTION_CALL = "function_call"
LEFT_OUT = ("reasoning", "item_reference")
OUTPUT = "_output"
"""How the kinds of results end."""


def conversation(document: Members) -> Conversation:
    instructions = _said("system", document.get("instructions"))
    system, drafts = split_preamble(_drafts(document.get("input")))
    return Conversation(preamble_of([instructions, *system], document.get("tools")), messages_of(drafts))


DELTAS = frozenset({
    "response.output_text.delta",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
})  # fmt: skip
THOUGHTS = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})


def answer(documents: Iterable[Members]) -> MessageDraft:
    """Events of a stream, or one whole answer. The last event repeats what was said, though not with all providers.
    Of a stream that was cut, what came of an item counts as well.
    """
    items: list[Members] = []
    output: list[Members] = []
    unfinished: list[Members] = []
    for document in documents:
        kind = document.get("type")
        if kind == "response.output_item.done":
            items.append(mapping(document.get("item")))
            unfinished.clear()
        elif kind in DELTAS or kind in THOUGHTS:
            unfinished.append(document)
        output = mappings(mapping(document.get("response") or document).get("output")) or output
    draft = MessageDraft(ASSISTANT)
    for said in _drafts(items or output):
        draft.extend(said)
    for item in items or output:
        if item.get("type") == "reasoning":
            for part in (*mappings(item.get("summary")), *mappings(item.get("content"))):
                draft.add_thought(part.get("text"))
    for piece in unfinished if not output else ():
        (draft.add_text if piece["type"] in DELTAS else draft.add_thought)(piece.get("delta"))
    return draft


def _drafts(said: object) -> list[MessageDraft]:
    """A text alone is the user's."""
    if isinstance(said, str):
        return [_said(USER, said)]
    return [_draft(item) for item in mappings(said) if item.get("type") not in LEFT_OUT]


def _draft(item: Members) -> MessageDraft:
    kind = str(item.get("type") or "message")
    if kind == "message":
        return _said(str(item.get("role") or USER), item.get("content"))
    if kind in CALLS:
        draft = MessageDraft(ASSISTANT)
        draft.add_call(item.get("name"), item.get(CALLS[kind]), is_free=kind != FUNCTION_CALL)
        return draft
    if kind.endswith(OUTPUT):
        inner, draft = _said(TOOL, item.get("output")), MessageDraft(TOOL)
        draft.add_result(b"".join(inner.texts), inner.pieces)
        return draft
    draft = MessageDraft(ASSISTANT)
    draft.add_other(item)
    return draft


def _said(role: str, content: object) -> MessageDraft:
    draft = MessageDraft(role)
    draft.add_text(content)
    for part in mappings(content):
        words = part.get("text") or part.get("refusal")
        if isinstance(words, str):
            draft.add_text(words)
        elif part.get("type") == "message":
            draft.texts += _said(role, part.get("content")).texts
        else:
            draft.add_other(part)
    return draft

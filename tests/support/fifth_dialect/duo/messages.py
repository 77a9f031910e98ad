"""Conversations in Duo."""

from collections.abc import Iterable

from pointsman.wire.json_access import Members, mappings
from pointsman.wire.messages import (
    ASSISTANT,
    USER,
    Conversation,
    MessageDraft,
    messages_of,
    preamble_of,
    split_preamble,
)

ROLES = {"me": ASSISTANT, "you": USER, "rules": "system"}


def conversation(document: Members) -> Conversation:
    system, drafts = split_preamble([_draft(line) for line in mappings(document.get("lines"))])
    return Conversation(preamble_of(system, None), messages_of(drafts))


def answer(documents: Iterable[Members]) -> MessageDraft:
    draft = MessageDraft(ASSISTANT)
    for document in documents:
        draft.add_text(document.get("say"))
        for line in mappings(document.get("lines")):
            draft.add_text(line.get("words"))
    return draft


def _draft(line: Members) -> MessageDraft:
    draft = MessageDraft(ROLES.get(str(line.get("who")), USER))
    draft.add_text(line.get("words"))
    return draft

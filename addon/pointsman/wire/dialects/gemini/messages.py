"""Conversations in Gemini's dialect."""

from collections.abc import Iterable

from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.messages import ASSISTANT, USER, Conversation, MessageDraft, messages_of, preamble_of, sorted_json

ROLES = {"model": ASSISTANT}


def conversation(document: Members) -> Conversation:
    system = MessageDraft("system")
    instruction = member(document, "systemInstruction")
    system.add_text(instruction)
    _say(system, mapping(instruction))
    drafts = []
    for content in mappings(document.get("contents")):
        role = str(content.get("role") or USER)
        drafts.append(MessageDraft(ROLES.get(role, role)))
        _say(drafts[-1], content)
    return Conversation(preamble_of([system], document.get("tools")), messages_of(drafts))


def answer(documents: Iterable[Members]) -> MessageDraft:
    """Chunks of a stream, or one whole answer; its first candidate counts."""
    draft = MessageDraft(ASSISTANT)
    for document in documents:
        for candidate in mappings(document.get("candidates"))[:1]:
            _say(draft, mapping(candidate.get("content")))
    return draft


def _say(draft: MessageDraft, content: Members) -> None:
    for part in mappings(content.get("parts")):
        if part.get("thought") is True:
            draft.add_thought(part.get("text"))
        elif isinstance(part.get("text"), str):
            draft.add_text(part["text"])
        elif call := mapping(member(part, "functionCall")):
            draft.add_call(call.get("name"), call.get("args") or {})
        elif result := mapping(member(part, "functionResponse")):
            draft.add_result(sorted_json(result.get("response")))
        else:
            draft.add_other(part)

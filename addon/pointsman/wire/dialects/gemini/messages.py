"""Conversations in Gemini's dialect."""

from collections.abc import Iterable

from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.messages import ASSISTANT, USER, Conversation, Turn, messages_of, plain, preamble_of

ROLES = {"model": ASSISTANT}


def conversation(document: Members) -> Conversation:
    system = Turn("system")
    instruction = member(document, "systemInstruction")
    system.say(instruction)
    _say(system, mapping(instruction))
    turns = []
    for content in mappings(document.get("contents")):
        role = str(content.get("role") or USER)
        turns.append(Turn(ROLES.get(role, role)))
        _say(turns[-1], content)
    return Conversation(preamble_of([system], document.get("tools")), messages_of(turns))


def answer(documents: Iterable[Members]) -> Turn:
    """Chunks of a stream, or one whole answer; its first candidate counts."""
    turn = Turn(ASSISTANT)
    for document in documents:
        for candidate in mappings(document.get("candidates"))[:1]:
            _say(turn, mapping(candidate.get("content")))
    return turn


def _say(turn: Turn, content: Members) -> None:
    for part in mappings(content.get("parts")):
        if part.get("thought") is True:
            continue
        if isinstance(part.get("text"), str):
            turn.say(part["text"])
        elif call := mapping(member(part, "functionCall")):
            turn.call(call.get("name"), call.get("args") or {})
        elif result := mapping(member(part, "functionResponse")):
            turn.result(plain(result.get("response")))
        else:
            turn.show(part)

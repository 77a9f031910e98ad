"""Conversations in the dialect of OpenAI's Responses, where a turn is a row of items."""

from collections.abc import Iterable

from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.messages import ASSISTANT, TOOL, USER, Conversation, Turn, messages_of, preamble_of, split_preamble

LEFT_OUT = ("reasoning", "item_reference")
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Kinds of calls, and where their arguments stand."""
OUTPUT = "_output"
"""How the kinds of results end."""


def conversation(document: Members) -> Conversation:
    instructions = _said("system", document.get("instructions"))
    system, turns = split_preamble(_turns(document.get("input")))
    return Conversation(preamble_of([instructions, *system], document.get("tools")), messages_of(turns))


def answer(documents: Iterable[Members]) -> Turn:
    """Events of a stream, or one whole answer. The last event repeats what was said, though not with all providers."""
    items: list[Members] = []
    output: list[Members] = []
    for document in documents:
        if document.get("type") == "response.output_item.done":
            items.append(mapping(document.get("item")))
        output = mappings(mapping(document.get("response") or document).get("output")) or output
    turn = Turn(ASSISTANT)
    for said in _turns(items or output):
        turn.texts += said.texts
        turn.pieces += said.pieces
    return turn


def _turns(said: object) -> list[Turn]:
    """A plain text is the user's."""
    if isinstance(said, str):
        return [_said(USER, said)]
    return [_turn(item) for item in mappings(said) if item.get("type") not in LEFT_OUT]


def _turn(item: Members) -> Turn:
    kind = str(item.get("type") or "message")
    if kind == "message":
        return _said(str(item.get("role") or USER), item.get("content"))
    if kind in CALLS:
        turn = Turn(ASSISTANT)
        turn.call(item.get("name"), item.get(CALLS[kind]))
        return turn
    if kind.endswith(OUTPUT):
        inner, turn = _said(TOOL, item.get("output")), Turn(TOOL)
        turn.result(b"".join(inner.texts), inner.pieces)
        return turn
    turn = Turn(ASSISTANT)
    turn.show(item)
    return turn


def _said(role: str, content: object) -> Turn:
    turn = Turn(role)
    turn.say(content)
    for part in mappings(content):
        words = part.get("text") or part.get("refusal")
        if isinstance(words, str):
            turn.say(words)
        elif part.get("type") == "message":
            turn.texts += _said(role, part.get("content")).texts
        else:
            turn.show(part)
    return turn

"""Conversations in the dialect of OpenAI's chat completions."""

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.messages import ASSISTANT, Conversation, Turn, messages_of, preamble_of, split_preamble


def conversation(document: Members) -> Conversation:
    system, turns = split_preamble([_turn(message) for message in mappings(document.get("messages"))])
    tools = document.get("tools") or document.get("functions")
    return Conversation(preamble_of(system, tools), messages_of(turns))


def answer(documents: Iterable[Members]) -> Turn:
    """Chunks of a stream, or one whole answer; its first choice counts."""
    turn = Turn(ASSISTANT)
    calls: dict[object, list[str]] = {}
    for document in documents:
        for choice in mappings(document.get("choices"))[:1]:
            said = mapping(choice.get("delta") or choice.get("message"))
            if type(content := said.get("content")) is str and "tool_calls" not in said:
                turn.say(content)  # nearly every chunk
                continue
            _say(turn, content)
            for place, call in enumerate(mappings(said.get("tool_calls"))):
                function, index = mapping(call.get("function")), call.get("index")
                parts = calls.setdefault(index if isinstance(index, int) else place, ["", ""])
                parts[0] += text(function.get("name"))
                parts[1] += text(function.get("arguments"))
    for name, arguments in calls.values():
        turn.call(name, arguments)
    return turn


def _turn(message: Mapping[str, Any]) -> Turn:
    turn = Turn(str(message.get("role")))
    _say(turn, message.get("content"))
    for call in mappings(message.get("tool_calls")):
        function = mapping(call.get("function"))
        turn.call(function.get("name"), function.get("arguments"))
    return turn


def _say(turn: Turn, content: object) -> None:
    turn.say(content)
    for part in mappings(content):
        if isinstance(part.get("text"), str):
            turn.say(part["text"])
        else:
            turn.show(part)

"""Conversations in the dialect of OpenAI's chat completions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.messages import ASSISTANT, Conversation, MessageDraft, messages_of, preamble_of, split_preamble

PLAIN = frozenset({"role", "content"})
"""What nearly every chunk has and no more."""
MIN_ALIKE = 4
"""Events that are worth joining."""
_STRING = rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
"""The text between the quotes of a JSON string."""
_STRINGS = re.compile(_STRING)
_TEXT_EVENT = re.compile(
    rb'(data: \{[^\n]*?"choices": ?\[\{(?:"index": ?0, ?)?"delta": ?\{"content": ?")' + _STRING + rb'("\}[^\n]*\n\n)'
)
"""An event that says nothing but a text, with what stands before and behind it."""


def conversation(document: Members) -> Conversation:
    system, drafts = split_preamble([_draft(message) for message in mappings(document.get("messages"))])
    tools = document.get("tools") or document.get("functions")
    return Conversation(preamble_of(system, tools), messages_of(drafts))


def answer(documents: Iterable[Members]) -> MessageDraft:
    """Chunks of a stream, or one whole answer; its first choice counts."""
    draft = MessageDraft(ASSISTANT)
    calls: dict[object, list[str]] = {}
    for document in documents:
        for choice in mappings(document.get("choices"))[:1]:
            said = mapping(choice.get("delta") or choice.get("message"))
            if type(content := said.get("content")) is str and said.keys() <= PLAIN:
                draft.add_text(content)  # nearly every chunk
                continue
            draft.add_thought(said.get("reasoning_content") or said.get("reasoning"))
            _say(draft, content)
            for place, call in enumerate(mappings(said.get("tool_calls"))):
                function, index = mapping(call.get("function")), call.get("index")
                parts = calls.setdefault(index if isinstance(index, int) else place, ["", ""])
                parts[0] += text(function.get("name"))
                parts[1] += text(function.get("arguments"))
    for name, arguments in calls.values():
        draft.add_call(name, arguments)
    return draft


def with_texts_joined(stream: bytes) -> bytes:
    """The same, said in fewer events: those that differ only in their text, as nearly all of a stream do, become one.
    The middle of the stream shows how they look.
    """
    sample = _TEXT_EVENT.match(stream, stream.rfind(b"\n\ndata: ", 0, len(stream) // 2) + 2)
    if not sample:
        return stream
    opening, closing = sample.groups()
    before, _, rest = stream.partition(opening)
    texts = rest.split(closing + opening)
    if len(texts) < MIN_ALIKE or not _STRINGS.fullmatch(b"".join(texts[:-1])):  # other events stand between them
        return stream
    return b"".join((before, opening, *texts))


def _draft(message: Mapping[str, Any]) -> MessageDraft:
    draft = MessageDraft(str(message.get("role")))
    if type(content := message.get("content")) is str:
        draft.add_text(content)  # most are
    else:
        _say(draft, content)
    for call in mappings(message.get("tool_calls")):
        function = mapping(call.get("function"))
        draft.add_call(function.get("name"), function.get("arguments"))
    return draft


def _say(draft: MessageDraft, content: object) -> None:
    draft.add_text(content)
    for part in mappings(content):
        if isinstance(part.get("text"), str):
            draft.add_text(part["text"])
        else:
            draft.add_other(part)

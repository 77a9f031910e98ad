"""Fixups of a request that the library wrote, which all dialects share."""

from pointsman.wire.json_access import Document, dicts

NOTES = "_provider_metadata"
NESTED = ("content", "parts", "tool_calls")
"""Where the library leaves notes of its own."""


def drop_library_notes(request: Document) -> None:
    """The library's own notes are no member of any dialect."""
    for messages in ("messages", "contents", "input"):
        for message in dicts(request.get(messages)):
            for inner in (message, *(part for name in NESTED for part in dicts(message.get(name)))):
                inner.pop(NOTES, None)


def merged(messages: object, member: str) -> list[Document]:
    """Messages of one role that follow each other as one; empty ones are dropped."""
    kept: list[Document] = []
    for message in messages if isinstance(messages, list) else ():
        content = message.get(member)
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not parts:
            continue
        if kept and kept[-1]["role"] == message["role"]:
            kept[-1][member] += parts
        else:
            kept.append({**message, member: list(parts)})
    return kept

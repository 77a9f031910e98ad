"""Fixups of a request that the library wrote, which all dialects share."""

from pointsman.wire.json_access import Document


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

"""Signatures that providers hand out within chat completions: Google's of calls, and those of thoughts that gateways
pass on.
"""

from collections.abc import Sequence

from pointsman.wire.dialects.base import DropsPart, SignedParts
from pointsman.wire.dialects.openai_chat.history import EXTRA, GOOGLE, SIGNATURE, signature_of
from pointsman.wire.json_access import Document, Members, dicts, mappings, text
from pointsman.wire.thinking_signatures import UNSIGNED, requires_signatures

THOUGHT_LISTS = ("reasoning_details", "thinking_blocks")
"""Members of a message that list thoughts, signed or encrypted."""
SIGNED_MEMBERS = ("signature", "data")


def signatures(message: Members) -> list[str]:
    thoughts = [_thought(each) for name in THOUGHT_LISTS for each in mappings(message.get(name))]
    calls = [signature_of(each) for each in (message, *mappings(message.get("tool_calls")))]
    return [signature for signature in (*thoughts, *calls) if signature]


def without(messages: Sequence[Document], drops: DropsPart, model: str) -> list[Document]:
    return [_without(message, place, drops, model) for place, message in enumerate(messages)]


SIGNED_PARTS = SignedParts("messages", signatures, without)


def _thought(thought: Members) -> str:
    return next((text(thought.get(name)) for name in SIGNED_MEMBERS if thought.get(name)), "")


def _without(message: Document, place: int, drops: DropsPart, model: str) -> Document:
    if not any(drops(place, signature) for signature in signatures(message)):
        return message
    bare = _without_extra(message, place, drops, marks=False)
    for name in THOUGHT_LISTS:
        if thoughts := dicts(bare.get(name)):
            kept = [each for each in thoughts if not (_thought(each) and drops(place, _thought(each)))]
            bare = {**bare, name: kept}
            if not kept:
                bare.pop(name)
    if calls := dicts(bare.get("tool_calls")):
        marks = requires_signatures(model)
        bare = {**bare, "tool_calls": [_without_extra(call, place, drops, marks) for call in calls]}
    return bare


def _without_extra(owner: Document, place: int, drops: DropsPart, marks: bool) -> Document:
    signature = signature_of(owner)
    if not signature or not drops(place, signature):
        return owner
    extra = owner[EXTRA]
    google = {name: value for name, value in extra[GOOGLE].items() if name != SIGNATURE}
    if marks:
        google[SIGNATURE] = UNSIGNED
    others = {name: value for name, value in extra.items() if name != GOOGLE}
    left = {**others, GOOGLE: google} if google else others
    bare = {name: value for name, value in owner.items() if name != EXTRA}
    return {**bare, EXTRA: left} if left else bare

"""Gemini's dialect, as people read it."""

from collections.abc import Iterable

from pointsman.wire.dialects.gemini.answers import candidates_of, finish_reason_of, usage_of
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Members, mapping, mappings, text
from pointsman.wire.transcript import Draft, Entry, Transcript, parameters_of, tool_names

ROLES = {"model": "assistant"}
SHOWN = ("contents", "tools", "systemInstruction", "system_instruction", "generationConfig", "generation_config")


def request(document: Members) -> Transcript | None:
    if not isinstance(document.get("contents"), list):
        return None
    said = [_content(member(document, "systemInstruction"), "system")]
    said += [_content(content, "user") for content in mappings(document["contents"])]
    config = mapping(member(document, "generationConfig"))
    return Transcript(
        parameters=[*parameters_of(document, *SHOWN), *parameters_of(config)],
        tools=tool_names(document.get("tools")),
        entries=[each for each in said if each.pieces],
    )


def answer(documents: Iterable[Members]) -> Transcript:
    """Chunks of a stream, or one whole answer."""
    read, drafts = Transcript(), dict[object, Draft]()
    calls = 0
    for document in documents:
        read.model = text(member(document, "modelVersion")) or read.model
        read.usage = usage_of(document) or read.usage
        read.finish = finish_reason_of(document) or read.finish
        for place, candidate in enumerate(candidates_of(document)):
            draft = drafts.setdefault(str(candidate.get("index", place)), Draft())
            for part in mappings(mapping(candidate.get("content")).get("parts")):
                words, label = _part(part)
                calls += label not in ("", "reasoning")
                draft.add((label, calls) if label not in ("", "reasoning") else label, words, label)
    read.entries = [said for draft in drafts.values() if (said := draft.entry()).pieces]
    return read


def _content(content: object, role: str) -> Entry:
    """A system instruction may be a plain text."""
    if isinstance(content, str):
        return _content({"parts": [{"text": content}]}, role)
    given = text(mapping(content).get("role")) or role
    said = Entry(role if role == "system" else ROLES.get(given, given))
    for part in mappings(mapping(content).get("parts")):
        said.add(*_part(part))
    return said


def _part(part: Members) -> tuple[object, str]:
    """What a part says, and its label."""
    if "text" in part:
        return part["text"], "reasoning" if part.get("thought") is True else ""
    if call := mapping(member(part, "functionCall")):
        return call.get("args") or "{}", f"call {text(call.get('name'))}"
    if result := mapping(member(part, "functionResponse")):
        return result.get("response") or "(empty)", f"result {text(result.get('name'))}"
    if data := mapping(member(part, "inlineData")):
        return f"{len(str(data.get('data')))} characters", text(member(data, "mimeType")) or "data"
    return part, next(iter(part), "part")

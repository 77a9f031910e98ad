"""Duo, as people read it."""

from collections.abc import Iterable

from pointsman.wire.dialects.duo.answers import finish_of, usage_of

from pointsman.wire.json_access import Members, mappings, text
from pointsman.wire.transcript import Draft, Entry, Transcript


def request(document: Members) -> Transcript | None:
    if not isinstance(document.get("lines"), list):
        return None
    return Transcript(model=text(document.get("model")), entries=[_said(line) for line in mappings(document["lines"])])


def answer(documents: Iterable[Members]) -> Transcript:
    read, draft = Transcript(), Draft()
    for document in documents:
        draft.add("words", document.get("say"))
        for line in mappings(document.get("lines")):
            draft.add("words", line.get("words"))
        if "over" in document:
            read.finish, read.usage = finish_of(document), usage_of(document)
    read.entries = [said for said in (draft.entry(),) if said.pieces]
    return read


def _said(line: Members) -> Entry:
    said = Entry(text(line.get("who")) or "?")
    said.add(line.get("words"))
    return said

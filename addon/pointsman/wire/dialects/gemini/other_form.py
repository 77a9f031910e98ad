"""Gemini's chunks joined into one answer; an answer is a chunk. Unknown members stay."""

from pointsman.wire import jsontext
from pointsman.wire.conversion.arguments import as_object
from pointsman.wire.dialects.base import OtherForm
from pointsman.wire.dialects.gemini.request import is_sse
from pointsman.wire.json_access import Document, Members, count, dicts, mapping
from pointsman.wire.request_facts import RequestFacts

JUST_TEXT = {"text", "thought"}
ADDED = "logprobsResult"
"""Its lists grow with each chunk; those of other metadata may be said again as a whole."""


class GeminiJoiner:
    def __init__(self) -> None:
        self._answer: Document = {}
        self._candidates: dict[int, Document] = {}

    def add(self, document: Document) -> None:
        candidates = dicts(document.pop("candidates", None))
        _replace(self._answer, document)
        for candidate in candidates:
            held = self._candidates.setdefault(count(candidate.get("index")), {})
            content = candidate.pop("content", None)
            if isinstance(content, dict):
                parts = _well_formed(content.pop("parts", None))
                into = held.setdefault("content", {})
                _replace(into, content)
                _add_parts(into.setdefault("parts", []), parts)
            _replace(held, candidate)

    def whole(self) -> Document:
        candidates = [held for _, held in sorted(self._candidates.items())]
        return {**({"candidates": candidates} if candidates else {}), **self._answer}


def _well_formed(parts: object) -> list[Document]:
    """The same parts. The arguments of each call are an object, even if its provider wrote none."""
    for part in dicts(parts):
        call = part.get("functionCall")
        if isinstance(call, dict) and not isinstance(call.get("args", {}), dict):
            call["args"] = as_object(call["args"])
    return dicts(parts)


def _add_parts(held: list[Document], parts: list[Document]) -> None:
    """Texts that follow each other are one, which ends with its signature."""
    for part in parts:
        last = held[-1] if held else {}
        goes_on = isinstance(part.get("text"), str) and isinstance(last.get("text"), str)
        if goes_on and last.keys() <= JUST_TEXT and bool(last.get("thought")) is bool(part.get("thought")):
            held[-1] = {**last, **part, "text": last["text"] + part["text"]}
        else:
            held.append(part)


def _replace(held: Document, said: Members, is_added: bool = False) -> None:
    """The last value counts; of metadata, what is not said again stays."""
    for name, value in said.items():
        before = held.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            _replace(before, value, name == ADDED)
        elif isinstance(before, list) and isinstance(value, list):
            is_whole = not is_added and value[: len(before)] == before
            held[name] = value if is_whole else before + value
        elif value is not None or before is None:
            held[name] = value


def split(document: Document, facts: RequestFacts) -> bytes:
    for candidate in dicts(document.get("candidates")):
        _well_formed(mapping(candidate.get("content")).get("parts"))
    data = jsontext.dumps(document)
    return b"data: " + data + b"\n\n" if is_sse(facts) else b"[" + data + b"]"


OTHER_FORM = OtherForm(GeminiJoiner, split)

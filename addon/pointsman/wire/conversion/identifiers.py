"""Ids of calls and names of tools, which dialects spell by rules of their own.

Towards a provider, ids become unique over the whole history, and whatever its dialect refuses is replaced by a spelling
of its own with a digest: the same input always gets the same spelling, so that a conversation keeps its prefix. On the
way home tools get the names that the client knows them by, and ids that its history already has are replaced.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pointsman.wire.conversion.ir import Kind, Piece
from pointsman.wire.json_access import Document, Members, dicts, text

DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Spelling:
    """A rule for ids or names: letters, digits, `_` and `-`, at most `longest` of them.

    >>> Spelling(64).fitted("functions.read:0")
    '1d26b6f8_functions_read_0'
    """

    longest: int
    starts_with_letter: bool = False
    exact_length: int | None = None
    """Exactly so many letters and digits, and nothing else."""

    def fits(self, word: str) -> bool:
        if self.exact_length:
            return len(word) == self.exact_length and word.isascii() and word.isalnum()
        first = r"[a-zA-Z]" if self.starts_with_letter else r"[\w-]"
        return len(word) <= self.longest and re.fullmatch(rf"{first}[\w-]*", word, re.ASCII) is not None

    def fitted(self, word: str) -> str:
        """The word itself, or one that fits and can hardly be that of another."""
        return word if self.fits(word) else self.distinct(word, word)

    def distinct(self, word: str, source: str) -> str:
        """A word that looks like the given one and is different for each source. Of ids, none begins with the given
        one: Claude Code takes the results of such two calls for one.
        """
        digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
        if self.exact_length:
            return digest[: self.exact_length]
        stem = re.sub(r"[^\w-]", "_", word, flags=re.ASCII)
        if self.starts_with_letter and not stem[:1].isalpha():
            stem = f"t_{stem.lstrip('_')}"
        stem = stem[: self.longest - DIGEST_LENGTH - 1]
        return f"{stem}_{digest[:DIGEST_LENGTH]}" if self.starts_with_letter else f"{digest[:DIGEST_LENGTH]}_{stem}"


NAMES = Spelling(64, starts_with_letter=True)
"""Names of tools: what every dialect takes."""


class Identifiers:
    """Those of one attempt: `request` first, then `answer` for all pieces of the answer.

    `source` differs between attempts, so that new ids do, too.
    """

    def __init__(self, *, ids: Spelling, client_ids: Spelling, source: str, names: Spelling = NAMES) -> None:
        self._ids, self._client_ids, self._names = ids, client_ids, names
        self._source = source
        self._original_names: dict[str, str] = {}
        """The client's names of tools, by those that the provider gets."""
        self._history_ids: set[str] = set()
        """Ids of calls as the client knows them."""
        self._answer_ids: dict[str, str] = {}

    def request(self, neutral: Document) -> None:
        """Changes the library's neutral request."""
        if tools := dicts(neutral.get("tools")):  # the library keeps these for later requests
            neutral["tools"] = [{**tool, "name": self.name(text(tool.get("name")))} for tool in tools]
        choice = neutral.get("tool_choice")
        if isinstance(choice, dict) and choice.get("tool_name"):
            choice["tool_name"] = self.name(text(choice["tool_name"]))
        self._rename_calls(neutral)

    def name(self, name: str) -> str:
        """The provider's name of one of the client's tools."""
        given = self._names.fitted(name) if name else name
        self._original_names[given] = name
        return given

    def answer(self, pieces: Iterable[Piece]) -> list[Piece]:
        """The pieces as the client is to see them."""
        return [self._for_client(piece) if piece.kind is Kind.CALL else piece for piece in pieces]

    def _rename_calls(self, neutral: Members) -> None:
        uses: defaultdict[str, int] = defaultdict(int)
        used: set[str] = set()
        unanswered: defaultdict[str, list[str]] = defaultdict(list)
        latest: dict[str, str] = {}
        was_result = False
        for part in _calls_and_results(neutral):
            given = text(part.get("tool_call_id"))
            is_result = part["type"] == "tool_result"
            if part.get("tool_name"):
                part["tool_name"] = self.name(text(part["tool_name"]))
            if is_result:
                waiting = unanswered[given]
                part["tool_call_id"] = waiting.pop(0) if waiting else latest.get(given, self._ids.fitted(given))
            else:
                if was_result:
                    unanswered.clear()  # calls of earlier turns get no more results
                uses[given] += 1
                renamed = self._unused_id(given, uses[given], used)
                used.add(renamed)
                unanswered[given].append(renamed)
                latest[given] = part["tool_call_id"] = renamed
                self._history_ids.add(given)
            was_result = is_result

    def _unused_id(self, given: str, use: int, used: Collection[str]) -> str:
        """`use`: how often the history has had the given one, this time included."""
        fitted = self._ids.fitted(given or "call")
        while fitted in used:
            fitted = self._ids.distinct(given or "call", f"{given}#{use}")
            use += 1
        return fitted

    def _for_client(self, piece: Piece) -> Piece:
        return piece._replace(id=self._id_for_client(piece.id), name=self._name_for_client(piece.name))

    def _name_for_client(self, name: str) -> str:
        if not name or name in self._original_names:
            return self._original_names.get(name, name)
        return self._names.fitted(name)

    def _id_for_client(self, given: str) -> str:
        if not given:
            return given
        known = self._answer_ids.get(given)
        if known is None:
            known = self._client_ids.fitted(given)
            if known in self._history_ids or known in self._answer_ids.values():
                known = self._client_ids.distinct(known, f"{self._source}#{given}")
            self._answer_ids[given] = known
        return known


def _calls_and_results(neutral: Members) -> Iterator[Document]:
    for message in dicts(neutral.get("messages")):
        for part in dicts(message.get("content")):
            if part.get("type") in ("tool_call", "tool_result"):
                yield part

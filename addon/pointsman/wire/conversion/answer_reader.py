"""What a provider says, as parts of an answer, by way of the library's own reading of it.

The library reads each dialect's events; what it would lose or mistake is put right in them first (`_tidied`).
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from llm_rosetta import ConversionContext, get_converter_for_provider

from pointsman.config.words import Dialect
from pointsman.wire.conversion.ir import Identity, Inconvertible, Kind, Piece, dumps, stem_of
from pointsman.wire.json_access import dicts, mapping, text

LIBRARY_NAMES: Mapping[Dialect, Any] = {
    Dialect.OPENAI_CHAT: "openai_chat",
    Dialect.OPENAI_RESPONSES: "openai_responses",
    Dialect.ANTHROPIC: "anthropic",
    Dialect.GEMINI: "google",
}
UNREAD_ARGUMENTS = "raw_arguments"
"""The one member of arguments that the library could not parse."""

type Document = dict[str, Any]

warnings.filterwarnings("ignore", module=r"llm_rosetta\.")  # what it would say, `obstacles` has said


class Hearing:
    """Of one answer. Documents are changed in reading them."""

    def __init__(self, provider: Dialect, identity: Identity) -> None:
        self.identity = identity
        """As the router would have it, until the provider says more."""
        self._provider = provider
        self._converter = get_converter_for_provider(LIBRARY_NAMES[provider])
        self._context = self._converter.create_stream_context()
        self._is_named = False
        """The answer has said who it is, and something in words: more of these need nobody's help."""
        self._calls: dict[object, str] = {}
        self._has_said: set[str] = set()
        """Ids of calls whose arguments have been heard; with an empty one, anything has."""

    def event(self, document: Document) -> list[Piece]:
        """The pieces that one event of a stream brings."""
        if self._is_named and (said := PLAIN_TEXTS[self._provider](document)):
            return [Piece(Kind.TEXT, said)]
        pieces = list(self._tidied(document))
        for said in self._converter.stream_response_from_provider(document, context=self._context):
            match said["type"]:
                case "text_delta" if said["text"]:
                    pieces.append(Piece(Kind.TEXT, said["text"]))
                case "reasoning_delta" if said["reasoning"]:
                    pieces.append(Piece(Kind.THOUGHT, said["reasoning"]))
                case "refusal_delta" if said["refusal"]:
                    pieces.append(Piece(Kind.REFUSAL, said["refusal"]))
                case "tool_call_start":
                    pieces.append(Piece(Kind.CALL, "", said["tool_call_id"], said["tool_name"] or ""))
                case "tool_call_delta" if said["arguments_delta"]:
                    pieces.append(Piece(Kind.CALL, said["arguments_delta"], said["tool_call_id"]))
                case "stream_start":
                    self._name(said)
        pieces += self._late(document)
        self._has_said.update(piece.id for piece in pieces if piece.text)
        self._is_named = self._is_named or any(piece.kind is Kind.TEXT for piece in pieces)
        return pieces

    def whole(self, document: Document) -> list[Piece]:
        """The parts of an answer that was not streamed, each in one piece. Raises Inconvertible."""
        heard = list(self._tidied(document))
        answer = self._converter.response_from_provider(document, context=ConversionContext())
        self._name({**answer, "response_id": answer.get("id")})
        parts = dicts(mapping(mapping(next(iter(answer.get("choices") or ()), None)).get("message")).get("content"))
        return [*heard, *(piece for part in parts if (piece := _piece(part)))]

    def _name(self, said: Mapping[str, Any]) -> None:
        before = self.identity
        self.identity = Identity(
            stem_of(text(said.get("response_id"))) or before.stem,
            text(said.get("model")) or before.model,
            said.get("created") or before.created,
        )

    def _tidied(self, document: Document) -> Iterable[Piece]:
        """Puts an event right, and says what the library would not hear in it."""
        match self._provider:
            case Dialect.OPENAI_CHAT:
                return self._tidy_chat(document)
            case Dialect.GEMINI:
                return self._tidy_gemini(document)
            case Dialect.ANTHROPIC:
                document.setdefault("role", "assistant")
            case Dialect.OPENAI_RESPONSES if document.get("type") == "response.reasoning_text.delta":
                document["type"] = "response.reasoning_summary_text.delta"
        return ()

    def _late(self, document: Document) -> Iterator[Piece]:
        """What some providers say only when a part begins, or is done."""
        match document.get("type"):
            case "content_block_start":
                block = mapping(document.get("content_block"))
                if given := block.get("input"):
                    yield Piece(Kind.CALL, _json(given), text(block.get("id")))
                elif said := text(block.get("text")):
                    yield Piece(Kind.TEXT, said)
            case "response.output_item.done":
                item = mapping(document.get("item"))
                call_id, said = text(item.get("call_id")), text(item.get("arguments") or item.get("input"))
                if call_id and said and call_id not in self._has_said:
                    yield Piece(Kind.CALL, said, call_id, text(item.get("name")))
            case "response.completed" | "response.incomplete" if not self._has_said:
                yield from self.whole(document["response"])

    def _tidy_chat(self, document: Document) -> Iterator[Piece]:
        """The first choice counts. Reasoning has two names, content may be parts, calls may lack ids and indexes."""
        document["model"] = document.get("model") or self.identity.model  # without it the id would not be heard
        choices = dicts(document.get("choices"))
        document["choices"] = choices = [choice for choice in choices if not choice.get("index")]
        for choice in choices:
            for name in ("delta", "message"):
                if isinstance(said := choice.get(name), dict):
                    said["role"] = "assistant"
                    yield from self._tidy_said(said)
            if "message" in choice and not choice.get("delta"):
                choice["delta"] = choice["message"]

    def _tidy_said(self, said: Document) -> Iterator[Piece]:
        if isinstance(said.get("content"), list):
            parts = dicts(said["content"])
            said["reasoning_content"] = "".join(_texts(part.get("thinking")) for part in parts) or None
            said["content"] = "".join(text(part.get("text")) for part in parts)
        if not said.get("reasoning_content"):
            said["reasoning_content"] = text(said.pop("reasoning", None)) or None
        if refusal := text(said.pop("refusal", None)):
            yield Piece(Kind.REFUSAL, refusal)
        for place, call in enumerate(dicts(said.get("tool_calls"))):
            index, given = call.setdefault("index", place), text(call.get("id"))
            is_new = index not in self._calls or (given and mapping(call.get("function")).get("name"))
            if is_new:
                self._calls[index] = given or self._made_up(index)
            call["id"] = self._calls[index]

    def _tidy_gemini(self, document: Document) -> Iterable[Piece]:
        """Text in the last chunk is text. Calls may lack ids."""
        document["candidates"] = candidates = [
            each for each in dicts(document.get("candidates")) if not each.get("index")
        ]
        for candidate in candidates:
            candidate.pop("finishReason", None)
            for part in dicts(mapping(candidate.get("content")).get("parts")):
                if "inlineData" in part:
                    raise Inconvertible("an answer with data in it")
                if isinstance(call := part.get("functionCall"), dict):
                    number = len(self._calls)
                    call["id"] = self._calls[number] = text(call.get("id")) or self._made_up(number)
        return ()

    def _made_up(self, number: object) -> str:
        return f"call_{self.identity.stem}_{number}"


def _plain_chat(document: Document) -> str | None:
    choices = document.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or document.get("usage"):
        return None
    choice = choices[0]
    is_plain = isinstance(choice, dict) and not choice.get("index") and choice.get("finish_reason") is None
    delta = choice.get("delta") if is_plain else None
    if not isinstance(delta, dict) or len(delta) != 1:
        return None
    return _words(delta.get("content"))


def _plain_messages(document: Document) -> str | None:
    delta = document.get("delta")
    if not isinstance(delta, dict) or delta.get("type") != "text_delta":
        return None
    return _words(delta.get("text"))


def _plain_responses(document: Document) -> str | None:
    return _words(document.get("delta")) if document.get("type") == "response.output_text.delta" else None


def _words(value: object) -> str | None:
    return value if isinstance(value, str) else None


PLAIN_TEXTS: Mapping[Dialect, Callable[[Document], str | None]] = {
    Dialect.OPENAI_CHAT: _plain_chat,
    Dialect.OPENAI_RESPONSES: _plain_responses,
    Dialect.ANTHROPIC: _plain_messages,
    Dialect.GEMINI: lambda _: None,
}
"""The text of an event that is nothing but text, as most are; None for any other, which is the library's to read."""


def _piece(part: Mapping[str, Any]) -> Piece | None:
    match part.get("type"):
        case "text":
            return Piece(Kind.TEXT, part["text"])
        case "reasoning":
            return Piece(Kind.THOUGHT, text(part.get("reasoning")))
        case "refusal":
            return Piece(Kind.REFUSAL, text(part.get("refusal")))
        case "tool_call":
            given = part["tool_input"]
            if isinstance(given, Mapping) and given.keys() == {UNREAD_ARGUMENTS}:
                raise Inconvertible(f"the arguments of a call of {part['tool_name']!r} are no JSON object")
            return Piece(Kind.CALL, _json(given), part["tool_call_id"], part["tool_name"])
    return None


def _json(value: object) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _texts(value: object) -> str:
    return value if isinstance(value, str) else "".join(text(part.get("text")) for part in dicts(value))

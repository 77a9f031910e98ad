"""Answers written in Gemini's dialect, as events or as one list. A call is said whole, in one chunk."""

from typing import Any

from pointsman.wire.conversion.ir import Identity, Kind, Part, dumps
from pointsman.wire.conversion.media import Media, of_url
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import NOTHING, Members
from pointsman.wire.thinking_signatures import UNSIGNED

FINISH_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}


class GeminiWriter:
    """See `DialectWriter`. A call that was cut cannot be expressed: it is left out, as the finish reason shows.

    `frame`: what the chunks of an answer say that has begun already, besides their candidates.
    """

    only_objects = True

    def __init__(self, is_list: bool, frame: Members = NOTHING) -> None:
        self.opening: Opening | None = Opening() if frame else None
        self.items: list[Members] = []
        self.signatures: dict[str, str] = {}
        self._is_list = is_list
        self._frame = frame

    def can_show(self, image: Media) -> bool:
        return True

    def begin(self, identity: Identity, usage: Usage | None) -> bytes:
        self._frame = _frame(identity)
        return b""

    def open(self, part: Part) -> bytes:
        return b""

    def more(self, part: Part, text: str) -> bytes:
        return b"" if part.kind is Kind.CALL else self._chunk(self._part(part, text))

    def close(self, part: Part) -> bytes:
        if part.kind is Kind.CALL:
            return b"" if part.is_cut else self._chunk(self._part(part, part.text))
        return b""

    def end(self, finish: str, usage: Usage | None) -> bytes:
        last = {"finishReason": FINISH_REASONS.get(finish, "OTHER")}
        out = self._said({**self._frame, **_candidates([{"text": ""}], last), **_usage(usage)})
        return out + b"]" if self._is_list else out

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        told = [part for part in parts if part.kind is not Kind.CALL or not part.is_cut]
        said = [self._part(part, part.text) for part in told]
        last = {"finishReason": FINISH_REASONS.get(finish, "OTHER")}
        return dumps({**_frame(identity), **_candidates(said, last), **_usage(usage)})

    def _part(self, part: Part, text: str) -> dict[str, Any]:
        match part.kind:
            case Kind.CALL:
                call = {"id": part.id, "name": part.name, "args": part.arguments()}
                return {"functionCall": call, "thoughtSignature": self.signatures.get(part.id, UNSIGNED)}
            case Kind.THOUGHT:
                return {"text": text, "thought": True}
            case Kind.TEXT | Kind.REFUSAL:
                return {"text": text}
            case Kind.IMAGE:
                image = of_url(text, "image/png")
                if image.url:
                    return {"fileData": {"mimeType": image.kind, "fileUri": image.url}}
                return {"inlineData": {"mimeType": image.kind, "data": image.data}}

    def _chunk(self, part: dict[str, Any]) -> bytes:
        return self._said({**self._frame, **_candidates([part], {})})

    def _said(self, document: dict[str, Any]) -> bytes:
        before = b"data: " if not self._is_list else b"[" if self.opening is None else b",\n"
        self.opening = self.opening or Opening()
        return before + dumps(document) + (b"" if self._is_list else b"\r\n\r\n")


def _frame(identity: Identity) -> dict[str, Any]:
    return {"modelVersion": identity.model, "responseId": identity.stem}


def _candidates(parts: list[dict[str, Any]], more: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}]}


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    counts = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": max(0, usage.output - usage.reasoning),
        "totalTokenCount": usage.total,
    }
    optional = {"cachedContentTokenCount": usage.cache_read, "thoughtsTokenCount": usage.reasoning}
    return {"usageMetadata": {**counts, **{name: number for name, number in optional.items() if number}}}

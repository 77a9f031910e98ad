"""Answers to requests that are no chats: embeddings, completions, images, sound, ranks and moderations."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.demo.behaviours.errors import dumps
from pointsman.demo.behaviours.streaming import TEXT, words
from pointsman.demo.received_request import ReceivedRequest
from pointsman.demo.responder import EVENT_STREAM, JSON, Responder
from pointsman.demo.script import Behaviour

SOUND = tuple(bytes([255, 251, n]) * 400 for n in range(8))
"""Pieces of what passes for a sound file."""
VECTOR = (0.25, -0.5, 0.125)
PICTURE = base64.b64encode(b"a picture").decode()


def endpoint(
    text: str = TEXT, *, pieces: Sequence[bytes] = SOUND, breaks_after: int | None = None, hangs: bool = False
) -> Behaviour:
    """Answers what the path asks for. `text` is a completion or a transcript, `pieces` are a sound file.

    `breaks_after` is how many pieces or events are out when the connection is cut, or with `hangs` goes silent.
    """

    async def play(responder: Responder) -> None:
        request = responder.request
        kind, parts = _streamed(request, text, pieces) or (JSON, [_document(request, text)])
        if kind is JSON and breaks_after is None:
            return await responder.reply(200, parts[0])
        await responder.head(200, [kind])
        for part in parts[:breaks_after]:
            await responder.chunk(part)
            await responder.sleep(0)
        if breaks_after is not None:
            await (responder.hang() if hangs else responder.hang_up())
        await responder.end()

    return Behaviour("endpoint", play)


def _streamed(
    request: ReceivedRequest, text: str, pieces: Sequence[bytes]
) -> tuple[tuple[str, str], list[bytes]] | None:
    """The content type and the parts of an answer that is no JSON document."""
    route, fields = request.route, request.fields
    if route.endswith("/audio/speech"):
        if fields.get("stream_format") != "sse":
            return ("Content-Type", "audio/mpeg"), list(pieces)
        sounds = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces]
        return EVENT_STREAM, _events([*sounds, {"type": "speech.audio.done", "usage": _usage(3, 5)}], done=False)
    if route.endswith("/completions") and fields.get("stream") is True:
        chunks = [_completion(request, token) for token in words(text)]
        return EVENT_STREAM, _events([*chunks, _completion(request, "", "stop")], done=True)
    if route.endswith(("/transcriptions", "/translations")) and b'name="stream"' in request.body:
        deltas = [{"type": "transcript.text.delta", "delta": token} for token in words(text)]
        return EVENT_STREAM, _events([*deltas, {"type": "transcript.text.done", "text": text}], done=False)
    if route.endswith(("/transcriptions", "/translations")) and b"\r\n\r\nsrt\r\n" in request.body:
        return ("Content-Type", "text/plain; charset=utf-8"), [text.encode()]
    if "/images/" in route and fields.get("stream") is True:
        partial = {"type": "image_generation.partial_image", "b64_json": PICTURE, "partial_image_index": 0}
        return EVENT_STREAM, _events([partial, {"type": "image_generation.completed", "b64_json": PICTURE}], done=False)
    return None


def _document(request: ReceivedRequest, text: str) -> bytes:
    return dumps(_answer(request, text)).encode()


def _answer(request: ReceivedRequest, text: str) -> Mapping[str, Any]:
    route, fields = request.route, request.fields
    end = route.rpartition("/")[2]
    if end.endswith(":embedContent"):
        return {"embedding": {"values": VECTOR}}
    if end.endswith(":batchEmbedContents"):
        return {"embeddings": [{"values": VECTOR} for _ in fields["requests"]]}
    match end:
        case "embeddings":
            asked = fields.get("input")
            many = len(asked) if isinstance(asked, list) else 1
            vector = _encoded(VECTOR) if fields.get("encoding_format") == "base64" else VECTOR
            rows = [{"object": "embedding", "index": n, "embedding": vector} for n in range(many)]
            usage = {"prompt_tokens": 4, "total_tokens": 4}
            return {"object": "list", "model": fields.get("model"), "data": rows, "usage": usage}
        case "completions":
            return {**_completion(request, text, "stop"), "usage": {"prompt_tokens": 4, "completion_tokens": 8}}
        case "generations" | "edits" | "variations":
            return {"created": int(request.received), "data": [{"b64_json": PICTURE}], "usage": _usage(4, 16)}
        case "transcriptions" | "translations":
            return {"text": text}
        case "rerank":
            many = len(fields.get("documents", ()))
            return {"results": [{"index": n, "relevance_score": 1 / (n + 1)} for n in range(many)]}
        case "moderations":
            harmless = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
            return {"id": "modr-demo", "model": fields.get("model"), "results": [harmless]}
        case _:
            return {"error": {"message": f"There is no {end} here.", "code": "not_found"}}


def _completion(request: ReceivedRequest, text: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    frame = {"id": f"cmpl-demo-{request.number}", "object": "text_completion", "created": int(request.received)}
    return {**frame, "model": request.fields.get("model"), "choices": [choice]}


def _events(documents: Sequence[Mapping[str, Any]], done: bool) -> list[bytes]:
    events = [f"data: {dumps(document)}\n\n".encode() for document in documents]
    return [*events, b"data: [DONE]\n\n"] if done else events


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def _encoded(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

"""What the router itself puts into a stream of Responses.

Here events build on each other: the last one must bear the id that the first one gave. Where no provider has opened
the answer yet, the router opens it itself before it fails it.
"""

import json
from collections.abc import Mapping
from typing import Any

from pointsman.wire import sse
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.openai_chat.errors import error_type
from pointsman.wire.errors import Problem
from pointsman.wire.frames import Opening

PING = sse.event("ping", b'{"type":"ping"}')
SDK_MARK = "x-stainless-"


class ResponsesControlEvents:
    """See `ControlEvents`."""

    stream_type = sse.EVENT_STREAM

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def error_event(self, problem: Problem, opening: Opening | None = None) -> bytes:
        if opening is None:
            answer = self._own_answer()
            created = _event("response.created", 0, answer)
            return created + self.error_event(problem, Opening(answer, 1))
        words = {"type": error_type(problem), "code": problem.code.value, "message": problem.message}
        error = {**dict(problem.details), **words}
        return _event("response.failed", opening.number, {**opening.answer, "status": "failed", "error": error})

    def end_marker(self) -> bytes:
        """The failed answer is the end."""
        return b""

    def keep_alive(self, opening: Opening | None = None) -> bytes:
        """Codex gives up on a stream without events, so a comment is not enough for it. OpenAI's own libraries, known
        by their headers, read comments, but some of their helpers take no event before `response.created`.
        """
        is_sdk = any(name.lower().startswith(SDK_MARK) for name, _ in self._listener.headers)
        return self.comment("keep-alive") if opening is None and is_sdk else PING

    def comment(self, text: str) -> bytes:
        return sse.comment(text)

    def _own_answer(self) -> dict[str, Any]:
        return {
            "id": f"resp_{self._listener.request_id}",
            "object": "response",
            "created_at": int(self._listener.started),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": self._listener.facts.model or "auto",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        }


def _event(kind: str, number: int, answer: Mapping[str, Any]) -> bytes:
    return sse.event(kind, json.dumps({"type": kind, "sequence_number": number, "response": answer}).encode())


def control_events(listener: Listener) -> ResponsesControlEvents:
    return ResponsesControlEvents(listener)

"""Providers that verify their own signatures and know only what they stored, as Anthropic, OpenAI and Google do."""

import base64
import hashlib
import hmac
import json
import secrets
from abc import ABC, abstractmethod
from typing import Any, Self

from aiohttp import web

from pointsman.wire.thinking_signatures import UNSIGNED


class Refused(Exception):
    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code = message, code


class Issuer(ABC):
    """One provider on a port of its own. `down` makes it fail with that status; `bodies` are the requests it got.

    Subclasses say what it verifies (`verify`, which raises Refused), what it answers (`answer`) and how it streams
    that (`stream`). `said` is what the client has to send back of the last answer.
    """

    path = "/v1/{_:.*}"

    def __init__(self) -> None:
        self.down: int | None = None
        self.bodies: list[Any] = []
        self.said: Any = None
        self._secret = secrets.token_bytes(16)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(self.path, self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        assert self._runner
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    def sign(self, text: str) -> str:
        return base64.b64encode(hmac.digest(self._secret, text.encode(), hashlib.sha256)).decode()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        document = await request.json()
        self.bodies.append(document)
        if self.down:
            return web.json_response(self.error("Overloaded", None), status=self.down)
        try:
            self.verify(document, request)
        except Refused as refused:
            return web.json_response(self.error(refused.message, refused.code), status=400)
        answer = self.answer(request)
        if not (document.get("stream") or "stream" in request.path):
            return web.json_response(answer)
        return web.Response(body=self.stream(answer), content_type="text/event-stream")

    @abstractmethod
    def error(self, message: str, code: str | None) -> Any:
        """The body of an error."""

    @abstractmethod
    def verify(self, document: Any, request: web.Request) -> None:
        """Raises Refused."""

    @abstractmethod
    def answer(self, request: web.Request) -> Any:
        """A whole answer."""

    @abstractmethod
    def stream(self, answer: Any) -> bytes:
        """The same as a stream."""


def _events(documents: list[Any]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in documents
    )


class AnthropicIssuer(Issuer):
    def error(self, message: str, code: str | None) -> Any:
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}

    def verify(self, document: Any, request: web.Request) -> None:
        asked: set[str] = set()
        last: list[Any] = []
        for m, message in enumerate(document["messages"]):
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if not blocks:
                raise Refused(f"messages.{m}: all messages must have non-empty content")
            for b, block in enumerate(blocks):
                if block["type"] == "thinking" and block["signature"] != self.sign(block["thinking"]):
                    raise Refused(f"messages.{m}.content.{b}: Invalid `signature` in `thinking` block")
            given = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
            if given != asked:
                raise Refused(f"messages.{m}: `tool_use` ids were found without `tool_result` blocks")
            asked = {block["id"] for block in blocks if block["type"] == "tool_use"}
            last = blocks if message["role"] == "assistant" else last
        is_thinking = document.get("thinking", {}).get("type") == "enabled"
        if is_thinking and any(b["type"] == "tool_use" for b in last) and last[0]["type"] != "thinking":
            raise Refused("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`")

    def answer(self, request: web.Request) -> Any:
        words = secrets.token_hex(4)
        self.said = [
            {"type": "thinking", "thinking": words, "signature": self.sign(words)},
            {"type": "tool_use", "id": f"toolu_{words}", "name": "get", "input": {}},
        ]
        return {
            "id": f"msg_{words}",
            "type": "message",
            "role": "assistant",
            "content": self.said,
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }

    def stream(self, answer: Any) -> bytes:
        documents: list[Any] = [{"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}}]
        for index, block in enumerate(answer["content"]):
            documents.append({"type": "content_block_start", "index": index, "content_block": block})
            documents.append({"type": "content_block_stop", "index": index})
        documents.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}})
        return _events([*documents, {"type": "message_stop"}])


class ResponsesIssuer(Issuer):
    """Each key is an account of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, set[str]] = {}
        """By account."""
        self.accounts: list[str] = []
        """Who asked, for each request."""

    def error(self, message: str, code: str | None) -> Any:
        return {"error": {"message": message, "type": "invalid_request_error", "code": code}}

    def verify(self, document: Any, request: web.Request) -> None:
        account = request.headers.get("Authorization", "")
        self.accounts.append(account.rpartition("-")[2])
        earlier = document.get("previous_response_id")
        if earlier and earlier not in self.stored.get(account, ()):
            raise Refused(f"Previous response with id '{earlier}' not found.", "previous_response_not_found")
        calls = set()
        for item in document["input"] if isinstance(document["input"], list) else ():
            if item.get("type") == "reasoning" and item["encrypted_content"] != self.sign(item["id"]):
                raise Refused("The encrypted content gAAA could not be verified.", "invalid_encrypted_content")
            if item.get("type") == "function_call":
                calls.add(item["call_id"])
            if item.get("type") == "function_call_output" and item["call_id"] not in calls:
                raise Refused("No tool call found for function call output")

    def answer(self, request: web.Request) -> Any:
        words = secrets.token_hex(4)
        self.stored.setdefault(request.headers.get("Authorization", ""), set()).add(f"resp_{words}")
        self.said = [
            {"type": "reasoning", "id": f"rs_{words}", "summary": [], "encrypted_content": self.sign(f"rs_{words}")},
            {"type": "function_call", "id": f"fc_{words}", "call_id": words, "name": "get", "arguments": "{}"},
        ]
        return {"id": f"resp_{words}", "object": "response", "status": "completed", "output": self.said}

    def stream(self, answer: Any) -> bytes:
        opening = {**answer, "status": "in_progress", "output": []}
        documents: list[Any] = [{"type": "response.created", "response": opening}]
        for index, item in enumerate(answer["output"]):
            documents.append({"type": "response.output_item.added", "output_index": index, "item": item})
            documents.append({"type": "response.output_item.done", "output_index": index, "item": item})
        return _events([*documents, {"type": "response.completed", "response": answer}])


class GeminiIssuer(Issuer):
    def error(self, message: str, code: str | None) -> Any:
        return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}

    def verify(self, document: Any, request: web.Request) -> None:
        for content in document["contents"]:
            for part in content["parts"]:
                signature = part.get("thoughtSignature")
                if "functionCall" in part and signature is None:
                    raise Refused("Function call is missing a thought_signature in functionCall parts.")
                if signature not in (None, UNSIGNED) and signature != self.sign(part["functionCall"]["id"]):
                    raise Refused("Thought signature is not valid")

    def answer(self, request: web.Request) -> Any:
        words = secrets.token_hex(4)
        call = {"id": words, "name": "get", "args": {}}
        self.said = [{"functionCall": call, "thoughtSignature": self.sign(words)}]
        content = {"role": "model", "parts": self.said}
        return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}

    def stream(self, answer: Any) -> bytes:
        return b"data: %b\r\n\r\n" % json.dumps(answer).encode()

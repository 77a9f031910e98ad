"""Requests as bytes, framed well or badly: one that comes first, and one that follows on the same connection."""

import json

from support.h1client import chat, head

PATH = "/v1/chat/completions"
BODY = chat("first", stream=False)
LENGTH = f"Content-Length: {len(BODY)}"
NEXT = head(PATH, len(chat("next", stream=False))) + chat("next", stream=False)


def said(body: bytes) -> str:
    """The text of an answer that was not streamed."""
    return str(json.loads(body)["choices"][0]["message"]["content"])


def post(*lines: str, body: bytes = BODY, version: str = "1.1", host: bool = True) -> bytes:
    """A request with these header lines, and with none that is not said."""
    named = ["Host: localhost"] if host else []
    return "\r\n".join([f"POST {PATH} HTTP/{version}", *named, *lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *lines: str) -> bytes:
    """A request whose `body` is chunked, or says so."""
    return post("Transfer-Encoding: chunked", *lines, body=body)


def chunks(size: int = len(BODY), extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """`BODY` in chunks of that size."""
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"

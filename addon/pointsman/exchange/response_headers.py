"""The headers of the router's answers, and the words it puts beside a provider's."""

from collections.abc import Sequence
from math import ceil

from pointsman.domain.records import AttemptRecord
from pointsman.domain.targets import Target
from pointsman.wire.headers import Headers

MAX_TRAIL_BYTES = 1024


def routing_headers(request_id: str, prefix: str, target: Target | None, passed: Sequence[AttemptRecord]) -> Headers:
    """On every routed answer, errors too. `target` is None if no provider answered; `passed` are the attempts passed
    over.
    """
    headers = [("X-Request-ID", request_id), ("X-Fallback-Attempts", str(len(passed)))]
    if target:
        headers += [("X-Routed-Via", header_text(target.label)), (f"{prefix}Endpoint", target.provider.name)]
    if text := attempt_trail(passed):
        headers.append(("X-Fallback-Trail", text))
    return tuple(headers)


def taken_as_headers(mode: str | None) -> Headers:
    """On the answers to requests with an unknown model name: the mode that it was taken as."""
    return () if mode is None else (("X-Routed-As", mode),)


def budget_headers(left: str) -> Headers:
    """Once most of a budget is spent or reserved."""
    return (("X-Budget-Left", left),) if left else ()


def attempt_trail(records: Sequence[AttemptRecord]) -> str:
    """The trail: one word for each failed attempt, at most 1 KiB; a longer trail ends with a mark."""
    words: list[str] = []
    room = MAX_TRAIL_BYTES - len(" ...")
    for record in records:
        word = header_text(record.trail_entry)
        room -= len(word) + 1
        if room < 0:
            return " ".join([*words, "..."])
        words.append(word)
    return " ".join(words)


def retry_after_headers(seconds: float | None) -> Headers:
    """`Retry-After` is in whole seconds, and at least one, so that clients do not retry at once."""
    return () if seconds is None else (("Retry-After", str(max(1, ceil(seconds)))),)


def permanence_headers(is_permanent: bool) -> Headers:
    """OpenAI's and Anthropic's libraries heed this header."""
    return (("X-Should-Retry", "false"),) if is_permanent else ()


def stream_headers(content_type: str) -> Headers:
    return (("Content-Type", content_type), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))


def body_headers(content_type: str, body: bytes) -> Headers:
    return (("Content-Type", content_type), ("Content-Length", str(len(body))))


def header_text(text: str) -> str:
    """Text that may stand in a header: printable ASCII, anything else as a question mark."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else "?" for c in text)

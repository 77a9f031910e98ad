"""Long strings within JSON, as images are: a text is read without them, each replaced by a short stand-in.

Everything that an event says of itself stands beside its long strings. Reading 32 MB of base64 to find it out would
take the event loop for a tenth of a second; finding where it ends takes a hundredth of that.
"""

import re
from collections.abc import Iterator

LONG = 64 << 10
"""Bytes from which on a string is long. No shorter text is searched for any."""
STAND_IN = b"long-string"

_STEP = LONG // 4


def shortened(text: bytes) -> bytes:
    """The text with a stand-in for each long string. What lies between two quotes and is no string makes this invalid
    JSON: then the text has to be read as it is.
    """
    return _replaced(text, list(long_spans(text)), [])


def long_spans(text: bytes) -> Iterator[tuple[int, int]]:
    """Where the long runs between two quotes are. None has a quote in it, so that no name of a member is lost."""
    at, size = 0, len(text)
    while (at := at + _STEP) < size:
        end = text.find(b'"', at)
        if end < 0:
            return
        if end - at < _STEP:
            continue  # no run that begins before this is long
        start = text.rfind(b'"', 0, at) + 1
        if start and end - start > LONG and text[end - 1] != ord("\\"):
            yield start, end
        at = end


def _replaced(text: bytes, spans: list[tuple[int, int]], names: list[bytes]) -> bytes:
    if not spans:
        return text
    pieces: list[bytes] = []
    at = 0
    for place, (start, end) in enumerate(spans):
        pieces += text[at:start], names[place] if names else STAND_IN
        at = end
    return b"".join((*pieces, text[at:]))


class LongStrings:
    """Of one answer: those that were taken out of its events, to be put back into what is written of them.

    `secret` is part of each stand-in, so that nobody can write one.
    """

    def __init__(self, secret: str) -> None:
        self._stem = f"{STAND_IN.decode()}-{secret}-".encode()
        self._pattern = re.compile(re.escape(self._stem) + rb"(\d+)\.")
        self._strings: list[memoryview] = []

    def take_out(self, text: bytes) -> bytes:
        """The text with stand-ins for those long strings that need no escapes in JSON, however deep."""
        view = memoryview(text)
        spans = [(a, b) for a, b in long_spans(text) if text.find(b"\\", a, b) < 0 and view[a:b].tobytes().isascii()]
        first = len(self._strings)
        self._strings += [view[start:end] for start, end in spans]
        return _replaced(text, spans, [b"%b%d." % (self._stem, first + n) for n in range(len(spans))])

    def size_of(self, text: str) -> int:
        """Bytes of a string that may have long ones in it."""
        found = [*self._pattern.finditer(text.encode("utf-8", "replace"))]
        return len(text) + sum(len(self._strings[int(each[1])]) - len(each[0]) for each in found)

    def put_back(self, text: bytes) -> bytes:
        if not self._strings or self._stem not in text:
            return text
        pieces: list[bytes | memoryview] = []
        at = 0
        for match in self._pattern.finditer(text):
            pieces += text[at : match.start()], self._strings[int(match[1])]
            at = match.end()
        return b"".join((*pieces, text[at:]))

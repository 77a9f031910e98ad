"""Long strings within JSON, as images are: a text is read without them, each replaced by a short stand-in.

Everything that an event says of itself stands beside its long strings. Reading 32 MB of base64 to find it out would
take the event loop for a tenth of a second; finding where it ends takes a hundredth of that.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b

LONG = 64 << 10
"""Bytes from which on a string is long. No shorter text is searched for any."""
STAND_IN = b"long-string"

HEAD = 256
"""Bytes at the beginning of a long string that stay: they say what it is."""
MAX_BYTES = 64 << 20
"""Of the long strings of one answer."""

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


def _is_plain(text: bytes, start: int, end: int) -> bool:
    """Whether it is the same in JSON within JSON, and nothing but a decoder of base64 reads it."""
    head = text[start : start + HEAD]
    is_encoded = head.startswith(b"data:") and b";base64," not in head
    return not is_encoded and text.find(b"\\", start, end) < 0 and (text.isascii() or text[start:end].isascii())


class LongStrings:
    """Of one answer: those that were taken out of its events, to be put back into what is written of them.

    Each stand-in is made with the `secret`, so that no model can write one.
    """

    def __init__(self, secret: str) -> None:
        digest = blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        self._stem = f"{STAND_IN.decode()}-{digest}-".encode()
        self._pattern = re.compile(re.escape(self._stem) + rb"(\d+)\.")
        self._strings: list[memoryview] = []

    def take_out(self, text: bytes) -> bytes:
        """The text with stand-ins for the ends of those long strings that need no escapes in JSON, however deep. Raises
        ValueError beyond MAX_BYTES.
        """
        spans = [(start + HEAD, end) for start, end in long_spans(text) if _is_plain(text, start, end)]
        names = [self._name_of(text, start, end) for start, end in spans]
        if sum(map(len, self._strings)) > MAX_BYTES:
            raise ValueError(f"an answer of more than {MAX_BYTES} bytes")
        return _replaced(text, spans, names)

    def _name_of(self, text: bytes, start: int, end: int) -> bytes:
        """A stand-in. Answers repeat their images: each is held once."""
        known = enumerate(self._strings)
        found = (place for place, each in known if len(each) == end - start and text.startswith(each, start))
        if (place := next(found, -1)) < 0:
            place = len(self._strings)
            self._strings.append(memoryview(text)[start:end])
        return b"%b%d." % (self._stem, place)

    def __len__(self) -> int:
        return len(self._strings)

    def forget(self, from_place: int) -> None:
        """Those that were taken out last, and of which nothing is left."""
        del self._strings[from_place:]

    def size_of(self, text: str) -> int:
        """Bytes of a string that may have long ones in it."""
        found = [*self._pattern.finditer(text.encode("utf-8", "replace"))]
        return len(text) + sum(len(self._strings[int(each[1])]) - len(each[0]) for each in found)

    def are_in(self, text: bytes) -> bool:
        """A stand-in of one of them stands in a text."""
        return self._stem in text

    def put_back(self, text: bytes) -> bytes:
        if not self._strings or self._stem not in text:
            return text
        pieces: list[bytes | memoryview] = []
        at = 0
        for match in self._pattern.finditer(text):
            pieces += text[at : match.start()], self._strings[int(match[1])]
            at = match.end()
        return b"".join((*pieces, text[at:]))

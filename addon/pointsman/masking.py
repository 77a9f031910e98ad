"""Masking: what others have written leaves the router through here, and no secret that the router knows is in it.

Clients and providers write headers, error bodies and messages. They go back to clients, into flows, logs, audits and
files, each by a method of `Masker`. It knows every configured secret and finds it in the spellings that an error body
or a URL may give it: plain, JSON-escaped, percent-encoded, as HTML entities, in base64, and one within another.
An answer that is no error is not masked on its way to the client: its bytes pass as they are.
"""

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pointsman.config.header_names import holds_secret
from pointsman.wire.headers import Headers, is_one_line, one_line

MASK = "***"
KEY_PREFIX = "sk-"
"""A common prefix of keys, which may be shown."""
MIN_LENGTH_TO_SHOW_END = 16
MIN_SECRET_LENGTH = 6
"""A shorter value is no secret worth the name, and masking it would shred ordinary text."""
LONG = 512
"""Bytes from which on each secret is looked for by itself: that is faster than to look for all of them at once."""
FRAMING_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})
MAX_ESCAPE_LAYERS = 4
"""So many spellings are undone, one within another."""
WELL_FORMED = re.compile(r'(?:(?:bearer|basic) +)?[^\s,;="]+={0,2}', re.IGNORECASE)
"""A token, with or without a scheme. In anything else, the secret part cannot be told from the rest."""

ESCAPES = (
    rb"\\\\*(?:u00|x)[2-7][0-9a-fA-F](?:\\+(?:u00|x)[2-7][0-9a-fA-F])*",
    rb"%(?:25)*[2-7][0-9a-fA-F](?:%(?:25)*[2-7][0-9a-fA-F])*",
    rb"&(?:amp;)*#(?:[xX]0*[2-7][0-9a-fA-F]|0*(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]));",
)
"""Spellings of visible characters. Backslashes may have been escaped themselves, and more than once. Each begins with
a plain character, which is what `re` looks for fast.
"""
QUOTED = (rb"\\\\*(?=[/\"'])", rb"\\\\+")
"""Spellings of characters that few secrets have and many texts escape: looked at only if a secret has one of them."""
MARKS = (b"\\u00", b"\\x", b"%", b"&#", b"&amp;")
"""No text without one of these has such a spelling. To look for them is much faster than to look for `ESCAPES`."""
HEX = re.compile(rb"(?:(?:\\+(?:u00|x))|%(?:25)*)([0-9a-fA-F]{2})")


class Span(NamedTuple):
    start: int
    end: int


class Unescaped(NamedTuple):
    """A text with one layer of escapes undone. `places` says where each stood: there, and in the text before."""

    text: bytes
    places: Sequence[tuple[Span, Span]]

    def origin(self, span: Span) -> Span:
        """What of the text before became this: escapes that stood in one run are all part of it."""
        return Span(self._before(span.start).start, self._before(span.end - 1).end)

    def _before(self, place: int) -> Span:
        nearest = bisect_right(self.places, place, key=lambda pair: pair[0].start) - 1
        if nearest < 0:
            return Span(place, place + 1)
        here, there = self.places[nearest]
        if place < here.end:
            return there
        moved = place - here.end + there.end
        return Span(moved, moved + 1)


class Masker:
    """Replaces every occurrence of the given secrets; immutable."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH)
        self._plain = [secret.encode() for secret in self.secrets]
        needles = {*self._plain, *(form for secret in self._plain for form in _base64_forms(secret))}
        has_quoted = any(mark in needle for needle in needles for mark in (b"/", b'"', b"'", b"\\"))
        self._marks = (*MARKS, b"\\") if has_quoted else MARKS
        self._escapes = re.compile(b"|".join((*ESCAPES, *QUOTED) if has_quoted else ESCAPES))
        # A secret that itself looks escaped is found where it was undone with the rest.
        needles |= {
            form for needle in needles if len(form := self._escapes.sub(_unescaped_run, needle)) >= MIN_SECRET_LENGTH
        }
        self._needles = sorted(needles, key=len, reverse=True)
        self._any = re.compile(b"|".join(map(re.escape, self._needles)) or rb"(?!)")

    def data(self, data: bytes, is_cut: bool = False) -> bytes:
        """A body without secrets. `is_cut`: it may end within one, whose beginning is then masked too."""
        if not self.secrets or not (self._may_be_escaped(data) or self._is_within(data, is_cut)):
            return data  # mostly
        layers = list(self._layers(data))
        if not any(self._is_within(layer, is_cut) for layer in layers):
            return data
        return _with_masks(data, self._spans(data, len(layers), is_cut))

    def cut_data(self, data: bytes) -> bytes:
        """A body that may have been cut."""
        return self.data(data, is_cut=True)

    def text(self, text: str) -> str:
        """Text of any length, which may have been cut."""
        given = text.encode("utf-8", "surrogatepass")
        masked = self.data(given, is_cut=True)
        return text if masked is given else masked.decode("utf-8", "surrogatepass")

    def line(self, text: str) -> str:
        """Text as one line: a header's value, or the like."""
        return one_line(self.text(text))

    def is_clean(self, data: bytes) -> bool:
        """One line without secrets."""
        return is_one_line(data) and self.data(data) is data

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Each as one line. Mostly nothing is to be done, which one look at all of them shows."""
        if self.is_clean("|".join(texts).encode("utf-8", "surrogatepass")):
            return texts
        return [self.line(text) for text in texts]

    def headers(self, headers: Headers) -> Headers:
        """Headers that go to a client. What says where the message ends is the router's own, and stays."""
        flat = [part for header in headers for part in header]
        clean = self.texts(flat)
        if clean is flat:
            return headers
        return tuple(
            old if old[0].lower() in FRAMING_HEADERS else new
            for old, new in zip(headers, zip(clean[::2], clean[1::2], strict=True), strict=True)
        )

    def displayed_headers(self, headers: Headers) -> Headers:
        """Headers for display: those that hold credentials are masked, whatever their value."""
        shown = tuple((name, masked_credential(value) if holds_secret(name) else value) for name, value in headers)
        return self.headers(shown)

    def _layers(self, data: bytes) -> Iterator[bytes]:
        """The data, and what it says once its escapes are undone, layer by layer."""
        yield data
        for _ in range(MAX_ESCAPE_LAYERS):
            if not self._may_be_escaped(data):
                return
            undone = self._escapes.sub(_unescaped_run, data)
            if undone == data:
                return
            yield undone
            data = undone

    def _may_be_escaped(self, data: bytes) -> bool:
        """Single bytes are found much faster than longer marks."""
        if b"\\" in data or b"%" in data or b"&" in data:
            return any(mark in data for mark in self._marks)
        return False

    def _is_within(self, data: bytes, is_cut: bool) -> bool:
        found = any(needle in data for needle in self._needles) if len(data) > LONG else self._any.search(data)
        if found:
            return True
        return is_cut and self._cut_within(data) is not None

    def _spans(self, data: bytes, layers: int, is_cut: bool) -> list[Span]:
        """The spans of the data that contain secrets."""
        spans = list(self._found(data, is_cut))
        above: list[Unescaped] = []
        for _ in range(layers - 1):
            above.append(_unescape(self._escapes, above[-1].text if above else data))
            for span in self._found(above[-1].text, is_cut):
                for layer in reversed(above):
                    span = layer.origin(span)
                spans.append(span)
        return spans

    def _found(self, data: bytes, is_cut: bool) -> Iterator[Span]:
        for needle in self._needles:
            start = data.find(needle)
            while start >= 0:
                yield Span(start, start + len(needle))
                start = data.find(needle, start + len(needle))
        if is_cut and (start_of_cut := self._cut_within(data)) is not None:
            yield Span(start_of_cut, len(data))

    def _cut_within(self, data: bytes) -> int | None:
        """The index at which a secret begins that is cut off by the end of the data."""
        for secret in self._plain:
            start = data.find(secret[:MIN_SECRET_LENGTH], max(0, len(data) - len(secret) + 1))
            while start >= 0:
                if secret.startswith(data[start:]):
                    return start
                start = data.find(secret[:MIN_SECRET_LENGTH], start + 1)
        return None


NO_SECRETS = Masker()


def masked_credential(value: str) -> str:
    """A credential as it may be shown: `Bearer sk-…last4`. The last four only if it is long enough to spare them."""
    if not WELL_FORMED.fullmatch(value):
        return MASK
    scheme, space, secret = value.rpartition(" ")
    if len(secret) < MIN_LENGTH_TO_SHOW_END:
        return f"{scheme}{space}{MASK}"
    return f"{scheme}{space}{KEY_PREFIX if secret.startswith(KEY_PREFIX) else ''}…{secret[-4:]}"


def _unescape(escapes: re.Pattern[bytes], data: bytes) -> Unescaped:
    pieces: list[bytes] = []
    places: list[tuple[Span, Span]] = []
    read = written = 0
    for match in escapes.finditer(data):
        meaning = _unescaped_run(match)
        pieces += (data[read : match.start()], meaning)
        written += match.start() - read
        places.append((Span(written, written + len(meaning)), Span(*match.span())))
        written += len(meaning)
        read = match.end()
    pieces.append(data[read:])
    return Unescaped(b"".join(pieces), places)


def _unescaped_run(match: re.Match[bytes]) -> bytes:
    """What a run of escapes of one kind stands for."""
    run = match[0]
    if run.startswith(b"&"):
        digits = run[run.index(b"#") + 1 : -1]
        return bytes([int(digits[1:], 16) if digits[:1] in (b"x", b"X") else int(digits)])
    if run.endswith(b"\\"):
        return b"" if match.end() < len(match.string) and match.string[match.end()] in b"/\"'" else b"\\"
    return bytes.fromhex(b"".join(HEX.findall(run)).decode())


def _with_masks(data: bytes, spans: Iterable[Span]) -> bytes:
    """The mask in the place of each span; of those that overlap there is one."""
    pieces: list[bytes] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= end:
            pieces += (data[end : span.start], MASK.encode())
        end = max(end, span.end)
    pieces.append(data[end:])
    return b"".join(pieces)


def _base64_forms(secret: bytes) -> Iterator[bytes]:
    """The part of its base64 that does not depend on what stands before and after it, at each of three offsets."""
    for before in range(3):
        first, last = -(-8 * before // 6), 8 * (before + len(secret)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + secret)[first:last]

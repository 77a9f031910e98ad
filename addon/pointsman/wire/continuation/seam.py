"""Where the text of a second answer joins that of the first, which broke off.

A seam is given the second answer's text piece by piece, and returns what follows the client's text. It holds back what
it cannot judge yet. All comparisons are of characters, never of bytes: providers cut their texts at different places.
"""

from itertools import takewhile
from typing import Protocol

ANCHOR = 48
"""Characters that the second model is asked to repeat."""
PREAMBLE = 64
"""Characters that may stand before them: `Sure, here is the rest:`."""
LEAST_ANCHOR = 8
"""An anchor with fewer characters shows no place."""
LONG_ANCHOR = 32
"""One with fewer characters must stand at the very beginning."""
LEAST_OVERLAP = 32
"""Correct texts overlap their own ends by chance, but hardly ever by so many characters."""
LEAST_ECHO = 16
"""A text that is shorter than that, and comes again from its beginning, is an echo from so many characters on."""
TAIL = 16
"""Characters that show whether a text repeats itself at its end."""
LEAST_TAIL = 4
"""So many may do, where the text before them is shorter."""
QUOTES = frozenset('`"“„«*')
"""A preamble with one of these may have put the anchor into quotes, or into a block of code."""


class SeamError(ValueError):
    """The second text does not show where it goes on. The message is for people."""


class Seam(Protocol):
    trimmed: int
    """Characters of the second text that were dropped."""

    @property
    def is_placed(self) -> bool:
        """What was dropped shows where the second text goes on, so that it may be whole although nothing follows."""
        ...

    def take(self, text: str) -> str:
        """What goes out, perhaps nothing yet. Raises SeamError."""
        ...

    def end(self) -> str:
        """The second text is whole: what is left of it. Raises SeamError."""
        ...


def anchor_of(text: str) -> str | None:
    """The last characters of a text, without white space at either end; None if they show no place in it."""
    head = text.strip()
    anchor = head[-ANCHOR:].lstrip()
    is_clear = len(anchor) >= LEAST_ANCHOR and head.find(anchor) == len(head) - len(anchor)
    return anchor if is_clear and not _begins_as_it_ends(anchor) else None


def _begins_as_it_ends(words: str) -> bool:
    """A model that repeats only the end of such words, and goes on, may seem to repeat all of them."""
    least = LEAST_ANCHOR if len(words) >= LONG_ANCHOR else LEAST_ANCHOR // 2
    return any(words.startswith(words[start:]) for start in range(1, len(words) - least + 1))


def _comes_again(text: str, distance: int, least: int) -> bool:
    """The last characters of a text stand also so many characters before its end: it may go on with that period."""
    size = min(TAIL, len(text) - distance)
    end = len(text) - distance
    return size >= least and text[end - size : end] == text[-size:]


class AnchorSeam:
    """The second text must begin with the anchor, after a short preamble at most. What follows is the continuation; it
    repeats the white space with which the client's text ends.

    >>> seam = AnchorSeam("The quick brown fox ")
    >>> seam.take("The quick brown"), seam.take(" fox jum"), seam.take("ps")
    ('', 'jum', 'ps')
    """

    def __init__(self, text: str) -> None:
        anchor = anchor_of(text)
        assert anchor
        self.trimmed = 0
        self._anchor, self._before = anchor, text.rstrip()[: -len(anchor)]
        self._owed: str | None = text[len(text.rstrip()) :]
        """White space that the client has and the second text repeats; None once it has."""
        self._room = PREAMBLE if len(anchor) >= LONG_ANCHOR else 0
        self._held = ""
        self._is_found = False

    @property
    def is_placed(self) -> bool:
        return self._is_found

    def take(self, text: str) -> str:
        if self._owed is None:
            return text
        self._held += text
        if not self._is_found:
            self._find()
        return self._after_white_space() if self._is_found else ""

    def end(self) -> str:
        if not self._is_found:
            raise SeamError("it does not repeat the last words")
        return ""

    def _find(self) -> None:
        held = self._held.lstrip()
        at = held.find(self._anchor, 0, self._room + len(self._anchor))
        if at >= 0:
            if not self._may_precede(held[:at]):
                raise SeamError("it does not begin with the last words")
            self.trimmed = len(self._held) - len(held) + at + len(self._anchor)
            self._held, self._is_found = held[at + len(self._anchor) :], True
        elif len(held) >= self._room + len(self._anchor):
            raise SeamError("it does not repeat the last words")

    def _may_precede(self, words: str) -> bool:
        """Nothing, more of the text, or words that announce it. Behind words, the anchor may be that of the next
        repetition of a text that repeats itself.
        """
        if not words:
            return True
        text, near = self._before + self._anchor, range(1, PREAMBLE + ANCHOR + 1)
        if any(_comes_again(text, each, LEAST_TAIL) for each in near):
            return False
        if self._before.endswith(words):
            return not _begins_as_it_ends(words + self._anchor)
        is_announced = words.rstrip().endswith(":") and words[-1].isspace() and QUOTES.isdisjoint(words)
        return is_announced and len(text) >= near.stop + TAIL

    def _after_white_space(self) -> str:
        assert self._owed is not None
        if len(self._held) < len(self._owed) and self._owed.startswith(self._held):
            return ""
        if not self._held.startswith(self._owed):
            raise SeamError("it goes on with other white space")
        self.trimmed += len(self._owed)
        rest, self._owed = self._held[len(self._owed) :], None
        return rest


class PrefillSeam:
    """The second text goes on from the client's, whose white space at the end it was not given. Some providers repeat
    the text, or its end: that is dropped if it is long enough to be told from a continuation.

    >>> seam = PrefillSeam("The quick ")
    >>> seam.take(" "), seam.take("brown")
    ('', 'brown')
    """

    def __init__(self, text: str) -> None:
        self.trimmed = 0
        self._head = text.rstrip()
        self._held = ""
        self._starts: list[int] | None = None
        """Where in the client's text the second one may have begun to repeat it; None: too little is known."""
        self._matched = 0
        """Characters of what is held that have been compared."""
        self._repeated: str | None = None
        """The overlap that was dropped."""
        self._owed = text[len(self._head) :]
        self._state = self._state_compare

    @property
    def is_placed(self) -> bool:
        """White space alone shows it: an overlap without anything behind it may be the next repetition."""
        return self.trimmed > 0 and self._repeated is None

    def take(self, text: str) -> str:
        return self._state(text)

    def end(self) -> str:
        rest = self._held
        if self._repeated is None and self._matched:
            raise SeamError("it repeats a part of the text and ends")
        self._state = self._state_pass
        return self._without_owed(rest)

    def _state_compare(self, text: str) -> str:
        """Is it an overlap?"""
        self._held += text
        head = self._head
        if len(head) < LEAST_OVERLAP:
            return self._compare_short()
        if self._starts is None:
            if len(self._held) < LEAST_OVERLAP:
                may_repeat = head.find(self._held, 0, len(head) - LEAST_OVERLAP + len(self._held)) >= 0
                return "" if may_repeat else self._release()
            self._starts = _places(head, self._held[:LEAST_OVERLAP])
        return self._compare_long(self._starts)

    def _compare_short(self) -> str:
        """A short text that comes again is an echo; of a very short one that cannot be said."""
        head = self._head
        if not self._held.startswith(head):
            return "" if head.startswith(self._held) else self._release()
        if len(head) < LEAST_ECHO or _begins_as_it_ends(head):
            raise SeamError("it begins with the same words, which may be a repetition")
        return self._drop(head)

    def _compare_long(self, starts: list[int]) -> str:
        head, held = self._head, self._held
        is_restart = 0 in starts
        for start in sorted(starts, reverse=True):
            if len(held) >= len(head) - start and held.startswith(overlap := head[start:]):
                if self._repeats_itself(len(overlap)):
                    raise SeamError("the text repeats itself, so that no overlap shows its place")
                return self._drop(overlap)
        self._starts = [start for start in starts if head.startswith(held[self._matched :], start + self._matched)]
        self._matched = len(held)
        if self._starts:
            return ""
        if is_restart:
            raise SeamError("it begins again, with other words")
        self._matched = 0
        return self._release()

    def _repeats_itself(self, overlap: int) -> bool:
        """What looks like so long an overlap may be the next repetition of a text that repeats itself, behind a shorter
        overlap or none.
        """
        if self._head.find(self._head[-overlap:]) != len(self._head) - overlap or _comes_again(self._head, overlap, 1):
            return True
        shorter = range(overlap - LEAST_OVERLAP + 1, overlap)
        return any(_comes_again(self._head, each, LEAST_TAIL) for each in shorter)

    def _drop(self, overlap: str) -> str:
        self._repeated = overlap
        self.trimmed, self._held = len(overlap), self._held[len(overlap) :]
        self._state = self._state_compare_again
        return self._state("")

    def _state_compare_again(self, text: str) -> str:
        """The same words once more: the overlap may have been no overlap, but the first of many repetitions."""
        assert self._repeated is not None
        self._held += text
        if self._held.startswith(self._repeated[:LEAST_OVERLAP]):
            raise SeamError("it repeats itself, so that no overlap shows its place")
        return "" if self._repeated.startswith(self._held) else self._release()

    def _release(self) -> str:
        self._state = self._state_white_space
        return self._state("")

    def _state_white_space(self, text: str) -> str:
        self._held += text
        if self._owed.startswith(self._held) and len(self._held) < len(self._owed):
            return ""
        self._state = self._state_pass
        return self._without_owed(self._held)

    def _without_owed(self, rest: str) -> str:
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(rest, self._owed, strict=False)))
        self.trimmed += common
        self._held = ""
        return rest[common:]

    def _state_pass(self, text: str) -> str:
        return text


def _places(text: str, words: str) -> list[int]:
    """Where the words stand in the text."""
    places, at = [], text.find(words)
    while at >= 0:
        places.append(at)
        at = text.find(words, at + 1)
    return places

"""How much structure a JSON text has, counted before any of it becomes Python objects.

A value of two bytes becomes an object of a hundred, so the size of a body bounds neither the memory nor the time that
it takes. The count is of commas and opening brackets: of a list or an object with members there are as many as it has
members, and one more.
"""

MAX_VALUES = 500_000
"""Values of a request. The worst of them, objects within objects, take 200 bytes each: 100 MB for one request. A coding
session of ten thousand messages has about 100,000.
"""
MAX_ITEMS = 100_000
"""Messages of a request, or what its dialect has in their place."""
SHORTEST_VALUE = 2
"""Bytes that a value takes at least, with its comma. So a body of a megabyte need not be counted."""

MARKS = (b",", b"{", b"[")
WINDOW = 256 * 1024
"""Bytes looked at in one go: one call blocks the event loop for about a millisecond."""
STRETCH = 8 * 1024
"""Bytes in which marks are only counted if there is one at all, which is found out ten times faster. Images have no
marks, and prose hardly any brackets.
"""


def has_too_many_values(body: bytes) -> bool:
    """What is said in strings does not count. Of what is no JSON nothing is promised but to come to an end."""
    if len(body) <= MAX_VALUES * SHORTEST_VALUE:
        return False
    return sum(_count(body, mark) for mark in MARKS) > MAX_VALUES and _exceeds(body, MAX_VALUES)


def _count(body: bytes, mark: bytes) -> int:
    count, start = 0, body.find(mark)
    while start >= 0:
        end = start + STRETCH
        count += body.count(mark, start, end)
        start = body.find(mark, end)
    return count


def _exceeds(body: bytes, limit: int) -> bool:
    """Whether there are more marks than that outside of strings. Five times as dear as counting all of them."""
    marks, within_string, start = 0, False, 0
    while start < len(body):
        window = body[start : start + WINDOW].replace(rb"\\", b"")  # what escapes nothing
        start += WINDOW
        if window.endswith(b"\\"):
            start += 1  # what it escapes is in the next window, and is no mark
        pieces = window.replace(rb"\"", b"").split(b'"')
        outside = b"".join(pieces[within_string::2])
        within_string ^= len(pieces) % 2 == 0
        marks += sum(outside.count(mark) for mark in MARKS)
        if marks > limit:
            return True
    return False

"""The document of a large request, which is not kept for as long as the answer lasts."""

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.wire import jsontext

MAX_KEPT_TEXT = 1000
"""Characters of a member that stays."""


class LargeDocument(Mapping[str, Any]):
    """Reads as the object that `body` is. Once forgotten, it has only its small members left; the others are parsed
    again when one of them is asked for, which few answers lead to.
    """

    __slots__ = ("_body", "_members", "_names")

    def __init__(self, body: bytes, members: Mapping[str, Any]) -> None:
        """`members` is what `body` parses to."""
        self._body, self._members, self._names = body, members, tuple(members)

    def forget(self) -> None:
        self._members = {name: value for name, value in self._members.items() if _is_small(value)}

    def __getitem__(self, name: str) -> Any:
        if name not in self._members and name in self._names:
            self._members = jsontext.loads(self._body)
        return self._members[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _is_small(value: object) -> bool:
    return len(value) <= MAX_KEPT_TEXT if isinstance(value, str) else not isinstance(value, list | dict)

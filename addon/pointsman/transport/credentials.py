"""A client's credentials: taken out of a request once it is ours, put back only into what goes to its own provider."""

import re
from dataclasses import dataclass, field

from mitmproxy import http

from pointsman.secrets import MASK, masked_credential

HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie")
KEY_IN_QUERY = re.compile(r"(?<=[?&]key=)[^&#]*")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sent, and what stands in its place."""

    headers: dict[str, tuple[list[str], list[str]]] = field(repr=False)
    """By header: the values as they were, and as they are shown."""
    key: str | None = field(repr=False)
    """Of the query."""

    @classmethod
    def taken_from(cls, request: http.Request) -> "Credentials":
        """Masks them in `request`: no flow, log or saved file ever holds them."""
        headers = {}
        for name in HEADERS:
            if values := request.headers.get_all(name):
                headers[name] = (values, [masked_credential(value) for value in values])
                request.headers.set_all(name, headers[name][1])
        key = KEY_IN_QUERY.search(request.path)
        if key:
            request.path = KEY_IN_QUERY.sub(MASK, request.path)
        return cls(headers, key[0] if key else None)

    def put_back(self, request: http.Request) -> http.Request:
        """A copy of `request` with the credentials in it, but for those that somebody has edited since."""
        copy = request.copy()
        for name, (values, shown) in self.headers.items():
            if copy.headers.get_all(name) == shown:
                copy.headers.set_all(name, values)
        if self.key is not None:
            key = self.key
            copy.path = re.sub(rf"(?<=[?&]key=){re.escape(MASK)}(?=&|#|$)", lambda _: key, copy.path)
        return copy

"""A client's credentials: taken out of a request once it is ours, put back only into what goes to its own provider."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from mitmproxy import http
from mitmproxy.addons.proxyauth import http_auth_header, is_http_proxy

from pointsman.secrets import MASK, masked_credential
from pointsman.transport.heads import exchange, listed
from pointsman.wire import query
from pointsman.wire.headers import SECRET_SUFFIXES

HEADERS = frozenset({"authorization", "api-key", "cookie", "set-cookie"})
FOR_THIS_PROXY = "proxy-authorization"
PROXYAUTH = "proxyauth"

type Values = tuple[list[str], list[str]]
"""Of one header: as they were, and as they are shown."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sent, and what stands in its place."""

    headers: dict[str, Values] = field(repr=False)
    """By header."""
    keys: list[str] = field(repr=False)
    """Of the query, in order."""
    added: dict[str, Values] = field(default_factory=dict, repr=False)
    """By header, those that are not the client's: another addon has put them in its place, such as `upstream_auth`."""

    @classmethod
    def taken_from(cls, request: http.Request) -> "Credentials":
        """Masks them in `request`: no flow, log or saved file ever holds them."""
        headers: dict[str, Values] = {}
        _take(request, headers)
        path, keys = query.replaced(request.path, lambda _: MASK)
        if keys:
            request.path = path
        return cls(headers, keys)

    def take_added(self, request: http.Request) -> None:
        """Masks what has come into it since."""
        _take(request, self.added, self.headers)

    @property
    def caller(self) -> str | None:
        """The credential that tells this client from others, without its scheme."""
        for name in ("authorization", "x-api-key", "x-goog-api-key", "api-key"):
            if name in self.headers and (value := self.headers[name][0][0].rpartition(" ")[2]):
                return value
        return self.keys[0] if self.keys else None

    @contextmanager
    def lent_to_proxyauth(self, flow: http.HTTPFlow) -> Iterator[None]:
        """While this lasts, the header that mitmproxy's `proxyauth` reads is as the client sent it."""
        name = http_auth_header(is_http_proxy(flow)).lower()
        values, shown = self.headers.get(name, ([], []))
        if values:
            flow.request.headers.set_all(name, values)
        yield
        if values and flow.request.headers.get_all(name) == values:
            flow.request.headers.set_all(name, shown)
        mask_proxyauth(flow)

    def put_back(self, request: http.Request) -> http.Request:
        """A copy of `request` with the credentials in it, but for those that somebody has edited since, and for the
        one that was meant for this proxy.
        """
        copy = request.copy()
        if FOR_THIS_PROXY not in self.added:  # else it is for the next one
            copy.headers.pop(FOR_THIS_PROXY, None)
        given, kept = listed(copy.headers), self.headers | self.added
        exchange(copy.headers, {name: values for name, (values, shown) in kept.items() if given.get(name) == shown})
        keys = iter(self.keys)
        if self.keys:
            copy.path, _ = query.replaced(copy.path, lambda shown: next(keys, shown) if shown == MASK else shown)
        return copy


def _take(
    request: http.Request,
    taken: dict[str, Values],
    known: Mapping[str, Values] = MappingProxyType({}),
) -> None:
    """Puts the credentials in a request's headers into `taken`, but for those that `known` shows already."""
    found = {
        name: (values, [masked_credential(value) for value in values])
        for name, values in listed(request.headers).items()
        if is_secret(name) and (name not in known or known[name][1] != values)
    }
    if found:
        taken |= found
        exchange(request.headers, {name: shown for name, (_, shown) in found.items()})


def is_secret(name: str) -> bool:
    """A header of this name, in lower case, holds a credential."""
    return name in HEADERS or name.endswith(SECRET_SUFFIXES)


def shown_headers(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Headers as they may be shown."""
    for name, value in headers:
        yield name, masked_credential(value) if is_secret(name.lower()) else value


def mask_proxyauth(flow: http.HTTPFlow) -> None:
    """mitmproxy's `proxyauth` keeps user and password in the flow, where every file that it is saved to has them."""
    if PROXYAUTH in flow.metadata:
        user, _ = flow.metadata[PROXYAUTH]
        flow.metadata[PROXYAUTH] = (user, MASK)

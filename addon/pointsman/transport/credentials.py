"""A client's credentials: taken out of a request once it is ours, put back only into what goes to its own provider."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from mitmproxy import http
from mitmproxy.addons.proxyauth import http_auth_header, is_http_proxy

from pointsman.masking import MASK, MIN_LENGTH_TO_SHOW_END, NO_SECRETS, Masker, masked_credential
from pointsman.transport.header_map import header_lists, replace_values
from pointsman.wire import query
from pointsman.wire.headers import holds_secret

MAX_TOKENS = 16
"""Credentials of one request that are looked for in its other headers: each costs a walk through all of them."""
PROXY_AUTHORIZATION = "proxy-authorization"
PROXYAUTH = "proxyauth"

type Fields = tuple[tuple[bytes, bytes], ...]
type HeaderValues = tuple[list[str], list[str]]
"""Of one header: as they were, and as they are shown."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials that a client sent, and the masked values in their place."""

    headers: dict[str, HeaderValues] = field(repr=False)
    """The values of each masked header, by its name."""
    keys: list[str] = field(repr=False)
    """Masked keys of the query, in order."""
    path: tuple[str, str] = field(repr=False)
    """The path as received, and as shown."""
    masker: Masker = field(repr=False)
    seen: Fields = field(repr=False)
    """The request's headers as they were when they were last looked at."""
    added: dict[str, HeaderValues] = field(default_factory=dict, repr=False)
    """By header, those that are not the client's: another addon has put them in its place, such as `upstream_auth`."""

    @classmethod
    def extract(cls, request: http.Request, masker: Masker = NO_SECRETS) -> "Credentials":
        """Masks them in `request`: no flow, log or saved file ever holds them. A secret that `masker` knows is masked
        wherever it stands in the head; what stands where credentials do, and in more places, is so too.
        """
        headers: dict[str, HeaderValues] = {}
        sent = request.path
        path, keys = query.replaced(sent, lambda _: MASK)
        shown = _extract(request, headers, masker, path, keys)
        if shown != sent:
            request.path = shown
        return cls(headers, keys, (sent, shown), masker, request.headers.fields)

    def extract_added(self, request: http.Request) -> None:
        """Masks what has come into it since."""
        if request.headers.fields is not self.seen:
            _extract(request, self.added, self.masker, known=self.headers)

    @property
    def tokens(self) -> list[str]:
        """Every value that was masked for its name, without its scheme, if it is long enough to be told from a word."""
        return _tokens(self.headers, self.keys)

    @property
    def client_credential(self) -> str | None:
        """The credential that tells this client from others, without its scheme."""
        for name in ("authorization", "x-api-key", "x-goog-api-key", "api-key"):
            if name in self.headers and (value := self.headers[name][0][0].rpartition(" ")[2]):
                return value
        return self.keys[0] if self.keys else None

    @contextmanager
    def exposed_to_proxyauth(self, flow: http.HTTPFlow) -> Iterator[None]:
        """While this lasts, the header that mitmproxy's `proxyauth` reads is as the client sent it."""
        name = http_auth_header(is_http_proxy(flow)).lower()
        values, shown = self.headers.get(name, ([], []))
        if values:
            flow.request.headers.set_all(name, values)
        yield
        if values and flow.request.headers.get_all(name) == values:
            flow.request.headers.set_all(name, shown)
        mask_proxyauth(flow)

    def with_credentials(self, request: http.Request, left_out: Collection[str] = ()) -> http.Request:
        """A copy of `request` with the credentials in it, except those edited since, and for those that were meant for
        this proxy: what `left_out` names are headers, and `key` the key of the query.
        """
        copy = request.copy()
        if PROXY_AUTHORIZATION not in self.added:  # else it is for the next one
            copy.headers.pop(PROXY_AUTHORIZATION, None)
        given, kept = header_lists(copy.headers), self.headers | self.added
        replace_values(
            copy.headers, {name: values for name, (values, shown) in kept.items() if given.get(name) == shown}
        )
        keys = iter(self.keys)
        sent_path, shown_path = self.path
        if copy.path == shown_path:
            copy.path = sent_path
        elif self.keys:
            copy.path, _ = query.replaced(copy.path, lambda shown: next(keys, shown) if shown == MASK else shown)
        for name in left_out:
            if name == "key":
                copy.path = query.without_key(copy.path)
            else:
                copy.headers.pop(name, None)
        return copy


def _extract(
    request: http.Request,
    taken: dict[str, HeaderValues],
    masker: Masker,
    path: str = "",
    keys: Sequence[str] = (),
    known: Mapping[str, HeaderValues] = MappingProxyType({}),
) -> str:
    """Puts the credentials in a request's headers into `taken`, but for those that `known` shows already. `keys` are
    those of its query. Returns the path as it may be shown. Walks through the head a fixed number of times.
    """
    given = header_lists(request.headers)
    found: dict[str, HeaderValues] = {
        name: (values, [masked_credential(value) for value in values])
        for name, values in given.items()
        if _holds_secret(name) and (name not in known or known[name][1] != values)
    }
    tokens = _tokens(found, keys)
    others = {name: values for name, values in given.items() if not _holds_secret(name)}
    together = "|".join((path, *(value for values in others.values() for value in values)))
    if not masker.is_clean(_encoded(together)) or any(token in together for token in tokens):
        for name, values in others.items():
            shown = [_without_tokens(masker.line(value), tokens) for value in values]
            if shown != values:
                found[name] = (values, shown)
        path = _without_tokens(masker.line(path), tokens)
    if found:
        taken |= found
        replace_values(request.headers, {name: shown for name, (_, shown) in found.items()})
    return path


def _tokens(taken: Mapping[str, HeaderValues], keys: Sequence[str]) -> list[str]:
    """What a client uses as credentials, long enough to be known for one in other places."""
    words = (
        *keys,
        *(word for name in taken if holds_secret(name) for value in taken[name][0] for word in value.split()),
    )
    return list(dict.fromkeys(word for word in words if len(word) >= MIN_LENGTH_TO_SHOW_END))[:MAX_TOKENS]


def _without_tokens(text: str, tokens: Sequence[str]) -> str:
    for token in tokens:
        text = text.replace(token, MASK)
    return text


_holds_secret = lru_cache(maxsize=1024)(holds_secret)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def mask_proxyauth(flow: http.HTTPFlow) -> None:
    """mitmproxy's `proxyauth` keeps user and password in the flow, where every file that it is saved to has them."""
    if PROXYAUTH in flow.metadata:
        user, _ = flow.metadata[PROXYAUTH]
        flow.metadata[PROXYAUTH] = (user, MASK)

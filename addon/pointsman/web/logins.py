"""Sessions of the dashboard: a cookie stands for the admin key, and a token that only our own page can read must go
with every change.

A browser sends a cookie to every port of a host. So the port is in the cookie's name, which keeps routers and other
services of one machine from overwriting each other's, and a session holds only for the host and port that it began at.

A token is signed with the admin key and says when it ends, so that each of several routers with the same key knows it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from secrets import token_bytes
from typing import NamedTuple

from cachetools import TTLCache

from pointsman.domain.clock import ManualClock
from pointsman.web.http import PageRequest
from pointsman.web.openapi import COOKIE

LIFETIME = 12 * 3600.0
"""Seconds from login."""
LINK_LIFETIME = 300.0
"""Seconds in which a sign-in link can be used."""
MAX_ENDED = 10_000
"""Tokens that are known to be used up; the oldest goes first."""
NONCE_BYTES, TIME_BYTES, MAC_BYTES = 16, 8, 32
LINK_PATH = "/sign-in/"
MAX_COOKIES = 200
"""Cookies of other services on this host that are passed over."""
MAX_TOKEN = 100
"""Characters of a token."""


class LoginSession(NamedTuple):
    """`expires` is Unix time."""

    csrf: str
    expires: float


class _Token(NamedTuple):
    """What a token says. `nonce` is its own."""

    nonce: bytes
    expires: int


class SignedTokens:
    """Tokens of one purpose. Those that were ended are remembered until they would have expired. `on_ended` is told of
    each, with its nonce, for routers that share this state. Times are seconds on the wall clock.
    """

    def __init__(self, purpose: bytes, lifetime: float) -> None:
        self.on_ended: Callable[[bytes], None] = lambda _: None
        self._purpose, self._lifetime = purpose, lifetime
        self._clock = ManualClock()
        self._ended: TTLCache[bytes, None] = TTLCache(MAX_ENDED, lifetime, self._clock)

    def make(self, key: str, place: str, now: float) -> tuple[str, _Token]:
        """`place` is the only place where it is valid."""
        made = _Token(token_bytes(NONCE_BYTES), int(now + self._lifetime))
        return _encode(made.nonce + _stamp(made.expires) + self._mac(made, key, place)), made

    def read(self, text: str, key: str, place: str, now: float) -> _Token | None:
        """The token's content; None if it is wrong, has expired or was ended."""
        self._clock.set(now)
        data = _decode(text)
        if len(data) != NONCE_BYTES + TIME_BYTES + MAC_BYTES:
            return None
        stamp = data[NONCE_BYTES:-MAC_BYTES]
        found = _Token(data[:NONCE_BYTES], int.from_bytes(stamp, "big"))
        if not hmac.compare_digest(data[-MAC_BYTES:], self._mac(found, key, place)):
            return None
        return found if now < found.expires and found.nonce not in self._ended else None

    def end(self, token: _Token, now: float) -> None:
        self.forget(token.nonce, now)
        self.on_ended(token.nonce)

    def forget(self, nonce: bytes, now: float) -> None:
        """The token of this nonce was ended, here or at another router."""
        self._clock.set(now)
        self._ended[nonce] = None

    def ended(self, now: float) -> list[bytes]:
        """The nonces of all that are remembered."""
        self._clock.set(now)
        return list(self._ended)

    def _mac(self, token: _Token, key: str, place: str) -> bytes:
        return _sign(
            key,
            b"\0".join((self._purpose, place.encode("utf-8", "surrogateescape")))
            + b"".join((token.nonce, _stamp(token.expires))),
        )


class LoginSessions:
    """Times are seconds on the wall clock. A session ends with the admin key that it began with."""

    def __init__(self) -> None:
        self.tokens = SignedTokens(b"login", LIFETIME)

    def begin(self, request: PageRequest, admin_key: str, now: float) -> tuple[str, LoginSession]:
        """A new session and the token that its cookie holds."""
        text, token = self.tokens.make(admin_key, request.host.authority, now)
        return text, _session(token, admin_key)

    def find(self, request: PageRequest, admin_key: str, now: float) -> LoginSession | None:
        token = self.tokens.read(_token(request), admin_key, request.host.authority, now)
        return _session(token, admin_key) if token else None

    def end(self, request: PageRequest, admin_key: str, now: float) -> None:
        """Ends the session, if there is one."""
        if token := self.tokens.read(_token(request), admin_key, request.host.authority, now):
            self.tokens.end(token, now)


class SignInLinks:
    """Links that begin a session once, without the admin key."""

    def __init__(self) -> None:
        self.tokens = SignedTokens(b"link", LINK_LIFETIME)

    def make(self, admin_key: str, now: float) -> str:
        """The path of a new link, in force until `now` + LINK_LIFETIME (wall clock, seconds)."""
        return f"{LINK_PATH}{self.tokens.make(admin_key, '', now)[0]}"

    def use(self, token: str, admin_key: str, now: float) -> bool:
        """Whether the link was in force; it no longer is."""
        found = self.tokens.read(token, admin_key, "", now)
        if found is None:
            return False
        self.tokens.end(found, now)
        return True


def _session(token: _Token, admin_key: str) -> LoginSession:
    return LoginSession(_encode(_sign(admin_key, b"csrf\0" + token.nonce)), float(token.expires))


def _sign(admin_key: str, said: bytes) -> bytes:
    return hmac.digest(admin_key.encode(), said, "sha256")


def _stamp(expires: int) -> bytes:
    return expires.to_bytes(TIME_BYTES, "big")


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Empty for what is none of ours."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if text.isascii() else b""
    except NotBase64:
        return b""


def cookie_name(request: PageRequest) -> str:
    return f"{COOKIE}-{request.port}"


def _token(request: PageRequest) -> str:
    return token_of(request.headers.get("cookie", ""), cookie_name(request))


def token_of(cookies: str, cookie: str) -> str:
    """The value of the cookie of that name in the header `cookies`; empty if there is none. Our own is never quoted,
    and other cookies are not read, so nothing here takes longer than to look at each of their characters.
    """
    for pair in cookies.split(";", MAX_COOKIES):
        name, _, value = pair.partition("=")
        if name.strip() == cookie:
            value = value.strip()
            return value if len(value) <= MAX_TOKEN else ""
    return ""


def set_cookie(request: PageRequest, token: str) -> str:
    """The header that begins a session, or ends it if the token is empty."""
    return f"{cookie_name(request)}={token}; Path=/; Max-Age={int(LIFETIME) if token else 0}; HttpOnly; SameSite=Strict"

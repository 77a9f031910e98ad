"""Sessions of the dashboard: a cookie stands for the admin key, and a token that only our own page can read must go
with every change.

A browser sends a cookie to every port of a host. So the port is in the cookie's name, which keeps routers and other
services of one machine from overwriting each other's, and a session holds only for the host and port that it began at.
"""

from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple

from cachetools import TTLCache

from pointsman.domain.clock import ManualClock
from pointsman.web.http import PageRequest
from pointsman.web.openapi import COOKIE

LIFETIME = 12 * 3600.0
"""Seconds from login."""
MAX_SESSIONS = 100
"""Sessions at once; the least recently used goes first."""
LINK_LIFETIME = 300.0
"""Seconds in which a sign-in link can be used."""
MAX_LINKS = 20
"""Unused links at once; the oldest goes first."""
TOKEN_BYTES = 32
LINK_PATH = "/sign-in/"
MAX_COOKIES = 200
"""Cookies of other services on this host that are passed over."""
MAX_TOKEN = 100
"""Characters of a token."""


class LoginSession(NamedTuple):
    """`key` is the digest of the admin key that it began with: with another one it is over. `host` is the host and port
    that the client named.
    """

    csrf: str
    expires: float
    key: bytes
    host: str


class LoginSessions:
    """Times are seconds on the wall clock. Tokens are kept as digests: a lookup tells nothing by its duration."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._logins: TTLCache[bytes, LoginSession] = TTLCache(MAX_SESSIONS, LIFETIME, self._clock)

    def begin(self, request: PageRequest, admin_key: str, now: float) -> tuple[str, LoginSession]:
        """A new session and the token that its cookie holds."""
        self._clock.set(now)
        token = token_urlsafe(TOKEN_BYTES)
        login = self._logins[_digest(token)] = LoginSession(
            token_urlsafe(TOKEN_BYTES), now + LIFETIME, _digest(admin_key), request.host.authority
        )
        return token, login

    def find(self, request: PageRequest, admin_key: str, now: float) -> LoginSession | None:
        self._clock.set(now)
        token = _token(request)
        login = self._logins.get(_digest(token)) if token else None
        if login is None or login.host != request.host.authority:
            return None
        return login if login.key == _digest(admin_key) else None

    def end(self, request: PageRequest) -> None:
        self._logins.pop(_digest(_token(request)), None)


class SignInLinks:
    """Links that begin a session once, without the admin key. They are kept as digests."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._links: TTLCache[bytes, bytes] = TTLCache(MAX_LINKS, LINK_LIFETIME, self._clock)

    def make(self, admin_key: str, now: float) -> str:
        """The path of a new link, in force until `now` + LINK_LIFETIME (wall clock, seconds)."""
        self._clock.set(now)
        token = token_urlsafe(TOKEN_BYTES)
        self._links[_digest(token)] = _digest(admin_key)
        return f"{LINK_PATH}{token}"

    def use(self, token: str, admin_key: str, now: float) -> bool:
        """Whether the link was in force; it no longer is."""
        self._clock.set(now)
        return self._links.pop(_digest(token), None) == _digest(admin_key)


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


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()

"""Sessions of the dashboard: a cookie stands for the admin key, and a token that only our own page can read must go
with every change.
"""

from collections import OrderedDict
from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple

from pointsman.web.openapi import COOKIE

LIFE = 12 * 3600.0
"""Seconds from login."""
MOST = 100
"""Sessions at once; the oldest goes first."""
BITS = 32
MAX_COOKIES = 200
"""Cookies of other services on this host that are passed over."""
MAX_TOKEN = 100
"""Characters of a token."""


class Login(NamedTuple):
    """`key` is the digest of the admin key that it began with: with another one it is over."""

    csrf: str
    expires: float
    key: bytes


class Logins:
    """Times are seconds on the wall clock. Tokens are kept as digests: a lookup tells nothing by its duration."""

    def __init__(self) -> None:
        self._logins: OrderedDict[bytes, Login] = OrderedDict()  # at most MOST, each for LIFE

    def begin(self, admin_key: str, now: float) -> tuple[str, Login]:
        """A new session and the token that its cookie holds."""
        token = token_urlsafe(BITS)
        login = self._logins[_digest(token)] = Login(token_urlsafe(BITS), now + LIFE, _digest(admin_key))
        while len(self._logins) > MOST or next(iter(self._logins.values())).expires <= now:
            self._logins.popitem(last=False)
        return token, login

    def find(self, cookies: str, admin_key: str, now: float) -> Login | None:
        """`cookies` is the header."""
        token = token_of(cookies)
        login = self._logins.get(_digest(token)) if token else None
        return login if login and login.expires > now and login.key == _digest(admin_key) else None

    def end(self, cookies: str) -> None:
        self._logins.pop(_digest(token_of(cookies)), None)


def token_of(cookies: str) -> str:
    """The token in a Cookie header, empty if there is none. Our own cookie is never quoted, and other cookies are
    not read, so nothing here takes longer than it takes to look at each of their characters.
    """
    for pair in cookies.split(";", MAX_COOKIES):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE:
            value = value.strip()
            return value if len(value) <= MAX_TOKEN else ""
    return ""


def set_cookie(token: str) -> str:
    """The header that begins a session, or ends it if the token is empty."""
    return f"{COOKIE}={token}; Path=/; Max-Age={int(LIFE) if token else 0}; HttpOnly; SameSite=Strict"


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()

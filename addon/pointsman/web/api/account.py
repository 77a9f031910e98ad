"""`/api/login`, `/api/logout`, `/api/me`, `/api/sign-in-links` and `/sign-in/`: sessions of the dashboard."""

from time import time
from typing import Any

from pointsman import __version__
from pointsman.config.base_model import ConfigModel
from pointsman.config.values import Secret
from pointsman.web.access import AccessControl
from pointsman.web.api.parsing import parse_body
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.logins import LINK_LIFETIME, LoginSession, set_cookie
from pointsman.wire.errors import Code, Problem

MAX_LOGIN = 4096
"""Bytes of a login's body, which is read before a key has been checked."""


USED_LINK = (
    "This sign-in link was used before, or is older than five minutes. `pointsman dashboard` prints a new one; "
    "or log in with the admin key."
)


class LoginBody(ConfigModel):
    admin_key: Secret


class AccountPages:
    def __init__(self, access: AccessControl) -> None:
        self._access = access

    def login(self, request: PageRequest, _: str) -> PageReply:
        """Raises Problem (invalid_request, request_too_large, invalid_api_key)."""
        if len(request.body) > MAX_LOGIN:
            raise Problem(Code.REQUEST_TOO_LARGE, f"The body of a login must not exceed {MAX_LOGIN} bytes.")
        given = parse_body(LoginBody, request, hidden=True).admin_key.get_secret_value()
        if not self._access.is_admin_key(given, request):
            raise Problem(Code.INVALID_API_KEY, "Wrong admin key.")
        token, login = self._access.logins.begin(request, self._access.admin_key(), time())
        return json_reply(_session_to_dict(login), headers=(("Set-Cookie", set_cookie(request, token)),))

    def make_link(self, request: PageRequest, _: str) -> PageReply:
        now = time()
        path = self._access.links.make(self._access.admin_key(), now)
        return json_reply({"path": path, "expires": now + LINK_LIFETIME}, 201)

    def follow_link(self, request: PageRequest, token: str) -> PageReply:
        """To the dashboard, with a session. Raises Problem (method_not_allowed, invalid_api_key)."""
        if request.method != "GET":  # a preview's HEAD must not use it up
            raise Problem(Code.METHOD_NOT_ALLOWED, "A sign-in link must be opened with GET.")
        cookie: tuple[tuple[str, str], ...] = ()
        if self._access.session_of(request) is None:
            if not self._access.uses_link(token, request):
                raise Problem(Code.INVALID_API_KEY, USED_LINK)
            key, _ = self._access.logins.begin(request, self._access.admin_key(), time())
            cookie = (("Set-Cookie", set_cookie(request, key)),)
        headers = (("Location", "/"), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
        return PageReply(303, b"", (*headers, *cookie))

    def logout(self, request: PageRequest, _: str) -> PageReply:
        self._access.logins.end(request, self._access.admin_key(), time())
        return PageReply(204, b"", (("Set-Cookie", set_cookie(request, "")),))

    def me(self, request: PageRequest, _: str) -> PageReply:
        return json_reply(_session_to_dict(self._access.session_of(request)))


def _session_to_dict(login: LoginSession | None) -> dict[str, Any]:
    return {
        "by": "session" if login else "key",
        "csrf": login.csrf if login else None,
        "expires": login.expires if login else None,
        "version": __version__,
    }

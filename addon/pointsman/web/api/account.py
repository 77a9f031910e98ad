"""`/api/login`, `/api/logout`, `/api/me`: sessions of the dashboard."""

from time import time
from typing import Any

from pointsman import __version__
from pointsman.config.base_model import Section
from pointsman.config.values import Secret
from pointsman.web.access import Keeper
from pointsman.web.api.parsing import read
from pointsman.web.http import Reply, Request, reply_json
from pointsman.web.logins import Login, set_cookie
from pointsman.wire.errors import Code, Problem

MAX_LOGIN = 4096
"""Bytes of a login's body, which is read before anybody has shown a key."""


class Credentials(Section):
    admin_key: Secret


class Account:
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def login(self, request: Request, _: str) -> Reply:
        """Raises Problem (invalid_request, request_too_large, invalid_api_key)."""
        if len(request.body) > MAX_LOGIN:
            raise Problem(Code.REQUEST_TOO_LARGE, f"The body of a login must not exceed {MAX_LOGIN} bytes.")
        given = read(Credentials, request, hidden=True).admin_key.get_secret_value()
        if not self._keeper.is_admin_key(given, request):
            raise Problem(Code.INVALID_API_KEY, "This is not the admin key.")
        token, login = self._keeper.logins.begin(request, self._keeper.admin_key(), time())
        return reply_json(_told(login), headers=(("Set-Cookie", set_cookie(request, token)),))

    def logout(self, request: Request, _: str) -> Reply:
        self._keeper.logins.end(request)
        return Reply(204, b"", (("Set-Cookie", set_cookie(request, "")),))

    def me(self, request: Request, _: str) -> Reply:
        return reply_json(_told(self._keeper.session_of(request)))


def _told(login: Login | None) -> dict[str, Any]:
    return {
        "by": "session" if login else "key",
        "csrf": login.csrf if login else None,
        "expires": login.expires if login else None,
        "version": __version__,
    }

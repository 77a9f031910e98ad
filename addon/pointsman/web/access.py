"""Access to the router's own pages.

Requests under a host name that was made to point here (DNS rebinding) and requests from pages of other sites are
refused whatever credentials they carry: a browser sends them without its user's knowledge. After that, keys decide.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from time import monotonic, time

from pointsman.admission import client_problem, is_own_name
from pointsman.auth_throttle import AuthThrottle, check_throttle, too_many_attempts
from pointsman.client_credentials import constant_time_equal, credentials
from pointsman.clients.identity import NO_CLIENTS, ClientKeys
from pointsman.config import Server
from pointsman.host_names import host_of, is_loopback_name
from pointsman.web.http import PageRequest
from pointsman.web.logins import LoginSession, LoginSessions, SignInLinks
from pointsman.web.openapi import COOKIE, CSRF_HEADER
from pointsman.wire.errors import Code, Problem

CROSS_SITE_MESSAGE = "Refused: the request comes from another site's page, or its host name is not in server.hosts."
SAFE_METHODS = frozenset({"GET", "HEAD"})


class AccessLevel(Enum):
    """Who may see a page."""

    OPEN = auto()
    CLIENT = auto()
    """Clients that may use the chat paths."""
    OPERATOR = auto()
    """Clients on this machine, others with the admin key."""
    ADMIN = auto()
    """Clients with the admin key, or with a login session."""
    LOGIN = auto()
    """Requests from the dashboard or from no web page; the admin key is in the body, or a link's token in the path."""


@dataclass(slots=True)
class AccessControl:
    """Checks requests. `server`, `admin_key` and `keys` are read at each request, so that a reload takes effect."""

    server: Callable[[], Server]
    admin_key: Callable[[], str]
    keys: Callable[[], ClientKeys] = lambda: NO_CLIENTS
    logins: LoginSessions = field(default_factory=LoginSessions)
    links: SignInLinks = field(default_factory=SignInLinks)
    admin_throttle: AuthThrottle = field(default_factory=AuthThrottle)
    """Counts wrong admin keys."""
    client_throttle: AuthThrottle = field(default_factory=AuthThrottle)

    def access_problem(self, gate: AccessLevel, request: PageRequest) -> Problem | None:
        """Why a request may not pass; None when it may."""
        match gate:
            case AccessLevel.OPEN:
                return None
            case AccessLevel.CLIENT:
                return self._as_client(request)
            case AccessLevel.OPERATOR:
                return None if request.local and self.is_same_site(request) else self._by_key(request)
            case AccessLevel.ADMIN:
                return self._cross_site_problem(request) or self._by_session(request)
            case AccessLevel.LOGIN:
                return self._cross_site_problem(request) or self._too_many(request)

    def client_of(self, request: PageRequest) -> str | None:
        """The client whose key a request carries."""
        return self.keys().first_known(credentials(request.headers, f"?{request.query}"))

    def session_of(self, request: PageRequest) -> LoginSession | None:
        """The session that lets a request in; None if a key does."""
        if credentials(request.headers, ""):
            return None
        return self.logins.find(request, self.admin_key(), time())

    def is_admin_key(self, given: str, request: PageRequest) -> bool:
        """A wrong one is counted."""
        if constant_time_equal(given, self.admin_key()):
            return True
        self.admin_throttle.record_failure(request.address, monotonic())
        return False

    def uses_link(self, token: str, request: PageRequest) -> bool:
        """Whether a sign-in link is in force; it no longer is. A wrong one is counted."""
        if self.links.use(token, self.admin_key(), time()):
            return True
        self.admin_throttle.record_failure(request.address, monotonic())
        return False

    def is_same_site(self, request: PageRequest) -> bool:
        """No web page of another site sent it, and no foreign name was made to point here."""
        return is_own_name(request.host, self.server()) and not self._is_cross_site(request)

    def _is_cross_site(self, request: PageRequest) -> bool:
        if request.headers.get("sec-fetch-site", "").lower() == "cross-site":
            return True
        origin = request.headers.get("origin")
        return origin is not None and not is_loopback_name(host_of(origin)) and not _is_same(origin, request)

    def _as_client(self, request: PageRequest) -> Problem | None:
        keys, path = self.keys(), f"?{request.query}"
        given = credentials(request.headers, path)
        client = keys.first_known(given)
        problem = client_problem(client, request.headers, request.local, request.host, self.server(), keys, path)
        if not given:
            return problem
        return check_throttle(self.client_throttle, problem, request.address, request.local, monotonic())

    def _cross_site_problem(self, request: PageRequest) -> Problem | None:
        if self.is_same_site(request):
            return None
        return Problem(Code.FORBIDDEN, CROSS_SITE_MESSAGE)

    def _by_session(self, request: PageRequest) -> Problem | None:
        """A session stands for itself where no key is sent."""
        if login := self.session_of(request):
            if request.method in SAFE_METHODS:
                return None
            if not constant_time_equal(request.headers.get(CSRF_HEADER.lower(), ""), login.csrf):
                return Problem(Code.FORBIDDEN, f"Changes in a session need the CSRF token in {CSRF_HEADER}.")
            if not _is_same(request.headers.get("origin"), request):
                return Problem(Code.FORBIDDEN, "Changes in a session must come from the dashboard itself.")
            return None
        return self._by_key(request)

    def _by_key(self, request: PageRequest) -> Problem | None:
        given = credentials(request.headers, "")
        if not given:
            return Problem(Code.INVALID_API_KEY, "The admin key is required: send it as a bearer token.")
        if refusal := self._too_many(request):
            return refusal
        if any(constant_time_equal(each, self.admin_key()) for each in given):
            return None
        self.admin_throttle.record_failure(request.address, monotonic())
        return Problem(Code.INVALID_API_KEY, "Wrong admin key.")

    def _too_many(self, request: PageRequest) -> Problem | None:
        wait = self.admin_throttle.wait_seconds(request.address, monotonic())
        return None if wait is None else too_many_attempts(wait)


def is_dashboard_reading(method: str, headers: Mapping[str, str]) -> bool:
    """The dashboard asks for what it shows, or a browser for the dashboard."""
    is_of_page = headers.get("sec-fetch-site", "").lower() == "same-origin"
    return method in SAFE_METHODS and (is_of_page or f"{COOKIE}-" in headers.get("cookie", ""))


def _is_same(origin: str | None, request: PageRequest) -> bool:
    """A page of the very host and port that are asked; a request without an origin comes from no page."""
    return origin is None or origin.partition("://")[2].lower() == request.host.authority

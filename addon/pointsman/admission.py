"""Admission: every decision about a client's request that its head alone allows.

A request arrives in one of three modes. At the router's own address everything is handled here: chat paths are routed,
other paths are own pages. In reverse mode, chat paths and the operators' pages are handled here, and the rest goes to
the target. In proxy mode, only chat paths on the hosts of `server.intercept` are routed; anything else is forwarded for
clients that `server.forward` allows. Where mitmproxy's own `proxyauth` is set, it decides about forwarding instead.

Chat paths at the router's own address and in reverse mode require a client's key. While there are no clients with
keys, they accept clients on this machine that use one of the router's host names and are not web pages of other sites.
In proxy mode the credential mostly belongs to the provider: the client's address admits it, its key in
`Proxy-Authorization`, or a credential that is the key of a client here, which then goes no further.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from math import inf

from pointsman.client_credentials import credentials, known_key_places, proxy_client
from pointsman.client_host import NO_HOST, ClientHost
from pointsman.clients.identity import ClientKeys
from pointsman.config import Server
from pointsman.config.enums import Dialect, Forward, Kind
from pointsman.host_names import OWN_HOST, is_address, is_loopback_name
from pointsman.web_origins import cors_headers, is_cross_site
from pointsman.wire.dialects.base import Dialect as DialectForm
from pointsman.wire.dialects.base import Purpose
from pointsman.wire.dialects.registry import DEFAULT, DIALECTS, Route, account_route, route_of_path
from pointsman.wire.errors import Code, Problem
from pointsman.wire.headers import Headers
from pointsman.wire.paths import StandardPath, standard_path

REVERSE_PAGES = ("/healthz", "/readyz", "/internal", "/api", "/static", "/sign-in")
"""What is ours in reverse mode besides chat paths and the dashboard at /."""
CHALLENGE = (("Proxy-Authenticate", 'Basic realm="pointsman"'),)
KEY_WANTED = "This proxy forwards requests of other machines with the client key only: send it as the proxy's password."
KEY_REQUIRED = "A client key is required: send it as a bearer token, x-api-key, api-key or x-goog-api-key."
UNKNOWN_KEY = (
    "The client key that was sent is not one of this router's. Send the key of a client in its configuration,"
    " not that of a provider."
)
LOCAL_ONLY = "This proxy forwards requests of this machine only; server.forward can allow others."
MAX_LENGTH_DIGITS = 18
"""Digits of a Content-Length that are worth reading: with thousands of them int() raises."""

type Kinds = frozenset[Kind]
ALL_KINDS: Kinds = frozenset(Kind)


class EntryMode(Enum):
    OWN = auto()
    REVERSE = auto()
    PROXY = auto()


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a client's request. `host` is where it wants to go, empty at our own door; header names are in
    lower case.
    """

    entry_mode: EntryMode
    method: str
    path: str = field(repr=False)
    host: str
    headers: Mapping[str, str] = field(repr=False)
    local: bool
    """The peer is on this machine: a loopback address, or mitmproxy's local mode."""
    tunnel_client: str | None = None
    """The client whose key an earlier CONNECT on this connection carried."""
    is_exempt: bool = False
    """`server.forward` does not apply: mitmproxy's `proxyauth` decides, or the mode is not a forward proxy's."""
    client_host: ClientHost = NO_HOST
    """The host name it used for the router."""
    kinds: Kinds = ALL_KINDS
    """Of the models that are configured: what asks for another kind, and is on its way elsewhere, is left alone."""

    @property
    def standard_path(self) -> str:
        return standard_path(self.path, self.entry_mode is EntryMode.OWN).path


class NotRouted(Enum):
    """The request is not handled here."""

    FORWARD = auto()


@dataclass(frozen=True, slots=True)
class OwnPage:
    """An own page."""


DASHBOARD = "dashboard"
"""The client on record of what is asked on the dashboard."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request to be routed: a chat, a question about one, or one of another endpoint."""

    dialect: Dialect
    entry_mode: EntryMode
    cors: Headers = ()
    """What lets a web page of this machine read the answer."""
    purpose: Purpose = Purpose.CHAT
    endpoint: DialectForm | None = field(default=None, repr=False)
    """What its path is about, unless it is a chat."""
    is_replay: bool = False
    """A flow replayed from mitmproxy's user interface, not a client's request."""
    may_pass: bool = True
    """It may go to its original host where no provider has its model."""
    client: str | None = None
    """The name of the client that asks; None: it sent no key that is known here."""
    is_from_dashboard: bool = False
    """It came from the playground: it counts for no client."""
    key_places: frozenset[str] = frozenset()
    """Headers that hold a client's key, and `QUERY_KEY` if the query does: they go to no other server."""
    is_socket: bool = False
    """It opens a WebSocket connection, which brings the requests."""

    @property
    def recorded_client(self) -> str | None:
        """The name of the client in logs, records and metrics."""
        return DASHBOARD if self.client is None and self.is_from_dashboard else self.client

    def with_path(self, path: str) -> "ChatRequest":
        """The same, for a path that may have been edited since."""
        route = route_of_path(self.standard_path(path).path)
        if route is None or route[:3] == (self.dialect, self.purpose, self.endpoint) or self.is_socket:
            return self
        return replace(self, dialect=route.dialect, purpose=route.purpose, endpoint=route.endpoint)

    @property
    def form(self) -> DialectForm:
        """How such requests are read, sent and answered."""
        return self.endpoint or DIALECTS[self.dialect]

    def standard_path(self, path: str) -> StandardPath:
        """In the spelling of its dialect."""
        return standard_path(path, self.entry_mode is EntryMode.OWN)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in the client's dialect, before its body is read."""

    dialect: Dialect
    problem: Problem
    headers: Headers = ()


type Decision = NotRouted | OwnPage | ChatRequest | Refusal


def admit(head: RequestHead, server: Server, keys: ClientKeys) -> Decision:
    """What to do with a request, judged by its head alone."""
    client = client_of(head, keys)
    decision = _receive(head, server, keys, client)
    if decision is not NotRouted.FORWARD and not isinstance(decision, ChatRequest):
        return decision
    problem = _not_forwarded(head, server, keys)
    if isinstance(decision, ChatRequest):
        is_own = head.entry_mode is EntryMode.OWN  # from where nothing goes elsewhere
        places = frozenset[str]() if is_own else known_key_places(head.headers, head.path, keys)
        if problem is None and not places:
            return decision
        return replace(decision, may_pass=problem is None, key_places=places)
    if problem is None:
        return decision
    route = route_of_path(head.standard_path)
    return Refusal(route.dialect if route else DEFAULT.name, problem, CHALLENGE)


def client_of(head: RequestHead, keys: ClientKeys) -> str | None:
    """The client whose key the request, or the tunnel that it came through, carries."""
    if not keys:
        return None
    if head.entry_mode is EntryMode.PROXY and (found := proxy_client(head.headers, keys) or head.tunnel_client):
        return found
    return keys.first_known(credentials(head.headers, head.path))


def _receive(head: RequestHead, server: Server, keys: ClientKeys, client: str | None) -> Decision:
    if head.method == "CONNECT":
        return NotRouted.FORWARD  # even to our own address: what comes through the tunnel is received by itself
    route = _route_of(head)
    if route is None:
        return _other_path(head)
    dialect = route.dialect
    if head.entry_mode is EntryMode.PROXY and (
        head.host.lower() not in server.intercept or is_cross_site(head.headers)
    ):
        return NotRouted.FORWARD  # a page of another site may spend its own credential, not ours
    if head.entry_mode is not EntryMode.PROXY and head.client_host.fault:
        return Refusal(dialect, Problem(Code.INVALID_REQUEST, head.client_host.fault))
    if head.method == "OPTIONS" and head.entry_mode is not EntryMode.PROXY:
        return OwnPage()  # a browser's preflight is no chat request
    is_socket = head.method == "GET" and "websocket" in head.headers.get("upgrade", "").lower()
    if is_socket and not (server.websocket and _takes_sockets(dialect, head.standard_path)):
        return Refusal(dialect, Problem(Code.UPGRADE_REQUIRED, "WebSocket is not supported here; use POST."))
    if is_socket and (problem := _foreign_page(head) or _access_problem(head, server, keys, client)):
        return Refusal(dialect, problem)
    if is_socket:
        return ChatRequest(dialect, head.entry_mode, is_socket=True, client=client)
    if head.method not in route.methods:
        methods = ", ".join(route.methods)
        allow = (("Allow", methods),)
        wrong = Problem(Code.METHOD_NOT_ALLOWED, f"{head.method} is not allowed here; this path takes {methods}.")
        return NotRouted.FORWARD if head.entry_mode is EntryMode.PROXY else Refusal(dialect, wrong, allow)
    if problem := _access_problem(head, server, keys, client) or _too_large(head, server):
        return Refusal(dialect, problem)
    readable = () if head.entry_mode is EntryMode.PROXY else cors_headers(head.headers)
    return ChatRequest(dialect, head.entry_mode, readable, route.purpose, route.endpoint, client=client)


def _route_of(head: RequestHead) -> Route | None:
    """None for what is not routed here. Elsewhere than at the router's own address, files and batches are those of the
    client's own account.
    """
    path, is_own = head.standard_path, head.entry_mode is EntryMode.OWN
    route = route_of_path(path)
    if route is None:
        return account_route(path, head.headers) if is_own else None
    return route if is_own or route.endpoint is None or route.endpoint.kind in head.kinds else None


def _not_forwarded(head: RequestHead, server: Server, keys: ClientKeys) -> Problem | None:
    """Why a request to somewhere else does not go there; None when it does."""
    policy = forward_policy(server, keys)
    if head.entry_mode is not EntryMode.PROXY or head.is_exempt or head.local or policy is Forward.OPEN:
        return None
    client = proxy_client(head.headers, keys) or head.tunnel_client
    has_key = client is not None and not keys.is_disabled(client)
    if policy is Forward.KEY:
        return None if has_key else Problem(Code.PROXY_AUTH_REQUIRED, KEY_WANTED)
    if has_key and head.method == "CONNECT" and head.host.lower() in server.intercept:
        return None  # chat requests may come through the tunnel; whatever else does is refused there
    return Problem(Code.PROXY_AUTH_REQUIRED, LOCAL_ONLY)


def forward_policy(server: Server, keys: ClientKeys) -> Forward:
    """`server.forward`, or what it is where it is not written."""
    return server.forward or (Forward.KEY if keys else Forward.LOCAL)


def admit_replay(head: RequestHead, server: Server) -> ChatRequest | NotRouted:
    """What to do with a replayed request, whose credential is masked. Who replays it need not be let in."""
    route = _route_of(head)
    is_foreign = head.entry_mode is EntryMode.PROXY and head.host.lower() not in server.intercept
    if route is None or head.method not in route.methods or is_foreign:
        return NotRouted.FORWARD
    return ChatRequest(route.dialect, head.entry_mode, purpose=route.purpose, endpoint=route.endpoint, is_replay=True)


def _other_path(head: RequestHead) -> Decision:
    path = head.path.partition("?")[0]
    ours = head.entry_mode is EntryMode.OWN or (
        head.entry_mode is EntryMode.REVERSE
        and (path == "/" or any(path == page or path.startswith(f"{page}/") for page in REVERSE_PAGES))
    )
    return OwnPage() if ours else NotRouted.FORWARD


def _access_problem(head: RequestHead, server: Server, keys: ClientKeys, client: str | None) -> Problem | None:
    if head.entry_mode is EntryMode.PROXY:
        if keys.is_disabled(client):
            return disabled_client(client)
        if head.local or client is not None:
            return None
        return Problem(
            Code.INVALID_API_KEY,
            "This proxy routes chat requests from this machine only, unless a client key is sent as proxy password.",
        )
    return client_problem(client, head.headers, head.local, head.client_host, server, keys, head.path)


def client_problem(
    client: str | None,
    headers: Mapping[str, str],
    local: bool,
    client_host: ClientHost,
    server: Server,
    keys: ClientKeys,
    path: str = "",
) -> Problem | None:
    """Why a request of this client may not use our own chat paths and model list; None when it may. `path` may have a
    key in its query.
    """
    if keys:
        if client is not None:
            return disabled_client(client) if keys.is_disabled(client) else None
        return Problem(Code.INVALID_API_KEY, UNKNOWN_KEY if credentials(headers, path) else KEY_REQUIRED)
    if not local:
        return Problem(
            Code.INVALID_API_KEY, "Without a configured client key, only clients on this machine are served."
        )
    if not is_own_name(client_host, server):
        return foreign_name(client_host)
    if is_cross_site(headers):
        return Problem(Code.FORBIDDEN, "Web pages of other sites may not use this router unless a client key is set.")
    return None


def disabled_client(client: str | None) -> Problem:
    return Problem(
        Code.FORBIDDEN,
        f"The client {client} is disabled; its key is refused until the operator of this router enables it.",
    )


def _takes_sockets(dialect: Dialect, path: str) -> bool:
    sockets = DIALECTS[dialect].sockets
    return sockets is not None and sockets.takes(path.partition("?")[0])


def _foreign_page(head: RequestHead) -> Problem | None:
    """Browsers let the pages of any site open WebSocket connections, and show them what they get."""
    if head.entry_mode is not EntryMode.PROXY and is_cross_site(head.headers):
        return Problem(Code.FORBIDDEN, "Web pages of other sites may not open WebSocket connections to this router.")
    return None


def _too_large(head: RequestHead, server: Server) -> Problem | None:
    length = head.headers.get("content-length", "")
    if not length.isdecimal():
        return None  # not announced, or in a way that is refused elsewhere
    size = int(length) if len(length) <= MAX_LENGTH_DIGITS else inf
    if size <= server.max_body:
        return None
    return Problem(
        Code.REQUEST_TOO_LARGE, f"The request body has {size} bytes; server.max_body allows {server.max_body}."
    )


def is_own_name(client_host: ClientHost, server: Server) -> bool:
    """No page can have made this name point here: it belongs to this machine, or the operator has listed it."""
    name = client_host.name
    return (
        is_loopback_name(name)
        or is_address(name)
        or name == OWN_HOST
        or name in server.hosts
        or client_host.is_target  # whose pages come from our own address in reverse mode
    )


def foreign_name(client_host: ClientHost) -> Problem:
    """Refuses a request under a name that may have been made to point here."""
    if not client_host.name:
        return Problem(
            Code.FORBIDDEN,
            "Refused: the request has no host name. Send one, or set server.client_key and send the key.",
        )
    return Problem(
        Code.FORBIDDEN,
        f"Refused: unknown host name {client_host.name[:100]}."
        " If it is one of its own, add it to server.hosts, or set server.client_key and send the key.",
    )

"""Admission of real clients: what `admission` decides, with what mitmproxy and this process know of a client beside its
request's head. That is the mode it came in by, the CONNECTs that carried the client key, and the wrong keys of its
address.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

from mitmproxy import ctx, http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import Socks5Mode
from mitmproxy.utils import human

from pointsman.admission import (
    ChatRequest,
    Decision,
    EntryMode,
    NotRouted,
    Refusal,
    RequestHead,
    admit,
    admit_replay,
    forward_policy,
)
from pointsman.auth_throttle import AuthThrottle, check_throttle
from pointsman.client_credentials import QUERY_KEY, credentials, known_key_places, proxy_client, proxy_password
from pointsman.clients.identity import ClientKeys
from pointsman.config import Forward, Server, Settings
from pointsman.config.clients import KeyHash, hash_key
from pointsman.recording.flow_notes import entry_mode_of
from pointsman.transport import entry_mode
from pointsman.transport.own_listeners import listening
from pointsman.wire.dialects.registry import DEFAULT
from pointsman.wire.errors import Code, Problem
from pointsman.wire.query import without_key


class ClientAdmission:
    """One per gateway."""

    def __init__(self, settings: Settings) -> None:
        self.throttle = AuthThrottle()
        """Of clients' keys."""
        self.trusted_connections: dict[str, KeyHash] = {}
        """The key that the CONNECT of a client connection carried, by the connection's id, until it ends."""
        self.update_settings(settings)

    def update_settings(self, settings: Settings) -> None:
        """Call it for new settings and for new options: no body may be larger than mitmproxy's own limit."""
        server: Server = settings.server
        self.keys = ClientKeys(settings.clients)
        self.kinds = frozenset(kind for _, model in settings.targets() for kind in model.kind)
        limit = human.parse_size(ctx.options.body_size_limit)
        is_lower = limit is not None and limit < server.max_body
        self.server = server.model_copy(update={"max_body": limit}) if is_lower else server

    def admit(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision:
        """What to do with a client's request. Takes clients' keys out of what goes elsewhere."""
        client, proxyauth = context.client, has_proxyauth()
        tunnel_client, local = self._tunnel_client(client), entry_mode.is_local(client)
        head = entry_mode.request_head(request, context, mode, listening, tunnel_client, local, proxyauth, self.kinds)
        decision = admit(head, self.server, self.keys)
        if decision is NotRouted.FORWARD and (places := known_key_places(head.headers, head.path, self.keys)):
            remove_keys(request, places)
        if head.entry_mode is EntryMode.PROXY:
            return self._admit_to_proxy(decision, head, request, client, proxyauth)
        if isinstance(decision, ChatRequest | Refusal) and credentials(head.headers, head.path):
            return self._throttled(decision, _problem(decision), head, client)
        return decision

    def _tunnel_client(self, client: Client) -> str | None:
        return self.keys.client_of_hash(self.trusted_connections.get(client.id))

    def admit_replay(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        local = entry_mode.is_local(context.client)
        head = entry_mode.request_head(flow.request, context, mode, listening, None, local, kinds=self.kinds)
        head = replace(head, entry_mode=entry_mode_of(flow) or head.entry_mode)
        return admit_replay(head, self.server)

    def forwarding_problem(self, client: Client) -> str | None:
        """Why nothing is dialled for this client, whatever it asks for; None where each request is judged by itself."""
        if entry_mode.is_local(client) or not entry_mode.is_forward_proxy(client) or has_proxyauth():
            return None
        policy, is_socks = forward_policy(self.server, self.keys), isinstance(client.proxy_mode, Socks5Mode)
        if policy is Forward.LOCAL or (policy is Forward.KEY and is_socks):
            return "server.forward lets only clients on this machine connect to other servers this way."
        return None

    def _admit_to_proxy(
        self, decision: Decision, head: RequestHead, request: http.Request, client: Client, proxyauth: bool
    ) -> Decision:
        """`proxyauth`: mitmproxy checks the proxy's password, and takes it out, itself."""
        has_key = proxy_client(head.headers, self.keys) is not None
        has_sent_any = "proxy-authorization" in head.headers and not proxyauth
        if not proxyauth and has_key:
            del request.headers["proxy-authorization"]  # it was meant for this proxy, and goes no further
            decision = self._throttled(decision, None, head, client)
        elif isinstance(decision, Refusal) and (has_sent_any or _has_wrong_key(decision, head)):
            decision = self._throttled(decision, decision.problem, head, client)
        elif isinstance(decision, ChatRequest) and decision.key_places and not head.local:
            decision = self._throttled(decision, None, head, client)
        if has_key and head.method == "CONNECT" and decision is NotRouted.FORWARD:
            self.trusted_connections[client.id] = hash_key(proxy_password(head.headers) or "")
        return decision

    def _throttled(self, decision: Decision, problem: Problem | None, head: RequestHead, client: Client) -> Decision:
        """Refuses addresses that sent too many wrong keys. `problem` is what is wrong with this key."""
        found = check_throttle(self.throttle, problem, client.peername[0], head.local, time.monotonic())
        if found is None or found is problem:
            return decision
        return Refusal(decision.dialect if isinstance(decision, ChatRequest | Refusal) else DEFAULT.name, found)


def remove_keys(request: http.Request, places: Iterable[str]) -> None:
    """Takes the keys of clients out of a request to another server."""
    for place in places:
        if place == QUERY_KEY:
            request.path = without_key(request.path)
        else:
            request.headers.pop(place, None)


def _problem(decision: Decision) -> Problem | None:
    return decision.problem if isinstance(decision, Refusal) else None


def _has_wrong_key(decision: Refusal, head: RequestHead) -> bool:
    """The request was to be routed, and none of its credentials is a client's key."""
    return decision.problem.code is Code.INVALID_API_KEY and bool(credentials(head.headers, head.path))


def has_proxyauth() -> bool:
    """mitmproxy itself asks the proxy's clients for a password."""
    return bool(getattr(ctx.options, "proxyauth", None))

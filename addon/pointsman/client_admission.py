"""Admission of real clients: what `admission` decides, with what mitmproxy and this process know of a client beside its
request's head. That is the mode it came in by, the CONNECTs that carried the client key, and the wrong keys of its
address.
"""

import time
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
    credentials,
    has_proxy_client_key,
)
from pointsman.auth_throttle import AuthThrottle, check_throttle
from pointsman.config import Forward, Server, Settings
from pointsman.recording.flow_notes import entry_mode_of
from pointsman.transport import entry_mode
from pointsman.transport.own_listeners import listening
from pointsman.wire.dialects.registry import DEFAULT
from pointsman.wire.errors import Problem


class ClientAdmission:
    """One per gateway."""

    def __init__(self, settings: Settings) -> None:
        self.throttle = AuthThrottle()
        """Of the client key."""
        self.trusted_connections: set[str] = set()
        """Ids of client connections whose CONNECT carried the client key, until they end."""
        self.update_settings(settings)

    def update_settings(self, settings: Settings) -> None:
        """Call it for new settings and for new options: no body may be larger than mitmproxy's own limit."""
        server: Server = settings.server
        self.kinds = frozenset(kind for _, model in settings.targets() for kind in model.kind)
        limit = human.parse_size(ctx.options.body_size_limit)
        is_lower = limit is not None and limit < server.max_body
        self.server = server.model_copy(update={"max_body": limit}) if is_lower else server

    def admit(self, request: http.Request, context: Context, mode: HTTPMode) -> Decision:
        """What to do with a client's request. Takes the client key out of a proxy request's headers."""
        client, proxyauth = context.client, has_proxyauth()
        is_trusted, local = client.id in self.trusted_connections, entry_mode.is_local(client)
        head = entry_mode.request_head(request, context, mode, listening(), is_trusted, local, proxyauth)
        head = replace(head, kinds=self.kinds)
        decision = admit(head, self.server)
        if head.entry_mode is EntryMode.PROXY:
            return self._admit_to_proxy(decision, head, request, client, proxyauth)
        if isinstance(decision, ChatRequest | Refusal) and credentials(head.headers, head.path):
            return self._throttled(decision, _problem(decision), head, client)
        return decision

    def admit_replay(self, flow: http.HTTPFlow, context: Context, mode: HTTPMode) -> Decision:
        local = entry_mode.is_local(context.client)
        head = entry_mode.request_head(flow.request, context, mode, listening(), vouched=True, local=local)
        head = replace(head, entry_mode=entry_mode_of(flow) or head.entry_mode, kinds=self.kinds)
        return admit_replay(head, self.server)

    def forwarding_problem(self, client: Client) -> str | None:
        """Why nothing is dialled for this client, whatever it asks for; None where each request is judged by itself."""
        if entry_mode.is_local(client) or not entry_mode.is_forward_proxy(client) or has_proxyauth():
            return None
        policy, is_socks = self.server.forwards, isinstance(client.proxy_mode, Socks5Mode)
        if policy is Forward.LOCAL or (policy is Forward.KEY and is_socks):
            return "server.forward lets only clients on this machine connect to other servers this way."
        return None

    def _admit_to_proxy(
        self, decision: Decision, head: RequestHead, request: http.Request, client: Client, proxyauth: bool
    ) -> Decision:
        """`proxyauth`: mitmproxy checks the proxy's password, and takes it out, itself."""
        has_key = has_proxy_client_key(head.headers, self.server)
        if not proxyauth and has_key:
            del request.headers["proxy-authorization"]  # it was meant for this proxy, and goes no further
            decision = self._throttled(decision, None, head, client)
        elif not proxyauth and isinstance(decision, Refusal) and "proxy-authorization" in head.headers:
            decision = self._throttled(decision, decision.problem, head, client)
        if has_key and head.method == "CONNECT" and decision is NotRouted.FORWARD:
            self.trusted_connections.add(client.id)
        return decision

    def _throttled(self, decision: Decision, problem: Problem | None, head: RequestHead, client: Client) -> Decision:
        """Refuses addresses that sent too many wrong keys. `problem` is what is wrong with this key."""
        found = check_throttle(self.throttle, problem, client.peername[0], head.local, time.monotonic())
        if found is None or found is problem:
            return decision
        return Refusal(decision.dialect if isinstance(decision, ChatRequest | Refusal) else DEFAULT.name, found)


def _problem(decision: Decision) -> Problem | None:
    return decision.problem if isinstance(decision, Refusal) else None


def has_proxyauth() -> bool:
    """mitmproxy itself asks the proxy's clients for a password."""
    return bool(getattr(ctx.options, "proxyauth", None))

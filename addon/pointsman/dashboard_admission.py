"""Admission of the dashboard's playground: it uses the chat paths like any client, but with its login session instead
of a client key, so that the page never has one.
"""

from dataclasses import replace

from mitmproxy import http
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode

from pointsman.admission import ChatRequest, Decision, EntryMode, Refusal, RequestHead, admit_replay
from pointsman.config import Server
from pointsman.transport import entry_mode
from pointsman.transport.own_listeners import listening
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.http import PageRequest
from pointsman.web.openapi import CSRF_HEADER
from pointsman.wire.errors import Code

CSRF_BYTES = CSRF_HEADER.lower().encode()


def admit_session(
    decision: Decision, request: http.Request, context: Context, mode: HTTPMode, server: Server, access: AccessControl
) -> Decision:
    """The decision, unless the request comes from the dashboard with a valid login: with the session's cookie
    and its CSRF token, from its own page. Such a request needs no client key.
    """
    lacks_key = isinstance(decision, Refusal) and decision.problem.code is Code.INVALID_API_KEY
    is_nameless = isinstance(decision, ChatRequest) and decision.client is None
    if not (lacks_key or is_nameless) or not _has_csrf_token(request):
        return decision
    local = entry_mode.is_local(context.client)
    head = entry_mode.request_head(request, context, mode, listening, None, local)
    path, _, query = head.path.partition("?")
    page = PageRequest(
        head.method, path, query, dict(head.headers), b"", local, context.client.peername[0], head.client_host,
        context.client.sockname[1],
    )  # fmt: skip
    is_elsewhere = head.entry_mode is EntryMode.PROXY or head.method != "POST"
    if is_elsewhere or access.session_of(page) is None or access.access_problem(AccessLevel.ADMIN, page):
        return decision
    admitted = _without_key(decision, head, server)
    return replace(admitted, is_from_dashboard=True) if isinstance(admitted, ChatRequest) else decision


def _has_csrf_token(request: http.Request) -> bool:
    """Without mitmproxy's copy of all headers, since this runs for every request of a client without a name."""
    return any(len(name) == len(CSRF_BYTES) and name.lower() == CSRF_BYTES for name, _ in request.headers.fields)


def _without_key(decision: Decision, head: RequestHead, server: Server) -> Decision:
    """What the decision would be if no client key were needed."""
    if isinstance(decision, ChatRequest):
        return decision
    admitted = admit_replay(head, server)
    return replace(admitted, is_replay=False) if isinstance(admitted, ChatRequest) else decision

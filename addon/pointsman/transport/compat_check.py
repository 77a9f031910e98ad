"""What this router relies on inside mitmproxy, compared at start with what it was tested with.

`mitmproxy.proxy.layers` is no documented interface. A method that is overridden or called here and that has changed
its signature would fail on some request, at some time; it is better to refuse to start and name it.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import clientplayback
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http, tls
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection
from mitmproxy.proxy.server import ConnectionHandler

EXPECTED_SIGNATURES: Mapping[Callable[..., Any], str] = {
    http.HttpStream.__init__: "(self, context, stream_id)",
    http.HttpStream._handle_event: "(self, event)",
    http.HttpStream.state_wait_for_request_headers: "(self, event)",
    http.HttpStream.state_consume_request_body: "(self, event)",
    http.HttpStream.state_wait_for_response_headers: "(self, event)",
    http.HttpStream.state_stream_response_body: "(self, event)",
    http.HttpStream.make_server_connection: "(self)",
    http.HttpStream.start_request_stream: "(self)",
    http.HttpStream.check_body_size: "(self, request)",
    http.HttpStream.check_invalid: "(self, request)",
    http.HttpStream.check_killed: "(self, emit_error_hook)",
    http.HttpStream.send_response: "(self, already_streamed)",
    http.HttpStream.flow_done: "(self)",
    http.HttpStream.handle_protocol_error: "(self, event)",
    http.HttpLayer.__init__: "(self, context, mode)",
    http.HttpLayer._handle_event: "(self, event)",
    http.HttpLayer.make_stream: "(self, stream_id)",
    http.HttpLayer.event_to_child: "(self, child, event)",
    http.Http1Server.__init__: "(self, context)",
    http.Http1Server._handle_event: "(self, event)",
    http.Http1Server.read_headers: "(self, event)",
    http.Http1Server.read_body: "(self, event)",
    http.Http1Server.mark_done: "(self, request, response)",
    http.Http1Server.wait: "(self, event)",
    tls.ClientTLSLayer.receive_handshake_data: "(self, data)",
    tls.ClientTLSLayer.on_handshake_error: "(self, err)",
    AddonManager._iter_hooks: "(self, addon, event)",
    AddonManager.trigger: "(self, event)",
    AddonManager.trigger_event: "(self, event)",
    ChunkedReader.__call__: "(self, buf)",
    ReceiveBuffer.maybe_extract_lines: "(self)",
    ReceiveBuffer.maybe_extract_next_line: "(self)",
    ReceiveBuffer._extract: "(self, count)",
    layer.Layer.handle_event: "(self, event)",
    ConnectionHandler.handle_hook: "(self, hook)",
    ConnectionHandler.server_event: "(self, event)",
    ConnectionHandler.drain_writers: "(self)",
    ConnectionHandler.close_connection: "(self, connection, half_close)",
    clientplayback.ReplayHandler.__init__: "(self, flow, options)",
    clientplayback.ClientPlayback.check: "(self, f)",
    clientplayback.ClientPlayback.playback: "(self)",
    Flow.kill: "(self)",
    TlsConfig.configure: "(self, updated)",
    View.add: "(self, flows)",
    View.remove: "(self, flows)",
    View.resolve: "(self, flow_spec)",
    View.store_count: "(self)",
    BufferedH2Connection.send_data: "(self, stream_id, data, end_stream, pad_length)",
}


def signature_differences(tested: Mapping[Callable[..., Any], str] = EXPECTED_SIGNATURES) -> list[str]:
    """A line for each method whose parameters are not what they were; empty when all is well."""
    found = ((function, _parameters(function), expected) for function, expected in tested.items())
    return [
        f"{f.__module__}.{f.__qualname__}: expected {expected}, found {now}"
        for f, now, expected in found
        if now != expected
    ]


def _parameters(function: Callable[..., Any]) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"

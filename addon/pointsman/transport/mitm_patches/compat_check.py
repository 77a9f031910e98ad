"""What this router relies on inside mitmproxy, aiohttp and h11, compared at start with what it was tested with.

None of it is a documented interface. A method that is overridden or called here and has changed its parameters, or an
attribute that is gone, would fail on some request, at some time; it is better to refuse to start and name it.
"""

import asyncio
import dis
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from aiohttp import ClientResponse, StreamReader, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, Connection
from h11._readers import ChunkedReader, ContentLengthReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import clientplayback
from mitmproxy.addons.proxyserver import Proxyserver, Servers
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.hooks import Hook
from mitmproxy.http import Headers, RequestData, ResponseData
from mitmproxy.master import Master
from mitmproxy.net.http.http1 import read
from mitmproxy.optmanager import _Option
from mitmproxy.proxy import context, layer
from mitmproxy.proxy.layers import http, tls
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO, TimeoutWatchdog

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
    http.HttpStream.passthrough: "(self, event)",
    http.HttpStream.handle_protocol_error: "(self, event)",
    http.HttpConnection.__init__: "(self, context, conn)",
    http.HttpConnection._handle_event: "(self, event)",
    http.HttpLayer.__init__: "(self, context, mode)",
    http.HttpLayer._handle_event: "(self, event)",
    http.HttpLayer.make_stream: "(self, stream_id)",
    http.HttpLayer.event_to_child: "(self, child, event)",
    http.Http1Server.__init__: "(self, context)",
    http.Http1Server._handle_event: "(self, event)",
    http.Http1Server.send: "(self, event)",
    http.Http1Server.read_headers: "(self, event)",
    http.Http1Server.read_body: "(self, event)",
    http.Http1Server.mark_done: "(self, request, response)",
    http.Http1Server.wait: "(self, event)",
    tls.ClientTLSLayer.receive_handshake_data: "(self, data)",
    tls.ClientTLSLayer.on_handshake_error: "(self, err)",
    read.read_request_head: "(lines)",
    read._read_request_line: "(line)",
    read._read_headers: "(lines)",
    context.Context.__init__: "(self, client, options)",
    Headers.get_all: "(self, name)",
    Headers.get: "(self, key, default)",
    Headers.__contains__: "(self, key)",
    Hook.args: "(self)",
    _Option.current: "(self)",
    AddonManager._iter_hooks: "(self, addon, event)",
    AddonManager.trigger: "(self, event)",
    AddonManager.trigger_event: "(self, event)",
    ChunkedReader.__call__: "(self, buf)",
    asyncio.StreamReader.feed_data: "(self, data)",
    asyncio.StreamReader.read: "(self, n)",
    asyncio.StreamWriter.close: "(self)",
    ReceiveBuffer.maybe_extract_lines: "(self)",
    ReceiveBuffer.maybe_extract_next_line: "(self)",
    ReceiveBuffer._extract: "(self, count)",
    layer.Layer.__init__: "(self, context)",
    layer.Layer._handle_event: "(self, event)",
    layer.Layer.handle_event: "(self, event)",
    ConnectionHandler.__init__: "(self, context)",
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
    Servers.update: "(self, modes)",
    Proxyserver.setup_servers: "(self)",
    Master.run: "(self)",
    TimeoutWatchdog.register_activity: "(self)",
    BaseConnector.connect: "(self, req, traces, timeout)",
    TCPConnector._create_connection: "(self, req, traces, timeout)",
    ResponseHandler.__init__: "(self, loop)",
    ResponseHandler.data_received: "(self, data)",
    ResponseHandler.close: "(self)",
    ResponseHandler.connection_lost: "(self, exc)",
    BaseProtocol.resume_reading: "(self, resume_parser)",
    StreamReader._read_nowait: "(self, n)",
    StreamReader.read_nowait: "(self, n)",
    StreamReader.at_eof: "(self)",
    StreamReader.is_eof: "(self)",
    StreamReader.exception: "(self)",
    StreamReader.set_exception: "(self, exc, exc_cause)",
    AbstractResolver.resolve: "(self, host, port, family)",
}

CLASS_ATTRIBUTES: Mapping[type, tuple[str, ...]] = {
    http.HttpStream: (
        "child_layer",
        "state_consume_request_body",
        "state_done",
        "state_errored",
        "state_stream_response_body",
        "state_wait_for_request_headers",
        "state_wait_for_response_headers",
    ),
    http.Http1Server: ("done", "read_headers", "request", "request_done", "response", "state", "wait"),
    tls.ClientTLSLayer: ("client_hello_parsed",),
    TlsConfig: ("certstore",),
    Flow: ("error", "killable", "resume"),
    asyncio.StreamReader: ("_wait_for_data", "_wakeup_waiter"),
    ClientResponse: ("connection",),
    Connection: ("protocol", "transport"),
}
"""Looked up in the class."""

ANNOTATED_ATTRIBUTES: Mapping[type, tuple[str, ...]] = {
    http.HttpStream: ("flow",),
    http.Http1Server: ("body_reader",),
}
"""Set late, so looked up among the annotations of the class and its bases."""

INSTANCE_ATTRIBUTES: Mapping[type, tuple[str, ...]] = {
    layer.Layer: ("context", "_paused_event_queue"),
    Flow: ("intercepted", "live"),
    layer.NextLayer: ("layer",),
    context.Context: ("client", "layers", "options", "server"),
    http.HttpStream: ("client_state", "request_body_buf", "server_state", "stream_id"),
    http.HttpLayer: ("connections", "mode", "streams"),
    http.Http1Server: ("buf", "conn", "stream_id"),
    http.Http2Server: ("h2_conn",),
    BufferedH2Connection: ("stream_buffers",),
    tls.ClientTLSLayer: ("recv_buffer",),
    ConnectionHandler: ("client", "layer", "timeout_watchdog", "transports"),
    ConnectionIO: ("handler", "reader", "writer"),
    TimeoutWatchdog: ("timeout",),
    clientplayback.ReplayHandler: ("layer",),
    AddonManager: ("chain", "lookup"),
    _Option: ("value", "_default"),
    Proxyserver: ("connections", "servers"),
    Servers: ("_instances",),
    ReceiveBuffer: ("_data",),
    ChunkedReader: ("_reading_trailer",),
    ContentLengthReader: ("_remaining",),
    asyncio.StreamReader: ("_buffer", "_waiter", "_paused", "_transport", "_eof", "_exception"),
    TCPConnector: ("_factory",),
    ResponseHandler: ("_payload",),
    BaseProtocol: ("_reading_paused",),
    StreamReader: (
        "_buffer",
        "_buffer_offset",
        "_cursor",
        "_http_chunk_splits",
        "_protocol",
        "_size",
        "_timer",
    ),
}
"""Looked up among what `__init__` of the class and of its bases assigns: few of these classes can be made without a
connection or a loop.
"""

MESSAGE_FIELDS: Mapping[type, tuple[str, ...]] = {
    RequestData: (
        "http_version",
        "headers",
        "content",
        "trailers",
        "timestamp_start",
        "timestamp_end",
        "host",
        "port",
        "method",
        "scheme",
        "authority",
        "path",
    ),
    ResponseData: (
        "http_version",
        "headers",
        "content",
        "trailers",
        "timestamp_start",
        "timestamp_end",
        "status_code",
        "reason",
    ),
}
"""All fields of a dataclass that is filled without its `__init__`."""


def differences() -> list[str]:
    """A line for each method or attribute that is not what it was; empty if there is none."""
    return [*signature_differences(), *missing_attributes(), *changed_fields()]


def signature_differences(tested: Mapping[Callable[..., Any], str] = EXPECTED_SIGNATURES) -> list[str]:
    """A line for each method whose parameters are not what they were."""
    found = ((function, _parameters(function), expected) for function, expected in tested.items())
    return [f"{_name(f)}: expected {expected}, found {now}" for f, now, expected in found if now != expected]


def missing_attributes(
    in_class: Mapping[type, tuple[str, ...]] = CLASS_ATTRIBUTES,
    annotated: Mapping[type, tuple[str, ...]] = ANNOTATED_ATTRIBUTES,
    in_instance: Mapping[type, tuple[str, ...]] = INSTANCE_ATTRIBUTES,
) -> list[str]:
    """A line for each attribute that is gone."""
    lookups = ((in_class, _has_attribute), (annotated, _is_annotated), (in_instance, _is_assigned))
    return [
        f"{_name(owner)}.{name}: missing"
        for expected, is_there in lookups
        for owner, names in expected.items()
        for name in names
        if not is_there(owner, name)
    ]


def changed_fields(tested: Mapping[type, tuple[str, ...]] = MESSAGE_FIELDS) -> list[str]:
    """A line for each dataclass whose fields are not what they were."""
    found = ((owner, tuple(field.name for field in fields(owner)), expected) for owner, expected in tested.items())
    return [
        f"{_name(owner)}: expected the fields {', '.join(expected)}, found {', '.join(now)}"
        for owner, now, expected in found
        if set(now) != set(expected)
    ]


def _has_attribute(owner: type, name: str) -> bool:
    return hasattr(owner, name)


def _is_annotated(owner: type, name: str) -> bool:
    return any(name in _annotations(base) for base in owner.__mro__)


def _is_assigned(owner: type, name: str) -> bool:
    return any(name in _assigned_by_init(base) for base in owner.__mro__)


def _annotations(owner: type) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):  # where names that only type checkers import would raise
        import annotationlib

        return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(owner)


@cache
def _assigned_by_init(owner: type) -> set[str]:
    code = getattr(vars(owner).get("__init__"), "__code__", None)
    return {each.argval for each in dis.get_instructions(code) if each.opname == "STORE_ATTR"} if code else set()


def _name(thing: Callable[..., Any]) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _parameters(function: Callable[..., Any]) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"

"""mitmproxy's connections and contexts, made without the parts that are never used.

Why: each request makes two descriptions of a server. One tells which provider has answered; the other belongs to a copy
of the context, which replaces it at once. mitmproxy assigns each of their twenty fields by a method of its own.
Inner parts: `__new__` of `Server` and `Context`, the fields of `Server`, which has its defaults in the class, and all
attributes of `Context`.
Gain: see "Patches" in docs/measurements.md. Switch: `light_objects`.
"""

from typing import Any
from uuid import uuid4

from mitmproxy.connection import Server
from mitmproxy.proxy.context import Context

from pointsman.transport.mitm_patches.switches import switches


def new_server(**values: Any) -> Server:
    """A server with these fields. It may be open already, which mitmproxy allows only after it has got its address."""
    server = Server.__new__(Server) if switches().light_objects else Server(address=None)
    server.__dict__.update(values, id=str(uuid4()))
    return server


def fork(context: Context) -> Context:
    """The same, with layers of its own."""
    if not switches().light_objects:
        return context.fork()
    copy = Context.__new__(Context)
    copy.client, copy.options, copy.server = context.client, context.options, context.server
    copy.layers = context.layers.copy()
    return copy

"""A collector of traces that decodes what it is sent, as OpenTelemetry's own would."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from support.time_limit import LONGEST


@dataclass(frozen=True)
class Seen:
    """A span as it arrived. Ids are hexadecimal."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    start: int
    end: int
    status: int
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    """The ids of linked spans, with what the link says."""


@dataclass
class Collector:
    """`gate` is open unless a test closes it: requests wait before it."""

    url: str = ""
    resource: dict[str, Any] = field(default_factory=dict)
    spans: list[Seen] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        assert request.headers["content-type"] == "application/x-protobuf"
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.asked.set()
        await self.gate.wait()
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = values(group.resource.attributes)
            self.spans += [seen(span) for scope in group.scope_spans for span in scope.spans]
        taken = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=taken, content_type="application/x-protobuf")

    async def has(self, count: int) -> list[Seen]:
        """Waits for so many spans; those of exchanges first, in order of their start."""
        async with asyncio.timeout(LONGEST):
            while len(self.spans) < count:
                await asyncio.sleep(0.02)
        return sorted(self.spans, key=lambda span: (span.kind, span.start))


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    collector.gate.set()
    application = web.Application()
    application.router.add_post("/v1/traces", collector.receive)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    collector.url = f"http://{host}:{port}"
    try:
        yield collector
    finally:
        collector.gate.set()
        await runner.cleanup()


def seen(span: Any) -> Seen:
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code,
        values(span.attributes),
        [(link.span_id.hex(), values(link.attributes)["pointsman.link"]) for link in span.links],
    )


def values(attributes: Any) -> dict[str, Any]:
    return {each.key: plain(each.value) for each in attributes}


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [plain(each) for each in found.values] if kind == "array_value" else found

"""A receiver of traces: OTLP over HTTP, as protobuf (opentelemetry-proto, `opentelemetry/proto/collector/trace/v1`)."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Received:
    """One span."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    failed: bool


@dataclass
class Receiver:
    """What was received so far. While `broken`, it answers every request with 500."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)
    broken: bool = False
    refused: int = 0
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int, service: str = "yamcp-hub") -> list[Received]:
        """The spans of a service, as soon as there are so many."""
        async with asyncio.timeout(100):
            while len(found := [span for span in self.spans if span.service == service]) < count:
                self._news.clear()
                await self._news.wait()
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of a connection."""
        self.connections.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(lines["content-length"]))
                assert head.startswith("post /v1/traces "), head
                if self.broken:
                    self.refused += 1
                else:
                    self._take(gzip.decompress(body) if lines.get("content-encoding") == "gzip" else body)
                self._news.set()
                status = "500 Broken" if self.broken else "200 OK"
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()

    def _take(self, body: bytes) -> None:
        message = ExportTraceServiceRequest.FromString(body)
        for group in message.resource_spans:
            service = {pair.key: pair.value.string_value for pair in group.resource.attributes}["service.name"]
            for span in (each for scope in group.scope_spans for each in scope.spans):
                attributes = {pair.key: pair.value.string_value for pair in span.attributes}
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                self.spans.append(Received(service, span.name, span.kind, *ids, attributes, span.status.code == 2))


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        for connection in receiver.connections:
            connection.close()
        await server.wait_closed()

"""Sends spans to an OTLP endpoint over HTTP, and reports when that fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from bridge.errors import HubError
from bridge.settings import Settings
from sidecar.tracing.sampler import Sampler
from sidecar.tracing.tracing import TRACE_ID, ServerTracing, SpanIds, Tracing
from sidecar.version import VERSION

if TYPE_CHECKING:
    from sidecar.hub.hub import Hub
    from sidecar.observe.metrics import Metrics

log = logging.getLogger(__name__)


class TracesUnsent(HubError):
    """The collector of traces cannot be reached or rejects the traces. These traces are lost."""

    code = "TRACES_UNSENT"
    hint = "Check HUB_OTLP_ENDPOINT, and that the collector accepts OTLP over HTTP (usually port 4318): docs/tracing.md"


EXPORT_TIMEOUT_SECONDS = 5.0
MAX_QUEUED_SPANS = 4096
"""Spans that wait to be sent. Further ones are dropped."""
SEND_INTERVAL_MS = 1000
REST_SECONDS = 3.0
"""For which a stop of the hub waits until the last spans are sent."""


class ReportingExporter(SpanExporter):
    """Sends spans, counts them, and logs when sending begins to fail and when it succeeds again.

    It is called by the thread of BatchSpanProcessor, which keeps the event loop away from the network.
    """

    def __init__(self, exporter: SpanExporter, endpoint: str, metrics: Metrics) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._metrics = metrics
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        self._metrics.spans("failed" if failed else "sent", len(spans))
        if failed != self._failing:
            self._failing = failed
            if failed:
                error = TracesUnsent(f"Traces cannot be sent to {self._endpoint}.")
                log.warning(error.message, extra={"code": error.code, "hint": error.advice})
            else:
                log.info("traces are sent again", extra={"endpoint": self._endpoint})
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here."""
        return True


class TraceIdFilter(logging.Filter):
    """Adds the trace's id to each record of a traced request's task, as the field `trace`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        if trace := TRACE_ID.get():
            record.trace = trace
        return True


@contextlib.asynccontextmanager
async def traced(settings: Settings, hub: Hub, metrics: Metrics, redact: Callable[[str], str]) -> AsyncIterator[None]:
    """Trace the requests of a hub as long as the context lasts; then send what is left, for at most some seconds.

    The settings have an OTLP endpoint. `redact` masks secrets in the URIs of resources.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it logs each failure; see ReportingExporter
    endpoint = settings.traces_url
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_SECONDS)
    ids = SpanIds()
    provider = TracerProvider(
        id_generator=ids,
        resource=Resource.create({"service.name": "yamcp-hub", "service.version": VERSION}),
        span_limits=SpanLimits(max_span_attribute_length=1024),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            ReportingExporter(exporter, endpoint, metrics),
            max_queue_size=MAX_QUEUED_SPANS,
            schedule_delay_millis=SEND_INTERVAL_MS,
        )
    )
    tracing = Tracing(provider, ids, Sampler(settings.trace_share), redact)
    hub.admission.add_gate(tracing)
    hub.admission.add_observer(tracing)
    hub.server_gates.add_gate(ServerTracing(provider, ids))
    added = TraceIdFilter()
    for handler in logging.getLogger().handlers:
        handler.addFilter(added)
    log.info("traces are sent", extra={"endpoint": endpoint, "share": settings.trace_share})
    try:
        yield
    finally:
        await shut_down(provider, exporter, endpoint)


async def shut_down(provider: TracerProvider, exporter: SpanExporter, endpoint: str) -> None:
    """Send the spans that are left, for at most REST_SECONDS: the rest of the hub waits for this at its stop.

    The SDK would wait for 30 s for a receiver that does not answer. Its thread may still be sending when this returns;
    that does not keep the process alive.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def send_rest() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=send_rest, name="last traces", daemon=True).start()
    try:
        async with asyncio.timeout(REST_SECONDS):
            await done.wait()
    except TimeoutError:
        exporter.shutdown()  # nothing more is sent
        error = TracesUnsent(f"{endpoint} did not take the last traces within {REST_SECONDS:g} s.")
        log.warning(error.message, extra={"code": error.code, "hint": error.advice})

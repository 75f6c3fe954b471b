"""What a receiver of traces can do to a stop of the hub."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from sidecar.observe.metrics import Metrics
from sidecar.tracing import exporting
from sidecar.tracing.exporting import ReportingExporter, shut_down

pytestmark = pytest.mark.outside


async def test_a_receiver_that_never_answers_holds_up_no_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many spans wait: each batch of them would have the whole time of a request."""
    monkeypatch.setattr(exporting, "REST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system accepts its connections, and nobody answers
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=0.5)
        provider = TracerProvider(shutdown_on_exit=False)
        reporting = ReportingExporter(exporter, endpoint, Metrics())
        provider.add_span_processor(BatchSpanProcessor(reporting, max_queue_size=4096))
        tracer = provider.get_tracer("test")
        for _ in range(4000):
            tracer.start_span("s").end()
        begin = time.monotonic()
        await shut_down(provider, exporter, endpoint)
        assert time.monotonic() - begin < 2
        assert "TRACES_UNSENT" in {vars(record).get("code") for record in caplog.records}
        await asyncio.to_thread(sending_threads_end)


def sending_threads_end() -> None:
    """The SDK's thread ends soon after, as nothing more is sent."""
    for thread in threading.enumerate():
        if thread.name in ("OtelBatchSpanRecordProcessor", "last traces"):
            thread.join(30)
            assert not thread.is_alive()

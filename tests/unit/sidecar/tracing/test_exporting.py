"""What a receiver of traces can do to a stop of the hub."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, NoReturn

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from sidecar.observe.metrics import Metrics
from sidecar.tracing import exporting
from sidecar.tracing.exporting import ReportingExporter, shut_down
from tests.support.fake_server import within

ENDPOINT = "http://127.0.0.1:9/v1/traces"


class Unanswered(requests.Session):
    """Its requests wait until the end of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def request(self, *_: Any, **__: Any) -> NoReturn:
        """Nobody answers."""
        self.over.wait(100)
        raise requests.ConnectionError


async def test_a_receiver_that_never_answers_holds_up_no_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many spans wait: it does not wait for the first batch of them."""
    monkeypatch.setattr(exporting, "REST_SECONDS", 0.1)
    session = Unanswered()
    exporter = OTLPSpanExporter(endpoint=ENDPOINT, session=session)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ReportingExporter(exporter, ENDPOINT, Metrics())))
    tracer = provider.get_tracer("test")
    for _ in range(1000):
        tracer.start_span("s").end()
    await within(shut_down(provider, exporter, ENDPOINT))
    assert "TRACES_UNSENT" in {vars(record).get("code") for record in caplog.records}
    session.over.set()
    await asyncio.to_thread(sending_threads_end)


def sending_threads_end() -> None:
    """The SDK's thread ends soon after, as nothing more is sent."""
    for thread in threading.enumerate():
        if thread.name in ("OtelBatchSpanRecordProcessor", "last traces"):
            thread.join(100)
            assert not thread.is_alive()

"""The parts of the sidecar that only some hubs have. Each is imported only where it is configured."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bridge.settings import Settings
    from sidecar.admission.admission import Admission
    from sidecar.concurrency.open_requests import OpenRequests
    from sidecar.hub.hub import Hub
    from sidecar.observe.metrics import Metrics
    from sidecar.observe.redaction import Redactor
    from sidecar.replicas.forwarding import Forwarding


def traced(
    settings: Settings, hub: Hub, metrics: Metrics, redactor: Redactor
) -> contextlib.AbstractAsyncContextManager[None]:
    """Trace requests while the context is open, where an OTLP endpoint is configured."""
    if not settings.otlp_endpoint:
        return contextlib.nullcontext()
    from sidecar.tracing import exporting  # noqa: PLC0415

    return exporting.traced(settings, hub, metrics, redactor)


def forwarding(
    endpoints: ASGIApp, settings: Settings, admission: Admission, requests: OpenRequests
) -> Forwarding | None:
    """The layer that hands requests to other replicas; None where HUB_REPLICAS is not set.

    Raises:
        SettingInvalid: the file with the secret of the replicas cannot be used.
    """
    if not settings.replicas:
        return None
    from sidecar.replicas.forwarding import Forwarding  # noqa: PLC0415
    from sidecar.replicas.signature import PURPOSE  # noqa: PLC0415

    key = settings.replica_key(PURPOSE)
    assert key is not None  # noqa: S101  # HUB_REPLICAS is set
    return Forwarding(endpoints, settings, key, admission, requests)

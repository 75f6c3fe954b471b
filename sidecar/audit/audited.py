"""Puts the records of requests and sessions into the spool, where the history is on."""

from __future__ import annotations

from collections.abc import Callable

from bridge.models import Snapshot
from bridge.settings import Settings
from sidecar.admission.admission import Admission
from sidecar.audit.bodies import BodyRecorder
from sidecar.audit.writer import AuditWriter
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor


def audited(
    settings: Settings,
    admission: Admission,
    on_applied: list[Callable[[Snapshot], None]],
    metrics: Metrics,
    redactor: Redactor,
) -> AuditWriter | None:
    """Make the writer of records, an observer of all requests, if the history is on.

    Its `run` writes, `close` ends it. `on_applied` is called with each snapshot that is applied.
    """
    if not settings.history:
        return None
    audit = AuditWriter(settings.spool_dir, settings.spool_max_mb * 1_000_000, metrics.records_lost, redactor)
    admission.add_observer(audit.observer)
    admission.session_observers = (audit.observer,)
    on_applied.append(BodyRecorder(admission, audit.observer, redactor, settings.history_body_bytes).applied)
    return audit

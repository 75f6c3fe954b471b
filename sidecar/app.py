"""The sidecar application: creates all parts, runs them, and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from typing import Any

from bridge import logs
from bridge.codec import new_session
from bridge.keys import Keyring
from bridge.models import Event, NoteRefusals
from bridge.private import make_directory
from bridge.server import BridgeServer, EventPublisher, Handlers
from bridge.settings import Settings, listed
from bridge.sockets import ZMQ
from bridge.transport import Transport
from sidecar.audit.bodies import BodyRecorder
from sidecar.audit.writer import AuditWriter
from sidecar.calls.fastmcp_server import warm_up
from sidecar.channels.connections import Connections
from sidecar.containers.service import Containers, hub_name
from sidecar.downstream.router import Router
from sidecar.downstream.sse import SseTransport
from sidecar.downstream.streamable import HttpTransport
from sidecar.hub.bridge_api import BridgeApi
from sidecar.hub.hub import Hub
from sidecar.hub.reconciler import Reconciler
from sidecar.hub.status import StatusReporter
from sidecar.large.reader import LargeReader
from sidecar.listener.auth import Gate
from sidecar.listener.public_port import PublicPort
from sidecar.listener.refusals import Refusals
from sidecar.listener.server import HttpServer, listening
from sidecar.local_key import load_key
from sidecar.observe.call_history import Recorder
from sidecar.observe.log_buffer import SERVER_LOGGER, LogBuffer, RateLimit
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.spawner.client import Spawner
from sidecar.upstream.connector import Connector
from sidecar.upstream.fingerprint import fingerprint
from sidecar.upstream.pool import Pool

log = logging.getLogger(__name__)


class App:
    """The parts of one sidecar process. Set `stop` to end `run`."""

    def __init__(self, settings: Settings, transport: Transport = ZMQ) -> None:
        self.settings = settings
        self.redactor = Redactor()
        self.metrics = Metrics()
        self.publisher = EventPublisher(settings.events_address, transport=transport)
        self.logs = LogBuffer(logs.configure("sidecar", settings.log_level, self.redactor), self._publish_record)
        self.hub = Hub(settings, self.metrics, self.redactor, self.publisher.publish)
        self.audit = self._audit() if settings.history else None
        applied = settings.data_dir / "applied.json"
        self.reconciler = Reconciler(self.hub, applied, settings.adapter_grace, self.metrics, self.publisher.publish)
        session = self.session = new_session()
        self.reporter = StatusReporter(self.hub, self.reconciler, settings, self.redactor, session)
        self.sse = SseTransport(settings, self.hub.admission)
        self.streamable = HttpTransport(settings, self.hub.admission)
        self.recorder = Recorder(self.metrics)
        api = BridgeApi(self.hub, self.reconciler, self.reporter, self.logs, self.recorder, self._key_uses)
        handlers: Handlers = {**api.handlers(), NoteRefusals: Refusals(self.hub.admission).note}
        self.bridge = BridgeServer(settings.actual_address, handlers, session=session, transport=transport)
        endpoints = Router(self.hub, self.sse, self.streamable, self.reporter, self.metrics, settings)
        self.gate = self._authenticated(endpoints) if settings.protected else None
        self.http = HttpServer(self.gate or endpoints, settings, self.metrics.connection_ended)
        self.public = PublicPort(settings, self.http, self.gate)
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop` is set.

        Raises:
            PortTaken: HUB_SIDECAR_PORT is in use.
            AddressTaken: the Unix socket of a protected hub is in use.
        """
        self._watch_signals()
        logging.getLogger().addHandler(self.logs)
        logging.getLogger(SERVER_LOGGER).addFilter(RateLimit())
        for name in ("mcp", "uvicorn", "fastmcp"):  # their info messages contain session ids, and repeat the hub's
            logging.getLogger(name).setLevel(logging.WARNING)
        make_directory(self.settings.data_dir)
        with listening(self.settings) as listener:
            await warm_up()
            try:
                await self._serve(listener)
            finally:
                if self.audit:
                    await self.audit.close()

    async def _serve(self, listener: socket.socket) -> None:
        async with (
            self.publisher,
            Spawner(self.settings.runtime) as spawner,
            LargeReader(spawner) as large,
            Connections(large.read) as connections,
            self._traced(),
            asyncio.TaskGroup() as tasks,
        ):
            containers = self._containers(spawner)
            tasks.create_task(self.hub.run(self._pool(spawner, connections, containers), self.stop))
            loops = (
                self.bridge.serve(),
                self.reconciler.run(),
                self.recorder.run(),
                self.reporter.run(),
                containers.run(),
            )
            services = [tasks.create_task(loop) for loop in loops]
            if self.audit:
                services.append(tasks.create_task(self.audit.run()))
            tasks.create_task(self.sse.run(self.stop))
            tasks.create_task(self.streamable.run(self.stop))
            tasks.create_task(self.http.serve_until(self.stop, listener))
            tasks.create_task(self.public.run(self.stop))
            if self.gate:
                tasks.create_task(self.gate.run(self.stop))
            where = str(self.settings.sidecar_socket) if self.settings.protected else self.settings.sidecar_url
            log.info("sidecar started", extra={"url": where, "pid": os.getpid()})
            await self.stop.wait()
            log.info("sidecar stopping")
            for service in services:
                service.cancel()

    def _audit(self) -> AuditWriter:
        audit = AuditWriter(self.settings.spool_dir, self.settings.spool_max_mb * 1_000_000, self.metrics.records_lost)
        self.hub.admission.add_observer(audit.observer)
        self.hub.admission.session_observers = (audit.observer,)
        most = self.settings.history_body_bytes
        self.hub.on_applied = BodyRecorder(self.hub.admission, audit.observer, self.redactor, most).applied
        return audit

    def _traced(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Traces requests where an OTLP endpoint is configured. OpenTelemetry is imported only then."""
        if not self.settings.otlp_endpoint:
            return contextlib.nullcontext()
        from sidecar.tracing.exporting import traced  # noqa: PLC0415

        return traced(self.settings, self.hub, self.metrics)

    def _authenticated(self, endpoints: Router) -> Gate:
        keyring = Keyring(self.settings)
        if self.settings.token:
            self.redactor.add("", {self.settings.token.get_secret_value()})
        self.hub.named_keys = lambda: keyring.named
        return Gate(endpoints, keyring, lambda: self.hub.keys_changed(keyring.current), self.hub.admission)

    def _key_uses(self) -> dict[str, float]:
        """The time of each named key's last request (Unix time), by key id; empty in an unprotected hub."""
        return self.gate.last_uses(self.hub.key_workspaces.last_uses()) if self.gate else {}

    def _containers(self, spawner: Spawner) -> Containers:
        data_dir = self.settings.data_dir
        name = hub_name(load_key(data_dir / "fingerprint.key"), data_dir)
        containers = Containers(spawner, self.settings, name, self.session)
        self.reporter.container_hints = containers.hints
        return containers

    def _pool(self, spawner: Spawner, connections: Connections, containers: Containers) -> Pool:
        key = load_key(self.settings.data_dir / "fingerprint.key")
        return Pool(
            connector=Connector(
                spawner, connections, self.redactor, tuple(listed(self.settings.pass_env)), containers=containers
            ),
            prepare=containers.prepare,
            fingerprint=lambda spec: fingerprint(spec, key),
            listener=self.hub,
            metrics=self.metrics,
            drain_timeout=self.settings.drain_timeout,
            redact=self.redactor,
        )

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)

    def _publish_record(self, record: dict[str, Any]) -> None:
        self.publisher.publish(Event(topic="log", subject=str(record.get("server", "")), data=record))

"""The sidecar application: creates all parts, runs them, and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from functools import partial
from typing import Any

from bridge import logs
from bridge.codec import new_session
from bridge.errors import HubError
from bridge.models import Drain, Event, NoteRefusals, ServerState
from bridge.private import make_directory
from bridge.server import BridgeServer, EventPublisher, Handlers
from bridge.settings import Settings, listed
from bridge.settings.variables import VARIABLES_FILE
from bridge.sockets import ZMQ
from bridge.transport import Transport
from sidecar import optional
from sidecar.admission.context import ANONYMOUS
from sidecar.audit.audited import audited
from sidecar.calls.fastmcp_server import warm_up
from sidecar.channels.connections import Connections
from sidecar.cluster.on_demand import Cluster
from sidecar.concurrency.ending import end
from sidecar.concurrency.open_requests import OpenRequests
from sidecar.containers.service import Containers, hub_name
from sidecar.downstream.router import Router
from sidecar.downstream.sse import SseTransport
from sidecar.downstream.streamable import HttpTransport
from sidecar.hub.bridge_api import BridgeApi
from sidecar.hub.hub import Hub
from sidecar.hub.items.trust_service import TrustService
from sidecar.hub.live_variables import LiveVariables
from sidecar.hub.reconciler import Reconciler
from sidecar.hub.sign_in_service import SignInService
from sidecar.hub.status import StatusReporter
from sidecar.hub_tools.on_demand import hub_tools
from sidecar.large.reader import LargeReader
from sidecar.listener import public_port, server
from sidecar.listener.auth import NOBODY
from sidecar.listener.public_port import PublicPort
from sidecar.listener.refusals import Refusals
from sidecar.listener.server import HttpServer, Listener
from sidecar.local_key import load_key
from sidecar.observe.call_history import Recorder
from sidecar.observe.log_buffer import SERVER_LOGGER, LogBuffer, RateLimit
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.secret_sources.sources import SecretSources
from sidecar.secret_sources.variables_file import VariablesFile
from sidecar.sessions.earlier import Forward, Forwarded
from sidecar.spawner.client import Spawner
from sidecar.succession.drain import drain
from sidecar.succession.kept_servers import KeptServers
from sidecar.succession.mover import Mover
from sidecar.succession.predecessor import Predecessor, State
from sidecar.succession.successor import Successor, report
from sidecar.succession.successor import listeners as listeners_of
from sidecar.supervision.known_lists import KnownLists
from sidecar.supervision.start_turns import StartTurns
from sidecar.upstream.connector import Connector
from sidecar.upstream.fingerprint import fingerprint
from sidecar.upstream.pool import Pool

log = logging.getLogger(__name__)

POLL_SECONDS = 0.005
BRIDGE_SECONDS = 2.0
"""Seconds that requests over the bridge have to end before its clients are left to the successor."""
MOVE_SECONDS = 5.0
"""Seconds within which connections must have moved to the successor."""

Listeners = tuple[Listener, Listener]
"""Where the sidecar listens: for requests, and for the acceptor."""


class App:
    """The parts of one sidecar process.

    Set `leave` to have it finish what is in progress and end, `stop` to have it end at once. `take_over`: if a sidecar
    of this hub serves already, take over from it, else start as usual. `slot` (0 or 1) is another one than that
    sidecar's.
    """

    def __init__(
        self, settings: Settings, transport: Transport = ZMQ, *, take_over: bool = False, slot: int = 0
    ) -> None:
        self.settings = settings
        self.redactor = Redactor()
        self.metrics = Metrics()
        self.publisher = EventPublisher(settings.events_address, transport=transport)
        self.logs = LogBuffer(logs.configure("sidecar", settings.log_level, self.redactor), self._publish_record)
        self.hub = Hub(settings, self.metrics, self.redactor, self.publisher.publish)
        self.variables = LiveVariables(self.hub, VariablesFile(settings.data_dir / VARIABLES_FILE, self.redactor))
        self.audit = audited(settings, self.hub.admission, self.hub.on_applied, self.metrics, self.redactor)
        applied = settings.data_dir / "applied.json"
        self.reconciler = Reconciler(self.hub, applied, settings.adapter_grace, self.metrics, self.publisher.publish)
        self.reconciler.before_applying = self.variables.look
        session = self.session = new_session()
        self.reporter = StatusReporter(self.hub, self.reconciler, settings, self.redactor, session)
        requests = OpenRequests(settings)
        self.sse = SseTransport(settings, self.hub.admission, requests)
        self.streamable = HttpTransport(settings, self.hub.admission, requests)
        self.recorder = Recorder(self.metrics)
        api = BridgeApi(self.hub, self.reconciler, self.reporter, self.logs, self.recorder, self._key_uses)
        self.sign_ins = SignInService(self.hub, settings, self.redactor)
        self.trust = TrustService(self.hub, settings.data_dir, self.metrics, self.publisher.publish)
        note = self._refused_by_the_front().note
        self.cluster = Cluster(settings, self.hub, self.reconciler, self.reporter, self)
        router = Router(self.hub, self.sse, self.streamable, self.reporter, self.metrics, settings)
        self.forwarding = optional.forwarding(
            router, settings, self.hub, self.streamable, self.reporter, self.publisher.publish, self.metrics
        )
        self.placement = optional.placement(settings, self.hub)
        self.placed = optional.placed_servers(settings, self.hub, self.placement)
        self.layers = tuple(each for each in (self.forwarding, self.placed) if each)
        endpoints, self.streams = self.forwarding or router, (self.sse, self.streamable, self.hub, *self.layers)
        own: Handlers = {NoteRefusals: note, Drain: lambda _: optional.drain(self.forwarding)}
        parts = (api, self.sign_ins, self.trust, self.cluster)
        handlers = {kind: handle for part in parts for kind, handle in part.handlers().items()} | dict(own)
        self.bridge = BridgeServer(settings.actual_address, handlers, session=session, transport=transport)
        self.gate = optional.gate(endpoints, settings, self.hub, self.streamable, self.redactor)
        served = self.placed.around(self.gate or endpoints) if self.placed else self.gate or endpoints
        asked = optional.questions(served, settings, api, self.logs.find, self.cluster)
        self.http = HttpServer(asked, settings, self.metrics.connection_ended)
        if self.forwarding:
            self.forwarding.draining.of(self.http, self.streams, self.placed)
        self.public = PublicPort(settings, self.http, self.gate)
        self.predecessor = Predecessor(settings, self._state, self._release, self._deliver)
        self.leave, self.stop = asyncio.Event(), asyncio.Event()
        self._take_over, self._slot = take_over, slot
        self._failure: HubError | None = None

    @property
    def replaced(self) -> bool:
        """Whether another sidecar has taken over from this one."""
        return self.predecessor.replaced.is_set()

    async def run(self) -> None:
        """Serve until `leave` or `stop` is set, or another sidecar has taken over.

        Raises:
            PortTaken: HUB_SIDECAR_PORT is in use.
            AddressTaken: a Unix socket is in use.
            SuccessionFailed: this sidecar was to take over, and did not become ready.
        """
        self._watch_signals()
        logging.getLogger().addHandler(self.logs)
        logging.getLogger(SERVER_LOGGER).addFilter(RateLimit())
        for name in ("mcp", "uvicorn", "fastmcp"):  # their info messages contain session ids, and repeat the hub's
            logging.getLogger(name).setLevel(logging.WARNING)
        make_directory(self.settings.data_dir)
        successor = await Successor.find(self.settings) if self._take_over else None
        bound = None if successor else self._bind()
        await warm_up()
        try:
            await self._serve(bound, successor)
        finally:
            if self.audit:
                await self.audit.close()
        if self._failure is not None:
            raise self._failure

    async def _serve(self, bound: Listeners | None, successor: Successor | None) -> None:
        async with (
            contextlib.AsyncExitStack() as events,
            self._spawner() as spawner,
            LargeReader(spawner) as large,
            Connections(large.read, self.settings.max_message_bytes) as connections,
            self.sign_ins.running(connections),
            optional.traced(self.settings, self.hub, self.metrics, self.redactor),
            asyncio.TaskGroup() as tasks,
        ):
            containers = self._containers(spawner, alone=successor is None)
            self.reporter.enforcement = lambda: spawner.enforcement
            tasks.create_task(self.hub.run(self._pool(spawner, connections, containers), self.stop))
            own = (self.reconciler, self.recorder, self.reporter, containers, self.variables)
            loops = (*own, self.cluster, self.placement)
            services = [tasks.create_task(each.run()) for each in (*loops, *self.layers)]
            if self.audit:
                services.append(tasks.create_task(self.audit.run()))
            listeners = bound or (await self._succeed(successor) if successor else None)
            if listeners is not None:
                self._listen(tasks, listeners)
                if successor:
                    await self._replace(successor)
                await events.enter_async_context(self.publisher)
                bridge = await self._serve_bridge(tasks)
                if successor:
                    await successor.finish()
                    services.append(tasks.create_task(successor.run(self._forward_by)))
                    report(self.settings.runtime, "serving")
                await self._until_end(tasks, listeners)
                if self.replaced:
                    services.append(tasks.create_task(self.predecessor.take_messages()))
                    await self.bridge.finished(BRIDGE_SECONDS)
                    await end(bridge)
                    await events.aclose()
                await self._drain(tasks, spawner)
                services.append(bridge)
            self.stop.set()
            log.info("sidecar stopping")
            for service in services:
                service.cancel()

    def _spawner(self) -> Spawner:
        given = self.settings
        limit = None if given.watchdog == "off" else given.watchdog
        spawner = Spawner(given.runtime, self._slot, given.cgroups, hang_limit=limit)
        spawner.leaving = partial(self._leaves_servers, spawner)
        return spawner

    def _leaves_servers(self, spawner: Spawner) -> bool:
        """Whether kept servers are for the next sidecar: at the end, and after a reload if that one waits for them."""
        return spawner.joined if self.replaced else self.stop.is_set()

    def _refused_by_the_front(self) -> Refusals:
        """Notes the requests that the front refused, in a protected hub before it knew whose they are."""
        stranger = NOBODY if self.settings.protected else ANONYMOUS
        omitted = self.audit.observer.omitted if self.audit else lambda count: None
        return Refusals(self.hub.admission, stranger, omitted)

    # --- the start -----------------------------------------------------------------------------------------------

    def _bind(self) -> Listeners:
        requests = server.listen(self.settings)
        try:
            return requests, public_port.listen(self.settings)
        except HubError:
            requests.close()
            raise

    def _listen(self, tasks: asyncio.TaskGroup, listeners: Listeners) -> None:
        serving = (self.http.serve_until(self.stop, listeners[0]), self.public.run(self.stop, listeners[1]))
        for work in (self.sse.run(self.stop), self.streamable.run(self.stop), *serving):
            tasks.create_task(work)
        if self.gate:
            tasks.create_task(self.gate.run(self.stop))
        where = str(self.settings.sidecar_socket) if self.settings.protected else self.settings.sidecar_url
        log.info("sidecar started", extra={"url": where, "pid": os.getpid()})

    async def _serve_bridge(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        started = asyncio.Event()
        serving = tasks.create_task(self.bridge.serve(started))
        await started.wait()
        return serving

    async def _succeed(self, successor: Successor) -> Listeners | None:
        """Prepare to take over, and get the listening sockets; None if that failed, or this process is to end."""
        try:
            taking = asyncio.ensure_future(self._prepare(successor))
            leaving = asyncio.ensure_future(self.leave.wait())
            await asyncio.wait([taking, leaving], return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                leaving.cancel()
                return taking.result()
            await end(taking)
        except HubError as error:
            self._failure = error
            report(self.settings.runtime, "failed", error)
        successor.close()
        return None

    async def _prepare(self, successor: Successor) -> Listeners:
        accept = self.reconciler.accept
        if not await successor.prepare(accept):
            return self._bind()
        await successor.until_ready(
            self._applied, partial(self._shared_servers, "ready", "degraded", "sleeping", "elsewhere")
        )
        taken = await successor.take(accept)
        return self._bind() if taken is None else listeners_of(self.settings, taken)

    async def _replace(self, successor: Successor) -> None:
        """Serve in place of the predecessor, once the server accepts connections and the newest snapshot is applied."""
        while not (self.http.started and self._applied()):  # noqa: ASYNC110 - it takes milliseconds
            await asyncio.sleep(POLL_SECONDS)
        await successor.serving()

    def _forward_by(self, forward: Forward) -> None:
        self.sse.forward = self.streamable.forward = forward

    def _applied(self) -> bool:
        return self.reconciler.applied == self.reconciler.accepted

    def _shared_servers(self, *states: ServerState) -> list[str]:
        """The keys of the shared servers in these states, and of those that the predecessor gives away later.

        A sleeping one serves, too: the next request wakes it.
        """
        shared = (each for each in self.hub.pool if not each.for_key and each.spec.settings.session == "shared")
        return sorted({each.spec.key for each in shared if each.opening.delayed or each.shown_state in states})

    # --- the end -------------------------------------------------------------------------------------------------

    def _state(self) -> State:
        snapshot = self.hub.snapshot.model_dump(mode="json") if self.hub.snapshot else None
        return State(snapshot, self._shared_servers("ready", "degraded"))

    def _deliver(self, forwarded: Forwarded) -> bool:
        return (self.sse if forwarded.transport == self.sse.transport else self.streamable).deliver(forwarded)

    async def _release(self) -> None:
        """Leave listening, and the addresses of the bridge, to the successor."""
        self._stop_listening()
        self.streamable.closing()
        await self.bridge.release()
        await self.publisher.release()

    def _stop_listening(self) -> None:
        self.http.stop_listening()
        self.public.stop_listening()

    async def _until_end(self, tasks: asyncio.TaskGroup, listeners: Listeners) -> None:
        """Wait until this process is to end, or has been replaced."""
        waiting = [asyncio.ensure_future(each.wait()) for each in (self.leave, self.stop, self.predecessor.replaced)]
        awaiting = tasks.create_task(self.predecessor.run(self.leave, listeners))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        await end(awaiting)

    async def _drain(self, tasks: asyncio.TaskGroup, spawner: Spawner) -> None:
        """Finish what is in progress. Connections go on at the successor, if there is one."""
        seconds = self.settings.drain_timeout if self.replaced else self.settings.stop_timeout
        if self.forwarding and not self.replaced:
            seconds /= 2  # one half while it still listens, the other after that
            await self.forwarding.draining.finish(seconds, self.stop.is_set)
        self._stop_listening()
        mover = Mover(self.settings) if self.replaced else None
        moving = [tasks.create_task(mover.run())] if mover else []
        if mover and spawner.joined:
            moving.append(tasks.create_task(KeptServers(lambda: self.hub.pool, lambda: self.http.connections).run()))
        if not await drain(self.http, self.streams, mover.move if mover else None, seconds, self.stop.is_set):
            log.warning("requests in progress are ended", extra={"connections": len(self.http.connections)})
        if mover:
            await mover.finish(MOVE_SECONDS)
            for each in moving:
                each.cancel()
            log.info("connections have moved to the successor", extra={"connections": mover.moved})

    def _key_uses(self) -> dict[str, float]:
        """The last requests of named keys and grants (Unix time), by id; empty in an unprotected hub."""
        return self.gate.last_uses(self.hub.key_workspaces.last_uses()) if self.gate else {}

    def _containers(self, spawner: Spawner, *, alone: bool) -> Containers:
        name = hub_name(self._fingerprint_key(), self.settings.data_dir / self.settings.replica)
        containers = Containers(spawner, self.settings, name, self.session, alone=alone)
        self.trust.scans, self.reporter.hints, self.reporter.trust = containers.scans, containers.hints, self.trust
        return containers

    def _pool(self, spawner: Spawner, connections: Connections, containers: Containers) -> Pool:
        connector = Connector(
            spawner,
            connections,
            self.redactor,
            tuple(listed(self.settings.pass_env)),
            self.variables.file,
            containers=containers,
            limits=self.settings,
            max_line=self.settings.max_line_bytes,
            secrets=SecretSources.allowed_by(self.settings),
        )
        optional.place(self.settings, connector, self.placement, self.placed, self.sign_ins)
        connector.hub_tools, self.reporter.hub_tools = hub_tools(self.settings.desired_address)
        return Pool(
            connector=connector,
            shared_connector=partial(connector, shared=True),
            prepare=containers.prepare,
            fingerprint=partial(fingerprint, key=self._fingerprint_key(), variables=self.variables.file.in_file),
            listener=self.placed or self.hub,
            metrics=self.metrics,
            drain_timeout=self.settings.drain_timeout,
            redact=self.redactor,
            turns=StartTurns(self.settings.max_starting),
            known_lists=KnownLists(self.settings.data_dir / "lists.json"),
            sign_in=self.sign_ins.connect_with(connector),
            trust=self.trust.changes,
        )

    def _fingerprint_key(self) -> bytes:
        return self.settings.replica_key("fingerprints") or load_key(self.settings.data_dir / "fingerprint.key")

    def _watch_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        """Finish what is in progress; at a second signal end at once."""
        if self.leave.is_set():
            self.stop.set()
        self.leave.set()

    def _publish_record(self, record: dict[str, Any]) -> None:
        self.publisher.publish(Event(topic="log", subject=str(record.get("server", "")), data=record))

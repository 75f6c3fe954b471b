"""The sidecar in the test's own loop: real hub, pool, reconciler and endpoints; servers are fakes; HTTP is real."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from bridge.credentials.journal import Journal
from bridge.credentials.records import JOURNAL_FILE
from bridge.keys import Keyring
from bridge.models import AccessFile, Event, RemoteLaunch, ServerSpec, Snapshot, WorkspaceSpec
from bridge.settings import Settings
from sidecar.access.authenticator import Authentication, TokenKind
from sidecar.access.jwks import KeySet
from sidecar.access.jwt_tokens import JwtTokens
from sidecar.access.opaque import OpaqueTokens
from sidecar.calls.endpoint import Endpoint
from sidecar.channels.connections import Connections
from sidecar.concurrency.open_requests import OpenRequests
from sidecar.downstream.router import Router
from sidecar.downstream.sse import SseTransport
from sidecar.downstream.streamable import HttpTransport
from sidecar.hub.bridge_api import BridgeApi
from sidecar.hub.endings import Endings
from sidecar.hub.hub import Hub
from sidecar.hub.reconciler import Reconciler
from sidecar.hub.sign_in_service import SignInService
from sidecar.hub.status import StatusReporter
from sidecar.hub_tools.on_demand import hub_tools
from sidecar.listener.auth import Gate
from sidecar.listener.challenges import Challenges
from sidecar.listener.server import HttpServer, listen
from sidecar.observe.call_history import Recorder as HistoryRecorder
from sidecar.observe.log_buffer import LogBuffer
from sidecar.observe.metrics import Metrics
from sidecar.observe.redaction import Redactor
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.protocol.in_process import InProcessLaunch
from sidecar.secret_sources.sources import SecretSources
from sidecar.sessions.session import Session
from sidecar.supervision.opening import Connect
from sidecar.upstream.connector import Connector
from sidecar.upstream.fingerprint import fingerprint
from sidecar.upstream.pool import Pool
from sidecar.workspaces.workspace import Workspace
from tests.support.fake_server import FakeServer, until
from tests.support.hub import free_port
from tests.support.jwts import Issuer


class Recorder(Session):
    """A client that remembers what it is told, and answers what it is asked with `answer`."""

    transport = "sse"

    def __init__(self, name: str = "recorder") -> None:
        super().__init__(f"{name}-{id(self)}")
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []
        self.answer: dict[str, Any] = {}

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        self.notes.append((method, params or {}))

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        self.asked.append(method)
        return jsonrpc.result(0, self.answer)

    def took(self) -> list[str]:
        """The notices since the last look, without `notifications/` before and `/list_changed` behind."""
        notes, self.notes = self.notes, []
        return [method.removeprefix("notifications/").removesuffix("/list_changed") for method, _ in notes]


class World:
    """All parts of a sidecar; `put` says what it should be."""

    def __init__(self, settings: Settings, *servers: FakeServer) -> None:
        self.settings = settings
        self.servers = {server.name: server for server in servers}
        self.events: list[Event] = []
        self.metrics = Metrics()
        self.redactor = Redactor()
        self.hub = Hub(settings, self.metrics, self.redactor, self.events.append)
        self.reconciler = Reconciler(self.hub, settings.data_dir / "applied.json", 60, self.metrics, self.events.append)
        self.reporter = StatusReporter(self.hub, self.reconciler, settings, self.redactor, "s")
        self.requests = OpenRequests(settings)
        self.sse = SseTransport(settings, self.hub.admission, self.requests)
        self.http = HttpTransport(settings, self.hub.admission, self.requests)
        self.endpoints = Router(self.hub, self.sse, self.http, self.reporter, self.metrics, settings)
        self.keyring = Keyring(settings)
        self.journal = Journal(settings.data_dir / JOURNAL_FILE, now=lambda: time.time())  # noqa: PLW0108 - tests replace it
        self.issuer = Issuer()
        """The external authorization server, where the settings name one."""
        kinds: list[TokenKind] = [OpaqueTokens(self.journal, self.keyring, every_user=not settings.jwt_issuer)]
        if settings.jwt_issuer:
            kinds.append(JwtTokens(settings, KeySet(settings, self.issuer.fetch)))
        self.authentication = Authentication(self.keyring, *kinds)
        endings = Endings(self.hub, self.authentication.current, self.http.end_invalid)
        challenges = Challenges(settings)
        self.gate = Gate(
            self.endpoints, self.authentication, challenges, endings.changed, self.hub.admission, endings.looked
        )
        """What serves where the settings protect the hub."""
        if settings.protected:
            self.hub.named_keys = lambda: self.authentication.several
            self.hub.has_removed = self.authentication.has_removed
        self.sign_ins = SignInService(self.hub, settings, self.redactor)
        self.connections = Connections()
        secrets = SecretSources.allowed_by(settings)
        self.remote = Connector(cast("Any", None), self.connections, self.redactor, (), secrets=secrets)
        self.remote.hub_tools, self.reporter.hub_tools = hub_tools("ipc://nowhere")
        self.server: HttpServer | None = None
        """What serves, while it does."""
        self.revision = 0
        self.access: AccessFile | None = None
        """What the next snapshots say that principals may use."""
        self.stop = asyncio.Event()
        self._specs: dict[str, ServerSpec] = {}
        self._workspaces: dict[str, WorkspaceSpec] = {}

    @property
    def base(self) -> str:
        """Where the endpoints are."""
        return self.settings.sidecar_url

    def api(self, ring: LogBuffer) -> BridgeApi:
        """What is served on the bridge."""
        return BridgeApi(self.hub, self.reconciler, self.reporter, ring, HistoryRecorder(self.metrics))

    def connector(self, spec: ServerSpec) -> Connect:
        """Servers are found by their command; remote ones are connected to; the hub's own tools are there."""
        if isinstance(spec.launch, RemoteLaunch | InProcessLaunch):
            return self.remote(spec)
        return self.servers[spec.launch.command].connect  # type: ignore[union-attr]

    def snapshot(self, *items: ServerSpec | WorkspaceSpec, without: tuple[str, ...] = ()) -> Snapshot:
        """The next snapshot: with these added or replaced, and `without` workspaces (and servers) of these names."""
        for item in items:
            if isinstance(item, ServerSpec):
                self._specs[item.key] = item
            else:
                self._workspaces[item.name] = item
        for name in without:
            self._workspaces.pop(name, None)
            self._specs.pop(name, None)
        self.revision += 1
        specs, workspaces = tuple(self._specs.values()), tuple(self._workspaces.values())
        return Snapshot.of(1, self.revision, specs, workspaces, self.access)

    def put(self, *items: ServerSpec | WorkspaceSpec, without: tuple[str, ...] = ()) -> None:
        """Apply the next snapshot, at once."""
        snapshot = self.snapshot(*items, without=without)
        self.reconciler.accepted = self.reconciler.applied = snapshot.id
        self.hub.apply(snapshot)

    def allow(self, *rules: dict[str, Any], **more: Any) -> None:
        """Apply access.json with these rules, at once; `more` are further parts of it."""
        self.access = AccessFile.model_validate({"rules": rules, **more})
        self.put()

    async def settled(self) -> None:
        """Wait until no server is starting for the first time."""
        await until(lambda: all(upstream.first_attempt_over for upstream in self.hub.pool))

    def workspace(self, name: str = "w") -> Workspace:
        """A workspace in force."""
        return self.hub.workspaces[name]

    def endpoint(self, name: str = "w") -> Endpoint:
        """Where the requests to a workspace in force are answered."""
        return self.hub.endpoint(self.workspace(name))

    def session_count(self) -> int:
        """How many client sessions are open."""
        return sum(len(workspace.clients()) for workspace in self.hub.every())

    async def ask(self, session: Session, method: str, params: dict[str, Any] | None = None, name: str = "w") -> Any:
        """A request through the relay."""
        return await self.endpoint(name).serve(session, jsonrpc.request(0, method, params), session.notify)

    async def tools(self, session: Session, name: str = "w") -> list[str]:
        """The names of the tools that a session sees."""
        return [tool["name"] for tool in (await self.ask(session, "tools/list", name=name))["tools"]]


def space(*keys: str, name: str = "w", template: str = "{namespace}_{name}", **more: Any) -> WorkspaceSpec:
    """A workspace of servers by key."""
    return WorkspaceSpec(name=name, slug=more.pop("slug", name), servers=keys, name_template=template, **more)


@contextlib.asynccontextmanager
async def world(root: Path, *servers: FakeServer, serve: bool = False, **settings: Any) -> AsyncIterator[World]:
    """The parts run; with `serve`, over HTTP too. Everything is closed at the end."""
    settings = {"sidecar_port": free_port(), "data_dir": root, "runtime_dir": Path("/tmp/unused"), **settings}
    made = World(Settings(**settings), *servers)
    sign_in = made.sign_ins.connect_with(made.remote)
    shown = {"redact": made.redactor, "sign_in": sign_in}
    pool = Pool(made.connector, lambda spec: fingerprint(spec, b"k"), made.hub, made.metrics, 30, **shown)
    async with (
        made.connections,
        made.sign_ins.running(made.connections),
        contextlib.AsyncExitStack() as stack,
        asyncio.timeout(580),
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(made.hub.run(pool, made.stop))
        measuring = tasks.create_task(made.reporter.run())
        if serve:
            tasks.create_task(made.sse.run(made.stop))
            tasks.create_task(made.http.run(made.stop))
            server = made.server = HttpServer(
                made.gate if made.settings.protected else made.endpoints, made.settings, made.metrics.connection_ended
            )
            tasks.create_task(
                server.serve_until(made.stop, stack.enter_context(contextlib.closing(listen(made.settings))))
            )
            tasks.create_task(made.gate.run(made.stop))
            await until(lambda: server.started)
        await until(lambda: made.hub._pool is not None and made.hub.pool._tasks is not None)
        try:
            yield made
        finally:
            measuring.cancel()
            made.stop.set()
    assert [server.name for server in servers if server.open] == []

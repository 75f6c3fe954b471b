"""The session of one client in a workspace, independent of its transport."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sidecar.admission.context import ANONYMOUS
from sidecar.concurrency.shares import Caller
from sidecar.protocol import replica_names
from sidecar.protocol.channel import Frame
from sidecar.sessions.client_info import ClientInfo, client_info
from sidecar.sessions.server_tasks import ServerTasks
from sidecar.sessions.subscriptions import ResourceSubscriptions

if TYPE_CHECKING:
    from bridge.keys import Principal
    from bridge.models import ServerSpec
    from sidecar.errors import SidecarError
    from sidecar.routing.view import View
    from sidecar.upstream.pool import Pool
    from sidecar.upstream.upstream import Upstream

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The log levels of MCP (severities of RFC 5424), most verbose first."""


class Session(ABC):
    """The state of one client. `own` has its upstreams of `per_client` servers, by server key."""

    transport: str
    modern = False
    """Whether the client speaks the modern era, which has no handshake."""
    has_session = True
    """False for modern requests over Streamable HTTP, which have no session."""

    ended = False
    """Whether the client is gone, so that nothing can be sent to it."""
    resumed = False
    """Whether an earlier process of the hub began the session."""
    client_info = ClientInfo()
    """Name and version of the client, for lists of sessions."""

    def __init__(self, session_id: str | None = None, principal: Principal = ANONYMOUS, replica: str = "") -> None:
        self.id = session_id or replica_names.named(replica, secrets.token_hex(16))
        self.replica = replica
        """The name of this replica of the hub, which ids for the client begin with; empty if it has none."""
        self.correlation_prefix = self.short_id
        """How the correlation ids of its requests in the logs begin, and the ids of requests to the client."""
        self.principal = principal
        """Who opened the session."""
        self.caller = Caller("", self.id)
        """The key and client for which its requests take turns at a server (concurrency/turns.py)."""
        self.capabilities: dict[str, Any] = {}
        """The capabilities that the client declared in its handshake."""
        self.version = ""
        """The negotiated protocol version; empty before the handshake, and for modern clients."""
        self.since = self.last_used = time.monotonic()
        self.calls = 0
        """The number of requests received."""
        self.log_level: str | None = None
        """The minimum level of log messages that the client asked for; None if it never did."""
        self.own: dict[str, Upstream] = {}
        self.refused: SidecarError | None = None
        """Why some of its `per_client` servers could not be started; None if all are running."""
        self.private_view: View | None = None

    @cached_property
    def resource_subscriptions(self) -> ResourceSubscriptions:
        """The resources that the client has subscribed to."""
        return ResourceSubscriptions(self)

    @cached_property
    def server_tasks(self) -> ServerTasks:
        """The tasks that servers run for the client."""
        return ServerTasks(self.replica)

    @property
    def short_id(self) -> str:
        """The beginning of its id, for logs."""
        return replica_names.split(self.id)[1][:8]

    @property
    def idle_since(self) -> float | None:
        """Since when (`time.monotonic`) the session is idle; None if it must not be ended for being idle."""
        return None

    @property
    def tenant(self) -> str:
        """Id of its access key; empty in the hub's own workspaces, and before it joined one (`pool.Holder`)."""
        return self.caller.key

    @property
    def holder(self) -> Session:
        """The session that holds upstreams and tasks: this one, unless it lasts for one request only."""
        return self

    def on_initialize(self, params: dict[str, Any]) -> None:
        """Take over the capabilities from the params of an accepted `initialize`."""
        capabilities = params.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        self.client_info = client_info(params.get("clientInfo"), self.version, capabilities)

    @abstractmethod
    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a request to the client and return its response frame."""

    @abstractmethod
    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification to the client, if it has completed its handshake; never blocks."""

    def close(self) -> None:  # noqa: B027 - most kinds have nothing to do here
        """End the session, if its transport does not end it with the workspace anyway."""

    def cancel_requests(self) -> None:  # noqa: B027 - most kinds track none
        """Cancel the requests in progress, as the credential of the client has ended."""

    def acquire(self, pool: Pool, spec: ServerSpec) -> Upstream:
        """Start the session's own upstream of a `per_client` server. Raises TooManyInstances."""
        return pool.acquire(spec, self, owner=self.id, client=self)

    def pop_spares(self, key: str | None = None) -> Iterable[Upstream]:
        """Forget additional upstreams of a server, or of all servers, and return them; see `ClientGroup`."""
        return ()

    def notified(self, method: str, params: dict[str, Any]) -> None:  # noqa: B027
        """Ignore a notification of an own upstream: the hub passes it to `notify` (`ClientFeatures`)."""

    def clients(self) -> Iterable[Session]:
        """The connected clients: this one, or none for requests without a session (`pool.Holder`)."""
        return (self,)

    def resource_updated(self, source: object, uri: str) -> None:
        """A resource changed: notify the client, by each URI under which it subscribed to it."""
        for exposed in self.resource_subscriptions.exposed((source, uri)):
            self.notify("notifications/resources/updated", {"uri": exposed})

    def task_changed(self, source: object, method: str, params: dict[str, Any]) -> None:
        """Pass a server's notification about a task on if it is a task of this client. `source` is the upstream."""
        if (known := self.server_tasks.notification_to_client(source, method, params)) is not None:
            self.notify(method, known)

    async def pass_progress(self, params: dict[str, Any]) -> None:
        """Pass a progress notification of the client to its own servers, one of which sent the request."""
        for upstream in tuple(self.own.values()):
            await upstream.client_reported(params)

    async def roots_changed(self) -> None:
        """Tell the client's own servers that its roots changed; no others know them."""
        for upstream in self.own.values():
            await upstream.notify("notifications/roots/list_changed")

    def wants_log(self, level: str) -> bool:
        """Whether log messages of this level are sent to the client."""
        return level in LEVELS and (self.log_level is None or LEVELS.index(level) >= LEVELS.index(self.log_level))

    def count(self) -> int:
        """Count a request; returns its number."""
        self.calls += 1
        self.last_used = time.monotonic()
        return self.calls

    def correlation(self, number: int) -> str:
        """The id of the request with that number in the logs."""
        return f"{self.correlation_prefix}-{number}"

    def next_correlation(self) -> str:
        """Count a request; returns its id in the logs."""
        return self.correlation(self.count())


def most_verbose(levels: Iterable[str | None]) -> str | None:
    """The most verbose of these log levels; None if all are None."""
    return min((level for level in levels if level), key=LEVELS.index, default=None)

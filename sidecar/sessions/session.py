"""One client's connection to a workspace, whichever transport carries it."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sidecar.admission.context import ANONYMOUS
from sidecar.concurrency.shares import Caller
from sidecar.protocol.channel import Frame
from sidecar.sessions.client_info import ClientInfo, client_info
from sidecar.sessions.server_tasks import Tasks
from sidecar.sessions.subscriptions import Watched

if TYPE_CHECKING:
    from bridge.keys import Principal
    from bridge.models import ServerSpec
    from sidecar.errors import SidecarError
    from sidecar.routing.view import View
    from sidecar.upstream.pool import Pool
    from sidecar.upstream.upstream import Upstream

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""RFC 5424 severities as MCP names them, least first."""


class Session(ABC):
    """What the relay knows of a client. `own` are its upstreams of servers in `per_client` mode, by server key."""

    transport: str
    modern = False
    """Whether its client speaks the modern era, which has no handshake."""
    lasting = True
    """Whether there is a session, and not only a request (modern era, Streamable HTTP)."""

    ended = False
    """Whether nobody is there any more to be answered."""
    resumed = False
    """Whether another process of the hub began it."""
    client_info = ClientInfo()
    """The client, for lists of sessions."""

    def __init__(self, session_id: str | None = None, principal: Principal = ANONYMOUS) -> None:
        self.id = session_id or secrets.token_hex(16)
        self.mark = self.id[:8]
        """What the ids begin with that follow its requests through the logs, and its questions to the client."""
        self.principal = principal
        """Who opened it, as that was known then."""
        self.caller = Caller("", self.id)
        """Whose turn its requests take at a server; `tenant` is the key in it."""
        self.capabilities: dict[str, Any] = {}
        """What the client declared in its handshake."""
        self.version = ""
        """The protocol version that the handshake agreed on; empty before it, and for modern clients."""
        self.since = self.last_used = time.monotonic()
        self.calls = 0
        self.log_level: str | None = None
        """The least level that the client asked for, if it did."""
        self.own: dict[str, Upstream] = {}
        self.refused: SidecarError | None = None
        """Why it has not all of them, if so."""
        self.private_view: View | None = None

    @cached_property
    def watched(self) -> Watched:
        """The resources that the client subscribed to."""
        return Watched(self)

    @cached_property
    def server_tasks(self) -> Tasks:
        """What servers do for it (MCP 2025-11-25, Tasks)."""
        return Tasks()

    @property
    def idle_since(self) -> float | None:
        """Since when (`time.monotonic`) nothing is under way that needs it; none where it cannot be given up."""
        return None

    @property
    def tenant(self) -> str:
        """Id of the key whose it is; empty for the hub's own, and before it joined a workspace (pool.Holder)."""
        return self.caller.key

    @property
    def holder(self) -> Session:
        """The session that has upstreams of its own for it: it itself, unless it lasts for one request only."""
        return self

    def greeted(self, params: dict[str, Any]) -> None:
        """The client's `initialize` was accepted; `params` are what it sent."""
        capabilities = params.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        self.client_info = client_info(params.get("clientInfo"), self.version, capabilities)

    @abstractmethod
    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a request to the client and return its response frame."""

    @abstractmethod
    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification to the client, if it is ready for it; never blocks."""

    def close(self) -> None:  # noqa: B027 - most kinds have nothing to do here
        """End it, where it can be ended from here: what its transport owns ends with the workspace."""

    def acquire(self, pool: Pool, spec: ServerSpec) -> Upstream:
        """Its own upstream of a `per_client` server. Raises TooManyInstances."""
        return pool.acquire(spec, self, owner=self.id, client=self)

    def spares(self, key: str | None = None) -> Iterable[Upstream]:
        """Further upstreams of a server, or of all, that it needs no more."""
        return ()

    def notified(self, method: str, params: dict[str, Any]) -> None:  # noqa: B027
        """An upstream of its own sent a notification; what concerns a session comes to it with `notify`."""

    def clients(self) -> Iterable[Session]:
        """The clients behind it: one, unless it only stands for requests that have no session (pool.Holder)."""
        return (self,)

    def resource_updated(self, source: object, uri: str) -> None:
        """A resource that this client subscribed to has changed."""
        for exposed in self.watched.exposed((source, uri)):
            self.notify("notifications/resources/updated", {"uri": exposed})

    def task_changed(self, source: object, method: str, params: dict[str, Any]) -> None:
        """A server told of one of its tasks; `source` is the upstream, as an identity."""
        if (known := self.server_tasks.notice(source, method, params)) is not None:
            self.notify(method, known)

    async def reported(self, params: dict[str, Any]) -> None:
        """The client reports progress of what one of its own servers asked it for."""
        for upstream in tuple(self.own.values()):
            await upstream.client_reported(params)

    async def roots_changed(self) -> None:
        """The client's roots are others now; only servers of its own know any."""
        for upstream in self.own.values():
            await upstream.notify("notifications/roots/list_changed")

    def wants_log(self, level: str) -> bool:
        """Whether the client asked for log messages of this level."""
        return level in LEVELS and (self.log_level is None or LEVELS.index(level) >= LEVELS.index(self.log_level))

    def count(self) -> int:
        """A request has come: its number."""
        self.calls += 1
        self.last_used = time.monotonic()
        return self.calls

    def correlation(self, number: int) -> str:
        """The id that follows the request of that number through the logs."""
        return f"{self.mark}-{number}"

    def next_correlation(self) -> str:
        """That of a request that has come."""
        return self.correlation(self.count())


def least(levels: Iterable[str | None]) -> str | None:
    """The most verbose of the log levels that clients asked for; None where none did."""
    return min((level for level in levels if level), key=LEVELS.index, default=None)

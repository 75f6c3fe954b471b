"""The log levels of a workspace's servers: each is set to the most verbose level that a client of it asks for."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.sessions.session import Session, most_verbose
from sidecar.upstream.client_features import Client
from sidecar.upstream.pool import Holder, Pool
from sidecar.upstream.upstream import Upstream

if TYPE_CHECKING:
    from sidecar.workspaces.members import Member

DEFAULT_LOG_LEVEL = "info"
"""The log level that a server is set to after the last client that asked for one has left: MCP has no reset."""


class LoggingWorkspace(Protocol):
    """The part of `Workspace` that `LogLevels` needs."""

    @property
    def members(self) -> Mapping[str, Member]:
        """The servers, by key."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that the workspace owns."""


class LogLevels:
    """Sets the log levels of the servers of one workspace, without waiting for their answers."""

    def __init__(self, workspace: LoggingWorkspace, pool: Pool) -> None:
        self._workspace = workspace
        self._pool = pool

    def follow(self, session: Session) -> None:
        """A session asks for its level: set each of its servers to the most verbose one that a client asks for."""
        for upstream, level in self._levels(set(session.own.values())):
            self._set(upstream, most_verbose((level, session.log_level)))

    def reset(self) -> None:
        """Set each server's level again after a client has left; to `DEFAULT_LOG_LEVEL` if no other asks."""
        for upstream, level in self._levels():
            if upstream.log_level is not None:
                self._set(upstream, level or DEFAULT_LOG_LEVEL)

    def _levels(self, own: Set[Upstream] = frozenset()) -> Iterator[tuple[Upstream, str | None]]:
        """The upstreams, `own` ones included, with the level that their clients want; one look-up for equal holders."""
        known: dict[frozenset[Holder], str | None] = {}
        for upstream in {member.serving for member in self._workspace.members.values()} | own:
            if upstream is not None:
                holders = self._pool.holders(upstream)
                if holders not in known:
                    known[holders] = level_of(self._pool.clients(upstream))
                yield upstream, known[holders]

    def _set(self, upstream: Upstream, level: str | None) -> None:
        if level != upstream.log_level:
            self._workspace.spawn(upstream.set_log_level(level))


def level_of(clients: Iterable[Client]) -> str | None:
    """The most verbose level that one of the clients asks for; None if none does."""
    return most_verbose(client.log_level for client in clients)

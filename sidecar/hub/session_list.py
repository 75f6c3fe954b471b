"""The clients' sessions, for people: who is connected, since when, and how to end a session.

Reads what the sessions count anyway; nothing here is done for a request of a client.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterator

from bridge.keys import Principal
from bridge.models import ListSessions, Sessionless, Sessions, SessionStatus
from sidecar.audit.rows import shown_id
from sidecar.errors import SessionUnknown, WorkspaceUnknown
from sidecar.hub.hub import Hub
from sidecar.sessions.session import Session
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)


def listed(hub: Hub, request: ListSessions) -> Sessions:
    """The newest sessions of a workspace, or of all. Raises WorkspaceUnknown."""
    chosen = list(_chosen(hub, request.workspace))
    found = [(session, each.name) for each in chosen for session in hub.clients(each)]
    newest = heapq.nlargest(request.limit, found, key=lambda pair: pair[0].since)
    return Sessions(
        total=len(found),
        sessions=tuple(_status(session, name) for session, name in newest),
        sessionless=tuple(_sessionless(hub, chosen)),
    )


def end(hub: Hub, shown: str) -> None:
    """End the session of that shown id. Raises SessionUnknown."""
    for workspace in _chosen(hub, None):
        for session in hub.clients(workspace):
            if shown_id(session.id) == shown:
                log.info("a session is ended", extra={"session": shown, "workspace": workspace.name})
                session.close()
                return
    raise SessionUnknown(
        f"There is no session {shown!r}; it may have ended.", hint="`hubctl sessions` lists those that there are."
    )


def _chosen(hub: Hub, name: str | None) -> Iterator[Workspace]:
    """The workspace of a name or slug, or all, those included that were removed and still have clients."""
    if name is None:
        yield from (*hub.workspaces.values(), *hub.departed)
    elif (found := hub.find(name)) is not None:
        yield found
    else:
        raise WorkspaceUnknown(f"There is no workspace {name!r}.", data={"workspaces": sorted(hub.workspaces)})


def _status(session: Session, workspace: str) -> SessionStatus:
    info = session.client_info
    return SessionStatus(
        id=shown_id(session.id),
        workspace=workspace,
        transport="sse" if session.transport == "sse" else "http",
        era="modern" if session.modern else "legacy" if session.version else "",
        protocol_version=info.protocol_version,
        client_name=info.name,
        client_version=info.version,
        capabilities=info.capabilities,
        principal=_name(session.principal),
        since=_moment(session.since),
        requests=session.calls,
        last_request=_moment(session.last_used) if session.calls else None,
        resumed=session.resumed,
    )


def _sessionless(hub: Hub, workspaces: list[Workspace]) -> Iterator[Sessionless]:
    """The use of each workspace without sessions, by key, where there was any."""
    for base in workspaces:
        for each in (base, *hub.key_workspaces.of(base)):
            standing = each.sessionless
            if standing.calls or each.listening:
                yield Sessionless(
                    workspace=base.name,
                    principal=_name(hub.key_workspaces.principal_of(each)),
                    requests=standing.calls,
                    last_request=_moment(standing.last_used) if standing.calls else None,
                    listening=each.listening,
                )


def _name(principal: Principal | None) -> str:
    """The key's name; empty where nobody is asked for one."""
    return principal.name if principal and principal.id else ""


def _moment(monotonic: float) -> float:
    """The Unix time of a moment of the monotonic clock."""
    return time.time() - (time.monotonic() - monotonic)

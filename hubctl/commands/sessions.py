"""`hubctl sessions`: list the clients' sessions, and end them."""

from __future__ import annotations

import argparse
import time

from bridge.models import EndSession, ListSessions, ReadStatus, Sessionless, Sessions, SessionStatus
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid
from hubctl.lookup import find_status
from hubctl.render import clean, count, span, table

END = "end"
ID_LENGTH = 12
HEADER = ("ID", "WORKSPACE", "CLIENT", "TRANSPORT", "ERA", "KEY", "SINCE", "LAST", "REQUESTS", "CAPABILITIES")


async def sessions(context: Context, arguments: argparse.Namespace) -> int:
    """Run `hubctl sessions [WORKSPACE]` or `hubctl sessions end ID ...`."""
    if arguments.workspace == END and arguments.session:
        return await end(context, arguments.session)
    if arguments.session:
        hint = "`hubctl sessions WORKSPACE` lists the sessions of one; `hubctl sessions end ID` ends one."
        raise ArgumentsInvalid(f"{arguments.session[0]!r} is one word too many.", hint=hint)
    return await listing(context, arguments.workspace, arguments.limit)


async def listing(context: Context, workspace: str | None, limit: int) -> int:
    """Print the newest sessions of a workspace, or of all workspaces.

    Raises:
        NoSuchWorkspace: no workspace has that name or slug.
    """
    async with context.actual() as hub:
        name = find_status(await hub.request(ReadStatus()), workspace).name if workspace is not None else None
        found = await hub.request(ListSessions(workspace=name, limit=limit))
    if context.json:
        context.emit(found)
    else:
        context.say(*lines(found, time.time(), context))
    return 0


async def end(context: Context, ids: list[str]) -> int:
    """End sessions by id.

    Raises:
        ArgumentsInvalid: a word is not a session id; then no session ends.
        RemoteError: `SESSION_UNKNOWN`: the session does not exist, or has ended.
    """
    for each in ids:
        if len(each) != ID_LENGTH:
            hint = f"An id has {ID_LENGTH} characters; `hubctl sessions` lists them."
            raise ArgumentsInvalid(f"{each!r} is not the id of a session.", hint=hint)
    async with context.actual() as hub:
        for each in ids:
            await hub.request(EndSession(id=each))
    if context.json:
        context.emit({"ended": ids})
    else:
        context.say(*(f"Session {clean(each)} is ended; its client has to connect again." for each in ids))
    return 0


def lines(found: Sessions, now: float, context: Context) -> list[str]:
    """Format the sessions as a table, then the requests without a session; `now` is Unix time in seconds."""
    said = []
    if found.sessions:
        rows = [row(session, now) for session in found.sessions]
        said += table(HEADER, rows, context.paint, context.columns, whole=("ID",))
    else:
        said.append("No client has a session.")
    if found.total > len(found.sessions):
        said.append(f"The newest {len(found.sessions)} of {found.total} sessions; --limit shows more.")
    return said + [sessionless(each, now) for each in found.sessionless]


def row(session: SessionStatus, now: float) -> tuple[str, ...]:
    """Format a session as a row of the table."""
    return (
        clean(session.id),
        clean(session.workspace),
        clean(f"{session.client_name} {session.client_version}".strip()) or "-",
        session.transport,
        f"{session.era} {clean(session.protocol_version)}".strip() or "-",
        clean(session.principal) or "-",
        span(now - session.since),
        span(now - session.last_request) if session.last_request else "-",
        str(session.requests),
        clean(", ".join(session.capabilities)),
    )


def sessionless(use: Sessionless, now: float) -> str:
    """Format a line about a workspace's requests that belong to no session."""
    key = f" (key {clean(use.principal)})" if use.principal else ""
    last = f", the last one {span(now - use.last_request)} ago" if use.last_request else ""
    listening = f"; {count(use.listening, 'stream')} listening" if use.listening else ""
    requests = count(use.requests, "request")
    return f"{clean(use.workspace)}{key}: {requests} of modern clients without a session{last}{listening}"

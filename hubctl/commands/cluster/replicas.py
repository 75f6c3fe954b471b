"""The replicas of a hub, for `hubctl cluster`: how each is, what it does, and which configuration it serves."""

from __future__ import annotations

from bridge.errors import ErrorBody, HubError
from bridge.models.replicas import ReadReplicas, ReplicasState, ReplicaStatus
from hubctl.context import Context
from hubctl.render import Paint, clean, count, error_line, span, table

HEADER = ("REPLICA", "STATE", "FOR", "CONFIGURATION", "SESSIONS", "CALLS", "SERVERS", "HUB", "TROUBLES")
TIMEOUT = 5.0
"""How long the sidecar has to answer, in seconds."""


async def read_replicas(context: Context) -> ReplicasState:
    """Ask the sidecar for the replicas. If it does not answer, nothing is known, which is an error for a replica."""
    try:
        async with context.actual() as hub:
            return await hub.request(ReadReplicas(), timeout=TIMEOUT)
    except HubError as error:
        return ReplicasState(own=context.settings.replica, error=error.body() if context.settings.replica else None)


def lines(state: ReplicasState, context: Context) -> list[str]:
    """Format the replicas: sums, if all are known, and a table. Nothing for a hub that is none."""
    said = [_error(state.error, context.paint)] if state.error else []
    if state.transport == "off":
        return said
    if not state.error:
        everywhere = state.up_to_date == state.live
        where = "everywhere" if everywhere else context.paint.warn(f"at {state.up_to_date} of {state.live}")
        sums = f"{count(state.sessions, 'session')}, {count(state.calls_in_flight, 'call')} in progress"
        said += [f"replicas  {state.live} of {len(state.replicas)}, {sums}", f"applied   {where}"]
    rows = [_row(each, state.own, context.paint) for each in state.replicas]
    return [*said, "", *table(HEADER, rows, context.paint, context.columns, whole=("REPLICA", "STATE"))]


def _row(replica: ReplicaStatus, own: str, paint: Paint) -> tuple[str, ...]:
    configuration = "current" if replica.up_to_date else "none"
    if replica.applied and not replica.up_to_date:
        applied = replica.applied
        configuration = f"another: {applied.epoch}.{applied.revision} {applied.hash[:8]}"
    failing = f", {replica.servers_failing} failing" if replica.servers_failing else ""
    gone = replica.state in ("lost", "stopped")
    return (
        clean(replica.name) + (" (this one)" if replica.name == own else ""),
        _state(replica, paint),
        f"{span(replica.age)} ago" if gone else span(replica.uptime),
        clean(configuration) if replica.up_to_date else paint.warn(clean(configuration)),
        str(replica.sessions),
        str(replica.calls_in_flight),
        f"{replica.servers}{failing}",
        clean(replica.version),
        clean(", ".join(replica.troubles)),
    )


def _state(replica: ReplicaStatus, paint: Paint) -> str:
    if replica.state == "serving":
        return paint.good(replica.state)
    return paint.bad(replica.state) if replica.state == "lost" else paint.warn(replica.state)


def _error(error: ErrorBody, paint: Paint) -> str:
    return paint.warn(f"replicas  {error_line(error)}")

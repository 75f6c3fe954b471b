"""The states of all replicas, made of what each says of itself."""

from __future__ import annotations

from typing import Literal, NamedTuple

from bridge.errors import ErrorBody
from bridge.models.replicas import ReplicaReport, ReplicasState, ReplicaState, ReplicaStatus

LOST_SECONDS = 10.0
"""A replica is lost that has reported nothing for so long."""
LIVE: frozenset[ReplicaState] = frozenset({"starting", "serving", "draining"})


class Reported(NamedTuple):
    """The report of a replica, and how many seconds ago it was made."""

    name: str
    age: float
    report: ReplicaReport
    error: ErrorBody | None = None
    """Why there is no newer report; `age` is since when."""


def state_of(
    transport: Literal["redis", "http"], reported: list[Reported], error: ErrorBody | None = None
) -> ReplicasState:
    """The answer to `replicas`, made of the reports of all replicas, the first of which is the own one."""
    own, wanted = reported[0].name, reported[0].report.accepted
    replicas = sorted((_status(each, wanted.hash if wanted else None) for each in reported), key=lambda each: each.name)
    live = [each for each in replicas if each.state in LIVE]
    return ReplicasState(
        transport=transport,
        own=own,
        error=error,
        wanted=wanted,
        replicas=tuple(replicas),
        live=len(live),
        up_to_date=sum(each.up_to_date for each in live),
        sessions=sum(each.sessions for each in live),
        calls_in_flight=sum(each.calls_in_flight for each in live),
    )


def _status(reported: Reported, wanted: str | None) -> ReplicaStatus:
    """`wanted` is the hash of the configuration that all replicas should serve."""
    name, age, report, error = reported
    said = report.model_dump()
    if error or (report.state in LIVE and age > LOST_SECONDS):
        said["state"] = "lost"
    applied = report.applied
    up_to_date = applied is not None and applied.hash == wanted
    return ReplicaStatus(**said, name=name, age=round(age, 1), up_to_date=up_to_date, error=error)

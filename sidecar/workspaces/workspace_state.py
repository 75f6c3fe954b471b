"""Derives the state of a workspace from the states of its servers. Pure. docs/states.md lists the states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bridge.errors import ErrorBody
from bridge.models import ServerState, WorkspaceState
from sidecar.errors import NoServerOn

STATES_BY_REASON: tuple[ServerState, ...] = (
    *("failed", "backoff", "sign_in_required", "elsewhere", "starting", "stopped"),
)
"""The states of servers that do not serve, in the order in which their reasons are shown for the workspace."""


class MemberState(NamedTuple):
    """The state of an enabled server, as the workspace's clients experience it."""

    key: str
    state: ServerState
    attempts: int = 0
    """The number of failed starts since it was last ready."""
    per_client: bool = False
    """Whether each session has an instance of its own."""
    reason: ErrorBody | None = None
    """Why it is not ready, if it is not."""
    each_user: bool = False
    """Whether each user signs in at it (`sign_in: user`), so that nobody has to do that for the others."""

    @property
    def serves(self) -> bool:
        """Whether calls reach the server; the call itself starts one that is `sleeping` or `per_client`, and has the
        user sign in where each does."""
        return (
            self.state in ("ready", "degraded", "sleeping")
            or (self.per_client and self.state in ("stopped", "starting"))
            or (self.each_user and self.state == "sign_in_required")
        )

    @property
    def pending(self) -> bool:
        """Whether it is starting for the first time. A start after a failure does not count."""
        return not self.serves and self.state in ("starting", "stopped") and not self.attempts


class Condition(NamedTuple):
    """The state of a workspace as a whole."""

    state: WorkspaceState
    ready: int
    """The number of servers that serve."""
    reason: ErrorBody | None
    """Why the state is not `ready`: the reason of one of its servers (see `STATES_BY_REASON`)."""


def condition(name: str, enabled: bool, members: Sequence[MemberState]) -> Condition:
    """The condition of the workspace `name`, whose enabled servers are `members`."""
    ready = sum(member.serves for member in members)
    if not enabled:
        return Condition("off", ready, None)
    if not members:
        return Condition("empty", 0, NoServerOn(f"No server of the workspace {name!r} is on.").body())
    state = _state(members, ready)
    return Condition(state, ready, None if state == "ready" else _reason(members))


def _state(members: Sequence[MemberState], ready: int) -> WorkspaceState:
    pending = sum(member.pending for member in members)
    if ready == len(members):
        return "ready"
    if pending and (pending + ready == len(members) or not ready):
        return "starting"
    return "degraded" if ready else "failed"


def _reason(members: Iterable[MemberState]) -> ErrorBody | None:
    reasons = [(member, member.reason) for member in members if member.reason and not member.serves]
    if not reasons:
        return None
    worst, reason = min(reasons, key=lambda each: STATES_BY_REASON.index(each[0].state))
    return reason.model_copy(update={"message": f"{worst.key}: {reason.message}"})

"""The state of a workspace, from the states of its servers (pure). docs/states.md lists the states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bridge.errors import ErrorBody
from bridge.models import ServerState, WorkspaceState
from sidecar.errors import NoServerOn

REASONED: tuple[ServerState, ...] = ("failed", "backoff", "starting", "stopped")
"""States of a server that does not serve, by how much its reason explains, most first."""


class MemberState(NamedTuple):
    """A server of a workspace that is switched on, as it is for the workspace's clients."""

    key: str
    state: ServerState
    attempts: int = 0
    """Starts that failed since it was last ready."""
    per_client: bool = False
    """Whether each session starts a process of its own."""
    reason: ErrorBody | None = None
    """Why it is not ready."""

    @property
    def serves(self) -> bool:
        """Whether a call reaches it: a `per_client` server is started by the session that calls."""
        return self.state in ("ready", "degraded") or (self.per_client and self.state in ("stopped", "starting"))

    @property
    def pending(self) -> bool:
        """Whether it is in its first start. A server that is started again after a failure counts as failing."""
        return not self.serves and self.state in ("starting", "stopped") and not self.attempts


class Condition(NamedTuple):
    """What the status tells of a workspace as a whole."""

    state: WorkspaceState
    ready: int
    """How many of its servers serve."""
    reason: ErrorBody | None
    """Why it is not well; where several servers are not, the worst one's reason."""


def condition(name: str, enabled: bool, members: Sequence[MemberState]) -> Condition:
    """The condition of the workspace `name`; `members` are its servers but those that are switched off."""
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
    told = [(member, member.reason) for member in members if member.reason and not member.serves]
    if not told:
        return None
    worst, reason = min(told, key=lambda each: REASONED.index(each[0].state))
    return reason.model_copy(update={"message": f"{worst.key}: {reason.message}"})

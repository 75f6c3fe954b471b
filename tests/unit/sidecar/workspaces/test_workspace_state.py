"""The state of a workspace, for all combinations of states of its servers."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import get_args

import pytest

from bridge.errors import ErrorBody
from bridge.models import ServerState, WorkspaceState
from sidecar.workspaces.workspace_state import STATES_BY_REASON, MemberState, condition

KINDS = {
    "ready": ("serving", MemberState("ready", "ready")),
    "ready after failures": ("serving", MemberState("again", "ready", attempts=3)),
    "on demand": ("serving", MemberState("on demand", "stopped", per_client=True)),
    "starting for a session": ("serving", MemberState("own", "starting", per_client=True)),
    "starting again for a session": ("serving", MemberState("own", "starting", attempts=1, per_client=True)),
    "ready for a session": ("serving", MemberState("own", "ready", per_client=True)),
    "degraded": ("serving", MemberState("degraded", "degraded")),
    "degraded for a session": ("serving", MemberState("own", "degraded", per_client=True)),
    "sleeping": ("serving", MemberState("sleeping", "sleeping")),
    "waits for its users": ("serving", MemberState("users", "sign_in_required", each_user=True)),
    "waits for an administrator": ("failing", MemberState("shared", "sign_in_required", attempts=1)),
    "in another replica": ("failing", MemberState("elsewhere", "elsewhere")),
    "first start": ("pending", MemberState("first", "starting")),
    "not started yet": ("pending", MemberState("next", "stopped")),
    "starting again": ("failing", MemberState("again", "starting", attempts=1)),
    "backoff": ("failing", MemberState("backoff", "backoff", attempts=1)),
    "failed": ("failing", MemberState("failed", "failed", attempts=9)),
    "failing for each session": ("failing", MemberState("own", "failed", attempts=9, per_client=True)),
    "backoff for a session": ("failing", MemberState("own", "backoff", attempts=1, per_client=True)),
}
"""What each kind of server counts as, and how it is."""
STATES: dict[frozenset[str], WorkspaceState] = {
    frozenset(): "empty",
    frozenset({"serving"}): "ready",
    frozenset({"pending"}): "starting",
    frozenset({"serving", "pending"}): "starting",
    frozenset({"failing"}): "failed",
    frozenset({"failing", "pending"}): "starting",
    frozenset({"failing", "serving"}): "degraded",
    frozenset({"failing", "serving", "pending"}): "degraded",
}


def because(code: str) -> ErrorBody:
    """A reason with this code."""
    return ErrorBody(code=code, message=f"It is {code}.", hint="Mend it.")


def test_every_state_of_a_server_is_in_the_table() -> None:
    """The kinds have each state that a server can be in; the order of reasons, each in which it does not serve."""
    assert {member.state for _, member in KINDS.values()} == set(get_args(ServerState))
    assert {*STATES_BY_REASON, "ready", "degraded", "sleeping"} == set(get_args(ServerState))
    assert {*STATES.values(), "off"} == set(get_args(WorkspaceState))


@pytest.mark.parametrize("size", range(4))
def test_every_combination(size: int) -> None:
    """The state follows from what the servers count as, in any number and order."""
    for kinds in combinations_with_replacement(KINDS, size):
        counted = [KINDS[kind][0] for kind in kinds]
        members = [KINDS[kind][1] for kind in kinds]
        found = condition("w", True, members)
        assert found.state == STATES[frozenset(counted)], kinds
        assert found.ready == sum(each == "serving" for each in counted), kinds
        assert condition("w", True, members[::-1])[:2] == found[:2], kinds


@pytest.mark.parametrize("kind", KINDS)
def test_off_is_off(kind: str) -> None:
    """A workspace that is switched off is off, without a reason, whatever its servers are."""
    assert condition("w", False, [KINDS[kind][1]])[::2] == ("off", None)
    assert condition("w", False, []) == ("off", 0, None)


def test_an_empty_workspace_says_what_to_do() -> None:
    """Where no server is on, there is none whose reason could be told."""
    found = condition("my team", True, [])
    assert found.reason is not None
    assert found.reason.code == "WORKSPACE_WITHOUT_SERVERS"
    assert "'my team'" in found.reason.message
    assert found.reason.hint


def test_the_worst_servers_reason_is_told() -> None:
    """With the server's key; a failed one goes before one that is tried again, that one before a slow start."""
    slow = MemberState("slow", "starting", reason=because("SLOW"))
    gone = MemberState("gone", "failed", attempts=3, reason=because("GONE"))
    ended = MemberState("ended", "backoff", attempts=1, reason=because("ENDED"))
    part = MemberState("serving", "degraded", reason=because("PART"))
    fine = MemberState("fine", "ready")
    for members, told in (
        ([slow, part, ended, gone], "gone: It is GONE."),
        ([part, slow, ended], "ended: It is ENDED."),
        ([part, slow, fine], "slow: It is SLOW."),
    ):
        reason = condition("w", True, members).reason
        assert reason is not None
        assert reason.message == told
        assert reason.hint == "Mend it."


def test_no_reason_where_none_is_known() -> None:
    """A workspace that is well has none, nor one whose servers start as usual; one that serves gives no reason."""
    assert condition("w", True, [MemberState("a", "degraded", reason=because("PART"))]).reason is None
    assert condition("w", True, [MemberState("a", "starting"), MemberState("b", "ready")]).reason is None
    own = MemberState("own", "starting", attempts=1, per_client=True, reason=because("SLOW"))
    assert condition("w", True, [own, MemberState("b", "starting")]).reason is None

"""The proposals that wait, and the last ones that were decided: expiry, limits. Pure; times are Unix time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.models.catalog.activation import (
    ActivationJob,
)
from bridge.models.catalog.approvals import (
    Proposal,
)
from yamcp_ui_adapter.approvals.errors import NoSuchProposal, ProposalDecided, TooManyProposals
from yamcp_ui_adapter.approvals.shown import digest_of

LIFETIME_SECONDS = 7 * 86400.0
"""How long a proposal waits."""
MAX_PENDING = 50
"""Proposals that wait, in all."""
MAX_OF_PRINCIPAL = 5
"""Proposals of one principal that wait."""
MAX_DECIDED = 100
"""Decided proposals that are remembered; the oldest goes."""

Queue = tuple[Proposal, ...]


def expired(queue: Queue, now: float) -> Queue:
    """Return the queue in which those that waited too long are marked so, without decided ones that are too many."""
    marked = [
        each.model_copy(update={"state": "expired", "decided": each.expires})
        if each.state == "pending" and each.expires <= now
        else each
        for each in queue
    ]
    decided = [each.id for each in marked if each.state != "pending"]
    gone = set(decided[: max(0, len(decided) - MAX_DECIDED)])
    return tuple(each for each in marked if each.id not in gone)


def added(queue: Queue, proposal: Proposal) -> tuple[Queue, Proposal]:
    """Return the queue with a further proposal, and the one that stands for it: an equal one that waits already, if its
    principal has made it.

    Raises:
        TooManyProposals: too many wait, of this principal or in all.
    """
    waiting = [each for each in queue if each.state == "pending"]
    own = [each for each in waiting if each.principal == proposal.principal]
    for each in own:
        if _same(each, proposal):
            return queue, each
    if len(own) >= MAX_OF_PRINCIPAL:
        raise TooManyProposals(f"{MAX_OF_PRINCIPAL} of your proposals wait for an administrator already.")
    if len(waiting) >= MAX_PENDING:
        raise TooManyProposals("The hub keeps no more proposals until an administrator has decided on some.")
    return (*queue, proposal), proposal


def _same(one: Proposal, other: Proposal) -> bool:
    """Whether both ask for the same change of the same workspace; keys of servers to be added do not count."""
    if (one.action, one.workspace) != (other.action, other.workspace):
        return False
    return one.digest == other.digest if one.action != "add" else one.shown == other.shown


def find(queue: Iterable[Proposal], wanted: str) -> Proposal:
    """Return the proposal with that id. Raises NoSuchProposal."""
    for each in queue:
        if each.id == wanted:
            return each
    raise NoSuchProposal(f"There is no proposal {wanted!r}.")


def waiting(queue: Iterable[Proposal], wanted: str) -> Proposal:
    """Return the proposal with that id, which waits. Raises NoSuchProposal, ProposalDecided."""
    found = find(queue, wanted)
    if found.state != "pending":
        raise ProposalDecided(f"The proposal {wanted!r} does not wait any more; it is {found.state}.")
    return found


def replaced(queue: Queue, proposal: Proposal) -> Queue:
    """Return the queue with this proposal in the place of the one with its id."""
    return tuple(proposal if each.id == proposal.id else each for each in queue)


def outcome(proposal: Proposal, job: ActivationJob | None) -> Proposal:
    """Return an approved proposal as failed if its activation has failed."""
    if proposal.state != "approved" or job is None or job.state not in ("failed", "cancelled"):
        return proposal
    return proposal.model_copy(update={"state": "failed", "error": job.error})


def renamed(queue: Queue, servers: Mapping[str, str], workspaces: Mapping[str, str]) -> Queue:
    """Return the queue after renames (old name to new); decided proposals keep the names that they were decided under.

    The digest of a proposal to add a server is of its package, too, which is not known here: it stays, so that the
    approval fails with PROPOSAL_CHANGED once, and the proposal is shown anew.
    """
    return tuple(_renamed(each, servers, workspaces) if each.state == "pending" else each for each in queue)


def _renamed(proposal: Proposal, servers: Mapping[str, str], workspaces: Mapping[str, str]) -> Proposal:
    workspace = workspaces.get(proposal.workspace, proposal.workspace)
    if proposal.action == "add":
        return proposal.model_copy(update={"workspace": workspace})
    key, shown = servers.get(proposal.key, proposal.key), proposal.shown
    if (workspace, key) == (proposal.workspace, proposal.key):
        return proposal
    if shown.name == proposal.key:  # a server that is not from the catalogue
        shown = shown.model_copy(update={"name": key})
    digest = digest_of(shown, proposal.action, workspace, key)
    return proposal.model_copy(update={"workspace": workspace, "key": key, "shown": shown, "digest": digest})

"""Changes that agents ask for with the registry tools, which are carried out, or kept as proposals until an
administrator decides; and the tickets with which people enter secrets that no agent may see.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Done, Model, Request
from bridge.models.catalog.activation import ActivationJob, CatalogInput

ProposalState = Literal["pending", "approved", "refused", "expired", "failed"]
Action = Literal["add", "remove", "configure"]
MAX_REASON = 500
"""Characters of a reason."""


class Caller(Model):
    """Who called a registry tool, as the sidecar has authenticated them. The adapter decides what they may do."""

    id: str = Field(max_length=128)
    """As `Principal.id`: empty for everybody in a hub that asks for no credentials."""
    name: str = Field("", max_length=256)
    grant: bool = False
    """Whether they came with an OAuth grant, which is for one workspace and never for an administrator's rights."""
    subjects: tuple[str, ...] = Field((), max_length=2000)
    """As `Principal.subjects`: by what access.json may name them."""


class Shown(Model):
    """What would run, exactly: an administrator approves this and nothing else."""

    name: str
    """The entry's name in the catalogue."""
    version: str = ""
    source: str = ""
    package: str = ""
    """What is installed: kind, name and version; or the address of a remote server."""
    command: tuple[str, ...] = ()
    """The command line, with `{input}` for each value of the settings."""
    variables: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of settings that are no secrets, by name, with the defaults."""
    secrets: tuple[str, ...] = ()
    """Names of the secret settings that the server needs, which are entered when it is approved."""
    reach: tuple[str, ...] = ()
    """What the server may reach and gets, one sentence each."""


class Proposal(Model):
    """A change that somebody has asked for who may not make it."""

    id: str
    state: ProposalState
    action: Action
    principal: str
    """The id of the principal who asked; empty for a hub without credentials."""
    principal_name: str = ""
    workspace: str
    key: str
    """The server's key in providers.json."""
    reason: str = ""
    """Why, in the words of who asked: untrusted text."""
    shown: Shown
    digest: str
    """Of everything that would run; `approve_proposal` names it."""
    created: float
    expires: float
    decided: float | None = None
    decided_by: str = ""
    job: str = ""
    """The activation that the approval has started."""
    error: ErrorBody | None = None
    """Why the state is `failed`."""


class Proposals(Model):
    """The answer to `proposals`, newest first."""

    proposals: tuple[Proposal, ...]


class ListProposals(Request[Proposals], kind="proposals", sockets=("desired",)):
    """Ask for the proposals that wait, and the last ones that were decided."""


class ApproveProposal(
    Request[Proposal], kind="approve_proposal", sockets=("desired",), queue="approvals", repeatable=False
):
    """Carry out a proposal, if what it would run is still what its digest says."""

    id: str = Field(max_length=64)
    digest: str = Field(max_length=64)
    secrets: dict[str, str] = Field(default_factory=dict, max_length=200, repr=False)
    """Values of secret settings, by name."""


class RefuseProposal(
    Request[Proposal], kind="refuse_proposal", sockets=("desired",), queue="approvals", repeatable=False
):
    """Refuse a proposal that waits."""

    id: str = Field(max_length=64)


# --- what the registry tools ask -------------------------------------------------------------------------------------


class SecretTicket(Model):
    """The right to enter some secrets once, on a page of the hub, for the principal it was made for."""

    id: str
    """Names the ticket to those who wait for it; it opens nothing."""
    url: str
    expires: float


class RegistryEntry(Model):
    """An entry of the catalogue that `registry_find` found."""

    name: str
    version: str
    title: str = ""
    description: str = ""
    """In the words of its publisher: untrusted text."""
    source: str = ""
    inputs: tuple[CatalogInput, ...] = ()
    """The settings that its user may give."""


class RegistryFound(Model):
    """The answer to `registry_find`, best first."""

    entries: tuple[RegistryEntry, ...]
    more: int = 0
    """How many further entries match."""


class RegistryFind(Request[RegistryFound], kind="registry_find", sockets=("desired",)):
    """Search the catalogue for a caller who may: its workspace has at least `find`."""

    caller: Caller
    workspace: str = Field(max_length=256)
    text: str = Field(max_length=200)
    limit: int = Field(10, ge=1, le=50)


class RegistryOutcome(Model):
    """What became of a change that a registry tool asked for."""

    outcome: Literal["done", "started", "proposed", "secrets_needed"]
    key: str
    job: str = ""
    """With `started`: the activation."""
    proposal: Proposal | None = None
    """With `proposed`."""
    ticket: SecretTicket | None = None
    """With `secrets_needed`: where a person enters them; then the change goes on."""
    uninstalled: bool = False
    """Whether a removed server was uninstalled, because nobody else uses it."""


class RegistryAdd(Request[RegistryOutcome], kind="registry_add", sockets=("desired",), repeatable=False):
    """Put a server of the catalogue into a workspace, or propose it, as the caller's rights are."""

    caller: Caller
    workspace: str = Field(max_length=256)
    name: str = Field(max_length=200)
    version: str | None = Field(None, max_length=255)
    source: str | None = Field(None, max_length=64)
    values: dict[str, str | tuple[str, ...]] = Field(default_factory=dict, max_length=200)
    """Settings that are no secrets, by name."""
    reason: str = Field("", max_length=MAX_REASON)


class RegistryRemove(Request[RegistryOutcome], kind="registry_remove", sockets=("desired",), repeatable=False):
    """Take a server out of a workspace, and uninstall it if a registry tool has added it and nobody else uses it."""

    caller: Caller
    workspace: str = Field(max_length=256)
    server: str = Field(max_length=200)
    reason: str = Field("", max_length=MAX_REASON)


class RegistryConfigure(Request[RegistryOutcome], kind="registry_configure", sockets=("desired",), repeatable=False):
    """Change settings of a server that was activated from the catalogue."""

    caller: Caller
    workspace: str = Field(max_length=256)
    server: str = Field(max_length=200)
    values: dict[str, str] = Field(default_factory=dict, max_length=200)
    """Settings that are no secrets, by name."""
    secrets: tuple[str, ...] = Field((), max_length=50)
    """Names of secret settings that a person is to enter."""
    reason: str = Field("", max_length=MAX_REASON)


class RegistryProgress(Model):
    """The answer to `registry_progress`: of what was asked for, what the caller has asked for."""

    job: ActivationJob | None = None
    proposal: Proposal | None = None
    ticket: Literal["waiting", "used", "expired"] | None = None
    added: tuple[str, ...] = ()
    """Keys of the servers that registry tools have added to the workspace."""


class ReadRegistryProgress(Request[RegistryProgress], kind="registry_progress", sockets=("desired",)):
    """Ask for a job, proposal or ticket of one's own."""

    caller: Caller
    workspace: str = Field(max_length=256)
    id: str = Field("", max_length=64)


# --- secrets ---------------------------------------------------------------------------------------------------------


class SecretAsked(Model):
    """One secret that a person is asked for."""

    name: str
    description: str = ""


class SecretQuestion(Model):
    """The answer to `secret_question`: what the page of a ticket asks for."""

    server: str
    package: str = ""
    workspace: str
    secrets: tuple[SecretAsked, ...]
    expires: float


class ReadSecretQuestion(Request[SecretQuestion], kind="secret_question", sockets=("desired",)):
    """Ask what a ticket is for. `principal`, `admin`: who has opened the page."""

    ticket: str = Field(max_length=64, repr=False)
    principal: str = Field(max_length=128)
    admin: bool = False


class RedeemSecretTicket(Request[Done], kind="redeem_secret_ticket", sockets=("desired",), repeatable=False):
    """Hand over the values of a ticket, and go on with what waits for them. The ticket ends with it."""

    ticket: str = Field(max_length=64, repr=False)
    principal: str = Field(max_length=128)
    admin: bool = False
    values: dict[str, str] = Field(max_length=50, repr=False)

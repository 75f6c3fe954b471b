"""Requests about access.json, and about what a subject may use according to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.models.access_file import AccessRule, ItemKind, Role
from bridge.models.base import Model, Request
from bridge.models.desired import Issue
from bridge.models.edits import Changed


class AccessText(Model):
    """The answer to `access_file`."""

    path: str
    text: str | None
    """The file as it is; null if it does not exist or is not text."""
    hash: str
    """The hash of the file, to be compared with that of `put_access_file`; empty if it does not exist."""
    issues: tuple[Issue, ...]
    """What is wrong with it. With an issue of severity error, its last good version is in force."""
    in_force: bool
    """Whether there are rules in force: those of the file, or of its last good version."""


class ReadAccessFile(Request[AccessText], kind="access_file", sockets=("desired",)):
    """Request the text of access.json, and what is wrong with it."""


class AccessChecked(Model):
    """The answer to `check_access_file`."""

    issues: tuple[Issue, ...]


class CheckAccessFile(Request[AccessChecked], kind="check_access_file", sockets=("desired",)):
    """Request what would be wrong with a text as access.json."""

    text: str = Field(max_length=4 * 1024 * 1024)


class AccessSaved(Changed):
    """The answer to `put_access_file`."""

    hash: str
    """The hash of the file as it is now; empty if it was removed."""
    issues: tuple[Issue, ...]
    """Remarks on it; none of severity error."""


class PutAccessFile(
    Request[AccessSaved], kind="put_access_file", sockets=("desired",), queue="change", repeatable=False
):
    """Replace the text of access.json. Refused if it is invalid. `text` null: remove the file.

    `hash`: that of the file that the caller has seen, empty for no file; null to overwrite any.
    """

    text: str | None = Field(max_length=4 * 1024 * 1024)
    hash: str | None = None


AccessReason = Literal["rule", "admin", "owner", "key", "credential", "none"]


class AccessItem(Model):
    """One item of a server in a workspace, whether a subject may use it, and what decides that."""

    type: ItemKind
    server: str
    """The key of its server."""
    name: str
    """The name by which the server knows it; the URI of a resource or template."""
    shown_as: str
    """The name by which clients of the workspace know it."""
    allowed: bool
    reason: AccessReason
    rule: int | None = None
    """The index of the deciding rule in access.json, from 0; null unless the reason is `rule`."""
    why: str
    """The reason in words."""


class AccessDecision(AccessItem):
    """An answer of `explain_access` for one workspace."""

    workspace: str
    listed: bool
    """Whether the server lists such an item now; the decision holds for an item of that name in any case."""
    text: AccessRule | None = None
    """The deciding rule."""


class AccessExplained(Model):
    """The answer to `explain_access`."""

    subject: str
    principal: str
    """The id of the principal that the subject stands for; of a group or role: of an imagined user in it."""
    role: Role
    decisions: tuple[AccessDecision, ...]
    """One for each workspace and server that has such an item."""


class ExplainAccess(Request[AccessExplained], kind="explain_access", sockets=("actual",)):
    """Ask whether a subject may use a tool, resource or prompt, and why.

    `name`: as clients see it, or as the server names it. Without `workspace`: in every workspace; without `server`: of
    every server.
    """

    subject: str = Field(min_length=1, max_length=512)
    name: str = Field(min_length=1, max_length=4096)
    type: ItemKind = "tool"
    workspace: str | None = None
    server: str | None = None


class WorkspaceAccess(Model):
    """What a subject sees of one workspace."""

    name: str
    usable: bool
    """Whether it may use the workspace; if not, it does not exist for the subject."""
    servers: tuple[str, ...] = ()
    """Keys of the servers of which it may use something."""
    items: tuple[AccessItem, ...]
    """Everything in the workspace, what is hidden from the subject included; empty if items are not wanted."""


class AccessView(Model):
    """The answer to `view_as`."""

    subject: str
    principal: str
    role: Role
    workspaces: tuple[WorkspaceAccess, ...]


class ViewAs(Request[AccessView], kind="view_as", sockets=("actual",)):
    """Ask what a subject sees in each workspace, and what decides on each item."""

    subject: str = Field(min_length=1, max_length=512)
    items: bool = True
    """Whether the items are wanted. All of a large hub take time to decide on, and may be too long for an answer."""

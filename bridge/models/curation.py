"""What a workspace shows of its servers' tools, prompts and resources, and how (docs/curation.md)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from bridge.models.base import Model, Request

Hint = Literal["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
HintName = Annotated[str, Field(pattern="^(readOnly|destructive|idempotent|openWorld)Hint$")]
ExposedName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


class FixedArgument(Model):
    """An argument that always has this value. Clients do not see it, and may not send it."""

    value: Any
    hidden: Literal[True] = True


class DefaultArgument(Model):
    """An argument that has this value where a client does not send it. Clients see the default in the schema."""

    default: Any


class CuratedItem(Model):
    """What a workspace changes of one tool, prompt or resource. Nothing is changed where a field is not set."""

    on: bool | None = None
    """Whether it is shown, whatever the rules say."""
    name: ExposedName | None = None
    """The name in place of its server's; the workspace's template is applied to it."""
    title: str | None = Field(None, max_length=1000)
    description: str | None = Field(None, max_length=100_000)
    annotations: dict[HintName, bool] = Field(default_factory=dict)
    """Annotations of a tool that replace its server's."""
    arguments: dict[str, FixedArgument | DefaultArgument] = Field(default_factory=dict, max_length=100)
    """Presets of a tool's arguments, by name."""


class CurationRule(Model):
    """Switches the items on or off that have a name that matches, and an annotation. The first that applies decides."""

    match: str = Field("*", min_length=1, max_length=2048)
    """A name, or a pattern with `*`; for resources a URI."""
    annotation: Hint | None = None
    """The rule applies only to tools for which this annotation is true."""
    on: bool


class CuratedKind(Model):
    """Curation of the tools, prompts or resources of one server, by the server's own names (of resources: the URIs)."""

    new: Literal["on", "off", "ask"] = "on"
    """What happens to items that are not in `known`; `ask`: they are off and shown as pending."""
    known: tuple[str, ...] = Field((), max_length=10_000)
    """The items that there were when an administrator last looked."""
    rules: tuple[CurationRule, ...] = Field((), max_length=200)
    items: dict[str, CuratedItem] = Field(default_factory=dict, max_length=10_000)


class CuratedServer(Model):
    """Curation of one server in one workspace."""

    tools: CuratedKind = CuratedKind()
    prompts: CuratedKind = CuratedKind()
    resources: CuratedKind = CuratedKind()
    """Resources and resource templates."""


class Curation(Model):
    """Curation of a workspace's servers, by key. Servers that it does not name show everything as it is."""

    servers: dict[str, CuratedServer] = Field(default_factory=dict)

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of its content: the same for all ways to write it."""
        content = self.model_dump(mode="json")
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


class CurationNow(Model):
    """The answer to `curation`."""

    curation: Curation
    """Without servers if the workspace has none."""
    hash: str
    """For `expect_curation` of `set_workspace`."""


class ReadCuration(Request[CurationNow], kind="curation", sockets=("desired",)):
    """Request the curation of a workspace."""

    workspace: str


class WorkspaceItem(Model):
    """One item of a server of a workspace, as the server has it, and what the workspace makes of it."""

    server: str
    kind: Literal["tool", "prompt", "resource", "template"]
    name: str
    """The server's own name; of resources and templates the URI."""
    exposed: str | None
    """The name that clients see; null if it is not shown."""
    title: str | None = None
    description: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    input_schema: dict[str, Any] | None = None
    tokens: int
    """The estimated tokens that it costs in a model's context, as it is shown, or else would be without curation."""
    state: Literal["on", "off", "pending"]
    why: str
    """What decided the state: `item`, `rule 1`, `new`; empty if nothing did."""


class WorkspaceTools(Model):
    """The answer to `workspace_tools`."""

    items: tuple[WorkspaceItem, ...]
    tokens: int
    """The estimated tokens of all tools that are shown."""


class ReadWorkspaceTools(Request[WorkspaceTools], kind="workspace_tools", sockets=("actual",)):
    """Request all items of a workspace's servers, also those that curation does not show."""

    workspace: str

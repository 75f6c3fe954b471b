"""The content of access.json: roles, rules, tenants and limits, by subject (docs/access.md). Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from bridge.models.base import Model

MAX_RULES = 10_000
"""Most rules, and most roles, tenants and limits each."""
MAX_PATTERNS = 1000
"""Most patterns in one list."""

Effect = Literal["allow", "deny"]
Role = Literal["admin", "owner", "user"]
ItemKind = Literal["tool", "resource", "prompt"]
"""What a server offers. Resource templates count as resources."""
ANNOTATIONS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
"""The annotations of a tool that rules can name (MCP, `ToolAnnotations`)."""

EVERYBODY = "*"
"""The subject that all principals have."""
SUBJECT_KINDS = ("key", "user", "email", "group", "role")


def _subject(text: str) -> str:
    """Check a subject, and write e-mail addresses in lower case. Raises ValueError."""
    kind, _, name = text.partition(":")
    if text == EVERYBODY:
        return text
    if kind not in SUBJECT_KINDS or not name.strip():
        raise ValueError("a subject is '*', or one of key:, user:, email:, group:, role: and a name, such as group:dev")
    if "*" in name or name != name.strip() or not name.isprintable():
        raise ValueError("the name in a subject is exact: no '*', no space around it, no control characters")
    return text.lower() if kind == "email" else text


Subject = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_subject)]
"""Whom an entry is for: `*`, `key:<id or name>`, `user:<id>`, `email:<address>`, `group:<name>` or `role:<name>`."""
Pattern = Annotated[str, Field(min_length=1, max_length=1024)]
"""A name, in which each `*` stands for any characters; letter case counts."""
Patterns = Annotated[tuple[Pattern, ...], Field(strict=False, min_length=1, max_length=MAX_PATTERNS)] | None
"""None, a list that is missing, for all names."""


class AccessModel(Model):
    """Base class of the parts of access.json: no conversion of types, no unknown fields."""

    model_config = ConfigDict(strict=True)


class RoleGrant(AccessModel):
    """Gives a subject a role. An owner is the owner of the servers and workspaces that it names, by pattern."""

    subject: Subject
    role: Role
    servers: Patterns = None
    """Of an owner: keys of servers. None for no server."""
    workspaces: Patterns = None
    """Of an owner: names of workspaces. None for no workspace."""

    @model_validator(mode="after")
    def _owners_own(self) -> Self:
        owned = self.servers is not None or self.workspaces is not None
        if self.role == "owner" and not owned:
            raise ValueError("an owner needs 'servers' or 'workspaces'")
        if self.role != "owner" and owned:
            raise ValueError(f"only the role 'owner' has 'servers' and 'workspaces', not {self.role!r}")
        return self


class AccessRule(AccessModel):
    """Allows or denies a subject what all the given lists match.

    A rule with one or more of `tools`, `resources` and `prompts` is about items of these kinds only; with
    `annotations` alone it is about tools; else it is about everything that a server offers.
    """

    effect: Effect
    subject: Subject
    workspaces: Patterns = None
    servers: Patterns = None
    tools: Patterns = None
    resources: Patterns = None
    prompts: Patterns = None
    annotations: Annotated[dict[str, bool], Field(min_length=1)] | None = None
    """The rule is only about tools whose annotations have these values; MCP's defaults count for missing ones."""

    @model_validator(mode="after")
    def _annotations_of_tools(self) -> Self:
        if unknown := sorted((self.annotations or {}).keys() - set(ANNOTATIONS)):
            raise ValueError(f"there is no annotation {unknown[0]!r}; there are {', '.join(ANNOTATIONS)}")
        if self.annotations is not None and (self.resources is not None or self.prompts is not None):
            raise ValueError("'annotations' are those of tools; such a rule cannot name 'resources' or 'prompts'")
        return self

    def names(self, kind: ItemKind) -> tuple[str, ...] | None:
        """The patterns of the names of that kind, None if the rule is not about the kind at all."""
        given = {"tool": self.tools, "resource": self.resources, "prompt": self.prompts}
        if (found := given[kind]) is not None:
            return found
        if self.annotations is not None:
            return ("*",) if kind == "tool" else None
        return ("*",) if all(patterns is None for patterns in given.values()) else None


class AccessLimit(AccessModel):
    """Limits what a subject uses (sidecar/quotas/); a limit that is missing does not apply.

    With `servers` or `tools`, only the calls of these count. Then there is no limit of `sessions` or `bytes_per_day`.
    """

    subject: Subject
    servers: Patterns = None
    tools: Patterns = None
    requests_per_second: float | None = Field(None, gt=0, le=1_000_000, allow_inf_nan=False)
    burst: int | None = Field(None, ge=1, le=1_000_000)
    """Requests that may come at once; None for one second's worth."""
    concurrent: int | None = Field(None, ge=1, le=1_000_000)
    """Calls in progress at once."""
    sessions: int | None = Field(None, ge=1, le=1_000_000)
    calls_per_day: int | None = Field(None, ge=1, le=10**12)
    bytes_per_day: int | None = Field(None, ge=1, le=10**18)
    """Bytes of requests and answers together."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("'burst' belongs to 'requests_per_second', which is missing")
        values = (self.requests_per_second, self.concurrent, self.sessions, self.calls_per_day, self.bytes_per_day)
        if all(value is None for value in values):
            raise ValueError("it limits nothing: give requests_per_second, concurrent, sessions, calls_per_day, ...")
        if self.servers is not None or self.tools is not None:
            whole = {"sessions": self.sessions, "bytes_per_day": self.bytes_per_day}
            if given := [name for name, value in whole.items() if value is not None]:
                raise ValueError(f"{given[0]!r} is not of single servers or tools")
        return self


class AccessFile(AccessModel):
    """The whole file. It is used as a whole: if any part is invalid, the last good version stays in force."""

    version: int = Field(1, ge=1, le=1)
    keys: Literal["own", "rules"] = "own"
    """`own`: a key may use what keys.json gives it, unless a rule denies it; `rules`: only what rules allow."""
    roles: Annotated[tuple[RoleGrant, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    rules: Annotated[tuple[AccessRule, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    tenants: Annotated[tuple[Subject, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    """Subjects whose members use the same processes of servers with `tenancy` group; the first that fits counts."""
    limits: Annotated[tuple[AccessLimit, ...], Field(strict=False, max_length=MAX_RULES)] = ()

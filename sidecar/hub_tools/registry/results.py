"""The results of the registry tools."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Outcome = Literal["done", "started", "proposed", "secrets_needed"]


class FoundSetting(BaseModel):
    """A setting of a server."""

    name: str
    description: str = ""
    required: bool = False
    secret: bool = Field(False, description="a person enters it on a page of the hub; never put it in a call")
    default: str | None = None
    choices: list[str] = Field(default_factory=list)


class FoundServer(BaseModel):
    """A server of the catalogue."""

    name: str = Field(description="the name for registry_add")
    version: str
    title: str = ""
    description: str = Field("", description="its publisher's words, which the hub has not checked")
    source: str = ""
    settings: list[FoundSetting] = Field(default_factory=list)


class FoundServers(BaseModel):
    """The servers that fit, the best first."""

    servers: list[FoundServer]
    more: int = Field(description="how many further ones fit")


class ChangeReport(BaseModel):
    """What became of a change."""

    outcome: Outcome
    server: str = Field(description="the server's name in this workspace")
    tools: list[str] = Field(default_factory=list, description="the server's tools that can be called now")
    what_happens_next: str
    id: str | None = Field(None, description="names the change to registry_status")
    url: str | None = Field(None, description="the page on which a person enters the secrets")


class ActiveServer(BaseModel):
    """A server of this workspace."""

    server: str
    tools: list[str]
    added_by_agent: bool = Field(description="whether registry_add has added it")


class ActiveServers(BaseModel):
    """The servers of this workspace."""

    workspace: str
    servers: list[ActiveServer]


class StatusReport(BaseModel):
    """The state of a change that was begun."""

    id: str
    state: str = Field(description="of an activation, a proposal or a page for secrets")
    server: str = ""
    detail: str = ""
    tools: list[str] = Field(default_factory=list, description="the server's tools that can be called now")

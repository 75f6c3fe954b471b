"""Search for tools of a workspace by words (docs/tool-search.md)."""

from __future__ import annotations

from pydantic import Field

from bridge.models.base import Model, Request


class FoundTool(Model):
    """A tool that was found."""

    tool: str
    """The name under which clients call it."""
    server: str
    title: str = ""
    description: str = ""
    score: float
    """How well it fits, compared with the others of this answer."""


class FoundTools(Model):
    """The answer to `search_tools`, best first."""

    tools: tuple[FoundTool, ...]


class SearchTools(Request[FoundTools], kind="search_tools", sockets=("actual",)):
    """Search all tools of a workspace by words, those that lists hide included."""

    workspace: str
    text: str = Field(max_length=1000)
    limit: int = Field(8, ge=1, le=20)
    server: str | None = None
    """The key or namespace of a server, to search its tools alone."""

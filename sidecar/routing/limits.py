"""The time limits of calls, and how long their results are kept, by server and tool (hub.json). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from bridge.models import ServerSettings


class Limits(NamedTuple):
    """The limits of one call, in seconds."""

    timeout: float
    """For the whole call."""
    idle: float
    """For the time without a progress notification; 0: no limit."""
    cache: float
    """For which its result is kept; 0: not at all."""


def limits_of(settings: ServerSettings, tool: str) -> Limits:
    """The limits for calls of a tool, by its own name; those of the server for "", which stands for no tool."""
    return Limits(
        _of_tool(settings.tool_timeouts, tool, settings.call_timeout),
        _of_tool(settings.tool_idle_timeouts, tool, settings.idle_timeout),
        _of_tool(settings.cache, tool, 0),
    )


def _of_tool(by_tool: Mapping[str, float], tool: str, standard: float) -> float:
    """The value under the tool's name, else under the longest pattern that matches it (`*`, `?`, `[...]`, as in
    `fnmatch`), else `standard`."""
    if tool in by_tool or not tool:
        return by_tool.get(tool, standard)
    matching = [pattern for pattern in by_tool if fnmatchcase(tool, pattern)]
    return by_tool[max(matching, key=len)] if matching else standard

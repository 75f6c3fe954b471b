"""What a server offers: its lists and what it said of itself in the handshake, untouched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sidecar.protocol.eras import LEGACY_VERSION, Era

Kind = Literal["tools", "prompts", "resources", "templates"]

LIST_METHODS: dict[Kind, str] = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "templates": "resources/templates/list",
}
RESULT_KEYS: dict[Kind, str] = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "templates": "resourceTemplates",
}
CAPABILITIES: dict[Kind, str] = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "templates": "resources",
}
CHANGED: dict[str, tuple[Kind, ...]] = {
    "notifications/tools/list_changed": ("tools",),
    "notifications/prompts/list_changed": ("prompts",),
    "notifications/resources/list_changed": ("resources", "templates"),
}
READING = frozenset({*LIST_METHODS.values(), "ping", "prompts/get", "resources/read", "completion/complete"})
"""Methods that change nothing."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server answered to the handshake."""

    era: Era = "legacy"
    version: str = LEGACY_VERSION
    capabilities: dict[str, Any] = field(default_factory=dict)
    server_info: dict[str, Any] = field(default_factory=dict)
    instructions: str = ""

    def offers(self, kind: Kind) -> bool:
        """Whether the server declared the capability behind a list."""
        return self.capabilities.get(CAPABILITIES[kind]) is not None


@dataclass(frozen=True, slots=True)
class Catalog:
    """A server's greeting and lists, as of one moment."""

    greeting: Greeting = field(default_factory=Greeting)
    tools: tuple[dict[str, Any], ...] = ()
    prompts: tuple[dict[str, Any], ...] = ()
    resources: tuple[dict[str, Any], ...] = ()
    templates: tuple[dict[str, Any], ...] = ()

    def with_list(self, kind: Kind, items: tuple[dict[str, Any], ...]) -> Catalog:
        """The catalog with one list replaced."""
        lists: dict[str, Any] = {kind: items}
        return replace(self, **lists)

    def repeatable(self, method: str, params: Mapping[str, Any]) -> bool:
        """Whether a request may be carried out twice without harm: it only reads, or is a call of a tool of which the
        server says so (MCP, ToolAnnotations: `readOnlyHint`, `idempotentHint`).

        One that goes on with an earlier one (`requestState`), or begins a task, is not.
        """
        if any(params.get(name) is not None for name in ("requestState", "inputResponses", "task")):
            return False
        if method != "tools/call":
            return method in READING
        tool = next((tool for tool in self.tools if tool.get("name") == params.get("name")), {})
        hints = tool.get("annotations")
        return isinstance(hints, dict) and (hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True)

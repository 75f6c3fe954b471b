"""What a server offers: its lists and its answer to the handshake, unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sidecar.protocol.eras import LEGACY_VERSION, Era

ListKind = Literal["tools", "prompts", "resources", "templates"]
Item = dict[str, Any]
"""An item of a list, as parsed JSON."""

LIST_METHODS: dict[ListKind, str] = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "templates": "resources/templates/list",
}
RESULT_KEYS: dict[ListKind, str] = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "templates": "resourceTemplates",
}
CAPABILITIES: dict[ListKind, str] = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "templates": "resources",
}
LISTS_CHANGED_BY: dict[str, tuple[ListKind, ...]] = {
    "notifications/tools/list_changed": ("tools",),
    "notifications/prompts/list_changed": ("prompts",),
    "notifications/resources/list_changed": ("resources", "templates"),
}
READ_ONLY_METHODS = frozenset({*LIST_METHODS.values(), "ping", "prompts/get", "resources/read", "completion/complete"})


@dataclass(frozen=True, slots=True)
class Greeting:
    """A server's answer to the handshake: `initialize` or `server/discover` (greetings.py)."""

    era: Era = "legacy"
    version: str = LEGACY_VERSION
    capabilities: dict[str, Any] = field(default_factory=dict)
    server_info: dict[str, Any] = field(default_factory=dict)
    instructions: str = ""

    def offers(self, kind: ListKind) -> bool:
        """Whether the server declared the capability that the list of `kind` belongs to."""
        return self.capabilities.get(CAPABILITIES[kind]) is not None


@dataclass(frozen=True, slots=True)
class Catalog:
    """A snapshot of a server's handshake answer and lists."""

    greeting: Greeting = field(default_factory=Greeting)
    tools: tuple[dict[str, Any], ...] = ()
    prompts: tuple[dict[str, Any], ...] = ()
    resources: tuple[dict[str, Any], ...] = ()
    templates: tuple[dict[str, Any], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether all lists are empty."""
        return not (self.tools or self.prompts or self.resources or self.templates)

    @property
    def lists(self) -> tuple[tuple[Item, ...], ...]:
        """The four lists, without the handshake answer."""
        return self.tools, self.prompts, self.resources, self.templates

    def with_list(self, kind: ListKind, items: tuple[dict[str, Any], ...]) -> Catalog:
        """A copy of the catalog with the list of `kind` replaced."""
        lists: dict[str, Any] = {kind: items}
        return replace(self, **lists)

    def repeatable(self, method: str, params: Mapping[str, Any]) -> bool:
        """Whether a request may be executed twice without harm.

        True for methods that only read, and for calls of tools that the server annotates as read-only or idempotent
        (MCP, ToolAnnotations: `readOnlyHint`, `idempotentHint`). False for requests that continue an earlier one
        (`requestState`, `inputResponses`) or start a task.
        """
        if any(params.get(name) is not None for name in ("requestState", "inputResponses", "task")):
            return False
        if method != "tools/call":
            return method in READ_ONLY_METHODS
        tool = next((tool for tool in self.tools if tool.get("name") == params.get("name")), {})
        hints = tool.get("annotations")
        return isinstance(hints, dict) and (hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True)

"""Protocol extensions (SEP-2133): what a workspace declares, what servers are told, whose a method is. Pure.

docs/extensions.md has the same as a table. An extension is used only where both sides declare it, so two questions are
answered here: which extensions of its servers a workspace declares to its clients, and which of a client's a server is
told of. What the hub does not carry is in neither answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.protocol.jsonrpc import as_dict, as_list

Settings = dict[str, Any]
Capabilities = Mapping[str, Any]

UI = "io.modelcontextprotocol/ui"
"""MCP Apps, SEP-1865: views at `ui://` URIs."""
TASKS = "io.modelcontextprotocol/tasks"
"""SEP-2663: a call may be answered with a task. Not the tasks that revision 2025-11-25 has in its core."""
SKILLS = "io.modelcontextprotocol/skills"
"""SEP-2640: skills are resources, with a list of their own."""

FIELDS = ("extensions", "experimental")
"""The members of a peer's capabilities that hold what the core protocol does not know."""
METHODS: Mapping[str, str] = {
    "tasks/get": TASKS,
    "tasks/update": TASKS,
    "tasks/cancel": TASKS,
    "skills/list": SKILLS,
    "skills/get": SKILLS,
    "resources/directory/read": SKILLS,
}
"""The methods of extensions that the hub knows."""
NEVER = frozenset(
    {"io.modelcontextprotocol/oauth-client-credentials", "io.modelcontextprotocol/enterprise-managed-authorization"}
)
"""How a client gets access: a matter between it and the hub, or between the hub and a server; never passed through."""
VIEW_KEYS = ("ui/resourceUri", "openai/outputTemplate")
"""Older keys of a tool's `_meta` that name its view."""
SHARED: Mapping[str, Settings] = {UI: {"mimeTypes": ["text/html;profile=mcp-app"]}}
"""What a shared connection declares for itself: of what the hub carries, that which needs no way back to one client."""


# --- what a workspace declares -------------------------------------------------------------------------------------


def _ui(settings: list[Settings]) -> Settings:
    kinds = dict.fromkeys(kind for each in settings for kind in as_list(each.get("mimeTypes")) if isinstance(kind, str))
    return {"mimeTypes": list(kinds)} if kinds else {}


def _tasks(settings: list[Settings]) -> Settings:
    return {}


def _skills(settings: list[Settings]) -> Settings:
    return {"directoryRead": True} if any(each.get("directoryRead") is True for each in settings) else {}


MERGES: Mapping[str, Callable[[list[Settings]], Settings]] = {UI: _ui, TASKS: _tasks, SKILLS: _skills}
"""How the settings of several servers become those of the workspace, for each extension that the hub knows."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a workspace declares of extensions, and which server's each of those is that the hub does not know."""

    extensions: dict[str, Settings] = field(default_factory=dict)
    experimental: dict[str, Any] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """Server keys, by identifier: of each extension or experimental capability that one server alone declares."""

    def members(self) -> dict[str, Any]:
        """The members of `capabilities` that hold it; none that would be empty."""
        return {name: value for name in FIELDS if (value := getattr(self, name))}

    def owned(self, server: str) -> frozenset[str]:
        """The identifiers that belong to this server alone."""
        return frozenset(identifier for identifier, owner in self.owners.items() if owner == server)

    def owner(self, method: str) -> str | None:
        """The server that a method, or notification, of an unknown extension belongs to; None where that is not clear.

        A method does not say which extension it is of. It is clear where one server alone has such extensions; else
        where the last part of one extension's identifier is what the method's name begins with.
        """
        servers = set(self.owners.values())
        if len(servers) > 1:
            first = method.removeprefix("notifications/").partition("/")[0]
            servers = {server for name, server in self.owners.items() if name.rpartition("/")[2] == first}
        return servers.pop() if len(servers) == 1 else None


def union(servers: Mapping[str, Capabilities]) -> Declared:
    """What a workspace of these servers declares, by the capabilities that each declared last (by server key).

    An extension that the hub knows is declared if one of them does, with their settings merged; those of a single
    server stay as they are. Any other is declared as it is, where one server alone has it.
    """
    found = Declared()
    for name in FIELDS:
        declared: dict[str, dict[str, Any]] = {}
        for server, capabilities in servers.items():
            for identifier, settings in as_dict(capabilities.get(name)).items():
                if identifier not in NEVER and isinstance(settings, dict):
                    declared.setdefault(identifier, {})[server] = settings
        into = getattr(found, name)
        for identifier, by_server in declared.items():
            if len(by_server) == 1:
                ((server, into[identifier]),) = by_server.items()
                if name != "extensions" or identifier not in MERGES:
                    found.owners[identifier] = server
            elif name == "extensions" and identifier in MERGES:
                into[identifier] = MERGES[identifier](list(by_server.values()))
    return found


# --- what a server is told -----------------------------------------------------------------------------------------


Owned = Callable[[], Collection[str]]
"""Gives the unknown extensions and experimental capabilities that a server alone has; asked only where it matters."""


def forwarded(capabilities: Capabilities, owned: Owned) -> dict[str, Any]:
    """A client's capabilities as a server of its own is told of them: without what the hub does not carry."""
    told = {name: value for name, value in capabilities.items() if name not in FIELDS}
    if extensions := of_client(capabilities, owned):
        told["extensions"] = extensions
    if experimental := as_dict(capabilities.get("experimental")):
        carried = owned()
        if kept := {key: value for key, value in experimental.items() if key in carried}:
            told["experimental"] = kept
    return told


def of_client(capabilities: Capabilities, owned: Owned) -> dict[str, Settings]:
    """The extensions that a client declared and that the hub carries to a server."""
    declared = as_dict(capabilities.get("extensions"))
    carried = {*MERGES, *owned()} if any(identifier not in MERGES for identifier in declared) else MERGES
    return {identifier: settings for identifier, settings in declared.items() if identifier in carried}


def takes(capabilities: Capabilities, identifier: str) -> bool:
    """Whether a peer declared an extension."""
    return isinstance(as_dict(capabilities.get("extensions")).get(identifier), dict)


def view_uris(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """The URIs of the views that tools name (MCP Apps, Resource Discovery): servers need not list them."""
    found = []
    for tool in tools:
        meta = as_dict(tool.get("_meta"))
        found += [as_dict(meta.get("ui")).get("resourceUri"), *(meta.get(key) for key in VIEW_KEYS)]
    return [uri for uri in found if isinstance(uri, str)]

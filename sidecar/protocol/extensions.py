"""Protocol extensions (SEP-2133): which ones a workspace declares, which are forwarded to servers, and whose a method
is. Pure.

An extension is used only where both peers declare it. This module computes which extensions of its servers a workspace
declares to its clients (`union`), and which extensions of a client are declared to a server (`forwarded`). Extensions
that the hub does not carry are in neither. docs/extensions.md has the table.
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
"""SEP-2663: a call may be answered with a task. Not the tasks of revision 2025-11-25, which are part of its core."""
SKILLS = "io.modelcontextprotocol/skills"
"""SEP-2640: skills are resources, with a list of their own."""

FIELDS = ("extensions", "experimental")
"""The members of a peer's capabilities that hold extensions of the core protocol."""
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
"""Authorization extensions: they concern one connection (client to hub, or hub to server) and are never forwarded."""
VIEW_KEYS = ("ui/resourceUri", "openai/outputTemplate")
"""Older keys of a tool's `_meta` that hold the URI of its view."""
SHARED_CONNECTION: Mapping[str, Settings] = {UI: {"mimeTypes": ["text/html;profile=mcp-app"]}}
"""The extensions that a shared connection declares: those that need no request from the server to a single client."""


# --- what a workspace declares -------------------------------------------------------------------------------------


def _ui(settings: list[Settings]) -> Settings:
    kinds = dict.fromkeys(kind for each in settings for kind in as_list(each.get("mimeTypes")) if isinstance(kind, str))
    return {"mimeTypes": list(kinds)} if kinds else {}


def _tasks(settings: list[Settings]) -> Settings:
    return {}


def _skills(settings: list[Settings]) -> Settings:
    return {"directoryRead": True} if any(each.get("directoryRead") is True for each in settings) else {}


MERGES: Mapping[str, Callable[[list[Settings]], Settings]] = {UI: _ui, TASKS: _tasks, SKILLS: _skills}
"""Merge the settings of several servers into those of the workspace, for each extension that the hub knows."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The extensions that a workspace declares, and the server that owns each one that the hub does not know."""

    extensions: dict[str, Settings] = field(default_factory=dict)
    experimental: dict[str, Any] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """Identifier to server key, for each unknown extension or experimental capability of a single server."""

    def members(self) -> dict[str, Any]:
        """The non-empty members for `capabilities`: `extensions` and `experimental`."""
        return {name: value for name in FIELDS if (value := getattr(self, name))}

    def owned(self, server: str) -> frozenset[str]:
        """The identifiers of which this server is the owner."""
        return frozenset(identifier for identifier, owner in self.owners.items() if owner == server)

    def owner(self, method: str) -> str | None:
        """The server to which a method or notification of an unknown extension belongs; None where that is ambiguous.

        A method does not name its extension. If only one server has unknown extensions, the method is that server's.
        Otherwise the first part of the method's name has to equal the last part of an extension's identifier.
        """
        servers = set(self.owners.values())
        if len(servers) > 1:
            first = method.removeprefix("notifications/").partition("/")[0]
            servers = {server for name, server in self.owners.items() if name.rpartition("/")[2] == first}
        return servers.pop() if len(servers) == 1 else None


def union(servers: Mapping[str, Capabilities]) -> Declared:
    """The extensions of a workspace, from its servers' capabilities by server key.

    A known extension is declared if any server declares it; the settings of several servers are merged. An unknown
    extension is declared unchanged if exactly one server declares it.
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


def known_only(capabilities: Capabilities) -> Capabilities:
    """Capabilities without the extensions and experimental capabilities that the hub does not know."""
    kept = {name: value for name, value in capabilities.items() if name not in FIELDS}
    declared = as_dict(capabilities.get("extensions"))
    return {**kept, "extensions": {name: value for name, value in declared.items() if name in MERGES}}


# --- what is declared to a server ----------------------------------------------------------------------------------


Owned = Callable[[], Collection[str]]
"""Returns the identifiers that the server owns (`Declared.owned`); called only if a client declares unknown ones."""


def forwarded(capabilities: Capabilities, owned: Owned) -> dict[str, Any]:
    """A client's capabilities as declared to a server of its own: without extensions that the hub does not carry."""
    kept = {name: value for name, value in capabilities.items() if name not in FIELDS}
    if extensions := of_client(capabilities, owned):
        kept["extensions"] = extensions
    if experimental := as_dict(capabilities.get("experimental")):
        carried = owned()
        if known := {key: value for key, value in experimental.items() if key in carried}:
            kept["experimental"] = known
    return kept


def of_client(capabilities: Capabilities, owned: Owned) -> dict[str, Settings]:
    """The client's declared extensions that the hub carries to a server."""
    declared = as_dict(capabilities.get("extensions"))
    carried = {*MERGES, *owned()} if any(identifier not in MERGES for identifier in declared) else MERGES
    return {identifier: settings for identifier, settings in declared.items() if identifier in carried}


def declares(capabilities: Capabilities, identifier: str) -> bool:
    """Whether a peer's capabilities declare an extension."""
    return isinstance(as_dict(capabilities.get("extensions")).get(identifier), dict)


def view_uris(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """The URIs of views in tools' `_meta` (MCP Apps, Resource Discovery); servers need not list them as resources."""
    found = []
    for tool in tools:
        meta = as_dict(tool.get("_meta"))
        found += [as_dict(meta.get("ui")).get("resourceUri"), *(meta.get(key) for key in VIEW_KEYS)]
    return [uri for uri in found if isinstance(uri, str)]

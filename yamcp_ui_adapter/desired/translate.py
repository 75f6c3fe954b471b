"""Translates the last good contents into servers, workspaces and issues of the desired state. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from bridge.models import AccessFile, Issue, ServerSettings, ServerSpec, WorkspaceSpec
from yamcp_ui_adapter.access.parse import CLOSED, unknown_names
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.entries import (
    ACCESS,
    HUB,
    WORKSPACES,
    LastGood,
    ServersFile,
    WorkspaceEntry,
    WorkspaceSettings,
)
from yamcp_ui_adapter.format.slug import assign_slugs, earlier_slug
from yamcp_ui_adapter.format.template import needs_one_server

DEFAULT_SETTINGS = ServerSettings()
DISABLED_SETTINGS = ServerSettings(enabled=False)


class Translation(NamedTuple):
    """The content of a snapshot, and the issues found, including those of parsing."""

    servers: tuple[ServerSpec, ...]
    workspaces: tuple[WorkspaceSpec, ...]
    access: AccessFile | None
    issues: tuple[Issue, ...]


def translate(good: LastGood, *, settings_unknown: bool = False, access_unknown: bool = False) -> Translation:
    """Return the desired state for the last good contents. `${VAR}` references are left for the sidecar.

    With `settings_unknown`, hub.json exists but was never read successfully: any server might be meant to run in a
    container, or to be off, so all are disabled. With `access_unknown`, the same is true of access.json, which might
    deny anything: only admins have rights.
    """
    issues = [*good.servers.issues, *good.workspaces.issues, *good.hub.issues]
    if settings_unknown:
        message = f"{HUB} could never be read, so no server is started: any may be meant for a container, or to be off."
        issues.append(issue("HUB_NEVER_READ", f"file:{HUB}", HUB, message))
    servers = tuple(
        ServerSpec(
            key=entry.key,
            namespace=entry.namespace,
            launch=entry.launch,
            settings=DISABLED_SETTINGS if settings_unknown else _settings(good.hub.servers.get(key)),
            stale=entry.stale,
        )
        for key, entry in good.servers.entries.items()
    )
    slugs = _slugs(good, issues)
    workspaces = tuple(_workspace(entry, slugs[name], good, issues) for name, entry in good.workspaces.entries.items())
    issues.extend(_unused(good))
    access = _access(good, issues, unknown=access_unknown)
    return Translation(servers, workspaces, access, tuple(issues))


def _access(good: LastGood, issues: list[Issue], *, unknown: bool) -> AccessFile | None:
    if unknown:
        message = f"{ACCESS} could never be read; only the hub's token and admin keys have rights."
        issues.append(issue("ACCESS_NEVER_READ", f"file:{ACCESS}", ACCESS, message))
        return CLOSED
    if good.access.file is not None:
        servers = {*good.servers.entries, *good.servers.unusable}
        issues.extend(unknown_names(good.access.file, servers, good.workspaces.entries))
    return good.access.file


def _settings(given: dict[str, Any] | None) -> ServerSettings:
    return ServerSettings.model_validate(given) if given else DEFAULT_SETTINGS


class WorkspaceSlugs(NamedTuple):
    """All slugs that lead to one workspace."""

    slug: str
    aliases: tuple[str, ...]
    earlier: str | None


def _slugs(good: LastGood, issues: list[Issue]) -> dict[str, WorkspaceSlugs]:
    """Return the unique slugs of each workspace; a slug that another workspace has is reported."""
    settings = {name: good.hub.workspaces.get(name, WorkspaceSettings()) for name in good.workspaces.entries}
    slugs = assign_slugs({name: each.slug for name, each in settings.items()}, good.slugs)
    owners = {slug: name for name, slug in slugs.items()}
    result: dict[str, WorkspaceSlugs] = {}
    for name, each in settings.items():
        if each.slug and slugs[name] != each.slug:
            message = f"Workspace {name!r} is to have the slug {each.slug!r}, which {owners[each.slug]!r} has."
            issues.append(issue("SLUG_TAKEN", f"workspace:{name}", HUB, message))
        aliases = tuple(alias for alias in dict.fromkeys(each.aliases) if owners.setdefault(alias, name) == name)
        result[name] = WorkspaceSlugs(slugs[name], tuple(alias for alias in aliases if alias != slugs[name]), None)
    for name, found in result.items():
        earlier = earlier_slug(name)
        if earlier and owners.setdefault(earlier, name) == name and earlier not in (found.slug, *found.aliases):
            result[name] = found._replace(earlier=earlier)
    return result


def _workspace(entry: WorkspaceEntry, slugs: WorkspaceSlugs, good: LastGood, issues: list[Issue]) -> WorkspaceSpec:
    settings = good.hub.workspaces.get(entry.name, WorkspaceSettings())
    servers = _members(entry, good.servers, issues)
    return WorkspaceSpec(
        name=entry.name,
        slug=slugs.slug,
        own_slug=slugs.slug == settings.slug,
        aliases=slugs.aliases,
        earlier_slug=slugs.earlier,
        servers=servers,
        enabled=settings.enabled,
        name_template=_template(entry.name, settings.name_template, len(servers), issues),
        disabled_servers=tuple(key for key in servers if key in settings.disabled_servers),
        record=settings.record,
        cache_read_only=settings.cache_read_only,
        hub_tools=settings.hub_tools,
        registry=settings.registry,
        tools=settings.tools,
        pinned_tools=settings.pinned_tools,
        curation=settings.curation,
    )


def _members(entry: WorkspaceEntry, servers: ServersFile, issues: list[Issue]) -> tuple[str, ...]:
    """Return the usable members of a workspace; the reason why another is not usable is reported."""
    subject = f"workspace:{entry.name}"
    members, namespaces = [], dict[str, str]()
    for key in entry.members:
        if server := servers.entries.get(key):
            members.append(key)
            if other := namespaces.get(server.namespace):
                message = f"Workspace {entry.name!r}: {other!r} and {key!r} share the namespace {server.namespace!r}."
                issues.append(issue("NAMESPACE_SHARED", subject, WORKSPACES, message))
            namespaces.setdefault(server.namespace, key)
        elif key in servers.unusable:
            message = f"Workspace {entry.name!r}: the entry of its server {key!r} cannot be used."
            issues.append(issue("MEMBER_UNUSABLE", subject, WORKSPACES, message))
        else:
            message = f"Workspace {entry.name!r} names the server {key!r}, which does not exist."
            issues.append(issue("MEMBER_UNKNOWN", subject, WORKSPACES, message))
    if not members:
        message = f"Workspace {entry.name!r} has no server that can be used."
        issues.append(issue("WORKSPACE_EMPTY", subject, WORKSPACES, message))
    return tuple(members)


def _template(name: str, template: str, servers: int, issues: list[Issue]) -> str:
    if servers <= 1 or not needs_one_server(template):
        return template
    message = f"Workspace {name!r} has {servers} servers, and its name_template lacks {{namespace}}."
    issues.append(issue("NAME_TEMPLATE_INVALID", f"workspace:{name}", HUB, message))
    return WorkspaceSettings().name_template


def _unused(good: LastGood) -> list[Issue]:
    known = {*good.servers.entries, *good.servers.unusable}
    servers = [f"server:{key}" for key in good.hub.servers if key not in known]
    workspaces = [f"workspace:{name}" for name in good.hub.workspaces if name not in good.workspaces.entries]
    return [
        issue("HUB_ENTRY_UNUSED", subject, HUB, f"{HUB} has settings for {subject}, which does not exist.")
        for subject in servers + workspaces
    ]

"""From the last good parses to desired state: servers, workspaces, and what could not be used (pure)."""

from __future__ import annotations

from typing import Any, NamedTuple

from bridge.models import Issue, ServerSettings, ServerSpec, WorkspaceSpec
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.entries import HUB, WORKSPACES, LastGood, ServersFile, WorkspaceEntry, WorkspaceSettings
from yamcp_ui_adapter.format.slug import assign_slugs, earlier_slug
from yamcp_ui_adapter.format.template import needs_one_server

DEFAULT = ServerSettings()
OFF = ServerSettings(enabled=False)


class Desire(NamedTuple):
    """The content of a snapshot, and the issues found on the way, those of parsing included."""

    servers: tuple[ServerSpec, ...]
    workspaces: tuple[WorkspaceSpec, ...]
    issues: tuple[Issue, ...]


def translate(good: LastGood, *, settings_unknown: bool = False) -> Desire:
    """Desired state as a function of what the files last said. `${VAR}` references pass through.

    With `settings_unknown`, hub.json says something that could never be read: any server may be meant for a container,
    or to be off, so none is started.
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
            settings=OFF if settings_unknown else _settings(good.hub.servers.get(key)),
            stale=entry.stale,
        )
        for key, entry in good.servers.entries.items()
    )
    slugs = _slugs(good, issues)
    workspaces = tuple(_workspace(entry, slugs[name], good, issues) for name, entry in good.workspaces.entries.items())
    issues.extend(_unused(good))
    return Desire(servers, workspaces, tuple(issues))


def _settings(given: dict[str, Any] | None) -> ServerSettings:
    return ServerSettings.model_validate(given) if given else DEFAULT


class Slugs(NamedTuple):
    """All that lead to one workspace."""

    slug: str
    aliases: tuple[str, ...]
    earlier: str | None


def _slugs(good: LastGood, issues: list[Issue]) -> dict[str, Slugs]:
    """The slugs of each workspace, of which no two are the same; what another has is reported."""
    settings = {name: good.hub.workspaces.get(name, WorkspaceSettings()) for name in good.workspaces.entries}
    slugs = assign_slugs({name: each.slug for name, each in settings.items()}, good.slugs)
    owners = {slug: name for name, slug in slugs.items()}
    result: dict[str, Slugs] = {}
    for name, each in settings.items():
        if each.slug and slugs[name] != each.slug:
            message = f"Workspace {name!r} is to have the slug {each.slug!r}, which {owners[each.slug]!r} has."
            issues.append(issue("SLUG_TAKEN", f"workspace:{name}", HUB, message))
        aliases = tuple(alias for alias in dict.fromkeys(each.aliases) if owners.setdefault(alias, name) == name)
        result[name] = Slugs(slugs[name], tuple(alias for alias in aliases if alias != slugs[name]), None)
    for name, found in result.items():
        earlier = earlier_slug(name)
        if earlier and owners.setdefault(earlier, name) == name and earlier not in (found.slug, *found.aliases):
            result[name] = found._replace(earlier=earlier)
    return result


def _workspace(entry: WorkspaceEntry, slugs: Slugs, good: LastGood, issues: list[Issue]) -> WorkspaceSpec:
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
    )


def _members(entry: WorkspaceEntry, servers: ServersFile, issues: list[Issue]) -> tuple[str, ...]:
    """The members that can be used; why the others can't is reported."""
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

"""Applies one reading of the files to their last good contents. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from bridge.models import Issue
from yamcp_ui_adapter.access.parse import parse_access, renamed_access
from yamcp_ui_adapter.desired.rename import renamed_servers, renamed_workspaces
from yamcp_ui_adapter.errors import FileUnusable
from yamcp_ui_adapter.format.entries import (
    ACCESS,
    HUB,
    MAX_ALIASES,
    PROVIDERS,
    WORKSPACES,
    HubFile,
    KeepLastGood,
    LastGood,
    Reading,
    WorkspaceSettings,
)
from yamcp_ui_adapter.format.hubfile import parse_hub
from yamcp_ui_adapter.format.providers import parse_providers
from yamcp_ui_adapter.format.slug import assign_slugs, earlier_slug
from yamcp_ui_adapter.format.workspaces import parse_workspaces

Parsed = TypeVar("Parsed")


class Renames(NamedTuple):
    """The renames found in a reading for which settings must be moved (old name to new name), and the aliases to be
    written.
    """

    servers: dict[str, str]
    """Servers that have settings of their own, or are switched off in a workspace."""
    workspaces: dict[str, str]
    all_workspaces: dict[str, str]
    """Workspaces with or without settings; empty ones are left out, because all empty workspaces look the same."""
    aliases: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed
    """The new aliases of each workspace whose aliases changed, by its new name."""
    all_servers: dict[str, str] = {}  # noqa: RUF012 - never changed
    """Servers with or without settings."""

    def __bool__(self) -> bool:
        return bool(self.servers or self.workspaces or self.aliases)


class AppliedReadings(NamedTuple):
    """The last good contents after a reading, the renames found in it, and the issues of whole files, by file name."""

    good: LastGood
    renames: Renames
    held: dict[str, Issue | None]


def apply_readings(before: LastGood, readings: Mapping[str, Reading]) -> AppliedReadings:
    """Return the last good contents after the readings; a file without a reading, or without usable content, stays as
    it was.
    """
    held: dict[str, Issue | None] = {}

    def parse(name: str, parser: Callable[[bytes | None, Parsed], Parsed], last: Parsed) -> Parsed:
        reading = readings.get(name, KeepLastGood(None))
        if isinstance(reading, KeepLastGood):
            held.update({name: reading.issue} if name in readings else {})
            return last
        try:
            return parser(reading, last)
        except FileUnusable as error:
            held[name] = error.issue
            return last

    after = LastGood(
        servers=parse(PROVIDERS, parse_providers, before.servers),
        workspaces=parse(WORKSPACES, parse_workspaces, before.workspaces),
        hub=parse(HUB, parse_hub, before.hub),
        access=parse(ACCESS, parse_access, before.access),
    )
    servers = renamed_servers(before.servers, after.servers)
    workspaces = renamed_workspaces(before.workspaces, after.workspaces, servers)
    renames = _renames(before, after, servers, workspaces)
    hub = renamed_hub(after.hub, renames)
    had = {workspaces.get(name, name): slug for name, slug in before.slugs.items()}
    own = {name: hub.workspaces.get(name, WorkspaceSettings()).slug for name in after.workspaces.entries}
    slugs = assign_slugs(own, had)
    aliases = changed_aliases(hub, had, slugs)
    hub = with_aliases(hub, aliases)
    access = renamed_access(after.access, renames.all_servers, renames.all_workspaces)
    good = after.model_copy(update={"hub": hub, "slugs": slugs, "access": access})
    return AppliedReadings(good, renames._replace(aliases=aliases), held)


def changed_aliases(hub: HubFile, before: Mapping[str, str], slugs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the new aliases of each workspace whose aliases change: its former slug is added, slugs that are taken now
    are removed.
    """
    taken = set(slugs.values())
    changes: dict[str, tuple[str, ...]] = {}
    for name, slug in slugs.items():
        listed = hub.workspaces.get(name, WorkspaceSettings()).aliases
        had = before.get(name, slug)
        former = [had] if had not in (slug, earlier_slug(name)) else []
        aliases = tuple(alias for alias in dict.fromkeys([*former, *listed]) if alias not in taken)[:MAX_ALIASES]
        taken |= set(aliases)
        if aliases != listed:
            changes[name] = aliases
    return changes


def with_aliases(hub: HubFile, aliases: Mapping[str, tuple[str, ...]]) -> HubFile:
    """Return the settings with the aliases of some workspaces replaced."""
    if not aliases:
        return hub
    changed = {
        name: hub.workspaces.get(name, WorkspaceSettings()).model_copy(update={"aliases": listed})
        for name, listed in aliases.items()
    }
    return hub.model_copy(update={"workspaces": {**hub.workspaces, **changed}})


def _renames(before: LastGood, after: LastGood, servers: dict[str, str], workspaces: dict[str, str]) -> Renames:
    """Return the renames; settings are moved only if the old name has settings and the new one has none."""
    filled = {old: new for old, new in workspaces.items() if before.workspaces.entries[old].members}
    named = {key for settings in after.hub.workspaces.values() for key in settings.named_servers}
    moving = {old: new for old, new in servers.items() if old in named}
    with_settings = {**_moving(servers, after.hub.servers), **moving}
    return Renames(with_settings, _moving(workspaces, after.hub.workspaces), filled, all_servers=servers)


def _moving(renames: dict[str, str], settings: Mapping[str, object]) -> dict[str, str]:
    return {old: new for old, new in renames.items() if old in settings and new not in settings}


def renamed_hub(hub: HubFile, renames: Renames) -> HubFile:
    """Return the settings under their new names."""
    if not renames:
        return hub
    moving = {old: new for old, new in renames.servers.items() if new not in hub.servers}
    servers = {moving.get(key, key): settings for key, settings in hub.servers.items()}
    workspaces = {
        renames.workspaces.get(name, name): settings.with_servers_renamed(renames.servers)
        for name, settings in hub.workspaces.items()
    }
    return hub.model_copy(update={"servers": servers, "workspaces": workspaces})

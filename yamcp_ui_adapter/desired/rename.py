"""Finds entries that were renamed between two readings of the files, so that their settings can be moved. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from yamcp_ui_adapter.format.entries import ServersFile, WorkspacesFile


def renamed_servers(before: ServersFile, after: ServersFile) -> dict[str, str]:
    """Return the new key by old key, for each server whose definition is now found under exactly one new key."""
    return _moved(
        {key: entry.launch.model_dump_json() for key, entry in before.entries.items()},
        {key: entry.launch.model_dump_json() for key, entry in after.entries.items()},
    )


def renamed_workspaces(before: WorkspacesFile, after: WorkspacesFile, servers: Mapping[str, str]) -> dict[str, str]:
    """Return the new name by old name, for each workspace whose members are now found under exactly one new name.

    `servers` are the servers renamed in the same edit; members are compared by their new names.
    """
    return _moved(
        {name: tuple(servers.get(key, key) for key in entry.members) for name, entry in before.entries.items()},
        {name: entry.members for name, entry in after.entries.items()},
    )


def _moved(before: Mapping[str, Hashable], after: Mapping[str, Hashable]) -> dict[str, str]:
    gone = _by_value({name: value for name, value in before.items() if name not in after})
    new = _by_value({name: value for name, value in after.items() if name not in before})
    return {
        names[0]: new[value][0] for value, names in gone.items() if len(names) == 1 and len(new.get(value, ())) == 1
    }


def _by_value(items: Mapping[str, Hashable]) -> dict[Hashable, list[str]]:
    result: dict[Hashable, list[str]] = {}
    for name, value in items.items():
        result.setdefault(value, []).append(name)
    return result

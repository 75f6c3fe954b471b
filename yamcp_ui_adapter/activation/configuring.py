"""New settings of an installed server: in its entry, in what is recorded of it, and in variables.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yamcp_ui_adapter.activation.entry_edits import replaced
from yamcp_ui_adapter.activation.errors import SettingsInvalid
from yamcp_ui_adapter.activation.inputs import checked, settings_of
from yamcp_ui_adapter.activation.install.folders import Record, Version
from yamcp_ui_adapter.activation.plan import definition
from yamcp_ui_adapter.activation.target import Target
from yamcp_ui_adapter.activation.variables import VariableStore, names_in
from yamcp_ui_adapter.activation.work import Site
from yamcp_ui_adapter.edit.edits import Contents, Files, stored_servers
from yamcp_ui_adapter.format.entries import PROVIDERS

Values = Mapping[str, tuple[str, ...]]


async def configure(
    site: Site, key: str, record: Record, target: Target, values: Values, secrets: Mapping[str, str]
) -> None:
    """Change settings of a server; the others, and what somebody has changed in its entry, stay.

    The record gets them for this version and for the one before, so that an update and a roll back keep them.

    Raises:
        SettingsInvalid: a value is not valid, or a secret is a variable that other servers use too.
        NoSuchServer, EntryInvalid, ConfigFileBroken, VariableInvalid, VariablesFileBroken, DataDirUnusable.
    """
    held, new = _split(record.now, secrets)
    check_own(site.variables, key, {name: held[name] for name in secrets if name in held})
    now, before = record.now, record.previous
    given: dict[str, Any] = {**now.values, **{name: (text,) for name, text in now.references.items()}, **values}
    settings = settings_of(target)
    inputs = settings.inputs
    kept = {name: each for name, each in given.items() if name in inputs and name not in new}
    answers = checked(inputs.values(), kept, new, str(Path.home()))
    made = definition(target, answers, key, site.variables.taken())
    references = {name: f"${{{variable}}}" for name, variable in made.names.items()}
    site.variables.put({**{held[name]: secrets[name] for name in secrets if name in held}, **made.variables})
    section, present = _section(now.entry)
    wanted = made.headers if section == "headers" else made.env
    asked = {("input", name) for name in (*values, *secrets)}
    named = {item.name for item in settings.items if asked & {*item.parts}}
    changed = {name: text for name, text in wanted.items() if name in named or present.get(name) != text}

    def edit(files: Files) -> Contents:
        current = stored_servers(files[PROVIDERS]).get(key)
        return replaced(files, key, _with(current if isinstance(current, dict) else {}, changed))

    if changed.items() - _section((await site.keys()).get(key) or {})[1].items():
        await site.service.edit(edit, None)
    known = {name: answers.values[name] for name in values if name in answers.values}
    versions = [_configured(each, known, references, changed) if each else None for each in (now, before)]
    site.folders.put(key, record.model_copy(update={"now": versions[0], "previous": versions[1]}))


def check_own(variables: VariableStore, key: str, names: Mapping[str, str]) -> None:
    """Check that no variable is overwritten that another server uses; `names` has them by setting.

    Raises:
        SettingsInvalid: there is one.
    """
    used = variables.used_by()
    for setting, name in names.items():
        if used.get(name, set()) - {key}:
            raise SettingsInvalid(
                f"The setting {setting!r} is the variable {name}, which other servers use too; "
                "an administrator can set it on the page of variables."
            )


def _split(version: Version, secrets: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The variables to which secret settings refer, by setting; and those of the new secrets that refer to none."""
    held = {name: variable for name, text in version.references.items() for variable in names_in((text,))}
    return held, {name: value for name, value in secrets.items() if name not in held}


def _section(entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Where an entry has its settings, and those that it has."""
    parameters = entry.get("providerParameters") or {}
    section = "headers" if "url" in parameters else "env"
    return section, dict(parameters.get(section) or {})


def _with(entry: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """An entry with other settings."""
    section, present = _section(entry)
    parameters = {**(entry.get("providerParameters") or {}), section: {**present, **settings}}
    return {**entry, "providerParameters": parameters}


def _configured(version: Version, values: Values, references: Mapping[str, str], changed: Mapping[str, str]) -> Version:
    news: dict[str, Any] = {
        "values": {**version.values, **values},
        "references": {**version.references, **references},
    }
    if changed:
        news["entry"] = _with(version.entry, changed)
    return version.model_copy(update=news)

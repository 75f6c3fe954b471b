"""Parses and edits hub.json, which holds what YAMCP's own files cannot express. Pure.

Edits change the document that was read, so that content that the hub does not know (further fields) is preserved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from bridge.models import Issue, Model, ServerSettings, SetServer, SetWorkspace
from bridge.models.curation import Curation
from yamcp_ui_adapter.errors import EditConflict, EditInvalid, FileUnusable, issue
from yamcp_ui_adapter.format.document import is_encodable, json_type, read_document
from yamcp_ui_adapter.format.entries import HUB, HubFile, WorkspaceSettings
from yamcp_ui_adapter.format.template import template_error

FORMAT_VERSION = 1
CONTAINER_FIELD_FORMATS = {
    "image": "it is the name of an image, such as docker.io/library/node:22",
    "memory": "it is a number and k, m or g, such as 512m",
    "cpus": "it is a number above 0, such as 0.5",
    "pids": "it is a whole number of at least 1",
    "pull": "it is missing, always or never",
    "source": "it is an absolute path without commas and colons",
    "target": "it is an absolute path without commas and colons",
    "user": "it is a name or number, or two of them with a colon between",
    "workdir": "it is an absolute path without commas and colons",
}
"""What each field of `container` must be, for messages about an invalid one."""
LIMIT_FORMATS = {
    "memory": "it is a number and k, m or g, such as 512m, or 0 for no limit",
    "pids": "it is a whole number, 0 for no limit",
    "cpus": "it is a number such as 0.5, 0 for no limit",
    "open_files": "it is a whole number, 0 for no limit",
}
"""The same for `limits`."""
FIELD_FORMATS = {"container": CONTAINER_FIELD_FORMATS, "limits": LIMIT_FORMATS}
Section = Literal["servers", "workspaces"]
SECTIONS = frozenset({"version", "servers", "workspaces"})


def parse_hub(raw: bytes | None, last: HubFile) -> HubFile:
    """Return every valid setting; a setting that became invalid keeps its value from `last`.

    Raises:
        FileUnusable: the file as a whole is unusable, or of another version.
    """
    document = read_document(raw, HUB)
    issues = document.issues
    if (version := document.content.get("version", FORMAT_VERSION)) != FORMAT_VERSION or isinstance(version, bool):
        raise FileUnusable(
            "HUB_VERSION", HUB, f"{HUB} is not of version {FORMAT_VERSION}; its last good version is used."
        )
    for field in sorted(document.content.keys() - SECTIONS):
        issues.append(issue("HUB_FIELD_UNKNOWN", f"file:{HUB}", HUB, f"Nothing reads {field!r} in {HUB}."))
    servers = {
        key: _settings(ServerSettings, f"server:{key}", value, last.servers.get(key, {}), issues)
        for key, value in _section(document.content, "servers", issues).items()
    }
    held = {name: settings.model_dump() for name, settings in last.workspaces.items()}
    workspaces = {
        name: WorkspaceSettings.model_validate(
            _settings(WorkspaceSettings, f"workspace:{name}", value, held.get(name, {}), issues)
        )
        for name, value in _section(document.content, "workspaces", issues).items()
    }
    return HubFile(servers=servers, workspaces=workspaces, issues=tuple(issues), known=True)


def _section(content: dict[str, Any], name: str, issues: list[Issue]) -> dict[str, Any]:
    value = content.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if is_encodable(key)}
    message = f"{name!r} in {HUB} is {json_type(value)}, not an object; it is ignored."
    issues.append(issue("HUB_SECTION_INVALID", f"file:{HUB}", HUB, message))
    return {}


def _settings(
    model: type[Model], subject: str, value: object, held: Mapping[str, Any], issues: list[Issue]
) -> dict[str, Any]:
    """Return the valid fields of `value`, as the model serializes them; invalid ones are reported in `issues`."""
    if not isinstance(value, dict):
        message = f"What {HUB} has for {subject} is {json_type(value)}, not an object; it is ignored."
        issues.append(issue("HUB_SECTION_INVALID", subject, HUB, message))
        return dict(held)
    settings: dict[str, Any] = {}
    for field, item in value.items():
        if field not in model.model_fields:
            issues.append(issue("HUB_FIELD_UNKNOWN", subject, HUB, f"Nothing reads {field!r} of {subject} in {HUB}."))
        elif fault := setting_fault(model, field, item):
            rest = " The server is not started." if field == "container" and field not in held else ""
            issues.append(
                issue("HUB_SETTING_INVALID", subject, HUB, f"{field!r} of {subject} in {HUB}: {fault.text}.{rest}")
            )
            settings |= {field: held[field]} if field in held else {}
        else:
            settings |= model.model_validate({field: item}).model_dump(mode="json", include={field})
    if value.get("container") is not None and settings.get("container") is None and model is ServerSettings:
        settings["enabled"] = False  # it was to be contained: better not at all than without
    if model is ServerSettings and _contradict(settings):
        message = f"{subject} in {HUB} has tenancy {settings['tenancy']!r} and share_between_keys; tenancy counts."
        issues.append(issue("HUB_SETTING_CONTRADICTS", subject, HUB, message))
        del settings["share_between_keys"]
    if settings.get("share_between_keys"):
        settings["tenancy"] = "all"
    return settings


def _contradict(settings: Mapping[str, Any]) -> bool:
    """Whether `tenancy` and `share_between_keys` are both set, and differently."""
    tenancy, shared = settings.get("tenancy"), settings.get("share_between_keys")
    return tenancy is not None and shared is not None and shared != (tenancy == "all")


class SettingFault(NamedTuple):
    """Why a value is invalid for a setting. The text never quotes the value."""

    path: str
    """The name of the setting, and with a dot each the members within its value: `limits.memory`."""
    text: str


def setting_fault(model: type[Model], field: str, value: object) -> SettingFault | None:
    """Return why a value is invalid for a setting; None if it is valid."""
    if not is_encodable(value):
        return SettingFault(field, "it holds a NUL or half a character")
    try:
        model.model_validate({field: value})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        inside = [str(part) for part in first["loc"][1:]]
        words = FIELD_FORMATS.get(field, {}).get(inside[-1]) if inside else None
        text = f"{'.'.join(inside)}: {words or first['msg']}" if inside else first["msg"]
        return SettingFault(".".join([field, *inside]), text)
    wrong = template_error(value) if field == "name_template" and isinstance(value, str) else ""
    return SettingFault(field, wrong) if wrong else None


# --- edits -----------------------------------------------------------------------------------------------------------


def with_workspace(content: dict[str, Any], change: SetWorkspace) -> dict[str, Any]:
    """Return the document after `set_workspace`; settings that the change does not name keep their value.

    Raises:
        EditInvalid: the name template is invalid.
        EditConflict: the curation is not the one that the change expects.
    """
    fields = change.model_dump(
        exclude_none=True, exclude={"name", "servers", "remove_aliases", "curation", "expect_curation"}
    )
    if change.curation is not None:
        written = change.curation.model_dump(mode="json", exclude_unset=True)
        fields["curation"] = written if change.curation.servers else None
    entry = _object(_object(content.get("workspaces")).get(change.name))
    if change.expect_curation is not None:
        _compare_curation(change.name, entry, change.expect_curation)
    if change.slug == "":
        fields["slug"] = None
    if change.remove_aliases:
        kept = [alias for alias in _names(entry.get("aliases")) if alias not in change.remove_aliases]
        fields["aliases"] = kept or None
    if change.servers:
        fields["disabled_servers"] = _with_switches(_names(entry.get("disabled_servers")), change.servers) or None
    return _with_fields(content, "workspaces", change.name, WorkspaceSettings, fields)


def _compare_curation(workspace: str, entry: dict[str, Any], expect: str) -> None:
    """Check that a workspace's curation is the one that the caller saw; an invalid one is none. Raises EditConflict."""
    try:
        now = Curation.model_validate(entry.get("curation") or {}).hash
    except ValidationError:
        now = Curation().hash
    if now != expect:
        message = f"The curation of the workspace {workspace!r} was changed by somebody else since it was read."
        raise EditConflict(message, data={"file": "hub", "key": workspace, "hash": now})


def _with_switches(disabled: list[str], switches: Mapping[str, bool]) -> list[str]:
    """Return the disabled servers after some were switched on or off."""
    off = [key for key, on in switches.items() if not on]
    return [key for key in dict.fromkeys([*disabled, *off]) if not switches.get(key, False)]


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def with_server(content: dict[str, Any], change: SetServer) -> dict[str, Any]:
    """Return the document after `set_server`; null resets a setting to its default.

    Raises:
        EditInvalid: a setting does not exist, or its value is invalid.
    """
    forms = {"tenancy", "share_between_keys"}
    set_now = forms & change.settings.keys()
    replaced = dict.fromkeys(forms - set_now) if set_now else {}  # two forms of one setting
    return _with_fields(content, "servers", change.key, ServerSettings, {**replaced, **change.settings})


def _with_fields(
    content: dict[str, Any], section: str, name: str, model: type[Model], fields: dict[str, Any]
) -> dict[str, Any]:
    for field, value in fields.items():
        if field not in model.model_fields:
            known = ", ".join(model.model_fields)
            raise EditInvalid(f"There is no setting {field!r}; there are: {known}.", data={"field": field})
        if value is not None and (fault := setting_fault(model, field, value)):
            raise EditInvalid(f"{field!r} cannot be set so: {fault.text}.", data={"field": fault.path})
    entry = {**_object(_object(content.get(section)).get(name)), **fields}
    entry = {field: value for field, value in entry.items() if value is not None}
    return {"version": FORMAT_VERSION, **content, section: {**_object(content.get(section)), name: entry}}


def with_renames(content: dict[str, Any], servers: dict[str, str], workspaces: dict[str, str]) -> dict[str, Any]:
    """Return the document with settings moved from old names to new ones; a new name that has settings keeps
    its own.
    """
    result = dict(content)
    for section, renames in (("servers", servers), ("workspaces", workspaces)):
        entries = dict(_object(content.get(section)))
        for old, new in renames.items():
            if old in entries and new not in entries:
                entries[new] = entries.pop(old)
        if entries or section in content:
            result[section] = entries
    return _with_members_renamed(result, servers)


def with_aliases(content: dict[str, Any], aliases: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the document with the aliases of some workspaces replaced."""
    entries = _object(content.get("workspaces"))
    changed: dict[str, Any] = {}
    for name, listed in aliases.items():
        changed[name] = {field: value for field, value in _object(entries.get(name)).items() if field != "aliases"}
        changed[name] |= {"aliases": list(listed)} if listed else {}
    return {"version": FORMAT_VERSION, **content, "workspaces": {**entries, **changed}} if changed else content


def _with_members_renamed(content: dict[str, Any], renames: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the document with servers renamed, or removed (None), in `disabled_servers` and `curation` of all
    workspaces."""
    workspaces = _object(content.get("workspaces"))
    changed: dict[str, Any] = {}
    for name, entry in workspaces.items():
        before = _names(_object(entry).get("disabled_servers"))
        after = [key for key in (renames.get(key, key) for key in before) if key is not None]
        if after != before:
            changed[name] = {field: value for field, value in entry.items() if field != "disabled_servers"}
            changed[name] |= {"disabled_servers": list(dict.fromkeys(after))} if after else {}
        curated = _object(_object(_object(entry).get("curation")).get("servers"))
        if renames.keys() & curated.keys():
            kept = {renames.get(key, key): value for key, value in curated.items()}
            kept.pop(None, None)
            now = {field: value for field, value in changed.get(name, entry).items() if field != "curation"}
            changed[name] = {**now, "curation": {**entry["curation"], "servers": kept}} if kept else now
    return {**content, "workspaces": {**workspaces, **changed}} if changed else content


def with_settings_moved(content: dict[str, Any], section: Section, old: str, new: str | None) -> dict[str, Any]:
    """Return the document with settings moved to a new name, replacing any settings there, or (None) removed."""
    if section == "servers":
        content = _with_members_renamed(content, {old: new})
    entries = _object(content.get(section))
    if old not in entries and new not in entries:
        return content
    kept = {name: settings for name, settings in entries.items() if name != new}
    renamed = {new if name == old else name: settings for name, settings in kept.items()}
    return {**content, section: {name: settings for name, settings in renamed.items() if name is not None}}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def dump(content: dict[str, Any]) -> bytes:
    """Return the document as it is written to the file: like `JSON.stringify(content, null, 2)`, and a newline."""
    return json.dumps(content, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

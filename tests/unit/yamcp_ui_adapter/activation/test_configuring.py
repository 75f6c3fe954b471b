"""activation/configuring: new settings of an installed server are kept by updates and on the way back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from yamcp_ui_adapter.activation.configuring import configure
from yamcp_ui_adapter.activation.errors import SettingsInvalid
from yamcp_ui_adapter.activation.inputs import checked, settings_of
from yamcp_ui_adapter.activation.install.folders import Folders, Record, Version
from yamcp_ui_adapter.activation.plan import definition, provider_entry
from yamcp_ui_adapter.activation.target import Target, target_of
from yamcp_ui_adapter.edit.edits import Found
from yamcp_ui_adapter.format.entries import PROVIDERS

NEW = "a-secret-that-was-entered"
PACKAGE = {
    "registryType": "npm",
    "identifier": "notes",
    "version": "1.0.0",
    "transport": {"type": "stdio"},
    "environmentVariables": [
        {"name": "ROOT", "default": "/srv"},
        {"name": "LEVEL", "default": "1", "format": "number"},
        {"name": "TOKEN", "isSecret": True, "isRequired": True},
        {"name": "EXTRA", "isSecret": True},
    ],
}
LOCAL = target_of({"name": "a/notes", "version": "1.0.0", "packages": [PACKAGE]})
HEADER = {"name": "Authorization", "value": "Bearer {token}", "variables": {"token": {"isSecret": True}}}
REMOTE = target_of(
    {
        "name": "a/far",
        "version": "1",
        "remotes": [{"type": "streamable-http", "url": "https://far.example/mcp", "headers": [HEADER]}],
    }
)


class Place:
    """What the change of settings uses: providers.json and variables.json in memory, installed.json in a folder."""

    def __init__(self, root: Path, target: Target, references: dict[str, str]) -> None:
        self.folders = Folders(root)
        self.target = target
        self.variables = SimpleNamespace(stored={}, put=self._put, used_by=lambda: self.used, taken=frozenset)
        self.used: dict[str, set[str]] = {}
        self.edits = 0
        given = {name: (text,) for name, text in references.items()}
        answers = checked(settings_of(target).inputs.values(), given, {})
        made = definition(target, answers, "s", frozenset())
        entry = provider_entry(target, made, ("/bin/notes", "-x"), "s")
        self.file: dict[str, Any] = {"s": entry}
        now = Version(version="1.0.0", installed=1, entry=entry, values=answers.values, references=references)
        program = () if target.kind == "remote" else ("/bin/notes", "-x")
        now = now.model_copy(update={"program": program})
        kind: Any = target.kind
        record = Record(name="a/notes", kind=kind, now=now, previous=now.model_copy(update={"version": "0.9"}))
        self.folders.put("s", record)
        self.service = SimpleNamespace(edit=self._edit)

    async def keys(self) -> dict[str, Any]:
        return self.file

    def _put(self, values: dict[str, str]) -> None:
        self.variables.stored |= values

    async def _edit(self, edit: Any, _: None) -> None:
        self.edits += 1
        self.file |= edit({PROVIDERS: Found(PROVIDERS, b"", self.file, None)})[PROVIDERS]

    @property
    def record(self) -> Record:
        return self.folders.records["s"]

    async def set(self, values: dict[str, str] | None = None, secrets: dict[str, str] | None = None) -> None:
        given = {name: (text,) for name, text in (values or {}).items()}
        site: Any = self
        await configure(site, "s", self.record, self.target, given, secrets or {})


async def test_both_versions_of_the_record_have_the_new_values(tmp_path: Path) -> None:
    """An update starts from them, and so does a roll back; what somebody has added to the entry stays."""
    place = Place(tmp_path, LOCAL, {"TOKEN": "${NOTES_TOKEN}"})
    place.file["s"] = {**place.file["s"], "note": "mine"}
    place.file["s"]["providerParameters"] = {**place.file["s"]["providerParameters"], "cwd": "/tmp"}
    await place.set({"ROOT": "/data", "LEVEL": "3"})
    env = {"ROOT": "/data", "LEVEL": "3", "TOKEN": "${NOTES_TOKEN}"}
    assert place.file["s"]["providerParameters"]["env"] == env
    assert (place.file["s"]["note"], place.file["s"]["providerParameters"]["cwd"]) == ("mine", "/tmp")
    for version in (place.record.now, place.record.previous):
        assert version is not None
        assert version.values == {"ROOT": ("/data",), "LEVEL": ("3",)}
        assert version.entry["providerParameters"]["env"] == env
        assert "note" not in version.entry


async def test_a_secret_goes_to_its_variable_alone(tmp_path: Path) -> None:
    """Also a new one, whose variable gets a name; the definition of a server whose secret is replaced stays."""
    place = Place(tmp_path, LOCAL, {"TOKEN": "${NOTES_TOKEN}"})
    await place.set(secrets={"TOKEN": NEW})
    assert (place.variables.stored, place.edits) == ({"NOTES_TOKEN": NEW}, 0)
    await place.set(secrets={"EXTRA": "another"})
    assert place.variables.stored == {"NOTES_TOKEN": NEW, "EXTRA": "another"}
    assert place.record.now.references == {"TOKEN": "${NOTES_TOKEN}", "EXTRA": "${EXTRA}"}
    assert place.file["s"]["providerParameters"]["env"]["EXTRA"] == "${EXTRA}"
    assert NEW not in place.record.model_dump_json() + str(place.file)


async def test_a_variable_of_others_is_not_overwritten(tmp_path: Path) -> None:
    """Nothing is changed then, nor by a value that is not valid."""
    place = Place(tmp_path, LOCAL, {"TOKEN": "${SHARED}"})
    place.used = {"SHARED": {"s", "other"}}
    before = place.record
    with pytest.raises(SettingsInvalid, match="SHARED"):
        await place.set({"ROOT": "/data"}, {"TOKEN": NEW})
    with pytest.raises(SettingsInvalid, match="number"):
        await place.set({"LEVEL": "high"})
    assert (place.record, place.edits, place.variables.stored) == (before, 0, {})


async def test_a_part_of_a_header_is_set_within_it(tmp_path: Path) -> None:
    """A remote server has its settings in headers, which may have text around the value."""
    place = Place(tmp_path, REMOTE, {})
    assert "headers" not in place.file["s"]["providerParameters"]
    await place.set(secrets={"token": NEW})
    assert place.variables.stored == {"TOKEN": NEW}
    assert place.file["s"]["providerParameters"]["headers"] == {"Authorization": "Bearer ${TOKEN}"}
    assert place.record.now.entry == place.file["s"]

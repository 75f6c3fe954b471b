"""What an entry of the catalogue would run, as an administrator is shown it, and the digest of it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from bridge.models.catalog.activation import (
    CatalogInput,
)
from bridge.models.catalog.approvals import RegistryEntry, SecretAsked, Shown
from yamcp_ui_adapter.activation.errors import EntryUnsupported
from yamcp_ui_adapter.activation.inputs import Given, checked
from yamcp_ui_adapter.activation.lookup import Found
from yamcp_ui_adapter.activation.plan import Described, described
from yamcp_ui_adapter.approvals.errors import SecretInConversation

MAX_LOCAL_BYTES = 512 << 20
"""Bytes of the largest local file whose content is hashed."""


@dataclass(frozen=True)
class Wanted:
    """What would be activated."""

    shown: Shown
    secrets: tuple[SecretAsked, ...]
    """The secret settings that have to be entered."""
    content: str
    """Hash of everything in the entry that decides what runs, and of its local file."""

    def digest(self, action: str, workspace: str, key: str) -> str:
        """The digest of this change, which its approval names."""
        return digest_of(self.shown, action, workspace, key, self.content)


def digest_of(shown: Shown, action: str, workspace: str, key: str, content: str = "") -> str:
    """The digest of a change."""
    parts = [shown.model_dump(mode="json"), action, workspace, key, content]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def wanted(found: Found, values: Given, home: str = "") -> Wanted:
    """Return what the entry would run with these values.

    Raises:
        EntryUnsupported, SettingsInvalid: it cannot be activated so.
        SecretInConversation: the values have one of a secret setting.
    """
    about = described(found.entry, local=found.local)
    refuse_secrets(about.inputs, values)
    open_inputs = [each for each in about.inputs if not each.secret]
    answers = checked(open_inputs, values, {}, home)
    secrets = [each for each in about.inputs if each.secret and each.required and each.default is None]
    shown = Shown(
        name=str(found.entry.get("name", "")),
        version=str(found.entry.get("version", "")),
        source=found.source,
        package=_package(about),
        command=about.command,
        variables=answers.values,
        secrets=tuple(each.name for each in secrets),
        reach=about.reach,
    )
    asked = tuple(SecretAsked(name=each.name, description=each.description) for each in secrets)
    return Wanted(shown, asked, _content(about))


def refuse_secrets(inputs: tuple[CatalogInput, ...], values: Given) -> None:
    """Refuse values of secret settings, which an agent must not have. Raises SecretInConversation."""
    if names := [each.name for each in inputs if each.secret and each.name in values]:
        raise SecretInConversation(f"The setting {names[0]!r} is a secret: it must not be in a conversation.")


def _package(about: Described) -> str:
    target = about.target
    if target.kind == "remote":
        return target.identifier
    return f"{target.kind} {target.identifier}{f'@{target.version}' if target.version else ''}"


def _content(about: Described) -> str:
    target = about.target
    content = hashlib.sha256(orjson.dumps(asdict(target), option=orjson.OPT_SORT_KEYS))
    if target.local:
        content.update(_file_hash(Path(target.identifier)))
    return content.hexdigest()


def _file_hash(path: Path) -> bytes:
    """The hash of a local file. Raises EntryUnsupported: it cannot be read."""
    try:
        if path.stat().st_size > MAX_LOCAL_BYTES:
            raise EntryUnsupported(f"The file {path} has over {MAX_LOCAL_BYTES >> 20} MiB.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise EntryUnsupported(f"The file {path} cannot be read: {error.strerror}.") from None


def agents_entry(found: Found) -> RegistryEntry | None:
    """Return an entry of the catalogue as agents see it; None if the hub cannot activate it."""
    try:
        about = described(found.entry, local=found.local)
    except EntryUnsupported:
        return None
    return RegistryEntry(
        name=str(found.entry.get("name", "")),
        version=str(found.entry.get("version", "")),
        title=str(found.entry.get("title", "")),
        description=str(found.entry.get("description", "")),
        source=found.source,
        inputs=tuple(each for each in about.inputs if each.fixed is None),
    )

"""Manages keys.json: the named keys that may use a protected hub, beside its token. Only this module writes the file;
front and sidecar read it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from bridge.errors import HubError
from bridge.keys import ADMIN, FRONT, KEY_ID, KeysFile, StoredKey, new_token, parse_keys, token_hash
from bridge.models import AddKey, Done, Issue, Key, KeyMade, Keys, ListKeys, NoteKeyUses, RevokeKey
from bridge.private import write_file
from bridge.server import Handlers
from yamcp_ui_adapter.edit.editing import Editing, no_source
from yamcp_ui_adapter.errors import (
    AlreadyExists,
    DataDirUnusable,
    KeyInvalid,
    KeysFileBroken,
    NoSuchKey,
    NoSuchWorkspace,
    issue,
)
from yamcp_ui_adapter.files.reader import file_stamp
from yamcp_ui_adapter.format.hubfile import dump
from yamcp_ui_adapter.key_uses import USES_FILE, KeyUses

log = logging.getLogger(__name__)

KEYS_FILE = "keys.json"
MAX_KEYS = 1000


class KeyStore:
    """The keys file, and the handlers of the requests about keys. `workspaces` returns the names of all workspaces."""

    def __init__(self, path: Path, workspaces: Callable[[], Collection[str]]) -> None:
        self.path = path
        self.uses = KeyUses(path.with_name(USES_FILE), self._ids)
        self._workspaces = workspaces
        self.on_change: Callable[[str, str], None] = lambda name, diff: None
        """Called with the name of a key that was created or revoked, and what to write of it in the history."""
        self.on_rename: Callable[[Mapping[str, str]], None] = lambda renames: None
        """Called with workspaces that were renamed (old name to new)."""
        self.editing: Editing = no_source
        """A block that changes files; the service sets it."""
        self._seen: tuple[object, KeysFile | str] | None = None
        """What the file looked like, and said then (or why it says nothing)."""

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {ListKeys: self.keys, AddKey: self.add, RevokeKey: self.revoke, NoteKeyUses: self.note_uses}

    async def keys(self, _: ListKeys | None = None) -> Keys:
        """Return the keys without their hashes.

        Raises:
            KeysFileBroken: the file cannot be read or parsed.
        """
        await self.uses.fetch()
        return Keys(keys=tuple(without_hash(key, self.uses.last(key.id)) for key in self._load().keys))

    async def note_uses(self, body: NoteKeyUses) -> Done:
        """Record uses of keys on pages and in the API, which the sidecar does not see."""
        self.uses.note(body.uses)
        return Done()

    def _ids(self) -> frozenset[str]:
        try:
            return frozenset(key.id for key in self._load().keys)
        except HubError:
            return frozenset()

    async def add(self, body: AddKey) -> KeyMade:
        """Create a key. Its token is part of this answer only; the file has its hash.

        Raises:
            AlreadyExists, NoSuchWorkspace, KeyInvalid, KeysFileBroken, DataDirUnusable: nothing was written.
        """
        async with self.editing(KEYS_FILE):
            return self._add(body)

    def _add(self, body: AddKey) -> KeyMade:
        content = self._load()
        self._check(body, content)
        taken = {key.id for key in content.keys}
        while (made := f"k{secrets.token_hex(4)[:7]}") in taken:
            continue
        token = new_token(made)
        key = StoredKey(
            id=made,
            name=body.name,
            hash=token_hash(token),
            workspaces=None if body.workspaces is None else tuple(dict.fromkeys(body.workspaces)),
            admin=body.admin,
            created=round(time.time(), 3),
        )
        self._write((*content.keys, key))
        log.info("key created", extra={"key": key.id, "name_of_key": key.name, "admin": key.admin})
        self.on_change(key.name, f"+ key {key.id} {key.name!r}, {_rights(key)}\n")
        return KeyMade(id=key.id, token=token)

    async def revoke(self, body: RevokeKey) -> Done:
        """Remove a key; its token is refused within a second.

        Raises:
            NoSuchKey, KeysFileBroken, DataDirUnusable: nothing was written.
        """
        async with self.editing(KEYS_FILE):
            return self._revoke(body)

    def _revoke(self, body: RevokeKey) -> Done:
        content = self._load()
        found = [key for key in content.keys if body.key in (key.id, key.name)]
        if not found:
            raise NoSuchKey(f"There is no key {body.key!r}.")
        self._write(tuple(key for key in content.keys if key not in found))
        log.info("key revoked", extra={"key": found[0].id, "name_of_key": found[0].name})
        self.on_change(found[0].name, "".join(f"- key {key.id} {key.name!r}, {_rights(key)}\n" for key in found))
        return Done()

    def rename(self, renames: Mapping[str, str]) -> None:
        """Update the keys of workspaces that were renamed. If that fails, the keys no longer allow these workspaces,
        which is reported as an issue.
        """
        self.on_rename(renames)
        try:
            content = self._load()
            keys = tuple(with_renamed_workspaces(key, renames) for key in content.keys)
            if keys != content.keys:
                self._write(keys)
                log.info("keys updated for renamed workspaces", extra={"renames": dict(renames)})
        except HubError as error:
            log.warning(
                "keys of renamed workspaces cannot be updated", extra={"code": error.code, "why": error.message}
            )

    @property
    def issues(self) -> tuple[Issue, ...]:
        """The issues of the file, and of workspaces that its keys name."""
        try:
            content = self._load()
        except HubError as error:
            return (issue("KEYS_UNUSABLE", f"file:{KEYS_FILE}", KEYS_FILE, error.message),)
        known = self._workspaces()
        return tuple(
            issue(
                "KEY_WORKSPACE_UNKNOWN", f"file:{KEYS_FILE}", KEYS_FILE, f"Key {key.name!r} names a workspace {name!r}."
            )
            for key in content.keys
            for name in key.workspaces or ()
            if name not in known
        )

    def _check(self, body: AddKey, content: KeysFile) -> None:
        if fault := name_error(body.name):
            raise KeyInvalid(f"A key cannot have that name: {fault}.")
        if body.admin and body.workspaces is not None:
            raise KeyInvalid("An admin key opens everything; it cannot be limited to workspaces.")
        if body.workspaces == ():
            raise KeyInvalid("A key that is limited to no workspace opens nothing.")
        if any(key.name == body.name for key in content.keys):
            raise AlreadyExists(f"There is a key {body.name!r} already.")
        if missing := [name for name in body.workspaces or () if name not in self._workspaces()]:
            raise NoSuchWorkspace(f"There is no workspace {missing[0]!r}.")
        if len(content.keys) >= MAX_KEYS:
            raise KeyInvalid(f"There are {MAX_KEYS} keys already; revoke some.")

    def _load(self) -> KeysFile:
        """Return the content of the file, which is read again only if its stamp changed.

        Raises:
            KeysFileBroken: the file cannot be read or parsed.
        """
        stamp = file_stamp(self.path)
        if self._seen is None or self._seen[0] != stamp:
            self._seen = stamp, self._read()
        content = self._seen[1]
        if isinstance(content, str):
            raise KeysFileBroken(content)
        return content

    def _read(self) -> KeysFile | str:
        try:
            return parse_keys(self.path.read_bytes())
        except FileNotFoundError:
            return KeysFile()
        except OSError as error:
            return f"{self.path} cannot be read: {error.strerror}."
        except ValueError as error:
            return f"{KEYS_FILE} cannot be used: {error}."

    def _write(self, keys: tuple[StoredKey, ...]) -> None:
        """Write the keys.

        Raises:
            DataDirUnusable: the file cannot be written.
        """
        try:
            write_file(self.path, dump(KeysFile(keys=keys).model_dump(mode="json")))
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be written: {error.strerror}.") from None
        self._seen = None


def _rights(key: StoredKey) -> str:
    where = "all workspaces" if key.workspaces is None else f"workspaces {', '.join(map(repr, key.workspaces))}"
    return f"admin, {where}" if key.admin else where


def without_hash(key: StoredKey, last_used: float | None) -> Key:
    """Return a key as it is sent over the bridge, without its hash."""
    return Key(**key.model_dump(exclude={"hash"}), last_used=last_used)


def with_renamed_workspaces(key: StoredKey, renames: Mapping[str, str]) -> StoredKey:
    """Return the key with its workspaces under their new names."""
    if key.workspaces is None or not renames.keys() & set(key.workspaces):
        return key
    names = tuple(dict.fromkeys(renames.get(name, name) for name in key.workspaces))
    return key.model_copy(update={"workspaces": names})


def name_error(name: str) -> str:
    """Return why a name is invalid for a key; empty if it is valid."""
    if not name.isprintable() or name != name.strip():
        return "it begins or ends with a space, or holds a character that cannot be seen"
    if KEY_ID.fullmatch(name) or name in (ADMIN, FRONT):
        return "it is kept for the hub's own, or looks like an id"
    return ""

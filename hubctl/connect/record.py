"""The record of each file that `hubctl connect` changed, from which `--undo` restores the file exactly."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from pathlib import Path

from pydantic import ValidationError

from bridge.models import Model
from bridge.private import make_directory, write_file
from bridge.settings import Settings
from hubctl.errors import DirectoryUnusable

DIRECTORY = "connect"
"""Directory below the hub's data directory, with one record per client, file and workspace."""


class Record(Model):
    """One change of a client's file."""

    client: str
    path: str
    slug: str
    name: str
    """The workspace's name."""
    before: str | None
    """The file's bytes before the change, in base64; None if it did not exist."""
    mode: int | None = None
    """The file's mode before the change."""
    directories: tuple[str, ...] = ()
    """Directories that were created for the file, outermost first."""
    after: str
    """SHA-256 of the file's bytes after the change."""
    key: str | None = None
    """Id of the key that was created for the client."""
    token: str | None = None
    """The token in the file; with it, connecting a second time changes nothing."""

    @property
    def original(self) -> bytes | None:
        """The file's bytes before the change; None if it did not exist."""
        return None if self.before is None else base64.b64decode(self.before)


def digest(content: bytes) -> str:
    """Return the hash that `Record.after` stores of a file's bytes."""
    return hashlib.sha256(content).hexdigest()


def path_of(settings: Settings, client: str, path: Path, slug: str) -> Path:
    """Return the path of a record."""
    name = hashlib.sha256(f"{client}\0{path}\0{slug}".encode()).hexdigest()[:16]
    return settings.data_dir / DIRECTORY / f"{client}-{name}.json"


def read(file: Path) -> Record | None:
    """Read a record; None if it does not exist or is unusable."""
    with contextlib.suppress(OSError, ValidationError):
        return Record.model_validate_json(file.read_bytes())
    return None


def write(file: Path, record: Record) -> None:
    """Write a record with mode 0600. Raises DirectoryUnusable."""
    try:
        make_directory(file.parent)
        write_file(file, record.model_dump_json(indent=2).encode())
    except OSError as error:
        raise DirectoryUnusable(f"{error.filename} cannot be written: {error.strerror}") from None

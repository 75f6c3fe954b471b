"""What `hubctl connect` remembers of each file that it changed, so that `--undo` restores it exactly."""

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
"""In the hub's data directory: a record for each client, file and workspace."""


class Record(Model):
    """One change of a client's file."""

    client: str
    path: str
    slug: str
    name: str
    """Of the workspace."""
    before: str | None
    """Its bytes before the change, in base64; none where there was no file."""
    mode: int | None = None
    """Its permissions before the change."""
    directories: tuple[str, ...] = ()
    """Directories that were made for it, the outermost first."""
    after: str
    """SHA-256 of its bytes after the change."""
    key: str | None = None
    """Id of the key that was made for the client."""
    token: str | None = None
    """The token that stands in the file, so that a second connect finds nothing to change."""

    @property
    def original(self) -> bytes | None:
        """The bytes of the file before the change."""
        return None if self.before is None else base64.b64decode(self.before)


def digest(content: bytes) -> str:
    """What `Record.after` has of a file."""
    return hashlib.sha256(content).hexdigest()


def place(settings: Settings, client: str, path: Path, slug: str) -> Path:
    """The file of a record."""
    name = hashlib.sha256(f"{client}\0{path}\0{slug}".encode()).hexdigest()[:16]
    return settings.data_dir / DIRECTORY / f"{client}-{name}.json"


def read(file: Path) -> Record | None:
    """The record in a file; none where there is none that can be used."""
    with contextlib.suppress(OSError, ValidationError):
        return Record.model_validate_json(file.read_bytes())
    return None


def keep(file: Path, record: Record) -> None:
    """Write a record, for this user alone. Raises DirectoryUnusable."""
    try:
        make_directory(file.parent)
        write_file(file, record.model_dump_json(indent=2).encode())
    except OSError as error:
        raise DirectoryUnusable(f"{error.filename} cannot be written: {error.strerror}") from None

"""The folders of installed packages, and installed.json, which says what is in them.

A folder counts once installed.json names it: what an interrupted installation left is removed at the next start.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from bridge.models import Model
from bridge.private import make_directory, write_file
from yamcp_ui_adapter.errors import DataDirUnusable

log = logging.getLogger(__name__)

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.+-]")
SERVERS = "servers"
INSTALLED = "installed.json"


class Version(Model):
    """One installed version of a server."""

    version: str
    """Of the package."""
    of_entry: str = ""
    """The version of its entry in the catalogue, which may be another one; empty if an earlier hub has installed it."""
    folder: str = ""
    """Below HUB_DATA_DIR; empty if it has none."""
    program: tuple[str, ...] = ()
    digest: str = ""
    image: str = ""
    installed: float
    entry: dict[str, Any] = Field(default_factory=dict)
    """The entry of providers.json as the hub wrote it; secrets are references."""
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The answers that are not secret."""
    references: dict[str, str] = Field(default_factory=dict)
    """`${NAME}` by secret setting."""


class Record(Model):
    """An activated server."""

    name: str
    source: str = ""
    kind: Literal["npm", "pypi", "mcpb", "oci", "hub", "remote"]
    now: Version
    previous: Version | None = None
    pending: bool = False
    """Whether its entry in providers.json may not be written yet."""
    created: tuple[str, ...] = ()
    """While it is pending: variables that were set for it."""
    unused: float | None = None
    """Since when providers.json has no entry for it (Unix time)."""


class Folders:
    """`servers/` in the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._root = self._data_dir / SERVERS
        self._path = self._root / INSTALLED
        self._records: dict[str, Record] | None = None

    @property
    def records(self) -> dict[str, Record]:
        """What is installed, by key. A file that cannot be read counts as empty, and is not overwritten.

        Raises:
            DataDirUnusable: it cannot be read or parsed.
        """
        if self._records is None:
            self._records = self._read()
        return self._records

    def entries(self) -> dict[str, str]:
        """The name of the catalogue entry of each installed server, by key; none while the file cannot be used."""
        try:
            return {key: record.name for key, record in self.records.items() if record.unused is None}
        except DataDirUnusable:
            return {}

    def _read(self) -> dict[str, Record]:
        try:
            content = json.loads(self._path.read_bytes())
            return {key: Record.model_validate(value) for key, value in content["servers"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise DataDirUnusable(f"{self._path} cannot be used: {type(error).__name__}.") from None

    def put(self, key: str, record: Record | None) -> None:
        """Write what is installed under a key; None: nothing. Raises DataDirUnusable."""
        records = {name: each for name, each in self.records.items() if name != key}
        if record is not None:
            records[key] = record
        self.replace(records)

    def replace(self, records: dict[str, Record]) -> None:
        """Write what is installed, by key. Raises DataDirUnusable."""
        content = {"servers": {name: each.model_dump(mode="json") for name, each in records.items()}}
        try:
            make_directory(self._root)
            write_file(self._path, json.dumps(content, indent=2).encode() + b"\n")
        except OSError as error:
            raise DataDirUnusable(f"{self._path} cannot be written: {error.strerror}.") from None
        self._records = records

    def new(self, key: str, version: str) -> Path:
        """Return a folder for a version that does not exist yet; its parent does. Raises DataDirUnusable."""
        parent = self._root / _name(key)
        wanted = _name(version) or "0"
        try:
            make_directory(parent)
        except OSError as error:
            raise DataDirUnusable(f"{parent} cannot be created: {error.strerror}.") from None
        names = (wanted, *(f"{wanted}-{number}" for number in range(2, 10_000)))
        return parent / next(name for name in names if not (parent / name).exists())

    def relative(self, folder: Path) -> str:
        """The path of a folder below the data directory."""
        return str(folder.relative_to(self._data_dir))

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it, and its parent if that is empty; nothing if it is empty."""
        path = self._data_dir / folder
        if not folder or self._root not in path.parents:
            return
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            log.warning("a folder could not be removed", extra={"folder": folder})
        if path.parent != self._root and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def unknown(self) -> set[str]:
        """The folders that installed.json does not name: an installation was interrupted. Removes empty ones."""
        if not self._root.is_dir():
            return set()
        versions = [each for record in self.records.values() for each in (record.now, record.previous) if each]
        known = {each.folder for each in versions}
        found = set()
        for parent in [each for each in self._root.iterdir() if each.is_dir()]:
            found |= {self.relative(each) for each in parent.iterdir()}
            if not any(parent.iterdir()):
                parent.rmdir()
        return found - known


def _name(text: str) -> str:
    """A text as the name of a folder."""
    return _NOT_IN_NAMES.sub("_", text).strip(".")[:100]

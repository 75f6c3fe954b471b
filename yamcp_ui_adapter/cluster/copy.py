"""This hub's files as the copy of a shared configuration, and what it had last in common with the source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from bridge.models.base import Model
from bridge.private import make_directory, write_file
from yamcp_ui_adapter.cluster.documents import Newest
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.replace import read
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.files.reader import Stamp, file_stamp

log = logging.getLogger(__name__)

BASE_FILE = "cluster.json"


class Base(Model):
    """The content of `cluster.json`. It has secrets, as the documents have: mode 0600."""

    identity: str = ""
    epoch: int = 0
    documents: dict[str, str] = Field(default_factory=dict)


class WorkingCopy:
    """The files at `paths`, by name of the document. `on_write` is called with the names of files that were written."""

    def __init__(
        self, paths: Mapping[str, Path], base: Path, backups: Backups, on_write: Callable[[Collection[str]], None]
    ) -> None:
        self._paths = dict(paths)
        self._base_path = base
        self._backups = backups
        self._on_write = on_write
        self._stamps: dict[str, Stamp] = {}
        self.base = self._load()

    @property
    def directory(self) -> Path:
        """The hub's own directory."""
        return self._base_path.parent

    def read(self) -> dict[str, bytes | None]:
        """Return the content of each file; None for one that does not exist. Raises DataDirUnusable."""
        self._stamps = {name: file_stamp(path) for name, path in self._paths.items()}
        try:
            return {name: read(path) for name, path in self._paths.items()}
        except OSError as error:
            raise DataDirUnusable(f"{error.filename} cannot be read: {error.strerror}.") from None

    def changed(self) -> bool:
        """Return whether a file looks different from the last `read`."""
        return any(self._stamps.get(name) != file_stamp(path) for name, path in self._paths.items())

    def common(self, identity: str) -> dict[str, bytes]:
        """Return the documents that were last the same here and in this source."""
        if self.base.identity != identity:
            return {}
        return {name: text.encode() for name, text in self.base.documents.items()}

    def write(self, contents: Mapping[str, bytes | None]) -> bool:
        """Replace files by these contents, keep copies of the former ones. Returns whether any content was another one.

        Raises DataDirUnusable.
        """
        before = self.read()
        changed = {name: raw for name, raw in contents.items() if raw != before.get(name)}
        self._on_write(changed)
        for name, raw in changed.items():
            path, former = self._paths[name], before.get(name)
            if former is not None:
                self._backups.keep(name, former)
            try:
                if raw is None:
                    path.unlink(missing_ok=True)
                else:
                    make_directory(path.parent)
                    write_file(path, raw)
            except OSError as error:
                raise DataDirUnusable(f"{path} cannot be written: {error.strerror}.") from None
        self.read()
        return bool(changed)

    def save(self, newest: Newest) -> None:
        """Remember what is now common; if that fails, the next start takes the source's content. Logged only."""
        documents = {name: raw.decode("utf-8", "replace") for name, raw in newest.documents.items()}
        made = Base(identity=newest.identity, epoch=newest.epoch, documents=documents)
        if made == self.base:
            return
        self.base = made
        try:
            write_file(self._base_path, made.model_dump_json().encode())
        except OSError as error:
            log.warning("the copy of the shared configuration cannot be noted", extra={"why": error.strerror})

    def _load(self) -> Base:
        try:
            return Base.model_validate_json(self._base_path.read_bytes())
        except (OSError, ValidationError):
            return Base()

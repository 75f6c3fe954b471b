"""Copies of YAMCP's files from before the hub changed them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from bridge.private import make_directory, write_file
from yamcp_ui_adapter.errors import DataDirUnusable

DIRECTORY = "backups"
MAX_BACKUPS = 20
"""Number of copies that are kept of each file."""


class Backups:
    """The directory of copies, in the hub's data directory: `providers.json.<UTC time>`, readable by the hub's user
    only.
    """

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / DIRECTORY

    def keep(self, name: str, content: bytes) -> None:
        """Store the content of a file, and delete all but its newest copies.

        Raises:
            DataDirUnusable: the copy cannot be written.
        """
        try:
            make_directory(self.directory)
            write_file(self.directory / f"{name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}", content, sync=False)
        except OSError as error:
            raise DataDirUnusable(f"{self.directory}: no copy of {name} can be kept ({error.strerror}).") from None
        self._prune(name)

    def _prune(self, name: str) -> None:
        for old in sorted(self.directory.glob(f"{name}.*"))[:-MAX_BACKUPS]:
            with contextlib.suppress(OSError):
                old.unlink()

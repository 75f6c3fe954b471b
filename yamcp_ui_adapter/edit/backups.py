"""Copies of YAMCP's files as they were before the hub changed them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from bridge.private import make_directory, write_file
from yamcp_ui_adapter.errors import DataDirUnusable

DIRECTORY = "backups"
KEPT = 20
"""Newest ones kept, of each file."""


class Backups:
    """The directory of copies, in the hub's data directory: `providers.json.<UTC time>`, for the owner's eyes alone."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / DIRECTORY

    def keep(self, name: str, content: bytes) -> None:
        """Keep what a file held, and the newest copies of it.

        Raises:
            DataDirUnusable: it cannot be written.
        """
        try:
            make_directory(self.directory)
            write_file(self.directory / f"{name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}", content, sync=False)
        except OSError as error:
            raise DataDirUnusable(f"{self.directory}: no copy of {name} can be kept ({error.strerror}).") from None
        self._prune(name)

    def _prune(self, name: str) -> None:
        for old in sorted(self.directory.glob(f"{name}.*"))[:-KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()

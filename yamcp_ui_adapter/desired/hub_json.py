"""Reads and changes hub.json, the hub's own settings of servers and workspaces."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.private import write_file
from yamcp_ui_adapter.edit.replace import read
from yamcp_ui_adapter.errors import DataDirUnusable, FileUnusable, HubFileBroken
from yamcp_ui_adapter.format.document import read_document
from yamcp_ui_adapter.format.entries import HUB
from yamcp_ui_adapter.format.hubfile import FORMAT_VERSION, dump

HubFileEdit = Callable[[dict[str, Any]], dict[str, Any]]


class HubJson:
    """The file at this path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def content(self) -> dict[str, Any]:
        """Return its present content.

        Raises:
            HubFileBroken: the file cannot be read or parsed, or is of another version.
        """
        try:
            content = read_document(read(self._path), HUB).content
        except FileUnusable as error:
            raise HubFileBroken(error.issue.message) from None
        except OSError as error:
            raise HubFileBroken(f"{self._path} cannot be read: {error.strerror}.") from None
        if content.get("version", FORMAT_VERSION) != FORMAT_VERSION:
            raise HubFileBroken(f"{self._path} is not of version {FORMAT_VERSION}.")
        return content

    def readable(self) -> dict[str, Any] | None:
        """Return its content for the history of edits; None if it cannot be read."""
        with contextlib.suppress(HubFileBroken):
            return self.content()
        return None

    def write(self, edit: HubFileEdit) -> None:
        """Change the file.

        Raises:
            HubFileBroken: it cannot be parsed, and is left unchanged.
            DataDirUnusable: it cannot be written.
        """
        before = self.content()
        after = edit(before)
        if after == before and self._path.exists():
            return
        try:
            write_file(self._path, dump(after))
        except OSError as error:
            raise DataDirUnusable(f"{self._path} cannot be written: {error.strerror}.") from None

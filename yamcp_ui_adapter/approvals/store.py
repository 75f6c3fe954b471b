"""Reads and writes approvals.json: the proposals, and which servers the registry tools have added."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bridge.models import (
    Model,
)
from bridge.models.catalog.approvals import (
    Proposal,
)
from bridge.private import write_file
from yamcp_ui_adapter.approvals.errors import ApprovalsFileBroken
from yamcp_ui_adapter.errors import DataDirUnusable

APPROVALS_FILE = "approvals.json"


class Approvals(Model):
    """The content of the file. It has no secret values."""

    version: Literal[1] = 1
    proposals: tuple[Proposal, ...] = ()
    """Oldest first."""
    added: tuple[str, ...] = ()
    """Keys of the servers that registry tools have added, and that the last one who uses them uninstalls."""


class ApprovalsFile:
    """The file at this path. Only the adapter writes it; it is read when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: Approvals | None = None

    def read(self) -> Approvals:
        """Return the content; empty if there is no file. Raises ApprovalsFileBroken."""
        if self._content is None:
            try:
                self._content = Approvals.model_validate_json(self.path.read_bytes())
            except FileNotFoundError:
                self._content = Approvals()
            except (OSError, ValidationError) as error:
                why = error.strerror if isinstance(error, OSError) else "it has another form"
                raise ApprovalsFileBroken(f"{self.path} cannot be read: {why}.") from None
        return self._content

    def write(self, content: Approvals) -> None:
        """Replace the content, if it is another. Raises DataDirUnusable: the file is as before."""
        if content == self._content:
            return
        try:
            write_file(self.path, content.model_dump_json(indent=2).encode() + b"\n")
        except OSError as error:
            raise DataDirUnusable(f"{self.path} cannot be written: {error.strerror}.") from None
        self._content = content

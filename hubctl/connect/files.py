"""A client's configuration file: read it, replace it atomically, and restore it."""

from __future__ import annotations

import base64
import contextlib
import difflib
import stat
from pathlib import Path

from bridge.private import write_file
from hubctl.connect.record import Record, digest
from hubctl.errors import ClientFileUnusable


class ClientFile:
    """A configuration file, with its content at the time it was read."""

    def __init__(self, path: Path) -> None:
        """Raises ClientFileUnusable: the file exists and is unreadable, or is not text."""
        self.path = path
        self.content: bytes | None = None
        self.mode: int | None = None
        try:
            self.content = path.read_bytes()
            self.mode = stat.S_IMODE(path.stat().st_mode)
            self.text = self.content.decode("utf-8")
        except FileNotFoundError:
            self.text = ""
        except OSError as error:
            raise ClientFileUnusable(f"{path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ClientFileUnusable(f"{path} is not text in UTF-8.") from None

    def is_as(self, record: Record) -> bool:
        """Return whether the file is unchanged since that record was written."""
        return self.content is not None and digest(self.content) == record.after

    def diff(self, after: str) -> list[str]:
        """Return the lines of a unified diff from the content to this text."""
        before, name = self.text.splitlines(), str(self.path)
        return list(difflib.unified_diff(before, after.splitlines(), name, name, n=1, lineterm=""))

    def missing_directories(self) -> tuple[str, ...]:
        """Return the directories that the file needs and that do not exist, outermost first."""
        missing = [parent for parent in self.path.parents if not parent.exists()]
        return tuple(str(parent) for parent in reversed(missing))

    def replace(self, text: str, secret: bool) -> None:
        """Replace the file atomically and keep its mode; `secret` sets 0600. Raises ClientFileUnusable."""
        mode = 0o644 if self.mode is None else self.mode
        self._write(text.encode(), mode & 0o700 if secret else mode)

    def restore(self, record: Record) -> None:
        """Restore the recorded content; if the file did not exist, remove it and the directories that were created for
        it.
        """
        if (original := record.original) is not None:
            self._write(original, record.mode or 0o600)
            return
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            for directory in reversed(record.directories):
                Path(directory).rmdir()  # only where it is empty

    def _write(self, content: bytes, mode: int) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, content)
            self.path.chmod(mode)
        except OSError as error:
            raise ClientFileUnusable(f"{self.path} cannot be written: {error.strerror}.") from None


def encoded(content: bytes | None) -> str | None:
    """Encode the content as a record stores it."""
    return None if content is None else base64.b64encode(content).decode("ascii")

"""A client's configuration file: read, replaced, and put back as it was."""

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
    """A file as it was when it was read."""

    def __init__(self, path: Path) -> None:
        """Raises ClientFileUnusable: it is there and cannot be read, or is not text."""
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
        """Whether nobody has changed it since that record."""
        return self.content is not None and digest(self.content) == record.after

    def diff(self, after: str) -> list[str]:
        """What a change to this text does, as lines of a unified diff."""
        before, name = self.text.splitlines(), str(self.path)
        return list(difflib.unified_diff(before, after.splitlines(), name, name, n=1, lineterm=""))

    def missing_directories(self) -> tuple[str, ...]:
        """The directories that have to be made for it, the outermost first."""
        missing = [parent for parent in self.path.parents if not parent.exists()]
        return tuple(str(parent) for parent in reversed(missing))

    def replace(self, text: str, secret: bool) -> None:
        """Write it, with the permissions that it had; `secret`: for its user alone. Raises ClientFileUnusable."""
        mode = 0o644 if self.mode is None else self.mode
        self._write(text.encode(), mode & 0o700 if secret else mode)

    def restore(self, record: Record) -> None:
        """Put back what was there before; removes the file and its directories where there was none."""
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
    """As a record has it."""
    return None if content is None else base64.b64encode(content).decode("ascii")

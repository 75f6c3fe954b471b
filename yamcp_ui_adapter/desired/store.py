"""What the adapter remembers over a restart: its epoch and the last good parses, in one file that only it reads."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bridge.models import Model
from bridge.private import PRIVATE_FILE, make_directory, write_file
from yamcp_ui_adapter.errors import AdapterRunning, DataDirUnusable
from yamcp_ui_adapter.format.entries import LastGood

log = logging.getLogger("yamcp_ui_adapter.store")  # the name that log filters know

NAME = "adapter-state.json"
LOCK = "adapter.lock"


class Kept(Model):
    """The content of the file. It may hold secrets, as the files do that it repeats."""

    version: Literal[1] = 1
    epoch: int = 0
    good: LastGood


class Store:
    """The file in the hub's data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        self.saved = True
        """Whether the last save worked."""

    def load(self) -> Kept | None:
        """What was kept; none when there is nothing, or nothing that can be used.

        What is there but cannot be used says that there was an epoch: the next is then of the clock, later than any.
        """
        try:
            return Kept.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("kept state cannot be used", extra={"file": str(self.path), "why": type(error).__name__})
            return Kept(epoch=int(time.time()), good=LastGood())

    def save(self, kept: Kept, sync: bool = False) -> None:
        """Keep it; a failure (a full disk) is logged and seen in `saved`, as the hub can go on without."""
        try:
            write_file(self.path, kept.model_dump_json().encode(), sync=sync)
        except OSError as error:
            if self.saved:
                log.warning("state cannot be saved", extra={"file": str(self.path), "why": error.strerror})
            self.saved = False
        else:
            self.saved = True


@contextlib.contextmanager
def owned(directory: Path) -> Iterator[None]:
    """Own the data directory, made if it is missing, until the end of the block (or of the process).

    Raises:
        DataDirUnusable: it cannot be made or written to.
        AdapterRunning: another adapter owns it.
    """
    try:
        make_directory(directory)
        file = os.fdopen(os.open(directory / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE), "wb")
    except OSError as error:
        raise DataDirUnusable(f"{directory}: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AdapterRunning(f"Another adapter uses {directory}.") from None
        yield

"""Stores the epoch and the last good contents across restarts, in one file that only the adapter reads."""

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

STATE_FILE = "adapter-state.json"
LOCK_FILE = "adapter.lock"


class StoredState(Model):
    """The content of the file. It may hold secrets, because it repeats the content of YAMCP's files."""

    version: Literal[1] = 1
    epoch: int = 0
    good: LastGood


class StateStore:
    """The state file in the hub's data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / STATE_FILE
        self.saved = True
        """Whether the last save worked."""

    def load(self) -> StoredState | None:
        """Return the stored state; None if there is none, or it is unusable.

        An unusable file shows that there was an earlier epoch; the next epoch is then taken from the clock, to be
        later.
        """
        try:
            return StoredState.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("the stored state is unusable", extra={"file": str(self.path), "why": type(error).__name__})
            return StoredState(epoch=int(time.time()), good=LastGood())

    def save(self, kept: StoredState, sync: bool = False) -> None:
        """Store the state. A failure (such as a full disk) is logged and shown in `saved`; the hub continues
        without.
        """
        try:
            write_file(self.path, kept.model_dump_json().encode(), sync=sync)
        except OSError as error:
            if self.saved:
                log.warning("state cannot be saved", extra={"file": str(self.path), "why": error.strerror})
            self.saved = False
        else:
            self.saved = True


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Create the data directory if it is missing, and hold its lock until the end of the block, or of the process.

    Raises:
        DataDirUnusable: it cannot be created or written.
        AdapterRunning: another adapter holds the lock.
    """
    try:
        make_directory(directory)
        file = os.fdopen(os.open(directory / LOCK_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE), "wb")
    except OSError as error:
        raise DataDirUnusable(f"{directory}: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AdapterRunning(f"Another adapter uses {directory}.") from None
        yield

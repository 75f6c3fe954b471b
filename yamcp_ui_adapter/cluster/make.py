"""Makes the shared configuration that the settings ask for. asyncpg is imported only for a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bridge.settings import Settings
from bridge.settings.variables import VARIABLES_FILE
from yamcp_ui_adapter.cluster.copy import BASE_FILE, WorkingCopy
from yamcp_ui_adapter.cluster.documents import KEYS
from yamcp_ui_adapter.cluster.shared import SharedConfig
from yamcp_ui_adapter.cluster.source import Source
from yamcp_ui_adapter.edit.backups import Backups
from yamcp_ui_adapter.edit.writer import Writer


class Service(Protocol):
    """What the shared configuration needs of the desired state."""

    files: asyncio.Lock

    def read(self) -> None:
        """Read all files."""

    def announce(self) -> None:
        """Tell that issues may have changed."""


def shares_configuration(settings: Settings) -> bool:
    """Whether the configuration comes from somewhere else."""
    return bool(settings.config_dir or settings.config_database_url)


def recorded_elsewhere(settings: Settings, shared: SharedConfig | None) -> Callable[[], bool]:
    """Return how the log of changes learns that a change of the files was made at another hub, and is recorded there.
    Where hubs do not share the history, each records the changes of all.
    """
    database = settings.database_url or settings.database_url_file.exists()
    one_history = settings.replica and settings.config_database_url and database
    return shared.took if shared and one_history else lambda: False


def make_shared(
    settings: Settings,
    service: Service,
    held: Callable[[], AbstractContextManager[None]],
    writer: Writer,
    backups: Backups,
    paths: Mapping[str, Path],
) -> SharedConfig | None:
    """Return the shared configuration; None if the hub has its configuration to itself. `paths` are those of the files
    that make up the desired state.
    """
    source = _source(settings)
    if source is None:
        return None
    own = settings.data_dir.absolute()
    files = dict(paths) | {KEYS: settings.keys_file.absolute(), VARIABLES_FILE: own / VARIABLES_FILE}
    copy = WorkingCopy(files, own / BASE_FILE, backups, writer.forget)
    return SharedConfig(source, copy, service.files, held, service.read, service.announce, settings.replica)


def _source(settings: Settings) -> Source | None:
    if settings.config_dir:
        from yamcp_ui_adapter.cluster.directory import DirectorySource  # noqa: PLC0415

        return DirectorySource(settings.config_dir.absolute())
    if url := settings.config_database_url:
        from yamcp_ui_adapter.cluster.postgresql import PostgresSource  # noqa: PLC0415  # asyncpg takes 60 ms to import

        return PostgresSource(url, settings.config_schema)
    return None

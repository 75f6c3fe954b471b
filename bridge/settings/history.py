"""The settings of the history: whether it is kept, where, for how long, and how much (docs/history.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class Places(Protocol):
    """The directories of the hub, which `Settings` has."""

    @property
    def data_dir(self) -> Path:
        """The hub's own data."""

    @property
    def runtime(self) -> Path:
        """The runtime directory."""


class HistorySettings(BaseSettings):
    """A part of `bridge.settings.Settings`."""

    history: bool = Field(
        True, description="Keep a history of calls, sessions, changes and sign-ins (docs/history.md); off: none at all."
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL database of the history (postgresql://…); none: history.db in data_dir."
    )
    database_schema: str = Field(
        "yamcp_hub",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Schema of the history within the PostgreSQL database: one for each hub, which replicas share.",
    )
    history_days: int = Field(30, ge=1, le=3650, description="Days for which the history is kept.")
    history_max_mb: int = Field(
        1024, ge=10, description="Largest size of the history in MB; beyond it the oldest records go."
    )
    history_body_bytes: int = Field(
        16384, ge=0, description="Most bytes that are kept of arguments and of a result, where these are recorded."
    )
    spool_max_mb: int = Field(
        64, ge=1, description="Most MB of records that wait on disk for the history's database; further ones are lost."
    )

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in ("postgresql", "postgres"):
            raise ValueError("the address of a database begins with postgresql://")
        return value

    @property
    def records_address(self: Places) -> str:
        """The address at which the recorder serves the history."""
        return f"ipc://{self.runtime}/records.sock"

    @property
    def spool_dir(self: Places) -> Path:
        """Where records wait for the recorder (bridge/history/spool.py)."""
        return self.data_dir / "spool"

    @property
    def history_file(self: Places) -> Path:
        """The SQLite database of the history."""
        return self.data_dir / "history.db"

    @property
    def database_url_file(self: Places) -> Path:
        """The file in which `hubctl run` hands the recorder HUB_DATABASE_URL, which may have a password."""
        return self.runtime / "database.url"

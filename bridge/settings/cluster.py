"""The settings of a configuration that several hubs share (docs/cluster.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from bridge.postgresql.address import SCHEMES
from bridge.settings.history import Places
from bridge.settings.secrets import SecretSettings


class ClusterSettings(SecretSettings):
    """A part of `bridge.settings.Settings`."""

    config_database: SecretStr | None = Field(
        None,
        description="PostgreSQL database (postgresql://…) in which several hubs keep one configuration; the files of "
        "each are its copy; with config_dir, it has only leases. `?passfile=` names a file with the password.",
    )
    config_schema: str = Field(
        "yamcp_hub_config",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Schema of the configuration within config_database: one for all hubs that share it.",
    )
    config_dir: Path | None = Field(
        None,
        description="Directory with a read-only configuration, such as a mounted ConfigMap; its files replace the "
        "hub's own.",
    )

    placement: Literal["database", "kubernetes"] = Field(
        "database",
        description="Where replicas agree on who runs a server with `placement` `one`: in config_database, or by Lease "
        "objects of Kubernetes in the pod's namespace.",
    )
    lease_prefix: str = Field(
        "yamcp-hub",
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$",
        description="What names of these objects begin with: the same at all replicas; another hub in the namespace "
        "needs another one.",
    )

    @field_validator("config_database")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in SCHEMES:
            raise ValueError("the address of a database begins with postgresql://")
        return value

    @property
    def config_database_file(self: Places) -> Path:
        """The file in which `hubctl run` hands over HUB_CONFIG_DATABASE, which may have a password."""
        return self.runtime / "config-database.url"

    @property
    def config_database_url(self) -> str | None:
        """The address of the database, from the setting or from that file; None without one."""
        if self.config_database:
            return self.config_database.get_secret_value()
        try:
            file: Path = self.config_database_file  # type: ignore[misc]  # `Settings` has the places
            return file.read_text("utf-8").strip() or None
        except OSError:
            return None

"""The settings of secrets that definitions of servers take from files and commands (docs/configuration.md)."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class SecretSettings(BaseSettings):
    """A part of `bridge.settings.Settings`."""

    secret_dirs: str = Field(
        "",
        description="Directories (comma-separated) whose files definitions of servers may use as `${file:/path}`; "
        "none: off.",
    )
    secret_commands: str = Field(
        "",
        description="Absolute paths of programs (comma-separated) that definitions of servers may run as "
        "`${cmd:/program argument}`; none: off.",
    )

    @field_validator("secret_dirs", "secret_commands")
    @classmethod
    def _absolute_paths(cls, value: str) -> str:
        for each in filter(None, (part.strip() for part in value.split(","))):
            if not PurePosixPath(each).is_absolute():
                raise ValueError("it is not a list of absolute paths")
        return value

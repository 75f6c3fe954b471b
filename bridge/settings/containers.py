"""The settings of contained servers (docs/containers.md) and of SBOMs (docs/trust.md)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class EngineSettings(BaseSettings):
    """A part of `bridge.settings.Settings`."""

    container_engine: str = Field(
        "auto", description="What runs contained servers: auto, podman, docker, the path of either, or off."
    )
    container_mounts: str = Field(
        "", description="Directories (comma-separated) that contained servers may mount; none: nothing."
    )
    container_policy: Path | None = Field(
        None,
        description="A policy.json (containers-policy.json(5)) that images of contained servers have to meet; none: "
        "the engine's own applies.",
    )
    sbom: str = Field(
        "auto",
        description="What makes an SBOM of each image and installed package: auto (syft, if it is on the PATH), the "
        "path of a syft, or off.",
    )

    @field_validator("container_engine")
    @classmethod
    def _engine(cls, value: str) -> str:
        if value not in ("auto", "podman", "docker", "off") and not value.startswith("/"):
            raise ValueError(f"{value!r} is none of auto, podman, docker, off, and no absolute path")
        return value

    @field_validator("container_mounts")
    @classmethod
    def _directories(cls, value: str) -> str:
        if relative := [item for item in value.split(",") if item.strip() and not item.strip().startswith("/")]:
            raise ValueError(f"{relative[0].strip()!r} is not an absolute path")
        return value

    @field_validator("container_policy")
    @classmethod
    def _policy(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @field_validator("sbom")
    @classmethod
    def _generator(cls, value: str) -> str:
        if value not in ("auto", "off") and not value.startswith("/"):
            raise ValueError(f"{value!r} is neither auto nor off, and no absolute path")
        return value

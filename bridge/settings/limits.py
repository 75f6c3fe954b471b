"""The settings that limit what stdio servers use, unless hub.json says otherwise for a server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """Default limits of stdio servers. They are for a server with all its processes."""

    server_memory: str = Field(
        "0", pattern=r"^(0|[1-9][0-9]{0,9}[kmg])$", description="Memory of a stdio server: `512m`, `2g`; 0: no limit."
    )
    server_pids: int = Field(
        4096, ge=0, le=1_000_000, description="Most processes and threads of a stdio server; 0: no limit."
    )
    server_cpus: float = Field(
        0, ge=0, le=1024, allow_inf_nan=False, description="Processors that a stdio server may use; 0: no limit."
    )
    server_open_files: int = Field(
        0, ge=0, le=1_000_000, description="Most open files of each process of a stdio server; 0: the hub's own limit."
    )
    cgroups: Literal["auto", "off"] = Field(
        "auto", description="Whether control groups limit stdio servers where they are delegated to the hub."
    )

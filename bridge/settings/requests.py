"""The settings that limit what clients ask of the hub at once, and how long the messages of servers may be."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class RequestSettings(BaseSettings):
    """A part of `bridge.settings.Settings`. Sizes in bytes."""

    max_client_requests: int = Field(
        16384, ge=1, description="Most requests of one client that wait or are in progress at once."
    )
    max_client_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="Most bytes of one client's requests that wait or are in progress; one request is always taken.",
    )
    max_requests_bytes: int = Field(
        512 * 1024 * 1024,
        ge=1024,
        description="Most bytes of all clients' requests that wait or are in progress; clients share them fairly.",
    )
    max_message_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="Longest message of a remote server, after decompression."
    )
    max_line_bytes: int = Field(
        32 * 1024 * 1024, ge=1024 * 1024, description="Longest message (a line on its stdout) of a stdio server."
    )

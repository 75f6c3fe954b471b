"""Settings of the authorization server, by which MCP clients sign in (docs/oauth.md)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class OAuthSettings(BaseSettings):
    """A part of `bridge.settings.Settings`."""

    oauth: bool = Field(
        True, description="MCP clients can sign in with OAuth, in a hub that wants a token (docs/oauth.md)."
    )
    oauth_loopback_clients: bool = Field(
        False,
        description="A client's id can be the URL of a document on the loopback interface, for the development of "
        "clients.",
    )
    oauth_clients: int = Field(
        1000, ge=1, le=100_000, description="Most OAuth clients that are registered; the oldest unused one makes room."
    )
    oauth_access_lifetime: float = Field(
        3600, ge=10, le=86_400, allow_inf_nan=False, description="How long an OAuth access token is valid."
    )
    oauth_refresh_lifetime: float = Field(
        2_592_000,
        ge=60,
        le=31_536_000,
        allow_inf_nan=False,
        description="How long an OAuth refresh token is valid; each refresh makes a new one.",
    )

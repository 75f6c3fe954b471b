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

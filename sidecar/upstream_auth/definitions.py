"""What a sign-in needs of a server's definition, whose references have to be replaced first."""

from __future__ import annotations

from typing import Protocol

from bridge.models import RemoteLaunch, ServerSpec


class Definitions(Protocol):
    """Replaces references such as `${NAME}` and `${file:…}`. Every method raises SidecarError if that fails."""

    async def launch(self, spec: ServerSpec, principal: str) -> RemoteLaunch:
        """The launch of a remote server, for the principal with that id."""

    async def url(self, spec: ServerSpec) -> str:
        """The URL alone of a remote server."""

    async def revealed(self, server: str, reference: str) -> str:
        """The value of a reference in the settings of the server with that key."""

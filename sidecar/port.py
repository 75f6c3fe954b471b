"""A session as the client of one of its own servers: what that asks shows its URIs as the workspace does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sidecar import uris
from sidecar.channel import Frame

if TYPE_CHECKING:
    from sidecar.session import Session


class OwnPort:
    """`connection.ClientPort` of a session; `rename` turns the server's URIs into those that the client can read."""

    def __init__(self, session: Session, rename: Callable[[str], str]) -> None:
        self._session = session
        self._rename = rename

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the client declared in its handshake."""
        return self._session.capabilities

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Send a request to the client and return its response frame."""
        return await self._session.ask(method, uris.rewrite_result(method, params, self._rename))

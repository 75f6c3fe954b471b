"""What stands for a session where there is none: requests of the modern era over Streamable HTTP."""

from __future__ import annotations

from typing import Any

from bridge.keys import Principal
from sidecar.admission.context import ANONYMOUS
from sidecar.concurrency.shares import Caller
from sidecar.errors import INTERNAL_ERROR
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.session import Session


class Sessionless(Session):
    """Stands for all modern HTTP requests to a workspace, and holds the upstreams that they have to themselves."""

    transport, lasting = "http", False
    modern = True
    requests = 0
    """How many of them are under way on the direct way (downstream/stateless_calls.py)."""

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Nothing to do: changes reach these clients through `subscriptions/listen`."""

    def clients(self) -> tuple[Session, ...]:
        """None: nobody is connected."""
        return ()

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Refused: the modern era has no requests of servers."""
        return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: this client cannot be asked"})


class ModernRequest(Sessionless):
    """One of them, as long as it lasts, with the capabilities that it declares (`_meta`, clientCapabilities).

    It joins no workspace and is no client; what it needs to hold, its workspace's `Sessionless` holds for it.
    """

    def __init__(
        self, standing: Sessionless, params: dict[str, Any], address: str = "", principal: Principal = ANONYMOUS
    ) -> None:
        super().__init__(standing.id, principal)
        self._standing = standing
        self.caller = Caller(standing.tenant, address)
        declared = params["_meta"].get(eras.CAPABILITIES_KEY)
        self.capabilities = declared if isinstance(declared, dict) else {}

    @property
    def holder(self) -> Session:
        """The workspace's `Sessionless`."""
        return self._standing

    def count(self) -> int:
        """A request has come: its number among all of them."""
        return self._standing.count()

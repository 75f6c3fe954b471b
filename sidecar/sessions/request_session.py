"""Session objects for clients without a session: modern requests over Streamable HTTP."""

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
    """The session object that all modern HTTP requests to a workspace share, with state that outlives a request."""

    transport, has_session = "http", False
    modern = True
    requests = 0
    """The number of requests in progress on the direct way (downstream/stateless_calls.py)."""

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Do nothing: notifications reach these clients through `subscriptions/listen`."""

    def clients(self) -> tuple[Session, ...]:
        """No clients, since none is connected."""
        return ()

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Refuse: in the modern era servers send no requests to clients."""
        return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: this client cannot be asked"})


class ModernRequest(Sessionless):
    """The session object of one modern HTTP request, with the capabilities that it declares in `_meta`.

    It does not join the workspace. `shared` is the workspace's `Sessionless`, which holds the lasting state.
    """

    def __init__(
        self, shared: Sessionless, params: dict[str, Any], address: str = "", principal: Principal = ANONYMOUS
    ) -> None:
        super().__init__(shared.id, principal)
        self._shared = shared
        self.caller = Caller(shared.tenant, address)
        declared = params["_meta"].get(eras.CAPABILITIES_KEY)
        self.capabilities = declared if isinstance(declared, dict) else {}

    @property
    def holder(self) -> Session:
        """The workspace's `Sessionless`."""
        return self._shared

    def count(self) -> int:
        """Count a request; returns its number among all requests without a session."""
        return self._shared.count()

"""HTTP requests that are refused before a message of theirs is read: the answer, and what observers are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import unquote

from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import Scope, Send

from bridge.keys import Principal
from bridge.models import Done, NoteRefusals
from sidecar.admission.admission import Admission
from sidecar.admission.context import ANONYMOUS, RequestContext, Visitor
from sidecar.errors import MessageInvalid, SidecarError
from sidecar.listener.asgi import header, respond_error
from sidecar.protocol.eras import Era

log = logging.getLogger(__name__)

Headers = tuple[tuple[bytes, bytes], ...]


class RefusedRequest(RequestContext):
    """The context of a request of which only the head is known. It holds no header that may be a credential."""

    __slots__ = ("_address", "_era")

    def __init__(self, principal: Principal, scope: Scope) -> None:
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        parts = [unquote(part) for part in path.split("/") if part]
        is_endpoint = len(parts) in (2, 3) and parts[0] == "mcp"
        transport = "sse" if is_endpoint and len(parts) == 3 else "http"
        method = header(scope, b"mcp-method").decode("latin-1")
        workspace = parts[1] if is_endpoint else ""
        super().__init__(Visitor(principal, transport), method, {}, workspace, 0, time.perf_counter())
        version = header(scope, b"mcp-protocol-version").decode("latin-1")
        self._era: Era = "modern" if version in MODERN_PROTOCOL_VERSIONS else "legacy"
        self._address = address_of(scope)

    @property
    def era(self) -> Era:
        """By the header MCP-Protocol-Version; legacy without one."""
        return self._era

    @property
    def address(self) -> str:
        """The client's address."""
        return self._address


class Refusals:
    """Answers requests with errors, and tells the observers."""

    def __init__(
        self,
        admission: Admission,
        stranger: Principal = ANONYMOUS,
        on_omitted: Callable[[int], None] = lambda count: None,
    ) -> None:
        """`stranger` is the principal of requests that the front refused. `on_omitted` is called with the number of
        those that it did not tell of."""
        self._admission = admission
        self._stranger = stranger
        self._on_omitted = on_omitted

    async def refuse(
        self, principal: Principal, scope: Scope, send: Send, error: SidecarError, status: int = 0, more: Headers = ()
    ) -> None:
        """Answer with an error, with its own HTTP status or another one, and tell the observers."""
        self._admission.refused(RefusedRequest(principal, scope), error)
        await respond_error(send, status or error.status, error, more)

    async def not_allowed(self, principal: Principal, scope: Scope, send: Send, allowed: str) -> None:
        """Refuse a method; `allowed` are those there are."""
        error = MessageInvalid("The method is not allowed here.", hint=f"Use {allowed}.")
        await self.refuse(principal, scope, send, error, 405, ((b"allow", allowed.encode()),))

    async def note(self, request: NoteRefusals) -> Done:
        """Tell the observers of requests that the front refused. Omitted ones are counted, and logged."""
        for each in request.refusals:
            error = SidecarError("The front refused the request.")
            error.code = each.code
            headers = [(b"mcp-method", each.method.encode()), (b"mcp-protocol-version", each.version.encode())]
            scope: Scope = {"path": each.path, "headers": headers, "client": (each.address, 0)}
            self._admission.refused(RefusedRequest(self._stranger, scope), error)
        if request.omitted:
            self._on_omitted(request.omitted)
            log.warning("too many requests were refused to record each", extra={"omitted": request.omitted})
        return Done()


def address_of(scope: Scope) -> str:
    """The client's address: what the front says, or whoever connected; empty where neither is known."""
    said = header(scope, b"x-forwarded-for").decode("latin-1").rpartition(",")[2].strip()
    return said or str((scope.get("client") or [""])[0])

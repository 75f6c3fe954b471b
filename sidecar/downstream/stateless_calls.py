"""Calls of tools that modern clients make over Streamable HTTP, and that need no task (MCP 2026-07-28, Transports).

Such a client has no session, and repeats in each request what it said in the one before: method, tool and version in
headers, itself in `_meta`. Where a call was served, the next one with the same head, byte for byte, has the headers
that were checked then (`listener/known_heads.py`). What is left is to compare its body with them, as
`listener/request_checks.py` does for all other requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sidecar.admission.context import ANONYMOUS, RequestContext
from sidecar.calls import direct_call
from sidecar.calls.request import Request
from sidecar.concurrency.shares import Caller
from sidecar.downstream import direct_reply
from sidecar.downstream.direct_reply import DirectReply, Pings
from sidecar.errors import HubStopping
from sidecar.features import input_requests
from sidecar.listener import request_checks
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.protocol import eras, extensions
from sidecar.protocol.channel import Frame
from sidecar.protocol.jsonrpc import as_dict, error
from sidecar.sessions.request_session import ModernRequest

if TYPE_CHECKING:
    from bridge.keys import Principal
    from sidecar.calls.endpoint import Endpoint
    from sidecar.concurrency.cancel_scope import Cancellable
    from sidecar.routing.view import Offer

REQUIRED = frozenset({eras.VERSION_KEY, eras.CAPABILITIES_KEY})
PLAIN = REQUIRED | {eras.CLIENT_INFO_KEY, "progressToken"}
"""What `_meta` of a call may have that takes the direct way."""
STOPPING = HubStopping("The hub is stopping.").rpc()


class StatelessCalls:
    """The callers whose calls are under way on the direct way, to end them with the hub."""

    def __init__(self, pings: Pings, max_body_bytes: int) -> None:
        self.pings = pings
        self.max_body_bytes = max_body_bytes
        self.callers: set[StatelessCaller] = set()
        self.ended = False

    def end(self) -> None:
        """Answer what is under way, and take no more."""
        self.ended = True
        for caller in tuple(self.callers):
            caller.cancel()


class StatelessCaller:
    """Who calls one tool over one connection, with one head: what a session is to `DirectCall` and `DirectReply`.

    HTTP answers the requests of a connection one after the other, so there is one call under way at most.
    """

    __slots__ = (
        "_address",
        "_calls",
        "_endpoint",
        "_envelope",
        "_name",
        "_standing",
        "_version",
        "admission",
        "caller",
        "id",
        "principal",
        "running",
        "workspace",
    )

    era: eras.Era = "modern"
    transport = "http"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

    def __init__(
        self,
        calls: StatelessCalls,
        endpoint: Endpoint,
        params: dict[str, Any],
        address: str,
        principal: Principal = ANONYMOUS,
    ) -> None:
        """`params` are those of a call that was served, and whose headers said the same as they."""
        self._calls = calls
        self._endpoint = endpoint
        self._address = address
        self.admission = endpoint.admission
        self.principal = principal
        self.workspace = endpoint.workspace
        self._standing = endpoint.workspace.sessionless
        self.id = self._standing.id
        self.caller = Caller(self._standing.tenant, address)
        self.running: dict[int | str, Cancellable] = {}
        self._name = params["name"]
        self._version = params["_meta"][eras.VERSION_KEY]
        self._envelope: dict[str, Any] = {}
        """The `_meta` of the call that was recognised last: what a client says again need not be looked at again."""

    def try_direct(self, body: bytes, connection: HttpProtocol, allowed: Callable[[], bool]) -> bool:
        """Take a body that came with the head, if it needs no task; False, and nothing has happened, if it does."""
        if len(body) > self._calls.max_body_bytes or (frame := direct_call.parse_message(body)) is None:
            return False
        view = self.workspace.common_view
        if self.ended or view is None or self._name in view.with_headers or not self.recognises(frame):
            return False
        return direct_reply.begin(self, frame, connection, self._calls.pings, allowed, left=self.cancel)

    def recognises(self, frame: Frame) -> bool:
        """Whether a message is a call as the headers say, of a client that wants nothing unusual."""
        params = frame.get("params")
        if params is None or frame.get("method") != direct_call.METHOD or "id" not in frame:
            return False
        if params.get("name") != self._name or len(params) != (3 if "arguments" in params else 2):
            return False
        meta = params.get("_meta")
        if not meta or (meta != self._envelope and not self._is_plain(meta)):
            return False
        self._envelope = meta
        return True

    def _is_plain(self, meta: Any) -> bool:
        """The same for what a client says of itself."""
        if not isinstance(meta, dict) or not REQUIRED <= meta.keys() <= PLAIN:
            return False
        return meta[eras.VERSION_KEY] == self._version and not extensions.declares(
            _capabilities(meta), extensions.TASKS
        )

    # --- as the call sees it (direct_call.DirectCaller) ---------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the hub stops."""
        return self._calls.ended

    def count(self) -> int:
        """A request has come: its number among all of the workspace."""
        return self._standing.count()

    def correlation(self, number: int) -> str:
        """The id that follows the request of that number through the logs."""
        return self._standing.correlation(number)

    def declared(self, offer: Offer) -> dict[str, Any]:
        """The extensions of the client that a modern server is told of."""
        if offer.catalog.greeting.era == "legacy":
            return {}
        key = offer.spec.key
        return extensions.of_client(_capabilities(self._envelope), lambda: self.workspace.declared().owned(key))

    def to_client_response(self, offer: Offer, params: dict[str, Any], frame: Frame) -> Frame:
        """A server's response: where it wants input, as `ModernCalls` makes it; any other as it is."""
        if "error" not in frame and not input_requests.asks(frame["result"]):
            return frame
        session = ModernRequest(self._standing, params, self._address, self.principal)
        call = RequestContext(session, direct_call.METHOD, params, self.workspace.name, 0, time.perf_counter())
        request = Request(session, call, lambda *_: None)
        return self._endpoint.relay.modern.to_client_response(request, offer, params, frame)

    def cancelled_response(self, request_id: int | str) -> Frame:
        """A call is cut when the hub stops, or when there is nobody to read the answer."""
        return error(request_id, dict(STOPPING))

    def cancel(self, reason: str = "") -> None:
        """The connection is lost, which is how a modern client cancels, or the hub stops."""
        for call in tuple(self.running.values()):
            call.cancel(reason)

    # --- as the reply sees it (direct_reply.ReplyOwner) --------------------------------------------------------------

    def took(self, reply: DirectReply) -> None:
        """A call was taken, which `reply` answers."""
        self._calls.callers.add(self)
        self._standing.requests += 1

    def release(self, reply: DirectReply) -> None:
        """It is answered."""
        self._calls.callers.discard(self)
        self._standing.requests -= 1
        self._standing.last_used = time.monotonic()

    def status_of(self, frame: Frame) -> int:
        """The HTTP status of an answer."""
        return request_checks.status_of(frame)


def _capabilities(meta: dict[str, Any]) -> dict[str, Any]:
    return as_dict(meta.get(eras.CAPABILITIES_KEY))

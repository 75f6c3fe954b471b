"""Direct calls of modern clients over Streamable HTTP (MCP 2026-07-28, Transports; ADR 23).

Such a client has no session. It repeats in each request the method, tool and version in headers, and its capabilities
in `_meta`. A call whose head is the same, byte for byte, as that of an earlier one has the headers that were checked
then (listener/known_heads.py). So only its body is compared with them, as listener/request_checks.py does for all
other requests.
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
    from sidecar.routing.offer import Offer

REQUIRED_META_KEYS = frozenset({eras.VERSION_KEY, eras.CAPABILITIES_KEY})
DIRECT_META_KEYS = REQUIRED_META_KEYS | {eras.CLIENT_INFO_KEY, "progressToken"}
"""The keys that `_meta` of a call on the direct way may have."""
STOPPING_ERROR = HubStopping("The hub is stopping.").rpc()


class StatelessCalls:
    """Tracks the callers with direct calls in progress, to end these when the hub stops."""

    def __init__(self, pings: Pings, max_body_bytes: int) -> None:
        self.pings = pings
        self.max_body_bytes = max_body_bytes
        self.callers: set[StatelessCaller] = set()
        self.ended = False

    def end_invalid(self, is_valid: Callable[[Principal], bool]) -> None:
        """Cancel the calls whose caller's credential has ended; nobody gets their answers."""
        for caller in tuple(self.callers):
            if not is_valid(caller.principal):
                caller.cancel()

    def end(self) -> None:
        """Answer the calls in progress with an error, and accept no more."""
        self.ended = True
        for caller in tuple(self.callers):
            caller.cancel()


class StatelessCaller:
    """The caller of one tool over one connection with one head: the `ReplyOwner` of direct calls without a session.

    HTTP/1.1 answers the requests of a connection one after the other, so at most one call is in progress.
    """

    __slots__ = (
        "_address",
        "_calls",
        "_endpoint",
        "_envelope",
        "_name",
        "_sessionless",
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
        """Make a caller from the `params` of a call that was served, whose headers agreed with them."""
        self._calls = calls
        self._endpoint = endpoint
        self._address = address
        self.admission = endpoint.admission
        self.principal = principal
        self.workspace = endpoint.workspace
        self._sessionless = endpoint.workspace.sessionless
        self.id = self._sessionless.id
        self.caller = Caller(self._sessionless.tenant, address)
        self.running: dict[int | str, Cancellable] = {}
        self._name = params["name"]
        self._version = params["_meta"][eras.VERSION_KEY]
        self._envelope: dict[str, Any] = {}
        """The `_meta` of the last call that matched, so that an equal one need not be checked again."""

    def try_direct(self, body: bytes, connection: HttpProtocol, allowed: Callable[[], bool]) -> bool:
        """Serve a body that came with the known head. False if it needs the waiting way; then nothing has happened."""
        if len(body) > self._calls.max_body_bytes or (frame := direct_call.parse_message(body)) is None:
            return False
        view = self.workspace.common_view
        if self.ended or view is None or self._name in view.with_headers or not self.matches(frame):
            return False
        return direct_reply.try_call(self, frame, connection, self._calls.pings, allowed, on_disconnect=self.cancel)

    def matches(self, frame: Frame) -> bool:
        """Whether a message is a call that agrees with the headers, and has only the usual fields."""
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
        """Whether `_meta` has only the usual keys, the same version, and no task extension."""
        if not isinstance(meta, dict) or not REQUIRED_META_KEYS <= meta.keys() <= DIRECT_META_KEYS:
            return False
        return meta[eras.VERSION_KEY] == self._version and not extensions.declares(
            _capabilities(meta), extensions.TASKS
        )

    # --- DirectCaller -------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the hub stops."""
        return self._calls.ended

    def count(self) -> int:
        """Count a request; returns its number among those of the workspace."""
        return self._sessionless.count()

    def correlation(self, number: int) -> str:
        """The id of the request with that number in the logs."""
        return self._sessionless.correlation(number)

    def declared(self, offer: Offer) -> dict[str, Any]:
        """The extensions of the client that a modern server is told of."""
        if offer.catalog.greeting.era == "legacy":
            return {}
        key = offer.spec.key
        return extensions.of_client(_capabilities(self._envelope), lambda: self.workspace.declared().owned(key))

    def to_client_response(self, offer: Offer, params: dict[str, Any], frame: Frame) -> Frame:
        """Translate a response in which the server asks for input, as `ModernCalls` does; others are unchanged."""
        if "error" not in frame and not input_requests.asks(frame["result"]):
            return frame
        session = ModernRequest(self._sessionless, params, self._address, self.principal)
        call = RequestContext(session, direct_call.METHOD, params, self.workspace.name, 0, time.perf_counter())
        request = Request(session, call, lambda *_: None)
        return self._endpoint.relay.modern.to_client_response(request, offer, params, frame)

    def cancelled_response(self, request_id: int | str) -> Frame:
        """The error for a call that is cancelled because the hub stops, or the client has disconnected."""
        return error(request_id, dict(STOPPING_ERROR))

    def cancel(self, reason: str = "") -> None:
        """Cancel the call: the connection was closed, which is how a modern client cancels, or the hub stops."""
        for call in tuple(self.running.values()):
            call.cancel(reason)

    # --- ReplyOwner --------------------------------------------------------------------------------------------------

    def add_reply(self, reply: DirectReply) -> None:
        """A call has begun, which `reply` will answer."""
        self._calls.callers.add(self)
        self._sessionless.requests += 1

    def remove_reply(self, reply: DirectReply) -> None:
        """The reply is finished."""
        self._calls.callers.discard(self)
        self._sessionless.requests -= 1
        self._sessionless.last_used = time.monotonic()

    def status_of(self, frame: Frame) -> int:
        """The HTTP status of an answer."""
        return request_checks.status_of(frame)


def _capabilities(meta: dict[str, Any]) -> dict[str, Any]:
    return as_dict(meta.get(eras.CAPABILITIES_KEY))

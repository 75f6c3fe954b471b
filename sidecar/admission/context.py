"""The context of a client's request, for gates and observers: principal, method, server, tool (ADR 29)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from bridge.keys import Principal
from sidecar.concurrency.shares import HUB_CALLER, Caller
from sidecar.protocol import eras
from sidecar.protocol.jsonrpc import as_dict

ANONYMOUS = Principal("", "everybody", None, admin=True)
"""The principal of all requests in an unprotected hub, which needs no token."""
LOCAL = Principal("", "local", None, admin=True)
"""The principal of requests over the bridge (`hubctl call`, the console's explorer), and of the hub itself."""


class Client(Protocol):
    """The sender of a request: a session, or an object in place of one."""

    principal: Principal
    transport: str
    caller: Caller
    """The key and client for which its requests take turns at a server (concurrency/turns.py)."""
    id: str
    """The id of the session; empty if there is none."""

    def correlation(self, number: int) -> str:
        """The id of the client's request with that number in the logs."""


class ClientSession(Client, Protocol):
    """A session of a client, for observers of sessions."""

    since: float
    """When it began (`time.monotonic`)."""
    calls: int
    """The number of requests received."""

    @property
    def workspace_name(self) -> str:
        """The name of its workspace."""

    @property
    def client_name(self) -> str:
        """The client's name and version, as it says."""


@dataclass(slots=True)
class Visitor:
    """A client without a session, or with one that the hub does not know."""

    principal: Principal = LOCAL
    transport: str = "bridge"
    id: str = ""
    caller: Caller = HUB_CALLER

    def correlation(self, number: int) -> str:
        """Empty: without a session, requests are not counted."""
        return ""


class CallContext:
    """The context of one request. It is valid until the request has ended; copy what is needed for longer.

    It is a `RequestContext`, or on the direct way the call itself (calls/direct_call.py).
    """

    __slots__ = ()

    client: Client
    caller: Caller
    """The key and client for which it takes its turn at a server."""
    method: str
    """The MCP method; empty if an HTTP request was refused before its message was read."""
    params: dict[str, Any]
    """The params as the client sent them."""
    number: int
    """The number of the request among those of the client."""
    server: str
    """The key of the server that the request was sent to; empty until then."""
    tool: str
    """The tool's name at its server; empty if unknown, or if the request is not about a tool."""
    began: float
    """When the request entered (`time.perf_counter`)."""
    span: object = None
    """The spans of a traced request (tracing/tracing.py); None for all others."""

    @property
    def workspace(self) -> str:
        """The name of the workspace; empty if unknown."""
        raise NotImplementedError

    @property
    def deadline(self) -> float:
        """When the server's timeout ends (`time.perf_counter`); meaningful once `server` is set."""
        raise NotImplementedError

    def asks(self, server: str, deadline: float) -> None:
        """A server, by its key, is asked from now on."""
        raise NotImplementedError

    waited = 0.0
    """Seconds for which the request waited for its server's gate."""

    def has_waited(self, seconds: float) -> None:
        """Note for how long the request waited for its server's gate. On the direct way no request waits."""

    @property
    def principal(self) -> Principal:
        """The principal that sent the request."""
        return self.client.principal

    @property
    def session(self) -> str:
        """The id of the client's session; empty if there is none."""
        return self.client.id

    @property
    def address(self) -> str:
        """The client's address, where a request is refused before its message is read; else empty."""
        return ""

    @property
    def transport(self) -> str:
        """`sse`, `http` or `bridge`."""
        return self.client.transport

    @property
    def era(self) -> eras.Era:
        """The protocol era of the request."""
        return eras.of_params(self.params)

    @property
    def correlation(self) -> str:
        """The id of the request in the logs."""
        return self.client.correlation(self.number)

    @property
    def trace(self) -> str:
        """The `traceparent` that the client sent in `_meta` (W3C Trace Context); empty if there is none."""
        value = as_dict(self.params.get("_meta")).get("traceparent")
        return value if isinstance(value, str) else ""


class RequestContext(CallContext):
    """The context of a request on the waiting way."""

    __slots__ = (
        "began",
        "caller",
        "client",
        "deadline",
        "method",
        "number",
        "params",
        "server",
        "span",
        "tool",
        "waited",
        "workspace",
    )

    workspace: str
    deadline: float

    def __init__(
        self, client: Client, method: str, params: dict[str, Any], workspace: str, number: int, began: float
    ) -> None:
        self.client = client
        self.caller = client.caller
        self.method = method
        self.params = params
        self.workspace = workspace
        self.number = number
        self.server = self.tool = ""
        self.waited = 0.0
        self.span = None
        self.began = self.deadline = began

    def part(self, method: str) -> RequestContext:
        """The context of one of several requests that are sent to servers for this one, with its own `server`."""
        made = RequestContext(self.client, method, self.params, self.workspace, self.number, self.began)
        made.caller = self.caller
        made.span = self.span
        return made

    def asks(self, server: str, deadline: float) -> None:
        """A server, by its key, is asked from now on."""
        self.server, self.deadline = server, deadline

    def has_waited(self, seconds: float) -> None:
        """Note for how long the request waited for its server's gate."""
        self.waited += seconds

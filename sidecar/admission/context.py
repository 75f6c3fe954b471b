"""One request of a client, as gates, observers and servers see it: who sent it, how it came, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from bridge.keys import Principal
from sidecar.concurrency.shares import HUB_CALLER, Caller
from sidecar.protocol import eras
from sidecar.protocol.jsonrpc import as_dict

ANONYMOUS = Principal("", "everybody", None, admin=True)
"""Whose requests those of an unprotected hub are: nobody is asked for a token."""
LOCAL = Principal("", "local", None, admin=True)
"""Whose requests those over the bridge are (`hubctl call`, the console's explorer), and the hub's own."""


class Client(Protocol):
    """Who sends requests: a session, or what stands for one."""

    principal: Principal
    transport: str
    caller: Caller
    """Whose turn its requests take at a server."""
    id: str
    """The session's; empty where there is none."""

    def correlation(self, number: int) -> str:
        """The id that follows the client's request of that number through the logs."""


@dataclass(slots=True)
class Visitor:
    """A client that has no session, or none that the hub knows."""

    principal: Principal = LOCAL
    transport: str = "bridge"
    id: str = ""
    caller: Caller = HUB_CALLER

    def correlation(self, number: int) -> str:
        """None: it has no session whose requests could be counted."""
        return ""


class CallContext:
    """Made once, when a request enters. Valid until it has ended: who needs something of it longer copies that.

    A `RequestContext`, or on the direct way the call itself (`calls/direct_call.py`).
    """

    __slots__ = ()

    client: Client
    caller: Caller
    """Whose turn it takes at a server."""
    method: str
    """Empty where an HTTP request was refused before its message was read."""
    params: dict[str, Any]
    """As the client sent them."""
    number: int
    """Which of the client's requests it is."""
    server: str
    """The key of the server that was asked; empty as long as none was."""
    tool: str
    """The tool's name at its server; empty where it is not known, or not about a tool."""
    began: float
    """When it entered (`time.perf_counter`)."""

    @property
    def workspace(self) -> str:
        """The name of the workspace; empty where none is known."""
        raise NotImplementedError

    @property
    def deadline(self) -> float:
        """When the server's time for it is over, once one was asked (`time.perf_counter`)."""
        raise NotImplementedError

    def asks(self, server: str, deadline: float) -> None:
        """A server, by its key, is asked from now on."""
        raise NotImplementedError

    @property
    def principal(self) -> Principal:
        """Who sent it."""
        return self.client.principal

    @property
    def session(self) -> str:
        """The id of the client's session; empty where there is none."""
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
        """What the client speaks."""
        return eras.of_params(self.params)

    @property
    def correlation(self) -> str:
        """The id that follows it through the logs."""
        return self.client.correlation(self.number)

    @property
    def trace(self) -> str:
        """The `traceparent` that the client sent (W3C Trace Context, in `_meta`); empty where there is none."""
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
        "tool",
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
        self.began = self.deadline = began

    def part(self, method: str) -> RequestContext:
        """The context of one of several requests that servers get for this one; what becomes of it is its own."""
        made = RequestContext(self.client, method, self.params, self.workspace, self.number, self.began)
        made.caller = self.caller
        return made

    def asks(self, server: str, deadline: float) -> None:
        """A server, by its key, is asked from now on."""
        self.server, self.deadline = server, deadline

"""A client's request that the relay answers, and functions that relay.py and direct_call.py share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sidecar.calls.error_response import ErrorResponse
from sidecar.errors import INTERNAL_ERROR, ParamsInvalid, SidecarError
from sidecar.protocol import eras, extensions
from sidecar.protocol.channel import Frame, Notify, Params
from sidecar.sessions.server_tasks import ServerTasks
from sidecar.sessions.session import LEVELS, Session
from sidecar.upstream.mux import Progress

if TYPE_CHECKING:
    from sidecar.admission.context import CallContext, RequestContext
    from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

HUB_INTERNAL = "HUB_INTERNAL"
HUB_FAILED: Mapping[str, Any] = {
    "code": INTERNAL_ERROR,
    "message": "The hub failed; its log says why.",
    "data": {"code": HUB_INTERNAL},
}
"""The JSON-RPC error for an unexpected exception in the hub. Clients get no details, the log has them."""


class Request:
    """One request of a client: its context, and accessors for its params."""

    __slots__ = ("asked", "call", "declared", "era", "method", "notify", "params", "session", "upstream")

    upstream: Upstream
    """The upstream that the request was last sent to: an offer's, or one leased to the call."""

    def __init__(self, session: Session, call: RequestContext, notify: Notify) -> None:
        self.session = session
        self.call = call
        self.method = call.method
        self.params = params = call.params
        self.era = eras.of_params(params)
        self.notify = notify
        self.asked = False
        """Whether the client was asked for input, on which the result depends."""
        self.declared: dict[str, Any] = {}
        """The client's extensions that a modern server is told."""

    @property
    def correlation(self) -> str:
        """The id of the request in the logs."""
        return self.call.correlation

    @property
    def tasks(self) -> ServerTasks:
        """The tasks that servers run for the client, or for its client group in the modern era."""
        return self.session.holder.server_tasks.of(self.call.principal)

    @property
    def progress_token(self) -> Any:
        """The client's progress token; None if it sent none (MCP, Progress)."""
        return progress_token_of(self.params)

    @property
    def log_level(self) -> str | None:
        """The minimum level of log messages that a modern client wants with the answer; None for none."""
        meta = self.params.get("_meta")
        level = meta.get(eras.LOG_LEVEL_KEY) if isinstance(meta, dict) else None
        return level if level in LEVELS else None

    @property
    def capabilities(self) -> dict[str, Any]:
        """The client's capabilities: from the request in the modern era, else from the handshake."""
        meta = self.params.get("_meta") if self.era == "modern" else None
        declared = meta.get(eras.CAPABILITIES_KEY) if isinstance(meta, dict) else self.session.capabilities
        return declared if isinstance(declared, dict) else {}

    @property
    def takes_tasks(self) -> bool:
        """Whether the client accepts a task as the result (SEP-2663, Supported Methods)."""
        return self.method == "tools/call" and extensions.declares(self.capabilities, extensions.TASKS)

    def require_string(self, key: str) -> str:
        """A parameter that must be a string. Raises ParamsInvalid."""
        value = self.params.get(key)
        if not isinstance(value, str):
            raise ParamsInvalid(f"`{key}` of {self.method} is missing or not a string.")
        return value

    def progress(self) -> Progress | None:
        """See `progress_of`."""
        return progress_of(self.params, self.notify)


def progress_token_of(params: Params) -> Any:
    """The progress token in the params of a request; None if there is none."""
    meta = params.get("_meta")
    return meta.get("progressToken") if isinstance(meta, dict) else None


def progress_of(params: Params, notify: Notify) -> Progress | None:
    """A handler that passes the server's progress on under the client's token; None if the client sent no token."""
    token = progress_token_of(params)
    if token is None:
        return None
    return lambda progress: notify("notifications/progress", {**progress, "progressToken": token})


def hub_failed(call: CallContext) -> dict[str, Any]:
    """Return `HUB_FAILED` with the id by which the log records about the request are found."""
    return {**HUB_FAILED, "data": {**HUB_FAILED["data"], "correlation": call.correlation}}


def log_failure(workspace: str, method: str, call: CallContext, error: SidecarError) -> None:
    """Log that a request failed with an error of the hub."""
    log.warning(
        "request failed",
        extra={
            "workspace": workspace,
            "method": method,
            **call.log_fields,
            "code": error.code,
            "reason": error.message,
        },
    )


def result_or_raise(client: eras.Era, frame: Frame) -> dict[str, Any]:
    """The result in a server's response frame, which the mux has validated.

    Raises:
        ErrorResponse: the response is an error; it is translated to the client's era.
    """
    if "error" in frame:
        raise ErrorResponse(eras.error_to_client(client, frame["error"]))
    result: dict[str, Any] = frame["result"]
    return result

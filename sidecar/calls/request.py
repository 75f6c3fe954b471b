"""One request of a client on its way, and what both ways of a call have in common (relay.py, direct_call.py)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sidecar.calls.answered import Answered
from sidecar.errors import INTERNAL_ERROR, ParamsInvalid, SidecarError
from sidecar.protocol import eras, extensions
from sidecar.protocol.channel import Frame
from sidecar.sessions.server_tasks import Tasks
from sidecar.sessions.session import LEVELS, Session
from sidecar.upstream.mux import Progress

if TYPE_CHECKING:
    from sidecar.admission.context import RequestContext
    from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

HUB_INTERNAL = "HUB_INTERNAL"
HUB_FAILED: Mapping[str, Any] = {
    "code": INTERNAL_ERROR,
    "message": "The hub failed; its log says why.",
    "data": {"code": HUB_INTERNAL},
}
"""The JSON-RPC error for a fault of the hub itself, which tells nothing of it."""

Params = dict[str, Any]
Notify = Callable[[str, Params], None]
"""Sends a notification that belongs to the request under way."""


class Request:
    """One request of a client on its way."""

    __slots__ = ("call", "declared", "era", "method", "notify", "params", "served", "session")

    served: Upstream
    """What was asked last: the upstream of an offer, or one of those that are leased to calls."""

    def __init__(self, session: Session, call: RequestContext, notify: Notify) -> None:
        self.session = session
        self.call = call
        self.method = call.method
        self.params = params = call.params
        self.era = eras.of_params(params)
        self.notify = notify
        self.declared: dict[str, Any] = {}
        """The client's extensions, as a modern server is told of them."""

    @property
    def correlation(self) -> str:
        """The id that follows it through the logs."""
        return self.call.correlation

    @property
    def tasks(self) -> Tasks:
        """The tasks that servers run for the client, or, in the modern era, for clients like it."""
        return self.session.holder.server_tasks

    @property
    def token(self) -> Any:
        """The client's progress token, if it gave one."""
        return token_of(self.params)

    @property
    def level(self) -> str | None:
        """The least level of log messages that a modern client wants with the answer, if any."""
        meta = self.params.get("_meta")
        level = meta.get(eras.LOG_LEVEL_KEY) if isinstance(meta, dict) else None
        return level if level in LEVELS else None

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the client can do: said in its handshake, or in each request."""
        meta = self.params.get("_meta") if self.era == "modern" else None
        declared = meta.get(eras.CAPABILITIES_KEY) if isinstance(meta, dict) else self.session.capabilities
        return declared if isinstance(declared, dict) else {}

    @property
    def takes_tasks(self) -> bool:
        """Whether the answer may be a task (SEP-2663, Supported Methods)."""
        return self.method == "tools/call" and extensions.declares(self.capabilities, extensions.TASKS)

    def string(self, key: str) -> str:
        """A parameter that must be there. Raises ParamsInvalid."""
        value = self.params.get(key)
        if not isinstance(value, str):
            raise ParamsInvalid(f"`{key}` of {self.method} is missing or not a string.")
        return value

    def progress(self) -> Progress | None:
        """What to do with the server's progress: send it under the client's own token, if the client gave one."""
        return progress_of(self.params, self.notify)


def token_of(params: Params) -> Any:
    """The client's progress token, if it gave one."""
    meta = params.get("_meta")
    return meta.get("progressToken") if isinstance(meta, dict) else None


def progress_of(params: Params, notify: Notify) -> Progress | None:
    """The same for the params of any request."""
    token = token_of(params)
    if token is None:
        return None
    return lambda progress: notify("notifications/progress", {**progress, "progressToken": token})


def log_failure(workspace: str, method: str, correlation: str, error: SidecarError) -> None:
    """Tell the log of a request that the hub could not have answered."""
    log.warning(
        "request failed",
        extra={
            "workspace": workspace,
            "method": method,
            "correlation": correlation,
            "code": error.code,
            "reason": error.message,
        },
    )


def result_of(client: eras.Era, frame: Frame) -> dict[str, Any]:
    """The result in a server's response, which the mux has checked, for a client of that era.

    Raises:
        Answered: the response is an error.
    """
    if "error" in frame:
        raise Answered(eras.error_to_client(client, frame["error"]))
    result: dict[str, Any] = frame["result"]
    return result

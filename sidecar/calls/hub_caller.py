"""The caller of one of the hub's own tools: what such a tool may see and do, with exactly the caller's rights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.admission.context import RequestContext
from sidecar.calls.request import progress_of
from sidecar.errors import SidecarError
from sidecar.hub_tool_errors import NestedHubCall
from sidecar.large.outline import whole
from sidecar.protocol import eras
from sidecar.protocol.in_process import is_hubs_own
from sidecar.upstream.mux import Progress

if TYPE_CHECKING:
    from bridge.keys import Principal
    from sidecar.protocol.channel import Notify, Params
    from sidecar.routing.view import View
    from sidecar.sessions.session import Session
    from sidecar.workspaces.workspace import Workspace

PROGRESS_TOKEN = "hub"  # noqa: S105 - names the progress of a call within the hub
MODERN_ONLY = ("resultType", "ttlMs", "cacheScope")
"""Fields of results that the hub adds for modern clients; the result of the hub's tool gets its own."""

CALLER: ContextVar[HubCaller] = ContextVar("CALLER")
"""The caller of the hub's tool that runs in this context."""


class PartServer(Protocol):
    """What serves the calls of a hub's tool: the endpoint of the workspace."""

    workspace: Workspace

    async def serve_part(self, session: Session, call: RequestContext, notify: Notify) -> dict[str, Any]:
        """The result of a call. Raises ErrorResponse or SidecarError."""


class HubCaller:
    """The caller of a hub's tool. It is valid until the tool has returned."""

    __slots__ = ("_call", "_endpoint", "_notify", "asks", "session")

    def __init__(self, endpoint: PartServer, session: Session, call: RequestContext, notify: Notify) -> None:
        self._endpoint = endpoint
        self._call = call
        self._notify = notify
        self.session = session
        """The caller's session, or what stands for it in the modern era."""
        self.asks: SidecarError | None = None
        """The error with which the hub's tool asks a modern client to open a URL, and to repeat the call then."""

    @property
    def principal(self) -> Principal:
        """Who calls."""
        return self._call.principal

    @property
    def administrator(self) -> bool:
        """Whether the caller may administer the hub: everybody in an unprotected hub."""
        return self.principal.admin

    @property
    def workspace(self) -> Workspace:
        """The workspace: the caller's own version of it, where rights apply."""
        return self._endpoint.workspace

    @property
    def repeats(self) -> bool:
        """Whether a modern client repeats the call, because its user has opened what the hub's tool asked for."""
        return self.session.modern and "requestState" in self._call.params

    def progress(self) -> Progress | None:
        """Sends progress to the client; None if the client wants none."""
        return progress_of(self._call.params, self._notify)

    async def view(self) -> View:
        """The tools, prompts and resources that the caller sees."""
        return await self._endpoint.workspace.view_for(self.session)

    async def call(
        self, tool: str, arguments: Mapping[str, Any], on_progress: Callable[[Params], None] | None = None
    ) -> dict[str, Any]:
        """Call a tool of the workspace as this caller; returns its result, in the form of the legacy era.

        The call passes gates and observers as one of the client itself does. A modern server cannot ask the client for
        input in it: the answer to that would be one to the hub's tool.

        Raises:
            NestedHubCall: it is one of the hub's own tools.
            ErrorResponse: the server answered with an error.
            SidecarError: a gate or the hub refused the call, or no server could answer it.
        """
        route = (await self.view()).tool_routes.get(tool)
        if route is not None and is_hubs_own(route.offer.spec):
            raise NestedHubCall(f"{tool!r} is one of the hub's own tools.")
        params = {"name": tool, "arguments": dict(arguments), **self._meta(wants_progress=on_progress is not None)}
        outer = self._call
        call = RequestContext(outer.client, outer.method, params, outer.workspace, outer.number, time.perf_counter())
        call.caller = outer.caller

        def notify(method: str, told: Params) -> None:
            if method != "notifications/progress":
                self._notify(method, told)
            elif on_progress is not None:
                on_progress(told)

        result = whole(await self._endpoint.serve_part(self.session, call, notify))
        return _legacy(result) if call.era == "modern" else result

    def _meta(self, *, wants_progress: bool) -> dict[str, Any]:
        """The `_meta` of an inner call: the caller's, without its progress token and its capabilities."""
        given = self._call.params.get("_meta")
        meta = {key: value for key, value in given.items() if key != "progressToken"} if isinstance(given, dict) else {}
        if eras.CAPABILITIES_KEY in meta:
            meta[eras.CAPABILITIES_KEY] = {}
        if wants_progress:
            meta["progressToken"] = PROGRESS_TOKEN
        return {"_meta": meta} if meta else {}


def _legacy(result: dict[str, Any]) -> dict[str, Any]:
    """A result for a modern client, as the hub's tool returns it."""
    plain = {key: value for key, value in result.items() if key not in MODERN_ONLY}
    meta = {key: value for key, value in plain.pop("_meta", {}).items() if key != eras.SERVER_INFO_KEY}
    return {**plain, "_meta": meta} if meta else plain

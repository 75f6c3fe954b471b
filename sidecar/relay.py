"""The relay core: a client's request, routed to the server that can answer it, and the answer on its way back.

Frames stay parsed JSON all the way. What is rewritten: the id (by the mux), names and URIs (by the view's tables), the
progress token, and what the eras say differently (sidecar/era.py). Everything else passes as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from sidecar import era, pages, rounds, tasks, uris
from sidecar.channel import Frame
from sidecar.errors import INTERNAL_ERROR, ParamsInvalid, PromptUnknown, ResourceUnknown, SidecarError, ToolUnknown
from sidecar.modern import ModernCalls
from sidecar.mux import Progress
from sidecar.questions import CARRIERS
from sidecar.session import LEVELS, Session
from sidecar.view import Kind, Offer, View

if TYPE_CHECKING:
    from sidecar.workspace import Workspace

log = logging.getLogger(__name__)

HUB_FAILED: Mapping[str, Any] = {
    "code": INTERNAL_ERROR,
    "message": "The hub failed; its log says why.",
    "data": {"code": "HUB_INTERNAL"},
}
"""The JSON-RPC error for a fault of the hub itself, which tells nothing of it."""

Params = dict[str, Any]
Notify = Callable[[str, Params], None]
"""Sends a notification that belongs to the request under way."""


LONGEST_SHOWN = 200
"""Characters of what a client or server sent that an error, and with it the log, repeats."""
TASK_METHODS = ("tasks/get", "tasks/result", "tasks/cancel")
LEGACY_METHODS = frozenset(
    {"logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", *TASK_METHODS}
)
"""Gone in the modern era: levels are named in each request, subscriptions are `subscriptions/listen`, and tasks an
extension."""


class Answered(Exception):
    """The server itself answered with an error; `error` is that of the JSON-RPC response, in the client's era."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.error = error


class Relay:
    """Answers the relayed methods of one workspace."""

    def __init__(self, workspace: Workspace, page_size: int = 0) -> None:
        self._workspace = workspace
        self._modern = ModernCalls(workspace)
        self._page_size = page_size
        self._handlers: Mapping[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "tools/list": self._list("tools", "tools"),
            "prompts/list": self._list("prompts", "prompts"),
            "resources/list": self._list("resources", "resources"),
            "resources/templates/list": self._list("resourceTemplates", "templates"),
            "tools/call": self._call_tool,
            "prompts/get": self._get_prompt,
            "resources/read": self._read,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
            "completion/complete": self._complete,
            "logging/setLevel": self._set_level,
            "tasks/list": self._list_tasks,
            **dict.fromkeys(TASK_METHODS, self._task),
        }

    def takes(self, method: str, modern: bool) -> bool:
        """Whether a method is relayed in this era; the rest is FastMCP's, which knows what either era lacks."""
        return method in self._handlers and not (modern and method in LEGACY_METHODS)

    async def answer(self, session: Session, method: str, params: Params | None, notify: Notify) -> dict[str, Any]:
        """The result for a client's request, in the client's era.

        Raises:
            Answered: the server answered with an error.
            SidecarError: the hub did; `rpc()` is what the client gets.
        """
        request = Request(session, method, params or {}, notify)
        try:
            if request.era == "legacy" or not self._workspace.asking:
                result = await self._handlers[method](request)
            else:
                request.session = party = self._workspace.parties.of(session, request.params)
                with party.using():
                    result = await self._handlers[method](request)
        except SidecarError as error:
            log_failure(self._workspace.name, method, request.correlation, error)
            raise
        return era.to_client(request.era, method, result, self._workspace.server_info)

    # --- lists ---------------------------------------------------------------------------------------------------

    def _list(self, key: str, kind: Kind) -> Callable[[Request], Awaitable[dict[str, Any]]]:
        async def answer(request: Request) -> dict[str, Any]:
            view = await self._workspace.view_for(request.session)
            self._workspace.listed(request.capabilities)
            if self._page_size or "cursor" in request.params:
                return pages.page(key, getattr(view, kind), request.params, self._page_size)
            return {key: view.listed(kind)}

        return answer

    # --- what servers answer -------------------------------------------------------------------------------------

    async def _call_tool(self, request: Request) -> dict[str, Any]:
        name = request.string("name")
        route = (await self._view(request)).tool_routes.get(name)
        if route is None and await self._workspace.started():
            route = (await self._view(request)).tool_routes.get(name)
        if route is None:
            raise self._missing(request, ToolUnknown, f"no tool {_shown(name)}.")
        params = request.params if route.name == name else {**request.params, "name": route.name}
        result = await self._ask(request, route.offer, params, tool=route.name)
        if "task" in params and request.era == "legacy":
            return request.session.server_tasks.created(route.offer, route.name, result)
        return result

    async def _task(self, request: Request) -> dict[str, Any]:
        """Ask about a task, or end it, where it runs."""
        exposed = request.string("taskId")
        task = request.session.server_tasks.find(exposed)
        result = await self._ask(request, task.offer, {**request.params, "taskId": task.id}, tool=task.tool)
        return tasks.named(exposed, result)

    async def _list_tasks(self, request: Request) -> dict[str, Any]:
        """The session's tasks, as their servers say that they are now; a shared server's list has others' too."""
        known = list(request.session.server_tasks)
        asked = (
            task.offer.upstream.request("tasks/get", {"taskId": task.id}, timeout=task.offer.timeout(task.tool))
            for _, task in known
        )
        frames = await asyncio.gather(*asked, return_exceptions=True)
        found = [
            {**frame["result"], "taskId": exposed}
            for (exposed, _), frame in zip(known, frames, strict=True)
            if isinstance(frame, dict) and isinstance(frame.get("result"), dict)
        ]
        return pages.page("tasks", found, request.params, self._page_size)

    async def _get_prompt(self, request: Request) -> dict[str, Any]:
        name = request.string("name")
        route = (await self._view(request)).prompt_routes.get(name)
        if route is None:
            raise self._missing(request, PromptUnknown, f"no prompt {_shown(name)}.")
        return await self._ask(request, route.offer, {**request.params, "name": route.name})

    async def _read(self, request: Request) -> dict[str, Any]:
        offer, uri = await self._resource(request, request.string("uri"))
        return await self._ask(request, offer, {**request.params, "uri": uri})

    async def _subscribe(self, request: Request) -> dict[str, Any]:
        exposed = request.string("uri")
        offer, uri = await self._resource(request, exposed)
        return result_of(request.era, await request.session.watched.add(exposed, (offer.upstream, uri)))

    async def _unsubscribe(self, request: Request) -> dict[str, Any]:
        frame = await request.session.watched.remove(request.string("uri"))
        return {} if frame is None else result_of(request.era, frame)

    async def _complete(self, request: Request) -> dict[str, Any]:
        ref = request.params.get("ref")
        if not isinstance(ref, dict):
            raise ParamsInvalid("`ref` is missing.")
        if ref.get("type") == "ref/prompt":
            route = (await self._view(request)).prompt_routes.get(str(ref.get("name")))
            if route is None:
                raise self._missing(request, PromptUnknown, f"no prompt {_shown(ref.get('name'))}.")
            return await self._ask(request, route.offer, {**request.params, "ref": {**ref, "name": route.name}})
        offer, uri = await self._resource(request, str(ref.get("uri")))
        return await self._ask(request, offer, {**request.params, "ref": {**ref, "uri": uri}})

    async def _set_level(self, request: Request) -> dict[str, Any]:
        level = request.string("level")
        if level not in LEVELS:
            raise ParamsInvalid(f"{_shown(level)} is not a log level; there are {', '.join(LEVELS)}.")
        request.session.log_level = level
        self._workspace.set_log_level(request.session)
        return {}

    # --- helpers -------------------------------------------------------------------------------------------------

    async def _view(self, request: Request) -> View:
        if refusal := self._workspace.refusal():
            raise refusal
        return await self._workspace.view_for(request.session)

    def _missing(self, request: Request, kind: type[SidecarError], what: str) -> SidecarError:
        """The error for what a session's view does not have: perhaps since a server cannot be started for it."""
        return request.session.holder.refused or kind(f"The workspace {self._workspace.name!r} has {what}")

    async def _resource(self, request: Request, exposed: str) -> tuple[Offer, str]:
        found = (await self._view(request)).resource(exposed)
        if found is None:
            raise self._missing(request, ResourceUnknown, f"no server for the resource {_shown(exposed)}.")
        return found

    async def _ask(self, request: Request, offer: Offer, params: Params, tool: str = "") -> dict[str, Any]:
        """Ask a server, and translate its answer for the client."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug("asking", extra={"correlation": request.correlation, "server": offer.spec.key, "tool": tool})
        if request.method not in CARRIERS:
            frame = await offer.upstream.request(
                request.method, params, timeout=offer.timeout(tool), on_progress=request.progress()
            )
        elif request.era == "modern":
            frame = await self._modern.ask(request, offer, params, tool)
        else:
            frame = await rounds.ask(request, offer, params, tool)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("answered", extra={"correlation": request.correlation, "server": offer.spec.key, "tool": tool})
        result = result_of(request.era, frame)
        return uris.rewrite_result(request.method, result, offer.rename) if offer.label else result


class Request:
    """One request of a client on its way."""

    __slots__ = ("correlation", "era", "method", "notify", "params", "session")

    def __init__(self, session: Session, method: str, params: Params, notify: Notify) -> None:
        self.session = session
        self.method = method
        self.params = params
        self.era = era.of_params(params)
        self.correlation = session.next_correlation()
        self.notify = notify

    @property
    def token(self) -> Any:
        """The client's progress token, if it gave one."""
        return token_of(self.params)

    @property
    def level(self) -> str | None:
        """The least level of log messages that a modern client wants with the answer, if any."""
        meta = self.params.get("_meta")
        level = meta.get(era.LOG_LEVEL_KEY) if isinstance(meta, dict) else None
        return level if level in LEVELS else None

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the client can do: said in its handshake, or in each request."""
        meta = self.params.get("_meta") if self.era == "modern" else None
        declared = meta.get(era.CAPABILITIES_KEY) if isinstance(meta, dict) else self.session.capabilities
        return declared if isinstance(declared, dict) else {}

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


def _shown(value: Any) -> str:
    """A value for a message: it may be of megabytes, and the log keeps the messages of thousands."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def result_of(client: era.Era, frame: Frame) -> dict[str, Any]:
    """The result in a server's response, which the mux has checked, for a client of that era.

    Raises:
        Answered: the response is an error.
    """
    if "error" in frame:
        raise Answered(era.error_to_client(client, frame["error"]))
    result: dict[str, Any] = frame["result"]
    return result

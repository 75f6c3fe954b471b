"""The relay core: a client's request, routed to the server that can answer it, and the answer on its way back.

Frames stay parsed JSON all the way. What is rewritten: the id (by the mux), names and URIs (by the view's tables), the
progress token, and what the eras say differently (sidecar/protocol/eras.py). Everything else passes as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sidecar.calls import legacy_calls
from sidecar.calls.extension_calls import ExtensionCalls
from sidecar.calls.modern_calls import ModernCalls
from sidecar.calls.request import Notify, Params, Request, log_failure, result_of
from sidecar.errors import (
    ParamsInvalid,
    PromptUnknown,
    ResourceUnknown,
    SidecarError,
    ToolUnknown,
)
from sidecar.features import pagination, uris
from sidecar.features.input_requests import CARRIERS
from sidecar.protocol import eras, extensions
from sidecar.protocol.catalog import Kind
from sidecar.routing.view import Offer, Route, View
from sidecar.sessions.session import LEVELS, Session
from sidecar.workspaces import starting

if TYPE_CHECKING:
    from sidecar.admission.context import RequestContext
    from sidecar.upstream.upstream import Upstream
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_SHOWN = 200
"""Characters of what a client or server sent that an error, and with it the log, repeats."""
CANDIDATES = 5
"""Names that an error shows at most."""
TASK_METHODS = ("tasks/get", "tasks/result", "tasks/cancel")
LEGACY_METHODS = frozenset(
    {"logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", *TASK_METHODS}
)
"""Gone in the modern era: levels are named in each request, subscriptions are `subscriptions/listen`, and tasks an
extension."""


class Relay:
    """Answers the relayed methods of one workspace."""

    def __init__(self, workspace: Workspace, page_size: int = 0) -> None:
        self._workspace = workspace
        self.modern = ModernCalls(workspace)
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
            **dict.fromkeys(TASK_METHODS, self.task),
        }
        self.extended = ExtensionCalls(self, workspace, page_size)

    def takes(self, method: str, modern: bool) -> bool:
        """Whether a method is relayed in this era; the rest is FastMCP's, which knows what either era lacks."""
        if method not in self._handlers:
            return self.extended.takes(method)
        return not (modern and method in LEGACY_METHODS) or (
            method in extensions.METHODS and self.extended.takes(method)
        )

    async def answer(self, session: Session, call: RequestContext, notify: Notify) -> dict[str, Any]:
        """The result for a client's request, in the client's era.

        Raises:
            Answered: the server answered with an error.
            SidecarError: the hub did; `rpc()` is what the client gets.
        """
        request, method = Request(session, call, notify), call.method
        handler = self._handlers.get(method, self.extended.answer)
        try:
            if request.era == "legacy" or not self._workspace.asking:
                result = await handler(request)
            else:
                request.session = party = self._workspace.parties.of(session, request.params)
                call.caller = party.caller
                with party.using():
                    result = await handler(request)
            tasks = result.get("resultType") == eras.TASK and request.takes_tasks
            return eras.to_client(request.era, method, result, self._workspace.server_info, tasks=tasks)
        except SidecarError as error:
            log_failure(self._workspace.name, method, request.correlation, error)
            raise

    # --- lists ---------------------------------------------------------------------------------------------------

    def _list(self, key: str, kind: Kind) -> Callable[[Request], Awaitable[dict[str, Any]]]:
        async def answer(request: Request) -> dict[str, Any]:
            view = await self._workspace.view_for(request.session, request.progress())
            self._workspace.listed(request.capabilities)
            if self._page_size or "cursor" in request.params:
                return view.pages(kind, request.era).page(request.params, self._page_size)
            return {key: view.listed(kind, request.era)}

        return answer

    # --- what servers answer -------------------------------------------------------------------------------------

    async def _call_tool(self, request: Request) -> dict[str, Any]:
        name = request.string("name")
        route = await self._find(request, lambda view: view.tool_routes.get(name) or _only(view.own_names(name)))
        if route is None:
            raise self.missing(request, ToolUnknown, f"no tool {_shown(name)}{self._candidates(request, name)}.")
        params = request.params if route.name == name else {**request.params, "name": route.name}
        result = await self.ask(request, route.offer, params, tool=route.name)
        if result.get("resultType") == eras.TASK and request.takes_tasks:
            return request.tasks.extended(route.offer, request.served, route.name, result)
        if "task" in params and request.era == "legacy":
            return request.session.server_tasks.created(route.offer, request.served, route.name, result)
        return eras.structured_to_client(request.era, result, route.wrapped)

    def _candidates(self, request: Request, name: str) -> str:
        """Which tools a view of MCP Apps may mean by a name of its own server, where that is not clear."""
        view = request.session.holder.private_view or self._workspace.view
        shown = ", ".join(sorted(view.own_names(name))[:CANDIDATES])
        return f", and views of several servers may mean one of its own names: {shown}" if shown else ""

    async def task(self, request: Request) -> dict[str, Any]:
        """Ask about a task, answer what it asks, or end it, where it runs."""
        exposed = request.string("taskId")
        task = request.tasks.find(exposed)
        params = {**request.params, "taskId": task.id}
        result = await self.ask(request, task.offer, params, tool=task.tool, upstream=task.upstream)
        if request.method == "tasks/result":
            result = eras.structured_to_client("legacy", result, task.offer.wraps(task.tool))
        return request.tasks.told(exposed, result)

    async def _list_tasks(self, request: Request) -> dict[str, Any]:
        """The session's tasks, as their servers say that they are now; a shared server's list has others' too."""
        known = list(request.session.server_tasks)
        asked = (
            task.upstream.request(
                "tasks/get",
                {"taskId": task.id},
                timeout=task.offer.timeout(task.tool),
                call=request.call.part("tasks/get"),
            )
            for _, task in known
        )
        frames = await asyncio.gather(*asked, return_exceptions=True)
        found = [
            {**frame["result"], "taskId": exposed}
            for (exposed, _), frame in zip(known, frames, strict=True)
            if isinstance(frame, dict) and isinstance(frame.get("result"), dict)
        ]
        return pagination.page("tasks", found, request.params, self._page_size)

    async def _get_prompt(self, request: Request) -> dict[str, Any]:
        name = request.string("name")
        route = await self._find(request, lambda view: view.prompt_routes.get(name))
        if route is None:
            raise self.missing(request, PromptUnknown, f"no prompt {_shown(name)}.")
        return await self.ask(request, route.offer, {**request.params, "name": route.name})

    async def _read(self, request: Request) -> dict[str, Any]:
        offer, uri = await self._resource(request, request.string("uri"))
        return await self.ask(request, offer, {**request.params, "uri": uri})

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
            route = await self._find(request, lambda view: view.prompt_routes.get(str(ref.get("name"))))
            if route is None:
                raise self.missing(request, PromptUnknown, f"no prompt {_shown(ref.get('name'))}.")
            return await self.ask(request, route.offer, {**request.params, "ref": {**ref, "name": route.name}})
        offer, uri = await self._resource(request, str(ref.get("uri")))
        return await self.ask(request, offer, {**request.params, "ref": {**ref, "uri": uri}})

    async def _set_level(self, request: Request) -> dict[str, Any]:
        level = request.string("level")
        if level not in LEVELS:
            raise ParamsInvalid(f"{_shown(level)} is not a log level; there are {', '.join(LEVELS)}.")
        request.session.log_level = level
        self._workspace.set_log_level(request.session)
        return {}

    # --- helpers -------------------------------------------------------------------------------------------------

    async def view(self, request: Request) -> View:
        """What the client sees. Raises WorkspaceOff, WorkspaceGone."""
        if refusal := self._workspace.refusal():
            raise refusal
        return await self._workspace.view_for(request.session, request.progress())

    async def _find(self, request: Request, find: Callable[[View], T | None]) -> T | None:
        """What a client asks for; where it is not there, servers that are in their first start are waited for."""
        clock = asyncio.get_running_loop().time
        latest = clock() + starting.UNTOLD
        found = find(await self.view(request))
        while found is None and (left := latest - clock()) > 0:  # edits may bring further servers meanwhile
            if not await self._workspace.started(request.progress(), left):
                break
            found = find(await self.view(request))
        return found

    def missing(self, request: Request, kind: type[SidecarError], what: str) -> SidecarError:
        """The error for what a session's view does not have: perhaps since a server is not there (yet) for it."""
        session, workspace = request.session, self._workspace
        known = session.holder.refused or workspace.own.unknown(session)
        return known or kind(f"The workspace {workspace.name!r} has {what}")

    async def _resource(self, request: Request, exposed: str) -> tuple[Offer, str]:
        found = await self._find(request, lambda view: view.resource(exposed))
        if found is None:
            raise self.missing(request, ResourceUnknown, f"no server for the resource {_shown(exposed)}.")
        return found

    async def ask(
        self, request: Request, offer: Offer, params: Params, tool: str = "", upstream: Upstream | None = None
    ) -> dict[str, Any]:
        """Ask a server (by its own `upstream`, if another than the offer's), and translate its answer for the client.

        Raises:
            Answered: it answered with an error.
            SidecarError: it could not be asked.
        """
        if log.isEnabledFor(logging.DEBUG):
            log.debug("asking", extra={"correlation": request.correlation, "server": offer.spec.key, "tool": tool})
        request.served, request.call.tool = upstream or offer.upstream, tool
        if offer.catalog.greeting.era == "modern":
            key = offer.spec.key
            request.declared = extensions.of_client(request.capabilities, lambda: self._workspace.declared().owned(key))
        if request.method not in CARRIERS:
            frame = await request.served.request(
                request.method,
                params,
                timeout=offer.timeout(tool),
                on_progress=request.progress(),
                declared=request.declared,
                call=request.call,
            )
        elif request.era == "modern":
            frame = await self.modern.ask(request, offer, params, tool)
        else:
            frame = await legacy_calls.ask(request, offer, params, tool)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("answered", extra={"correlation": request.correlation, "server": offer.spec.key, "tool": tool})
        result = result_of(request.era, frame)
        return uris.rewrite_result(request.method, result, offer.rename) if offer.label else result


def _only(found: Mapping[str, Route]) -> Route | None:
    """The route by which a view of MCP Apps calls a tool of its own server: it knows the server's own names alone."""
    return next(iter(found.values())) if len(found) == 1 else None


def _shown(value: Any) -> str:
    """A value for a message: it may be of megabytes, and the log keeps the messages of thousands."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."

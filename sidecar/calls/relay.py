"""The relay: routes a client's request to the server that can answer it, and translates the answer (ADR 5).

Messages are parsed JSON. The hub rewrites the id (upstream/mux.py), names and URIs (routing/view.py), the progress
token, and the fields that differ between the protocol eras (protocol/eras.py). All else is passed on unchanged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sidecar.calls import legacy_calls
from sidecar.calls.extension_calls import ExtensionCalls
from sidecar.calls.modern_calls import ModernCalls
from sidecar.calls.request import Request, log_failure, result_or_raise
from sidecar.calls.sign_in_calls import asked_with_sign_in
from sidecar.errors import (
    ParamsInvalid,
    PromptUnknown,
    ResourceUnknown,
    SidecarError,
    ToolUnknown,
)
from sidecar.features import pagination, uris
from sidecar.features.input_requests import CARRIERS
from sidecar.flood_errors import TooManySubscriptions
from sidecar.protocol import eras, extensions
from sidecar.protocol.catalog import ListKind
from sidecar.protocol.channel import Frame, Notify, Params
from sidecar.routing.offer import Offer, Route
from sidecar.routing.view import View
from sidecar.sessions.session import LEVELS, Session
from sidecar.sessions.subscriptions import MAX_SUBSCRIPTIONS
from sidecar.supervision import unavailable
from sidecar.workspaces import starting
from sidecar.workspaces.pending import pending

if TYPE_CHECKING:
    from sidecar.admission.context import RequestContext
    from sidecar.cache.result_cache import Lookup, ResultCache
    from sidecar.upstream.upstream import Upstream
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_QUOTED_LENGTH = 200
"""Longest text of a client or server, in characters, that an error message (and so the log) quotes."""
MAX_CANDIDATES = 5
"""Limit for the tool names that an error message suggests."""
TASK_METHODS = ("tasks/get", "tasks/result", "tasks/cancel")
LEGACY_METHODS = frozenset(
    {"logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", *TASK_METHODS}
)
"""Methods that the modern era does not have: log levels are in each request, subscriptions are `subscriptions/listen`,
and tasks are an extension."""


class Relay:
    """Answers the requests that the servers of one workspace serve. `page_size` is as in `Endpoint`."""

    def __init__(self, workspace: Workspace, page_size: int = 0, cache: ResultCache | None = None) -> None:
        self._workspace = workspace
        self.modern = ModernCalls(workspace)
        self._page_size = page_size
        self._cache = cache
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
        self.extension_calls = ExtensionCalls(self, workspace, page_size)

    def handles(self, method: str, modern: bool) -> bool:
        """Whether the relay answers a method in this era. FastMCP answers the others, unknown ones with an error."""
        if method not in self._handlers:
            return self.extension_calls.handles(method)
        return not (modern and method in LEGACY_METHODS) or (
            method in extensions.METHODS and self.extension_calls.handles(method)
        )

    async def answer(self, session: Session, call: RequestContext, notify: Notify) -> dict[str, Any]:
        """The result of a client's request, in the client's era.

        Raises:
            ErrorResponse: the server answered with an error.
            SidecarError: the request is invalid, or no server could answer it.
        """
        request, method = Request(session, call, notify), call.method
        handler = self._handlers.get(method, self.extension_calls.answer)
        try:
            if request.era == "legacy" or not self._workspace.has_per_client:
                result = await handler(request)
            else:
                request.session = group = self._workspace.client_groups.group_of(session, request.params)
                call.caller = group.caller
                with group.using():
                    result = await handler(request)
            tasks = result.get("resultType") == eras.TASK and request.takes_tasks
            return eras.to_client(request.era, method, result, self._workspace.server_info, tasks=tasks)
        except SidecarError as error:
            log_failure(self._workspace.name, method, request.call, error)
            raise

    # --- lists ---------------------------------------------------------------------------------------------------

    def _list(self, key: str, kind: ListKind) -> Callable[[Request], Awaitable[dict[str, Any]]]:
        async def answer(request: Request) -> dict[str, Any]:
            view = await self._workspace.view_for(request.session, request.progress())
            self._workspace.listed(request.capabilities)
            if self._page_size or "cursor" in request.params:
                return view.pages(kind, request.era).page(request.params, self._page_size)
            return {key: view.listed(kind, request.era)}

        return answer

    # --- requests to servers -------------------------------------------------------------------------------------

    async def _call_tool(self, request: Request) -> dict[str, Any]:
        name = request.require_string("name")
        route = await self._find(
            request, lambda view: view.tool_routes.get(name) or _single_route(view.own_names(name))
        )
        if route is None:
            raise self.missing(request, ToolUnknown, f"no tool {_quoted(name)}{self._candidates(request, name)}.")
        arguments = route.presets and route.presets.apply(name, request.params.get("arguments"))
        lookup = self._lookup(request, name, route)
        if lookup and (kept := await lookup.find()) is not None:
            request.call.server, request.call.tool = route.offer.spec.key, route.name
            return kept
        params = request.params if route.name == name else {**request.params, "name": route.name}
        if arguments is not None:
            params = {**params, "arguments": arguments}
        result = await self.ask(request, route.offer, params, tool=route.name)
        if result.get("resultType") == eras.TASK and request.takes_tasks:
            return request.tasks.register_extension(route.offer, request.upstream, route.name, result)
        if "task" in params and request.era == "legacy":
            return request.tasks.register_core(route.offer, request.upstream, route.name, result)
        result = eras.structured_to_client(request.era, result, route.wrapped)
        if lookup and not request.asked:
            await lookup.keep(result)
        return result

    def _lookup(self, request: Request, name: str, route: Route) -> Lookup | None:
        """The lookup of a call whose result may be kept; None for all others."""
        seconds = route.offer.limits(route.name).cache
        if not seconds and self._workspace.spec.cache_read_only and name in self._workspace.view.read_only_tools:
            seconds = self._workspace.spec.cache_read_only
        return self._cache.lookup(request.call, route, seconds) if seconds and self._cache else None

    def _candidates(self, request: Request, name: str) -> str:
        """A hint for the error about an unknown tool: which tools an MCP App may mean by its server's own name."""
        view = request.session.holder.private_view or self._workspace.view
        shown = ", ".join(sorted(view.own_names(name))[:MAX_CANDIDATES])
        return f", and views of several servers may mean one of its own names: {shown}" if shown else ""

    async def task(self, request: Request) -> dict[str, Any]:
        """Pass a request about a task (get, result, cancel, update) to the server that runs it. Raises TaskUnknown."""
        exposed = request.require_string("taskId")
        task = request.tasks.find(exposed)
        params = {**request.params, "taskId": task.id}
        result = await self.ask(request, task.offer, params, tool=task.tool, upstream=task.upstream)
        if request.method == "tasks/result":
            result = eras.structured_to_client("legacy", result, task.offer.wraps(task.tool))
        return request.tasks.to_client(exposed, result)

    async def _list_tasks(self, request: Request) -> dict[str, Any]:
        """The session's tasks with their current state. Each task is queried by its id, since the task list of a shared
        server also has the tasks of other clients."""
        known = list(request.tasks)
        asked = (
            task.upstream.request(
                "tasks/get",
                {"taskId": task.id},
                timeout=task.offer.limits(task.tool).timeout,
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
        name = request.require_string("name")
        route = await self._find(request, lambda view: view.prompt_routes.get(name))
        if route is None:
            raise self.missing(request, PromptUnknown, f"no prompt {_quoted(name)}.")
        return await self.ask(request, route.offer, {**request.params, "name": route.name})

    async def _read(self, request: Request) -> dict[str, Any]:
        offer, uri = await self._resource(request, request.require_string("uri"))
        return await self.ask(request, offer, {**request.params, "uri": uri})

    async def _subscribe(self, request: Request) -> dict[str, Any]:
        exposed, known = request.require_string("uri"), request.session.resource_subscriptions
        offer, uri = await self._resource(request, exposed)
        if len(known) >= MAX_SUBSCRIPTIONS and known.location(exposed) is None:
            raise TooManySubscriptions(f"This session has {len(known)} resource subscriptions.")
        return result_or_raise(request.era, await known.add(exposed, (offer.upstream, uri)))

    async def _unsubscribe(self, request: Request) -> dict[str, Any]:
        frame = await request.session.resource_subscriptions.remove(request.require_string("uri"))
        return {} if frame is None else result_or_raise(request.era, frame)

    async def _complete(self, request: Request) -> dict[str, Any]:
        ref = request.params.get("ref")
        if not isinstance(ref, dict):
            raise ParamsInvalid("`ref` is missing.")
        if ref.get("type") == "ref/prompt":
            route = await self._find(request, lambda view: view.prompt_routes.get(str(ref.get("name"))))
            if route is None:
                raise self.missing(request, PromptUnknown, f"no prompt {_quoted(ref.get('name'))}.")
            return await self.ask(request, route.offer, {**request.params, "ref": {**ref, "name": route.name}})
        offer, uri = await self._resource(request, str(ref.get("uri")))
        return await self.ask(request, offer, {**request.params, "ref": {**ref, "uri": uri}})

    async def _set_level(self, request: Request) -> dict[str, Any]:
        level = request.require_string("level")
        if level not in LEVELS:
            raise ParamsInvalid(f"{_quoted(level)} is not a log level; there are {', '.join(LEVELS)}.")
        request.session.log_level = level
        self._workspace.log_levels.follow(request.session)
        return {}

    # --- helpers -------------------------------------------------------------------------------------------------

    async def view(self, request: Request) -> View:
        """The view of the requesting client. Raises WorkspaceOff, WorkspaceGone."""
        if refusal := self._workspace.refusal():
            raise refusal
        return await self._workspace.view_for(request.session, request.progress())

    async def _find(self, request: Request, find: Callable[[View], T | None]) -> T | None:
        """What `find` finds in the client's view. As long as that is None, wait for servers that start for the first
        time, at most `starting.WAIT_WITHOUT_PROGRESS` seconds."""
        clock = asyncio.get_running_loop().time
        latest = clock() + starting.WAIT_WITHOUT_PROGRESS
        found = find(await self.view(request))
        while found is None and (left := latest - clock()) > 0:  # an edit may add further servers meanwhile
            if not await self._workspace.started(request.progress(), left):
                break
            found = find(await self.view(request))
        return found

    def missing(self, request: Request, kind: type[SidecarError], what: str) -> SidecarError:
        """The error for an item that the client's view does not have: `kind` with the text `what`, or the reason why a
        server that may have the item does not serve this client."""
        session, workspace = request.session, self._workspace
        known = session.holder.refused or workspace.own.unknown(session)
        known = known or _waits_for_sign_in(workspace, request.params.get("name"))
        own = session.holder.own
        members = ((each.spec, own.get(key) or each.serving) for key, each in workspace.members.items())
        known = known or pending(
            members, workspace.spec.name_template, request.method, request.params, workspace.rights
        )
        return known or kind(f"The workspace {workspace.name!r} has {what}")

    async def _resource(self, request: Request, exposed: str) -> tuple[Offer, str]:
        found = await self._find(request, lambda view: view.resource(exposed))
        if found is None:
            raise self.missing(request, ResourceUnknown, f"no server for the resource {_quoted(exposed)}.")
        return found

    async def _ask_with_input(self, request: Request, offer: Offer, params: Params, tool: str) -> Frame:
        """Send a request whose server may ask the client for input, or may have to be signed in at first."""

        def ask() -> Awaitable[Frame]:
            if request.era == "modern":
                return self.modern.ask(request, offer, params, tool)
            return legacy_calls.request_with_input(request, offer, params, tool)

        if (account := offer.upstream.account) is None:
            return await ask()
        required = partial(self.modern.sign_in_required, request, offer, params)
        seconds = self._workspace.request_states.lifetime
        return await asked_with_sign_in(request, offer.upstream, account, ask, required, seconds)

    async def ask(
        self, request: Request, offer: Offer, params: Params, tool: str = "", upstream: Upstream | None = None
    ) -> dict[str, Any]:
        """Send a request to a server, over `upstream` or else the offer's, and translate the result for the client.

        Raises:
            ErrorResponse: the server answered with an error.
            SidecarError: the request failed; see `Upstream.request`.
        """
        if log.isEnabledFor(logging.DEBUG):
            log.debug("asking", extra={**request.call.log_fields, "server": offer.spec.key, "tool": tool})
        request.upstream, request.call.tool = upstream or offer.upstream, tool
        if offer.catalog.greeting.era == "modern":
            key = offer.spec.key
            request.declared = extensions.of_client(request.capabilities, lambda: self._workspace.declared().owned(key))
        if request.method not in CARRIERS:
            limits = offer.limits(tool)
            frame = await request.upstream.request(
                request.method,
                params,
                timeout=limits.timeout,
                idle_timeout=limits.idle,
                on_progress=request.progress(),
                declared=request.declared,
                call=request.call,
            )
        else:
            frame = await self._ask_with_input(request, offer, params, tool)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("answered", extra={**request.call.log_fields, "server": offer.spec.key, "tool": tool})
        result = offer.narrowed(request.method, result_or_raise(request.era, frame))
        return uris.rewrite_result(request.method, result, offer.rename) if offer.label else result


def _waits_for_sign_in(workspace: Workspace, name: Any) -> SidecarError | None:
    """The error for an unknown item with that name if it may be one of a server whose lists nobody has seen, because
    somebody has to sign in first."""
    prefixed = "{namespace}" in workspace.spec.name_template
    for member in workspace.members.values():
        upstream = member.serving
        if upstream is None or upstream.state != "sign_in_required" or upstream.catalog is not None:
            continue
        if not prefixed or str(name).startswith(member.spec.namespace):
            return unavailable.error(upstream)
    return None


def _single_route(found: Mapping[str, Route]) -> Route | None:
    """The route if there is exactly one: an MCP App calls a tool of its server by the server's own name."""
    return next(iter(found.values())) if len(found) == 1 else None


def _quoted(value: Any) -> str:
    """A value for an error message, shortened to `MAX_QUOTED_LENGTH`: clients may send megabytes."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[:MAX_QUOTED_LENGTH]}..."

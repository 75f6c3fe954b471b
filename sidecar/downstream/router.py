"""The ASGI application of the sidecar: routes to the endpoints of workspaces, and to health, status and metrics."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, unquote

from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import Message, Receive, Scope, Send

from bridge.keys import OWN_PRINCIPALS, Principal
from bridge.settings import Settings
from sidecar.admission import request_ids
from sidecar.calls.endpoint import Endpoint
from sidecar.downstream.direct_reply import TryDirect
from sidecar.downstream.sse import SseTransport
from sidecar.downstream.streamable import HttpTransport
from sidecar.errors import HubStarting, SidecarError, WorkspaceOff, WorkspaceUnknown
from sidecar.http_errors import TokenInvalid
from sidecar.hub.hub import Hub
from sidecar.hub.status import StatusReporter
from sidecar.listener.asgi import header, respond
from sidecar.listener.auth import ELSEWHERE, OPEN_PATH, end_of_token, principal_of
from sidecar.listener.challenges import Challenges
from sidecar.listener.http_protocol import HttpProtocol
from sidecar.listener.known_heads import HEAD_KEY, learn
from sidecar.listener.metering import MeteredExchange, metered
from sidecar.listener.origins import Headers, Origins, cors, preflight
from sidecar.listener.refusals import Refusals
from sidecar.observe.metrics import Metrics
from sidecar.protocol import codec
from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

ENDPOINT_PATHS = frozenset({"", "sse", "messages"})
"""The paths of a workspace below `/mcp/{slug}`."""
PAGE_HEADERS = (b"host", b"origin", b"sec-fetch-site")
"""The headers that tell whether a web page sends a request, and which one."""
_PLAIN_ID = re.compile(rb"[a-z0-9.-]+")
"""Matches ids of SSE sessions, which nothing in a query has to be escaped in."""
STARTING_WAIT = 5.0
"""Seconds that a request waits for the first configuration after the hub has started."""
Page = Callable[[Send], Awaitable[None]]


class Router:
    """The ASGI application. In a protected hub, an authenticating ASGI layer (listener/auth.py) in front of it sets
    the principal.

    A principal gets the same answer for a workspace that it may not use as for one that does not exist.
    """

    def __init__(
        self,
        hub: Hub,
        sse: SseTransport,
        http: HttpTransport,
        reporter: StatusReporter,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self._hub = hub
        self._sse = sse
        self._http = http
        self._reporter = reporter
        self._metrics = metrics
        self._origins = Origins(settings)
        self._refusals = Refusals(hub.admission)
        self._challenges = Challenges(settings)
        self._protected = settings.protected
        self._pages: dict[str, Page] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/status": self._status,
            "/metrics": self._metrics_page,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path = scope.get("raw_path") or scope["path"].encode()
        parts = [unquote(part) for part in path.decode("latin-1").split("?")[0].split("/") if part]
        principal: Principal = principal_of(scope)
        if not self._protected:
            host, origin, site = [header(scope, name).decode("latin-1") for name in PAGE_HEADERS]
            if refusal := self._origins.refusal(host, origin, site):
                await self._refusals.refuse(principal, scope, send, refusal)
                return
            if origin and parts[:1] in (["mcp"], [".well-known"]) and self._origins.names(origin):
                if scope["method"] == "OPTIONS":
                    await _preflight(origin, scope, send)
                    return
                scope["state"][HEAD_KEY] = b""  # the direct way, which would learn it, writes heads of its own
                send = _with_headers(send, cors(origin))
        await self._serve_path(parts, principal, scope, receive, send)

    async def _serve_path(
        self, parts: list[str], principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if len(parts) in (2, 3) and parts[0] == "mcp":
            request_ids.FROM_HEADER.set(request_ids.valid(header(scope, request_ids.HEADER).decode("latin-1")))
            await self._serve_workspace(parts[1], parts[2] if len(parts) == 3 else "", principal, scope, receive, send)
        elif (page := self._page(scope["path"], principal)) is None:
            unknown = self._unknown("There is nothing at this path.", "", principal)
            await self._refusals.refuse(principal, scope, send, unknown, 404)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._refusals.not_allowed(principal, scope, send, "GET, HEAD")
        else:
            await page(send)

    def _page(self, path: str, principal: Principal) -> Page | None:
        page = self._pages.get(path)
        return page if page and (path == OPEN_PATH or self._hub.access.is_admin(principal)) else None

    # --- workspaces ----------------------------------------------------------------------------------------------

    async def _serve_workspace(
        self, name: str, rest: str, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if self._hub.snapshot is None and not await self._hub.configured(STARTING_WAIT):
            error = HubStarting("The hub has just started, and does not know its workspaces yet.")
            await self._refusals.refuse(principal, scope, send, error)
            return
        if scope["method"] == "POST" and (meter := self._hub.admission.meter_of(principal)):
            exchange = MeteredExchange(receive, send, meter)
            receive, send = exchange.receive, exchange.send
        workspace = self._removed_workspace(name, rest, scope) or self._hub.find(name)
        if principal.grant and principal.workspaces is not None and not _is_for(principal, workspace):
            challenge = self._challenges.invalid_token(scope)
            await self._refusals.refuse(principal, scope, send, TokenInvalid(ELSEWHERE), 0, challenge)
        elif workspace is None or not self._hub.access.may_use(principal, workspace.spec):
            unknown = self._unknown(f"There is no workspace {name!r}.", name, principal)
            await self._refusals.refuse(principal, scope, send, unknown, 404)
        elif rest not in ENDPOINT_PATHS:
            unknown = self._unknown(f"A workspace has no {rest!r}.", name, principal)
            await self._refusals.refuse(principal, scope, send, unknown, 404)
        elif rest == "messages":
            await self._message(self._hub.key_workspaces.find(workspace, principal), scope, receive, send)
        elif workspace.refusal() and _is_new(scope, rest):
            await self._refusals.refuse(principal, scope, send, self._off(workspace, principal), 404)
        elif _opens_session(scope, rest) and (full := self._session_limit(principal)):
            await self._refusals.refuse(principal, scope, send, full)
        elif principal.id in OWN_PRINCIPALS:
            await self._serve(workspace, rest, principal, scope, receive, send)
        else:
            await self._serve_key(workspace, rest, principal, scope, receive, send)

    def _removed_workspace(self, name: str, rest: str, scope: Scope) -> Workspace | None:
        """The removed workspace that a request is for: nobody else has the slug, or its session is of there.

        The second is so after a rename. SSE clients are told then that it was removed, as a status of 404 would tell
        them nothing. Over Streamable HTTP, 404 is what has clients open a session of the renamed workspace; so only
        the end of a session is asked of the removed one.
        """
        departed = [each for each in self._hub.departed if name in each.spec.slugs]
        if departed and self._hub.find(name):
            ends = scope["method"] == "DELETE"
            session = _session_id(scope["query_string"]) if rest == "messages" else ""
            session = header(scope, b"mcp-session-id").decode("latin-1") if ends else session
            departed = [each for each in departed if any(held.id == session for held in self._hub.clients(each))]
        return departed[0] if departed else None

    def _session_limit(self, principal: Principal) -> SidecarError | None:
        """The error if the principal may open no further session now."""
        try:
            self._hub.admission.admit_session(principal)
            self._hub.admit("" if principal.id in OWN_PRINCIPALS else principal.id)
        except SidecarError as error:
            return error
        return None

    async def _serve_key(
        self, base: Workspace, rest: str, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve the principal's own version of the workspace, which has its own sessions."""
        async with AsyncExitStack() as stack:
            try:
                workspace = await stack.enter_async_context(self._hub.key_workspaces.using(base, principal))
            except SidecarError as error:
                await self._refusals.refuse(principal, scope, send, error, 503)
                return
            await self._serve(workspace, rest, principal, scope, receive, send)

    async def _serve(
        self, workspace: Workspace, rest: str, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        endpoint = self._hub.endpoint(workspace)
        if not workspace.serving.is_set():  # it was made just now
            await workspace.serving.wait()
        if rest == "":
            await self._serve_http(endpoint, principal, scope, receive, send)
        elif scope["method"] == "GET":
            await self._sse.serve_stream(endpoint, scope, receive, send)
        else:
            await self._refusals.not_allowed(principal, scope, send, "GET")

    async def _serve_http(
        self, endpoint: Endpoint, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        version = self._hub.config_version
        if try_direct := await self._http.serve(endpoint, scope, receive, send):
            check = self._allowed if principal.valid_until is None else self._still_allowed
            allowed = functools.partial(check, principal, version)
            if meter := self._hub.admission.meter_of(principal):
                try_direct = metered(try_direct, meter)
            try_known = functools.partial(self._try_request, try_direct, allowed, version)
            learn(scope, try_known, version, end_of_token(scope))

    async def _message(self, workspace: Workspace | None, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._refusals.not_allowed(principal_of(scope), scope, send, "POST")
            return
        session_id, version = _session_id(scope["query_string"]), self._hub.config_version
        if await self._sse.serve_message(workspace, session_id, scope, receive, send):
            try_known: Callable[..., bool] = functools.partial(self._try_message, session_id, version)
            if meter := self._hub.admission.meter_of(principal_of(scope)):
                try_known = metered(try_known, meter)
            learn(scope, try_known, version, end_of_token(scope))

    def _try_message(self, session_id: str, version: int, body: bytes, connection: HttpProtocol) -> bool:
        """Serve a message with a known head, that is, of the same key, session and path, on the direct way."""
        return version == self._hub.config_version and self._sse.try_direct(session_id, body, connection)

    def _try_request(
        self, try_direct: TryDirect, allowed: Callable[[], bool], version: int, body: bytes, connection: HttpProtocol
    ) -> bool:
        """The same over Streamable HTTP."""
        return version == self._hub.config_version and try_direct(body, connection, allowed)

    def _allowed(self, principal: Principal, version: int) -> bool:
        return version == self._hub.config_version or self._hub.is_valid(principal)

    def _still_allowed(self, principal: Principal, version: int) -> bool:
        """As `_allowed`, for a credential that expires, unless a newer token of its grant has come meanwhile."""
        return (not principal.expired and version == self._hub.config_version) or self._hub.is_valid(principal)

    def _switched_on(self, principal: Principal) -> list[str]:
        """The slugs of the workspaces that the principal may use."""
        specs = (workspace.spec for workspace in self._hub.workspaces.values())
        return [spec.slug for spec in specs if spec.enabled and self._hub.access.may_use(principal, spec)]

    def _unknown(self, message: str, name: str, principal: Principal) -> SidecarError:
        names = self._switched_on(principal)
        listed = f" There are: {', '.join(names)}." if names else " There is none yet."
        return WorkspaceUnknown(message + listed, data={"workspace": name, "workspaces": names})

    def _off(self, workspace: Workspace, principal: Principal) -> SidecarError:
        names = self._switched_on(principal)
        listed = f" Switched on are: {', '.join(names)}." if names else " No other is switched on."
        refusal = workspace.refusal() or WorkspaceOff("")
        return type(refusal)(
            refusal.message + listed, hint=refusal.advice, data={"workspace": workspace.name, "workspaces": names}
        )

    # --- pages ---------------------------------------------------------------------------------------------------

    async def _healthz(self, send: Send) -> None:
        await respond(send, 200, b'{"status":"ok"}', b"application/json")

    async def _readyz(self, send: Send) -> None:
        """200 when a snapshot is applied, no enabled workspace that has servers is without a ready one, and the hub is
        not about to stop."""
        status = await self._reporter.status()
        lacking = [each for each in status.workspaces if each.enabled and each.servers and not each.ready]
        reasons = [each.reason.model_dump(include={"code", "message", "hint"}) for each in lacking if each.reason]
        if status.applied is None:
            reasons.append(HubStarting("The sidecar has no configuration yet.").body().model_dump(exclude={"data"}))
        leaving = [each for each in status.troubles if each.code == "HUB_DRAINING"]
        reasons += [each.model_dump(include={"code", "message", "hint"}) for each in leaving]
        ready = status.applied is not None and not lacking and not leaving
        body = {
            "ready": ready,
            "applied": status.applied is not None,
            "workspaces_without_ready_server": [each.name for each in lacking],
            "reasons": reasons,
        }
        await respond(send, 200 if ready else 503, codec.dumps(body), b"application/json")

    async def _status(self, send: Send) -> None:
        status = await self._reporter.status()
        await respond(send, 200, status.model_dump_json().encode(), b"application/json")

    async def _metrics_page(self, send: Send) -> None:
        status = await self._reporter.status()
        self._metrics.workspace_states(status.workspaces)
        self._metrics.servers_in_flight(status.servers)
        body, content_type = await asyncio.to_thread(self._metrics.render)  # some 100 ms for 1,000 tools
        await respond(send, 200, body, content_type.encode())


def _is_for(principal: Principal, workspace: Workspace | None) -> bool:
    """Whether a token is for a workspace; nobody is told whether there is another one."""
    return workspace is not None and principal.may_use(workspace.name)


def _is_new(scope: Scope, rest: str) -> bool:
    """Whether a request opens a session, or is the first one of a modern client (`server/discover`)."""
    return _opens_session(scope, rest) or header(scope, b"mcp-method") == b"server/discover"


def _opens_session(scope: Scope, rest: str) -> bool:
    if rest == "sse":
        return True
    modern = header(scope, b"mcp-protocol-version").decode("latin-1") in MODERN_PROTOCOL_VERSIONS
    return not modern and not header(scope, b"mcp-session-id")


def _session_id(query: bytes) -> str:
    """The `session_id` of a query. It is nearly always the query of the stream's `endpoint` event, parsed quickly."""
    name, _, value = query.partition(b"=")
    if name == b"session_id" and _PLAIN_ID.fullmatch(value):
        return value.decode("latin-1")
    return parse_qs(query.decode("latin-1")).get("session_id", [""])[0]


async def _preflight(origin: str, scope: Scope, send: Send) -> None:
    """Answer a CORS preflight request of an allowed origin (WHATWG Fetch, CORS-preflight request)."""
    requested = header(scope, b"access-control-request-headers").decode("latin-1")
    await respond(send, 200, b"", b"text/plain", (*cors(origin), *preflight(requested)))


def _with_headers(send: Send, more: Headers) -> Send:
    """An ASGI `send` that adds headers to the response."""

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return send_with

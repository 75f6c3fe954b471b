"""One MCP connection to a server, from the handshake until it closes: requests, lists and subscriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

from bridge.models import ServerSettings
from sidecar.channels.kept import KeptChannel
from sidecar.errors import CallTimeout, ConnectionLost, HandshakeFailed, SidecarError, StartTimeout
from sidecar.features.input_requests import refused
from sidecar.large.outline import whole
from sidecar.protocol import eras, extensions, greetings, jsonrpc, routing_headers
from sidecar.protocol.catalog import LISTS_CHANGED_BY, Catalog, Greeting, ListKind
from sidecar.protocol.channel import Channel, Frame
from sidecar.protocol.jsonrpc import describe_error
from sidecar.supervision.expected_tools import ExpectedTools
from sidecar.supervision.health import HealthChecks
from sidecar.upstream.client_features import ClientFeatures
from sidecar.upstream.list_reader import Items, ListReader, Troubles, UndeclaredLists
from sidecar.upstream.mux import CallbackRequest, Mux, Progress
from sidecar.upstream.server_requests import FeatureOwner, ServerRequests
from sidecar.version import VERSION

log = logging.getLogger(__name__)


CLOSE_REASON_SECONDS = 1.0
"""Seconds to wait for the channel's reason for closing, after sending on it has failed."""
LISTEN_RETRY_SECONDS = 1.0
"""Seconds before a `subscriptions/listen` stream that the server ended is opened again."""
CLIENT_INFO = {"name": "yamcp-hub", "version": VERSION}

UNINSPECTED_RESULTS = frozenset({"tools/call", "prompts/get", "resources/read", "tasks/result"})
"""Methods whose results the hub does not inspect, so that large values in them can stay unparsed (large/outline)."""
CONNECTION_NOTIFICATIONS = ("notifications/subscriptions/acknowledged",)
"""Notifications about the connection itself, which are not passed on."""


class ConnectionOwner(FeatureOwner, Protocol):
    """Receives the events of a connection, and has the settings that outlive it. `Upstream` implements this."""

    log_level: str | None
    owned: Callable[[], Collection[str]]
    """Names of the extensions that the hub does not know and that no other server in the same workspaces has."""
    undeclared: UndeclaredLists
    expected: ExpectedTools
    """The tools that the server should list."""
    in_flight: int
    """The number of clients' requests in progress."""

    def catalog_read(self, connection: Connection) -> None:
        """The lists or their troubles changed. The first call means that the connection is ready for requests."""

    def subscribed(self) -> Iterable[str]:
        """URIs of the resources that clients have subscribed to."""

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification other than progress and list_changed."""


class Connection:
    """Speaks MCP over a channel. The channel must pass each frame it receives to `on_frame`.

    `client` is the client of a `per_client` server, which answers the server's requests; None if the server is shared.
    """

    def __init__(self, settings: ServerSettings, owner: ConnectionOwner, client: ClientFeatures | None) -> None:
        self.settings = settings
        """Those in force; the owner replaces them. The start timeout is that of the time of connecting."""
        self._owner = owner
        self._client = client
        start = self._start_background
        self._server_requests = ServerRequests(
            owner, client, start, self._send_response, self._try_send_response, self.notify
        )
        self.client_reported = self._server_requests.client_reported
        on_request = self._server_requests.on_request
        self._mux = Mux(self._send, self._try_send, start, self._on_notification, on_request)
        self._channel: Channel | None = None
        self._tasks: asyncio.TaskGroup | None = None
        reread = partial(owner.catalog_read, self)
        self._own_requests = 0
        self._list_reader = ListReader(
            self._own_request, start, settings.start_timeout, self._on_list_read, reread, owner.expected
        )
        self.read_lists = self._list_reader.request
        """Read all lists again now, though the server announced no change."""
        self._listens: dict[str, asyncio.Task[None]] = {}
        self._background_tasks: set[asyncio.Task[None]] = set()

        self.catalog = Catalog()
        self.on_frame = self._mux.on_frame

    async def run(self, channel: Channel, end: asyncio.Event) -> SidecarError | None:
        """Serve until the channel closes or `end` is set. Returns why it closed, or None if `end` was set."""
        self._channel = channel
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            closed = tasks.create_task(channel.wait_closed())
            serving = tasks.create_task(self._serve())
            asked = tasks.create_task(end.wait())
            await asyncio.wait([closed, serving, asked], return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and isinstance(serving.result(), ConnectionLost):
                await asyncio.wait([closed, asked], timeout=CLOSE_REASON_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            self._tasks = None
            if self._list_reader.awaits_undeclared and not asked.done():
                self._owner.undeclared.asked = False
            reason = closed.result() if closed.done() else serving.result() if serving.done() else None
            self._mux.fail_all(reason or ConnectionLost("The hub closed it."), channel.unread_ids())
            for task in (closed, serving, asked, *self._background_tasks):
                task.cancel()
        return reason

    def _start_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Start a background task that is cancelled when the connection ends; None if it has ended already."""
        if self._tasks is None:
            work.close()
            return None
        task = self._tasks.create_task(work)
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
        return task

    @property
    def troubles(self) -> Troubles:
        """Faults of the lists: those that could not be read, and items that were left out (ADR 22)."""
        return self._list_reader.troubles

    async def _serve(self) -> SidecarError | None:
        """Shake hands, read the lists, and check the server's health from then on. Returns why that failed."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self.settings.start_timeout):
                greeting = await self._agreed()
            left = self.settings.start_timeout - (clock() - began)
            await self._list_reader.open(greeting, left, self._owner.undeclared.asked)
        except (TimeoutError, CallTimeout):
            return StartTimeout(f"No handshake within {self.settings.start_timeout:g} s.")
        except SidecarError as error:
            return error
        self._owner.catalog_read(self)
        if greeting.era == "modern":
            self._listen("", dict.fromkeys(("toolsListChanged", "promptsListChanged", "resourcesListChanged"), True))
        await self._restore_subscriptions(tuple(self._owner.subscribed()))
        checks = HealthChecks(
            lambda: self.settings.health_interval,
            lambda: self._owner.in_flight > 0,
            self._ping,
            self._list_reader.request,
            lambda: self._list_reader.answered_at,
            lambda: self._list_reader.longest_reading,
        )
        return await checks.run()

    async def _ping(self, timeout: float) -> Frame:
        """Send a request without side effects; the modern era has no ping."""
        modern = self.catalog.greeting.era == "modern"
        return await self._own_request("server/discover" if modern else "ping", {}, timeout=timeout)

    def _on_list_read(self, kind: ListKind, items: Items) -> None:
        self.catalog = self.catalog.with_list(kind, items)

    # --- handshake -----------------------------------------------------------------------------------------------

    async def _agreed(self) -> Greeting:
        """The greeting from the handshake, or from that of an earlier sidecar with a server that was kept (ADR 34)."""
        kept = self._channel if isinstance(self._channel, KeptChannel) else None
        if kept is None or kept.agreed is None:
            greeting = await self._handshake()
            if kept is not None:
                kept.deposit(asdict(greeting))
            return greeting
        self._mux.begin_at(kept.first_id)
        self.catalog = Catalog(Greeting(**kept.agreed))
        for number in kept.unanswered:
            await self.notify("notifications/cancelled", {"requestId": number, "reason": "the hub was restarted"})
        return self.catalog.greeting

    async def _handshake(self) -> Greeting:
        """Agree on a protocol era: legacy first, modern if the server refuses that (ADR 4)."""
        if self.settings.era == "modern":
            return await self._discover()
        frame = await self.request(
            "initialize",
            {
                "protocolVersion": eras.LEGACY_VERSION,
                "capabilities": self._capabilities(None),
                "clientInfo": CLIENT_INFO,
            },
        )
        if frame.get("result") is None and self.settings.era == "auto":
            try:
                return await self._discover()
            except HandshakeFailed:
                log.debug("neither era is spoken")
        greeting = greetings.initialized(frame)
        self.catalog = Catalog(greeting)
        await self.notify("notifications/initialized")
        return greeting

    async def _discover(self) -> Greeting:
        self.catalog = Catalog(Greeting(era="modern", version=eras.MODERN_VERSION))
        greeting = greetings.discovered(await self.request("server/discover", {}))
        self.catalog = Catalog(greeting)
        return greeting

    # --- requests ------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float | None = None,
        on_progress: Progress | None = None,
        declared: dict[str, Any] | None = None,
        idle_timeout: float = 0,
    ) -> Frame:
        """Send a request in the server's era. Returns the response frame, result or error.

        `timeout` and `idle_timeout` are in seconds, as in `Mux.request`.

        `declared` are the extensions of the requesting client, which a shared modern server is told; None for a
        request of the hub itself.

        Raises:
            SidecarError: see `Mux.request`.
        """
        greeting = self.catalog.greeting
        params = eras.to_upstream(greeting.era, params, {} if greeting.era == "legacy" else self._envelope(declared))
        headers = self._headers(method, params)
        sent = None if greeting.era == "legacy" and not params and method != "initialize" else params
        frame = await self._mux.request(
            method, sent, timeout=timeout, headers=headers, on_progress=on_progress, idle_timeout=idle_timeout
        )
        if "error" in frame:
            self.note_refusal(frame)
        elif method not in UNINSPECTED_RESULTS and isinstance(result := frame.get("result"), dict):
            frame = {**frame, "result": whole(result)}
        return frame

    async def _own_request(self, method: str, params: dict[str, Any], *, timeout: float | None = None) -> Frame:
        """Send a request of the hub itself, which is not counted in `client_requests`."""
        self._own_requests += 1
        return await self.request(method, params, timeout=timeout)

    @property
    def client_requests(self) -> int:
        """The number of requests so far that were not `_own_request`."""
        return self._mux.sent - self._own_requests

    def try_request(
        self,
        pending: CallbackRequest,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float,
        on_progress: Progress | None,
        declared: dict[str, Any] | None = None,
    ) -> bool:
        """As `Mux.try_request`, in the server's era; False also for a modern server if `declared` is None.

        The caller passes an error response to `note_refusal`.
        """
        if self.catalog.greeting.era == "legacy":
            params = eras.without_connection_meta(params) if "_meta" in params else params
        elif declared is None:
            return False
        else:
            params = eras.to_upstream("modern", params, self._envelope(declared))
        return self._mux.try_request(pending, method, params, timeout=timeout, on_progress=on_progress)

    def note_refusal(self, frame: Frame) -> None:
        """Tell the owner which client features an error response of a shared server asks for, if it does."""
        if self._client is None:
            for feature_method in refused(frame["error"]):
                self._owner.feature_refused(feature_method)

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification. Raises ConnectionLost."""
        await self._send(jsonrpc.notification(method, params), self._headers(method, params or {}))

    def _capabilities(self, declared: Mapping[str, Any] | None) -> dict[str, Any]:
        """The client capabilities that the server is told. A shared server is told extensions only: the hub itself has
        no client features."""
        if self._client is not None:
            return extensions.forwarded(self._client.capabilities, self._owner.owned)
        declared = extensions.SHARED_CONNECTION if declared is None else declared
        return {"extensions": dict(declared)} if declared else {}

    def _envelope(self, declared: dict[str, Any] | None) -> dict[str, Any]:
        """The `_meta` fields that a modern server gets with each request; a shared one gets no log level."""
        envelope: dict[str, Any] = {eras.VERSION_KEY: eras.MODERN_VERSION, eras.CLIENT_INFO_KEY: CLIENT_INFO}
        envelope[eras.CAPABILITIES_KEY] = self._capabilities(declared)
        if self._client and self._client.log_level:
            envelope[eras.LOG_LEVEL_KEY] = self._client.log_level
        return envelope

    def _headers(self, method: str, params: dict[str, Any]) -> Mapping[str, str] | None:
        if self._channel is None or self._channel.transport != "http" or method == "initialize":
            return None
        return routing_headers.of_request(self.catalog, method, params)

    async def _send(self, frame: Frame, headers: Mapping[str, str] | None) -> None:
        if self._channel is None:
            raise ConnectionLost("The server is not connected.")
        await self._channel.send(frame, headers)

    async def _send_response(self, frame: Frame) -> None:
        await self._send(frame, self._headers("", {}))

    def _try_send_response(self, frame: Frame) -> bool:
        return self._try_send(frame, False)

    def _try_send(self, frame: Frame, alone: bool) -> bool:
        return self._channel is not None and self._channel.try_send(frame, alone)

    # --- what the server sends on its own -------------------------------------------------------------------------

    def _on_notification(self, method: str, params: dict[str, Any]) -> None:
        if kinds := LISTS_CHANGED_BY.get(method):
            self._list_reader.changed(kinds)
        elif method == "notifications/cancelled":
            self._server_requests.on_cancelled(params)
        elif method not in CONNECTION_NOTIFICATIONS:
            self._owner.notified(method, params)
            if self._client is not None:
                self._client.notified(method, params)

    async def set_log_level(self) -> None:
        """Send `logging/setLevel` with the owner's log level, if the server has the capability (legacy era only)."""
        greeting, level = self.catalog.greeting, self._owner.log_level
        if level is None or greeting.era == "modern" or greeting.capabilities.get("logging") is None:
            return
        try:
            await self._own_request("logging/setLevel", {"level": level}, timeout=self.settings.call_timeout)
        except SidecarError as error:
            log.info("a server did not take the log level", extra={"code": error.code, "reason": error.message})

    # --- resource subscriptions -----------------------------------------------------------------------------------

    async def subscribe(self, uri: str) -> Frame:
        """Subscribe to changes of a resource. Returns the response frame. Raises SidecarError."""
        if self.catalog.greeting.era == "modern":
            self._listen(uri, {"resourceSubscriptions": [uri]})
            return jsonrpc.result(0, {})
        return await self.request("resources/subscribe", {"uri": uri}, timeout=self.settings.call_timeout)

    async def unsubscribe(self, uri: str) -> Frame:
        """Cancel the subscription to a resource. Returns the response frame. Raises SidecarError."""
        if self.catalog.greeting.era == "modern":
            if listen := self._listens.pop(uri, None):
                listen.cancel()
            return jsonrpc.result(0, {})
        return await self.request("resources/unsubscribe", {"uri": uri}, timeout=self.settings.call_timeout)

    async def _restore_subscriptions(self, subscribed: Iterable[str]) -> None:
        """Send the log level and the subscriptions that clients asked for before this connection was made."""
        await self.set_log_level()
        for uri in subscribed:
            try:
                frame = await self.subscribe(uri)
            except SidecarError as error:
                log.warning("a subscription could not be renewed", extra={"code": error.code, "reason": error.message})
            else:
                if "error" in frame:
                    log.warning("a subscription could not be renewed", extra={"reason": describe_error(frame)})

    def _listen(self, name: str, wanted: dict[str, Any]) -> None:
        if name not in self._listens and (task := self._start_background(self._listen_on(wanted))):
            self._listens[name] = task

    async def _listen_on(self, wanted: dict[str, Any]) -> None:
        """Keep one `subscriptions/listen` stream open (MCP 2026-07-28, Subscriptions)."""
        try:
            while True:
                frame = await self._own_request("subscriptions/listen", {"notifications": wanted})
                if "error" in frame:
                    log.info("the server does not serve subscriptions/listen", extra={"reason": describe_error(frame)})
                    return
                await asyncio.sleep(LISTEN_RETRY_SECONDS)
        except SidecarError:
            return

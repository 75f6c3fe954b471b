"""One connection to a server from handshake to close: its era, its lists, its subscriptions."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from bridge.models import ServerSettings
from sidecar.errors import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    CallTimeout,
    ConnectionLost,
    HandshakeFailed,
    SidecarError,
    StartTimeout,
)
from sidecar.features import uris
from sidecar.features.input_requests import FEATURES, refused
from sidecar.large.outline import whole
from sidecar.protocol import eras, extensions, greetings, jsonrpc, routing_headers
from sidecar.protocol.catalog import LISTS_CHANGED_BY, Catalog, Greeting, Kind
from sidecar.protocol.channel import Channel, Frame
from sidecar.protocol.jsonrpc import as_dict, describe_error
from sidecar.upstream.client_features import ClientPort
from sidecar.upstream.list_reader import Items, Lists, Troubles, Undeclared
from sidecar.upstream.mux import Mux, Progress, Told
from sidecar.version import VERSION

log = logging.getLogger(__name__)

_tokens = itertools.count(1)

CLOSE_WAIT = 1.0
"""Seconds until the channel must know why it closed, once sending on it has failed."""
LISTEN_PAUSE = 1.0
"""Seconds until a listen stream that the server ended is opened again."""
CLIENT_INFO = {"name": "yamcp-hub", "version": VERSION}
MOST_QUESTIONS = 1000
"""Requests of the server that may wait for their answer at once."""
TOO_MANY_QUESTIONS: dict[str, Any] = {
    "code": SERVER_ERROR,
    "message": f"{MOST_QUESTIONS} requests wait for their answer; there is no room for more.",
}
PASSED_ON = frozenset({"tools/call", "prompts/get", "resources/read", "tasks/result"})
"""Methods in whose results nobody looks into what may be large."""
OWN_NOTICES = ("notifications/subscriptions/acknowledged",)
"""They concern the connection, not who uses it."""


class Owner(Protocol):
    """Who is told of what happens on a connection, and says what it is wanted for."""

    log_level: str | None
    rename: Callable[[str], str]
    """A URI of the server as its client is to see it."""
    owned: Callable[[], Collection[str]]
    """The extensions unknown to the hub that this server alone has, wherever it is shown."""
    undeclared: Undeclared

    def catalog_read(self, connection: Connection) -> None:
        """The lists or their troubles changed; called first when the connection is usable."""

    def subscribed(self) -> Iterable[str]:
        """URIs of the resources whose changes are wanted."""

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification other than progress and list_changed."""

    def feature_refused(self, method: str) -> None:
        """The server asked for a client feature that a shared connection does not have."""


class Connection:
    """Speaks MCP on a channel; `on_frame` must get what the channel receives."""

    def __init__(self, settings: ServerSettings, owner: Owner, port: ClientPort | None) -> None:
        self._settings = settings
        self._owner = owner
        self._port = port
        self._mux = Mux(self._send, self._send_now, self._start, self._on_notification, self._on_request)
        self._channel: Channel | None = None
        self._tasks: asyncio.TaskGroup | None = None
        reread = partial(owner.catalog_read, self)
        self._lists = Lists(self.request, self._start, settings.start_timeout, self._listed, reread)
        self._listens: dict[str, asyncio.Task[None]] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._questions: dict[int | str, asyncio.Task[None]] = {}
        """What answers the server's own requests, by their ids."""
        self._tokens: dict[str, Any] = {}
        """The progress tokens of these, by those that the client has: no two connections' are the same."""
        self.catalog = Catalog()
        self.on_frame = self._mux.on_frame

    async def run(self, channel: Channel, end: asyncio.Event) -> SidecarError | None:
        """Serve until the channel closes or `end` is set; returns why it closed, or None when asked to end."""
        self._channel = channel
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            closed = tasks.create_task(channel.wait_closed())
            life = tasks.create_task(self._live())
            asked = tasks.create_task(end.wait())
            await asyncio.wait([closed, life, asked], return_when=asyncio.FIRST_COMPLETED)
            if life.done() and isinstance(life.result(), ConnectionLost):
                await asyncio.wait([closed, asked], timeout=CLOSE_WAIT, return_when=asyncio.FIRST_COMPLETED)
            self._tasks = None
            if self._lists.asks_undeclared and not asked.done():
                self._owner.undeclared.asked = False
            reason = closed.result() if closed.done() else life.result() if life.done() else None
            self._mux.fail_all(reason or ConnectionLost("The hub closed it."), channel.unread_ids())
            for task in (closed, life, asked, *self._aside):
                task.cancel()
        return reason

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do something beside the rest, for as long as the connection lasts."""
        if self._tasks is None:
            work.close()
            return None
        task = self._tasks.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return task

    @property
    def troubles(self) -> Troubles:
        """What is wrong with a server that can be used: lists that could not be read, items that were left out."""
        return self._lists.troubles

    async def _live(self) -> SidecarError | None:
        """Handshake, open the lists, then last until cancelled; returns the error that ends it before that."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._settings.start_timeout):
                greeting = await self._greet()
            left = self._settings.start_timeout - (clock() - began)
            await self._lists.open(greeting, left, self._owner.undeclared.asked)
        except (TimeoutError, CallTimeout):
            return StartTimeout(f"No handshake within {self._settings.start_timeout:g} s.")
        except SidecarError as error:
            return error
        self._owner.catalog_read(self)
        if greeting.era == "modern":
            self._listen("", dict.fromkeys(("toolsListChanged", "promptsListChanged", "resourcesListChanged"), True))
        await self._renew(tuple(self._owner.subscribed()))
        await asyncio.Event().wait()
        return None

    def _listed(self, kind: Kind, items: Items) -> None:
        self.catalog = self.catalog.with_list(kind, items)

    # --- handshake -----------------------------------------------------------------------------------------------

    async def _greet(self) -> Greeting:
        """Agree on an era: legacy first (every stdio server of today), modern where that is refused (ADR 0004)."""
        if self._settings.era == "modern":
            return await self._discover()
        frame = await self.request(
            "initialize",
            {
                "protocolVersion": eras.LEGACY_VERSION,
                "capabilities": self._capabilities(None),
                "clientInfo": CLIENT_INFO,
            },
        )
        if frame.get("result") is None and self._settings.era == "auto":
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
    ) -> Frame:
        """Ask the server, in its era; `timeout` in seconds. Raises as `Mux.request`.

        `declared` are the extensions of the client that asks, for a modern server that is shared; none where the hub
        asks for itself.
        """
        greeting = self.catalog.greeting
        params = eras.to_upstream(greeting.era, params, {} if greeting.era == "legacy" else self._envelope(declared))
        headers = self._headers(method, params)
        sent = None if greeting.era == "legacy" and not params and method != "initialize" else params
        frame = await self._mux.request(method, sent, timeout=timeout, headers=headers, on_progress=on_progress)
        if "error" in frame:
            self.heed(frame)
        elif method not in PASSED_ON and isinstance(result := frame.get("result"), dict):
            frame = {**frame, "result": whole(result)}
        return frame

    def ask(
        self,
        told: Told,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float,
        on_progress: Progress | None,
        declared: dict[str, Any] | None = None,
    ) -> bool:
        """As `Mux.ask`, in the era of the server, of which a modern one needs `declared`. Errors are for `heed`."""
        if self.catalog.greeting.era == "legacy":
            params = eras.without_connection_meta(params) if "_meta" in params else params
        elif declared is None:
            return False
        else:
            params = eras.to_upstream("modern", params, self._envelope(declared))
        return self._mux.ask(told, method, params, timeout=timeout, on_progress=on_progress)

    def heed(self, frame: Frame) -> None:
        """The server answered with an error: perhaps it wants what a shared connection does not have."""
        if self._port is None:
            for feature_method in refused(frame["error"]):
                self._owner.feature_refused(feature_method)

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification. Raises ConnectionLost."""
        await self._send(jsonrpc.notification(method, params), self._headers(method, params or {}))

    def _capabilities(self, declared: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the server is told of its client; a shared one of extensions only, as the hub has no features."""
        if self._port is not None:
            return extensions.forwarded(self._port.capabilities, self._owner.owned)
        declared = extensions.SHARED_CONNECTION if declared is None else declared
        return {"extensions": dict(declared)} if declared else {}

    def _envelope(self, declared: dict[str, Any] | None) -> dict[str, Any]:
        """What a modern server is told with each request; a shared one of no log level."""
        envelope: dict[str, Any] = {eras.VERSION_KEY: eras.MODERN_VERSION, eras.CLIENT_INFO_KEY: CLIENT_INFO}
        envelope[eras.CAPABILITIES_KEY] = self._capabilities(declared)
        if self._port and self._port.log_level:
            envelope[eras.LOG_LEVEL_KEY] = self._port.log_level
        return envelope

    def _headers(self, method: str, params: dict[str, Any]) -> Mapping[str, str] | None:
        if self._channel is None or self._channel.transport != "http" or method == "initialize":
            return None
        return routing_headers.of_request(self.catalog, method, params)

    async def _send(self, frame: Frame, headers: Mapping[str, str] | None) -> None:
        if self._channel is None:
            raise ConnectionLost("The server is not connected.")
        await self._channel.send(frame, headers)

    def _send_now(self, frame: Frame, alone: bool) -> bool:
        return self._channel is not None and self._channel.try_send(frame, alone)

    # --- what the server sends on its own -------------------------------------------------------------------------

    def _on_notification(self, method: str, params: dict[str, Any]) -> None:
        if kinds := LISTS_CHANGED_BY.get(method):
            self._lists.changed(kinds)
        elif method == "notifications/cancelled":
            if question := self._questions.get(_id(params.get("requestId"))):
                question.cancel(params.get("reason"))  # ClientPort.ask finds it in the CancelledError
        elif method not in OWN_NOTICES:
            self._owner.notified(method, params)
            if self._port is not None:
                self._port.notified(method, params)

    def _on_request(self, frame: Frame) -> bool:
        """Start what answers a request; whether the client is asked, who is to hear of it before all that follows."""
        request_id = _id(frame["id"])
        if request_id in self._questions:
            log.warning("a server used an id twice", extra={"method": frame["method"][:100]})
        elif len(self._questions) >= MOST_QUESTIONS:
            self._start(self._reply(jsonrpc.error(frame["id"], TOO_MANY_QUESTIONS)))
        elif task := self._start(self._answer(frame)):
            self._questions[request_id] = task
            task.add_done_callback(lambda _: self._questions.pop(request_id, None))
            return self._port is not None and frame["method"] != "ping"
        return False

    async def _answer(self, frame: Frame) -> None:
        """Answer a request of the server: ping here, client features by the client, if there is one.

        Cancelled when the server gives it up (MCP, Cancellation): the client is told, the server gets no answer.
        """
        method, request_id = frame["method"], frame["id"]
        if method == "ping":
            answer = jsonrpc.result(request_id, {})
        elif self._port is not None:
            answer = {**await self._ask_client(self._port, method, as_dict(frame.get("params"))), "id": request_id}
        elif method in FEATURES:
            self._owner.feature_refused(method)
            why = f"{method}: this connection is shared by several clients"
            answer = jsonrpc.error(request_id, {"code": METHOD_NOT_FOUND, "message": why})
        else:
            answer = jsonrpc.error(request_id, {"code": METHOD_NOT_FOUND, "message": "Method not found"})
        await self._reply(answer)

    async def _reply(self, answer: Frame) -> None:
        try:
            await self._send(answer, self._headers("", {}))
        except ConnectionLost:
            log.debug("the server left before the answer to its request")

    async def _ask_client(self, port: ClientPort, method: str, params: dict[str, Any]) -> Frame:
        exposed, token = f"hub-{next(_tokens)}", as_dict(params.get("_meta")).get("progressToken")
        if token is not None:
            self._tokens[exposed] = token
            params = {**params, "_meta": {**params["_meta"], "progressToken": exposed}}
        try:
            return await port.ask(method, uris.rewrite_result(method, params, self._owner.rename))
        except Exception:  # whatever goes wrong on the client's side must not end the server's connection
            log.exception("a client could not be asked", extra={"method": method})
            return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: the client could not be asked"})
        finally:
            self._tokens.pop(exposed, None)

    async def client_reported(self, params: dict[str, Any]) -> None:
        """The client reports progress, perhaps of what this server asked it for. Raises ConnectionLost."""
        token = self._tokens.get(str(params.get("progressToken")))
        if token is not None:
            await self.notify("notifications/progress", {**params, "progressToken": token})

    async def set_log_level(self) -> None:
        """Tell the server the log level that its owner wants, if it has the capability (legacy era only)."""
        greeting, level = self.catalog.greeting, self._owner.log_level
        if level is None or greeting.era == "modern" or greeting.capabilities.get("logging") is None:
            return
        try:
            await self.request("logging/setLevel", {"level": level}, timeout=self._settings.call_timeout)
        except SidecarError as error:
            log.info("a server did not take the log level", extra={"code": error.code, "reason": error.message})

    # --- resource subscriptions -----------------------------------------------------------------------------------

    async def subscribe(self, uri: str) -> Frame:
        """Have the server tell of changes of a resource."""
        if self.catalog.greeting.era == "modern":
            self._listen(uri, {"resourceSubscriptions": [uri]})
            return jsonrpc.result(0, {})
        return await self.request("resources/subscribe", {"uri": uri}, timeout=self._settings.call_timeout)

    async def unsubscribe(self, uri: str) -> Frame:
        """The reverse of `subscribe`."""
        if self.catalog.greeting.era == "modern":
            if listen := self._listens.pop(uri, None):
                listen.cancel()
            return jsonrpc.result(0, {})
        return await self.request("resources/unsubscribe", {"uri": uri}, timeout=self._settings.call_timeout)

    async def _renew(self, subscribed: Iterable[str]) -> None:
        """Ask again for what clients asked of the connection before."""
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
        if name not in self._listens and (task := self._start(self._listen_on(wanted))):
            self._listens[name] = task

    async def _listen_on(self, wanted: dict[str, Any]) -> None:
        """One `subscriptions/listen` stream (MCP 2026-07-28, Subscriptions), opened again when the server ends it."""
        try:
            while True:
                frame = await self.request("subscriptions/listen", {"notifications": wanted})
                if "error" in frame:
                    log.info("the server does not serve subscriptions/listen", extra={"reason": describe_error(frame)})
                    return
                await asyncio.sleep(LISTEN_PAUSE)
        except SidecarError:
            return


def _id(value: Any) -> int | str:
    """A request's id as a key: 1 and "1" are two, and what is neither is none."""
    return value if isinstance(value, int | str) else ""

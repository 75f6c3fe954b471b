"""What the channels of other replicas to servers of this one are joined to (`placement: one`, ADR 60)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from sidecar.errors import METHOD_NOT_FOUND, ConnectionLost, SidecarError
from sidecar.protocol import eras, jsonrpc
from sidecar.protocol.catalog import LIST_METHODS, LISTS_CHANGED_BY, RESULT_KEYS, Catalog
from sidecar.protocol.channel import Channel, Frame
from sidecar.protocol.jsonrpc import as_dict, as_list
from sidecar.upstream.client_features import Client
from sidecar.upstream.mux import DEFAULT_CANCEL_REASON, LISTEN_METHOD
from sidecar.upstream.pool import Pool
from sidecar.upstream.upstream import Upstream
from sidecar.workspaces.log_levels import level_of

SECONDS = 86400.0
"""The timeout of a request: the other replica knows the right one, and cancels the request."""
KINDS = {method: kind for kind, method in LIST_METHODS.items()}
DOWN = ("failed", "stopped", "elsewhere", "sign_in_required")
"""The states in which the other replica is to know that the server is away."""


class Relay(Protocol):
    """What a channel is joined to."""

    async def take(self, frame: Frame) -> None:
        """A message for the server. Raises SidecarError."""

    @property
    def busy(self) -> bool:
        """Whether a request is in progress."""


class OwnRelay:
    """Joined to a channel of its own: messages pass unchanged."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._asked: set[Any] = set()

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer."""
        return bool(self._asked)

    async def take(self, frame: Frame) -> None:
        """Send a message to the server."""
        if "method" in frame and "id" in frame:
            self._asked.add(frame["id"])
        elif frame.get("method") == "notifications/cancelled":
            self._asked.discard(as_dict(frame.get("params")).get("requestId"))
        await self._channel.send(frame)

    def passed(self, frame: Frame) -> None:
        """The server has sent a message."""
        if "method" not in frame:
            self._asked.discard(frame.get("id"))


class SharedRelay:
    """Joined to the upstream that all clients share. It is a holder of it, and one of its clients.

    It answers the handshake and requests for lists from what the hub knows, in the server's era. Names are the
    server's. `end` closes the channel, with the reason.
    """

    tenant = ""

    def __init__(
        self, upstream: Upstream, pool: Pool, send: Callable[[Frame], None], end: Callable[[str], None]
    ) -> None:
        self.upstream = upstream
        self._pool = pool
        self._send = send
        self._end = end
        self._catalog = Catalog()
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        """The requests in progress, by id."""
        self._subscribed: set[str] = set()
        self.log_level: str | None = None
        self._own: dict[str, Callable[[str, dict[str, Any]], Awaitable[Frame]]] = {
            "initialize": self._greeted,
            "server/discover": self._greeted,
            "ping": self._pong,
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
            LISTEN_METHOD: self._listen,
        }
        """What is answered here, by method."""

    def begin(self) -> None:
        """The server is ready."""
        self._catalog = self.upstream.catalog or Catalog()

    @property
    def busy(self) -> bool:
        """Whether a request is in progress; one that only holds a stream open is none."""
        return any(task.get_name() != LISTEN_METHOD for task in self._tasks.values())

    async def take(self, frame: Frame) -> None:
        """Serve a message of the other replica; requests by tasks."""
        method, params = frame.get("method"), as_dict(frame.get("params"))
        if not isinstance(method, str):
            return
        if "id" in frame:
            task = asyncio.create_task(self._serve(frame["id"], method, params), name=method)
            self._tasks[frame["id"]] = task
        elif method == "notifications/cancelled":
            if found := self._tasks.get(params.get("requestId")):
                found.cancel(str(params.get("reason") or DEFAULT_CANCEL_REASON))
        elif method == "notifications/progress":
            await self.upstream.client_reported(params)
        elif method not in ("notifications/initialized", "notifications/roots/list_changed"):
            await self.upstream.notify(method, params)

    async def close(self) -> None:
        """Cancel what is in progress, and the subscriptions."""
        for task in tuple(self._tasks.values()):
            task.cancel("the other replica has left")
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for uri in tuple(self._subscribed):
            with suppress(SidecarError):
                await self._unsubscribe("", {"uri": uri})

    async def _serve(self, number: Any, method: str, params: dict[str, Any]) -> None:
        try:
            answer = await self._answer(method, params)
        except SidecarError as error:
            answer = jsonrpc.error(number, error.rpc())
        finally:
            self._tasks.pop(number, None)
        self._send({**answer, "id": number})

    async def _answer(self, method: str, params: dict[str, Any]) -> Frame:
        """The response to a request. Raises SidecarError."""
        if own := self._own.get(method):
            return await own(method, params)
        if kind := KINDS.get(method):
            return jsonrpc.result(0, {RESULT_KEYS[kind]: list(getattr(self._catalog, kind))})
        token = as_dict(params.get("_meta")).get("progressToken")

        def progressed(progress: dict[str, Any]) -> None:
            self.notify("notifications/progress", {**progress, "progressToken": token})

        return await self.upstream.request(
            method,
            params,
            timeout=SECONDS,
            on_progress=None if token is None else progressed,
            declared=as_dict(eras.envelope(params, eras.CAPABILITIES_KEY).get("extensions")),
        )

    async def _pong(self, _: str, __: dict[str, Any]) -> Frame:
        """The channel works; what ails the server ends it."""
        return jsonrpc.result(0, {})

    async def _set_level(self, _: str, params: dict[str, Any]) -> Frame:
        self.log_level = str(params.get("level"))
        await self.upstream.set_log_level(level_of(self._pool.clients(self.upstream)))
        return jsonrpc.result(0, {})

    async def _greeted(self, method: str, _: dict[str, Any]) -> Frame:
        """The answer to a handshake, if it is that of the server's era."""
        greeting = self._catalog.greeting
        if (greeting.era == "modern") != (method == "server/discover"):
            return jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": "The server speaks the other era."})
        found: dict[str, Any] = {"capabilities": greeting.capabilities}
        if greeting.instructions:
            found["instructions"] = greeting.instructions
        if greeting.era == "modern":
            meta = {eras.SERVER_INFO_KEY: greeting.server_info}
            return jsonrpc.result(0, found | {"supportedVersions": [eras.MODERN_VERSION], "_meta": meta})
        return jsonrpc.result(0, found | {"protocolVersion": greeting.version, "serverInfo": greeting.server_info})

    async def _subscribe(self, _: str, params: dict[str, Any]) -> Frame:
        self._subscribed.add(uri := str(params.get("uri")))
        return await self.upstream.subscribe(uri, self)

    async def _unsubscribe(self, _: str, params: dict[str, Any]) -> Frame:
        self._subscribed.discard(uri := str(params.get("uri")))
        return await self.upstream.unsubscribe(uri, self)

    async def _listen(self, _: str, params: dict[str, Any]) -> Frame:
        """Hold a modern stream open until it is cancelled."""
        uris = [str(uri) for uri in as_list(as_dict(params.get("notifications")).get("resourceSubscriptions"))]
        try:
            for uri in uris:
                await self._subscribe("", {"uri": uri})
            await asyncio.Event().wait()
        finally:
            for uri in uris:
                await self._unsubscribe("", {"uri": uri})
        raise ConnectionLost("The stream has ended.")

    # --- events of the upstream -----------------------------------------------------------------------------------

    def changed(self) -> None:
        """The state or the lists of the upstream may have changed."""
        upstream = self.upstream
        if upstream.state in DOWN:
            reason = upstream.reason.message if upstream.reason else f"Its state is {upstream.state!r}."
            self._end(reason)
        elif upstream.catalog is not None and upstream.catalog is not self._catalog:
            before, self._catalog = self._catalog, upstream.catalog
            if before.greeting != self._catalog.greeting:
                self._end("The server was replaced by another version.")
                return
            for method, kinds in LISTS_CHANGED_BY.items():
                if any(getattr(before, kind) != getattr(self._catalog, kind) for kind in kinds):
                    self.notify(method)

    def resource_updated(self, source: object, uri: str) -> None:
        """As `Subscriber`."""
        self.notify("notifications/resources/updated", {"uri": uri})

    # --- pool.Holder, and client_features.Client ------------------------------------------------------------------

    def clients(self) -> Iterable[Client]:
        """Itself: it stands for all clients of the other replica."""
        return (self,)

    def wants_log(self, level: str) -> bool:
        """Always true: the other replica filters."""
        return True

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification to the other replica."""
        self._send(jsonrpc.notification(method, params))

    def task_changed(self, source: object, method: str, params: dict[str, Any]) -> None:
        """A task of the server has changed: the other replica knows whether it is one of its clients'."""
        self.notify(method, params)

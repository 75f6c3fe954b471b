"""Servers that only one replica runs, used by all (`placement: one`, ADR 60): an ASGI layer that serves the channels
of other replicas (others.py) to the servers for which this one has the lease.

Only replicas get here, by their signature. A request is never handed on: without the lease it is refused.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.models import ServerSpec
from sidecar.errors import SidecarError
from sidecar.http_errors import BodyTooLarge
from sidecar.listener.asgi import disconnected, header, respond, respond_error
from sidecar.listener.known_heads import HEAD_KEY
from sidecar.placement.errors import PlacedElsewhere
from sidecar.protocol import codec
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.protocol.jsonrpc import as_dict, as_list
from sidecar.replicas import owner as owners
from sidecar.replicas.errors import PlacedChannelLost, ReplicaSignatureInvalid
from sidecar.replicas.forwarding import Body
from sidecar.replicas.others import ALIVE_SECONDS, DIGEST, PATH, OtherReplicas, digest_of, signed
from sidecar.replicas.relay import OwnRelay, Relay, SharedRelay
from sidecar.replicas.signature import HEADER, Verifier
from sidecar.upstream.connector import User
from sidecar.upstream.upstream import Upstream
from sidecar.upstream.variables import is_personal

if TYPE_CHECKING:
    from bridge.settings import Settings
    from sidecar.channels.connections import Authorizer
    from sidecar.hub.hub import Hub
    from sidecar.placement.leases import LeaseKeeper
    from sidecar.upstream.connector import Connector

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
MAX_QUEUED = 64 << 20
"""Bytes that wait for a replica that reads too slowly; its channel then ends."""


class ServedChannel:
    """One channel of another replica: what is to be sent there, and what it is joined to."""

    def __init__(self, server: str) -> None:
        self.id = secrets.token_hex(16)
        self.server = server
        self.relay: Relay | None = None
        self.number = 0
        """That of the last request with messages."""
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self.ended = False

    def send(self, frame: Frame) -> None:
        """Queue a message of the server."""
        if not self.ended:
            self._queue(codec.dumps(frame))
            if self._bytes > MAX_QUEUED:
                self._lines.clear()
                self.end("The other replica reads too slowly.")

    def end(self, reason: str) -> None:
        """End the channel after what is queued."""
        if not self.ended:
            self._queue(codec.dumps({"ended": reason, "taken": self.number}))
            self.ended = True

    def _queue(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)
        self._news.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body of the response, until the channel has ended."""
        yield b'{"channel":"%b"}\n' % self.id.encode()
        while True:
            if self._lines:
                joined = b"\n".join([*self._lines, b""])
                self._lines.clear()
                self._bytes = 0
                yield joined
            elif self.ended:
                return
            else:
                self._news.clear()
                try:
                    async with asyncio.timeout(ALIVE_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    yield b"\n"


class PlacedServers:
    """The ASGI layer. It is also the pool's listener, and a service of the app (`run`, `end_idle_streams`)."""

    def __init__(self, settings: Settings, key: bytes, hub: Hub, leases: LeaseKeeper) -> None:
        self.others = OtherReplicas(settings, key)
        self._verifier = Verifier(key, settings.replica)
        self._limit = settings.max_body_bytes
        self._hub, self._leases = hub, leases
        self._channels: dict[str, ServedChannel] = {}
        self.connector: Connector | None = None
        """Opens channels to servers that are not shared. The app sets it."""
        self.account: Callable[[ServerSpec, str, str], Authorizer] | None = None
        """The account with which a principal uses a server that has `sign_in`, at its URL. The app sets it."""
        self.app: ASGIApp | None = None
        """What serves all other requests. The app sets it."""
        leases.watchers.append(self._lease_changed)

    def around(self, app: ASGIApp) -> ASGIApp:
        """This layer around an application."""
        self.app = app
        return self

    def open(
        self, replica: str, server: str, shared: bool, user: User | None, on_frame: OnFrame
    ) -> AbstractAsyncContextManager[Channel]:
        """A channel to a server of another replica (`OtherReplicas.open`)."""
        return self.others.open(replica, server, shared, user, on_frame)

    async def run(self) -> None:
        """End channels to servers that the configuration has no longer, until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self.look()
        finally:
            self.others.close()

    def look(self) -> None:
        """End channels to shared servers that only other replicas use: this one is to stop them."""
        for each in tuple(self._channels.values()):
            if isinstance(relay := each.relay, SharedRelay):
                holders = self._hub.pool.holders(relay.upstream)
                if all(isinstance(holder, SharedRelay) for holder in holders):
                    each.end("The server was changed or removed.")

    def end_idle_streams(self) -> None:
        """Give up each server without a request in progress, and end its channels: the process is about to end."""
        self._leases.give_up(self._is_busy)

    def give_up(self) -> None:
        """Give up all servers, whatever is in progress."""
        self._leases.give_up(lambda _: False)

    def _is_busy(self, server: str) -> bool:
        """Whether a request of any replica is in progress at a server."""
        relays = (each.relay for each in self._channels.values() if each.server == server)
        return any(relay is not None and relay.busy for relay in relays) or self._hub.pool.in_flight(server) > 0

    def upstream_changed(self, upstream: Upstream) -> None:
        """As `UpstreamListener`: tell the hub, and the replicas that use the server."""
        self._hub.upstream_changed(upstream)
        for each in tuple(self._channels.values()):
            if isinstance(each.relay, SharedRelay) and each.relay.upstream is upstream:
                each.relay.changed()

    def upstream_notified(self, upstream: Upstream, method: str, params: dict[str, Any]) -> None:
        """As `UpstreamListener`. Relays are clients of their upstreams."""
        self._hub.upstream_notified(upstream, method, params)

    def _lease_changed(self, server: str) -> None:
        for each in tuple(self._channels.values()):
            if each.server == server:
                each.end("The replica does not run the server any more.")

    # --- requests ------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of another replica, or pass any other one on."""
        assert self.app is not None  # noqa: S101  # `around` has set it
        if scope["type"] != "http" or scope["path"] != PATH or not header(scope, HEADER):
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})[HEAD_KEY] = b""  # the direct way has nothing to learn
        try:
            digest = header(scope, DIGEST)
            sender = self._verifier.verify(header(scope, HEADER), signed(scope["method"], digest))
            body = Body(receive, self._limit)
            if not await body.read():
                return
            if body.too_large:
                raise BodyTooLarge(f"The body is larger than {self._limit} bytes.")
            if digest_of(body.content) != digest:
                raise ReplicaSignatureInvalid("The body is not the one that was signed.")
            asked = as_dict(owners.message_of(body.content))
            if "server" in asked:
                opening = self._opened(str(asked["server"]), asked.get("shared") is True, _user(asked))
                await self._serve(sender.replica, opening, body.receive, send)
                return
            await self._take(asked)
        except SidecarError as error:
            log.info("a replica was refused", extra={"code": error.code, "reason": error.message})
            await respond_error(send, error.status, error)
            return
        await respond(send, 202, b"", b"text/plain")

    async def _take(self, asked: dict[str, Any]) -> None:
        """Messages for a server. A request that comes twice counts once. Raises SidecarError."""
        channel = self._channels.get(str(asked.get("channel")))
        if channel is None or channel.relay is None or channel.ended:
            raise PlacedChannelLost("The channel to the server has ended.")
        number = asked.get("number")
        if number == channel.number:
            return
        if number != channel.number + 1:
            channel.end("A request with messages for the server was lost.")
            raise PlacedChannelLost("A request with messages for the server was lost.")
        channel.number = number
        for frame in as_list(asked.get("frames")):
            await channel.relay.take(as_dict(frame))

    async def _serve(
        self, replica: str, opening: AbstractAsyncContextManager[ServedChannel], receive: Receive, send: Send
    ) -> None:
        """Serve a channel until either side ends it. Raises SidecarError before the response has begun."""
        async with opening as channel:
            log.info("another replica uses a server", extra={"replica": replica, "server": channel.server})
            left = asyncio.ensure_future(disconnected(receive))
            left.add_done_callback(lambda _: channel.end("The other replica has left."))
            try:
                with suppress(OSError):
                    await _stream(channel, send)
            finally:
                left.cancel()

    @asynccontextmanager
    async def _opened(self, server: str, shared: bool, user: User | None) -> AsyncIterator[ServedChannel]:
        """A channel to a server that runs here. Raises SidecarError."""
        if await self._leases.given_up(server):
            raise PlacedElsewhere(f"This replica has given the server {server!r} up, as it is about to stop.")
        if not self._leases.holds(server):
            raise PlacedElsewhere(f"This replica has no lease of the server {server!r}.")
        channel = ServedChannel(server)
        self._channels[channel.id] = channel
        try:
            spec = self._spec(channel.server)
            if is_personal(spec) != (user is not None) or (shared and user is not None):
                raise PlacedElsewhere(f"The two replicas have different definitions of the server {spec.key!r}.")
            async with self._joined_to_shared(channel, spec) if shared else self._joined_to_own(channel, spec, user):
                yield channel
        finally:
            channel.ended = True
            del self._channels[channel.id]

    @asynccontextmanager
    async def _joined_to_shared(self, channel: ServedChannel, spec: ServerSpec) -> AsyncIterator[None]:
        pool = self._hub.pool
        upstream = pool.find_shared(pool.fingerprint(spec))
        if upstream is None:
            raise PlacedElsewhere(f"This replica does not use the server {spec.key!r} yet.")
        relay = SharedRelay(upstream, pool, channel.send, channel.end)
        pool.acquire(spec, relay)
        try:
            await upstream.ready(spec.settings.start_timeout)
            relay.begin()
            channel.relay = relay
            yield
        finally:
            await relay.close()
            pool.release(upstream, relay)

    @asynccontextmanager
    async def _joined_to_own(self, channel: ServedChannel, spec: ServerSpec, user: User | None) -> AsyncIterator[None]:
        assert self.connector is not None  # noqa: S101  # set at the start
        assert self.account is not None  # noqa: S101  # as well
        who = user or User("", {})
        signs_in = user is not None and spec.settings.sign_in != "none"
        authorize = partial(self.account, spec, who.principal) if signs_in else None

        def on_frame(frame: Frame) -> None:
            relay.passed(frame)
            channel.send(frame)

        async with self.connector.opened_here(spec, on_frame, authorize, lambda: who.claims) as opened:
            channel.relay = relay = OwnRelay(opened)
            closed = asyncio.ensure_future(opened.wait_closed())
            closed.add_done_callback(_ending(channel))
            try:
                yield
            finally:
                closed.cancel()

    def _spec(self, server: str) -> ServerSpec:
        """The definition of a server. Raises PlacedElsewhere."""
        servers = self._hub.snapshot.servers if self._hub.snapshot else ()
        found = next((each for each in servers if each.key == server), None)
        if found is None:
            raise PlacedElsewhere(f"This replica does not know the server {server!r} yet.")
        return found


def _user(asked: dict[str, Any]) -> User | None:
    """For whom a channel is. Only replicas say that, and sign it: a client has no part in this request."""
    if "user" not in asked:
        return None
    found = as_dict(asked["user"])
    claims = {str(name): str(value) for name, value in as_dict(found.get("claims")).items()}
    return User(str(found.get("id", "")), claims)


def _ending(channel: ServedChannel) -> Callable[[asyncio.Future[SidecarError]], None]:
    def ended(closed: asyncio.Future[SidecarError]) -> None:
        if not closed.cancelled():
            channel.end(closed.result().message)

    return ended


async def _stream(channel: ServedChannel, send: Send) -> None:
    """Send the messages of a channel as a response."""
    headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for piece in channel.pieces():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

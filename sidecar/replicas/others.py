"""Channels to servers that another replica runs (`placement: one`, ADR 60).

A channel is one request whose response does not end: its lines are the server's messages. What is sent to the server
goes as requests of their own, one after the other. All are signed, and without any credential.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sidecar.errors import ConnectionLost, SidecarError, Unreachable
from sidecar.http_errors import BodyTooLarge
from sidecar.protocol import codec
from sidecar.protocol.channel import Channel, Frame, OnFrame
from sidecar.protocol.jsonrpc import as_dict
from sidecar.replicas.connection import Away, Broken, Busy, Connection, Connections
from sidecar.replicas.errors import PlacedChannelLost
from sidecar.replicas.hop import WRITE_SECONDS, Request
from sidecar.replicas.signature import HEADER, Signed, Signer

if TYPE_CHECKING:
    from bridge.settings import Settings
    from bridge.settings.replicas import ReplicaAddresses
    from sidecar.upstream.connector import User

PATH = "/mcp/replicas/placed"
"""The path of these requests: none of a workspace."""
DIGEST = b"yamcp-digest"
"""The header with the SHA-256 of the body (hex). It is what is signed, so that no body of a stranger is read."""
PURPOSE = "servers of other replicas"
"""The purpose of the key that signs them (`ReplicaSettings.replica_key`)."""
ALIVE_SECONDS = 10.0
"""Longest time without a line; an empty one has no meaning."""
READ_SECONDS = 4 * ALIVE_SECONDS
"""Seconds without a byte after which the replica is lost."""
OPEN_SECONDS = 600.0
"""Longest wait for a server that the replica has to start; the start timeout of this one usually ends it."""
ENVELOPE = 1024
"""Bytes of a body beside its frames, at most."""
MAX_ANSWER = 64 * 1024
"""Bytes of a response that is an error."""
ADVICE = "The hub tries again. Look at the status of that replica, and at the addresses in HUB_REPLICAS."


def digest_of(body: bytes) -> bytes:
    """The value of DIGEST for a body."""
    return hashlib.sha256(body).hexdigest().encode()


def signed(method: str, digest: bytes) -> Signed:
    """What is signed of a request whose body has this digest."""
    return Signed(method, PATH.encode(), digest, b"")


class OtherReplicas:
    """Opens channels to servers of other replicas."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        assert settings.replica_addresses is not None  # noqa: S101  # made only then
        self._addresses: ReplicaAddresses = settings.replica_addresses
        self._signer = Signer(key, settings.replica)
        self._connections: dict[str, Connections] = {}
        self._most = settings.max_body_bytes - ENVELOPE
        self._longest = settings.max_message_bytes

    @asynccontextmanager
    async def open(
        self, replica: str, server: str, shared: bool, user: User | None, on_frame: OnFrame
    ) -> AsyncIterator[Channel]:
        """A channel to a server that `replica` runs. `shared`: to the one that all clients share there; else to one
        of its own, for `user` if it is one user's.

        Raises:
            Unreachable: the replica cannot be reached, or does not serve it.
        """
        asked: dict[str, Any] = {"server": server, "shared": shared}
        if user is not None:
            asked["user"] = {"id": user.principal, "claims": dict(user.claims)}
        async with self.asked(replica, codec.dumps(asked), OPEN_SECONDS) as response:
            if response.status != 200:
                raise _refused(replica, await _read(response))
            lines = _Lines(response, self._longest)
            channel = PlacedChannel(self, replica, str(as_dict(await lines.next()).get("channel")), self._most)
            async with asyncio.TaskGroup() as tasks:
                working = [tasks.create_task(channel.receive(lines, on_frame)), tasks.create_task(channel.deliver())]
                try:
                    yield channel
                finally:
                    channel.close(ConnectionLost("The hub closed it."))
                    for each in working:
                        each.cancel()

    @asynccontextmanager
    async def asked(self, replica: str, body: bytes, seconds: float) -> AsyncIterator[Connection]:
        """The response to a request, whose head has come within `seconds`; a second attempt if a connection that was
        kept has broken, so the receiver must not mind getting it twice. Raises Unreachable."""
        url = self._addresses.url(replica)
        if url is None:
            raise Unreachable(f"HUB_REPLICAS has no address of the replica {replica!r}.", hint=ADVICE)
        connections = self._connections.get(url) or self._connections.setdefault(url, Connections(url))
        away = Unreachable(f"The replica {replica!r} cannot be reached.", hint=ADVICE)
        while True:
            try:
                reused = connections.has_idle()
                connection = await connections.take()
            except (Away, Busy):
                raise away from None
            try:
                try:
                    await connection.send(self._request(replica, body).encoded(), WRITE_SECONDS)
                    await connection.head(seconds)
                except Broken:
                    if reused:
                        continue
                    raise away from None
                yield connection
                return
            finally:
                connections.give_back(connection)

    def close(self) -> None:
        """Close the idle connections."""
        for each in self._connections.values():
            each.close()

    def _request(self, replica: str, body: bytes) -> Request:
        """A signed request. Its Host is one that every hub serves, as no client has sent it."""
        digest = digest_of(body)
        signature = self._signer.sign(replica, "", signed("POST", digest))
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        headers += [(DIGEST, digest), (HEADER, signature)]
        return Request("POST", PATH.encode(), headers, body)


class PlacedChannel:
    """A channel to a server of another replica (`protocol.channel.Channel`)."""

    transport = "http"
    slowed = False
    pids: tuple[int, ...] = ()

    def __init__(self, others: OtherReplicas, replica: str, number: str, most: int) -> None:
        self._others, self._replica, self._id, self._most = others, replica, number, most
        self._queued: deque[tuple[Any, bytes]] = deque()
        """The frames that are to be sent: the id of a request, else None; and the JSON."""
        self._has_queued = asyncio.Event()
        self._sent = 0
        self._last: frozenset[object] = frozenset()
        """The ids of the requests in what was sent last."""
        self._closed: asyncio.Future[SidecarError] = asyncio.get_running_loop().create_future()
        self.on_slowed = lambda _: None

    async def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Queue a frame. Raises ConnectionLost, BodyTooLarge."""
        if not self.try_send(frame, False):
            if self._closed.done():
                raise ConnectionLost(self._closed.result().message)
            raise BodyTooLarge(f"The message is larger than {self._most} bytes, the most between replicas.")

    def try_send(self, frame: Frame, alone: bool) -> bool:
        """Queue a frame; False if the channel is closed, or the frame is too large."""
        encoded = codec.dumps(frame)
        if self._closed.done() or len(encoded) > self._most:
            return False
        self._queued.append((frame.get("id") if "method" in frame else None, encoded))
        self._has_queued.set()
        return True

    def unread_ids(self) -> frozenset[int]:
        """The requests that have not left the queue."""
        return frozenset(number for number, _ in self._queued if type(number) is int)

    async def wait_closed(self) -> SidecarError:
        """Wait until the channel has ended; returns the reason."""
        return await asyncio.shield(self._closed)

    def stderr(self) -> tuple[str, ...]:
        """Always empty: the other replica shows it."""
        return ()

    def close(self, reason: SidecarError) -> None:
        """Mark the channel as ended; the first reason counts."""
        if not self._closed.done():
            self._closed.set_result(reason)

    async def receive(self, lines: _Lines, on_frame: OnFrame) -> None:
        """Pass the server's messages on until the channel ends."""
        try:
            while (line := await lines.next()) is not None:
                found = as_dict(line)
                if "ended" in found:
                    lost = ConnectionLost(f"The replica {self._replica!r} closed it: {found['ended']}")
                    if found.get("taken", self._sent) != self._sent:  # nothing is taken after the end
                        lost.untaken = self._last
                    self.close(lost)
                    return
                on_frame(found)
        except SidecarError as error:
            self.close(error)
        self.close(ConnectionLost(f"The replica {self._replica!r} of the hub ended, or cannot be reached any more."))

    async def deliver(self) -> None:
        """Send what is queued, in order, until the channel ends."""
        while await self._has_queued.wait() and not self._closed.done():
            frames, size, numbers = [], 0, set[object]()
            while self._queued and size + len(self._queued[0][1]) <= self._most:
                number, frame = self._queued.popleft()
                frames.append(frame)
                numbers.add(number)
                size += len(frame) + 1
            if not self._queued:
                self._has_queued.clear()
            self._sent, self._last = self._sent + 1, frozenset(numbers)
            head = codec.dumps({"channel": self._id, "number": self._sent})
            body = b'%b,"frames":[%b]}' % (head[:-1], b",".join(frames))
            try:
                async with self._others.asked(self._replica, body, READ_SECONDS) as response:
                    answer = await _read(response)
                    if response.status != 202:
                        refused = _refused(self._replica, answer)
                        if refused.data["cause"] == PlacedChannelLost.code:
                            return  # the other request ends, too, and says what was taken
                        self.close(ConnectionLost(refused.message))
            except SidecarError as error:
                self.close(ConnectionLost(error.message))


class _Lines:
    """The JSON lines of a response, of at most `longest` bytes each."""

    def __init__(self, response: Connection, longest: int) -> None:
        self._pieces = response.body(READ_SECONDS)
        self._longest = longest
        self._rest = bytearray()
        self._searched = 0

    async def next(self) -> Any:
        """The next line that is not empty; None at the end. Raises ConnectionLost."""
        while True:
            end = self._rest.find(b"\n", self._searched)
            if end < 0:
                self._searched = len(self._rest)
                try:
                    piece = await anext(self._pieces, None)
                except Broken:
                    return None
                if piece is None:
                    return None
                self._rest += piece
                if len(self._rest) > self._longest + ENVELOPE:
                    raise ConnectionLost("A message of the other replica is too large (HUB_MAX_MESSAGE_BYTES).")
                continue
            line, self._searched = bytes(self._rest[:end]), 0
            del self._rest[: end + 1]
            if line:
                try:
                    return codec.loads(line)
                except ValueError:
                    raise ConnectionLost("The other replica sent what is not JSON.") from None


async def _read(response: Connection) -> bytes:
    """The body of a short response. Raises Unreachable."""
    body = b""
    try:
        async for piece in response.body(READ_SECONDS):
            body += piece
            if len(body) > MAX_ANSWER:
                break
    except Broken:
        raise Unreachable("The other replica ended its answer too early.", hint=ADVICE) from None
    return body


def _refused(replica: str, body: bytes) -> Unreachable:
    """The error that a replica has answered, as this one's."""
    try:
        error = as_dict(as_dict(codec.loads(body)).get("error"))
    except ValueError:
        error = {}
    why = str(error.get("message") or "it did not say why.")[:1000]
    code = as_dict(error.get("data")).get("code")
    return Unreachable(f"The replica {replica!r} does not serve it: {why}", hint=ADVICE, data={"cause": code})

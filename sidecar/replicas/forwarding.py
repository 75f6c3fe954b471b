"""Hands requests to the replica that has their session: an ASGI layer around the endpoints (docs/scaling.md).

A request goes from the replica that got it to the one whose name is in its id, and never further. If that one is gone,
the first of the others that is there goes on with a session over Streamable HTTP, which its id makes possible (ADR 28).
All other ids mean nothing to it, and it answers so that the client starts anew. A replica that is about to stop counts
as gone for its own sessions (draining.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.access.credential import holder_of
from sidecar.concurrency.shares import Caller
from sidecar.errors import SidecarError
from sidecar.http_errors import BodyTooLarge
from sidecar.listener.asgi import HEADERS_KEY, header, respond, respond_error
from sidecar.listener.auth import principal_of
from sidecar.listener.known_heads import CONNECTION_KEY, HEAD_KEY
from sidecar.listener.refusals import Refusals, address_of
from sidecar.protocol import codec, jsonrpc
from sidecar.replicas import owner as owners
from sidecar.replicas.connection import Away, Busy, Headers, Refused
from sidecar.replicas.errors import ReplicaBusy, ReplicaLost
from sidecar.replicas.hop import HOP_BY_HOP, Hops, Lost, Request
from sidecar.replicas.signature import HEADER, Signed, Signer, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.settings import Settings
    from bridge.settings.replicas import ReplicaAddresses
    from sidecar.admission.admission import Admission
    from sidecar.downstream.http_session import HttpSession
    from sidecar.downstream.stream_session import StreamSessions
    from sidecar.replicas.draining import Draining

log = logging.getLogger(__name__)

AWAY_SECONDS = 3.0
"""Seconds for which a replica that could not be reached, or does not serve, is not tried again."""
MAX_AWAY = 1000
"""Replicas that are remembered so."""
PING = b'{"jsonrpc":"2.0","id":0,"method":"ping"}'
"""Asks a replica whether it serves a session; it does nothing."""
LOG_INTERVAL = 1.0
"""Minimum number of seconds between two log lines about refused requests."""
_NOT_SENT = HOP_BY_HOP | {b"content-length", b"x-forwarded-for", b"expect", HEADER}


Outcome = Literal["owner", "heir", "here", "lost", "busy"]
"""What became of a request for another replica: it, or the one that goes on with its sessions, has answered; it was
served here, as none of these was there; it was lost with one; or too many were under way (REPLICA_LOST, REPLICA_BUSY).
"""


class Forwarding:
    """Serves requests by `app`, the endpoints of this replica, or by another replica."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        key: bytes,
        admission: Admission,
        sessions: StreamSessions[HttpSession],
        draining: Draining,
        count: Callable[[Outcome], None],
    ) -> None:
        """`key` signs what the replicas hand each other (`signature.PURPOSE`); `sessions` are those over Streamable
        HTTP; `count` counts requests for other replicas."""
        assert settings.replica_addresses is not None  # noqa: S101  # the layer exists only then
        self._app = app
        self._addresses: ReplicaAddresses = settings.replica_addresses
        self._own = settings.replica
        self._limit = settings.max_body_bytes
        self._signer, self._verifier = Signer(key, self._own), Verifier(key, self._own)
        self._hops = Hops(settings.ping_interval)
        self._refusals = Refusals(admission)
        self._requests, self._sessions = sessions.requests, sessions
        self.draining, self._count = draining, count
        self._away: dict[str, float] = {}
        """Replicas that could not be reached, and until when they are not tried again; kept until they are reached."""
        self._stopping: dict[str, float] = {}
        """The same for those that are about to stop: they still take what is about calls in progress."""
        self._logged_at = float("-inf")

    async def run(self) -> None:
        """Keep connections to the other replicas until cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            self._hops.close()

    def end_idle_streams(self) -> None:
        """End the streams of other replicas' sessions: the process is about to end."""
        self._hops.end_streams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/mcp/"):
            await self._app(scope, receive, send)
            return
        owner, session = owners.of_head(scope)
        if refusal := self.draining.refusal():
            if owners.opens_stream(scope):
                await self._refusals.refuse(principal_of(scope), scope, send, refusal)
                return
            send = self._leaving(scope, send)
            owner, session = self._owner_while_draining(owner, session, scope)
        elif owner == self._own:
            owner = ""
        if header(scope, HEADER) or owner or owners.may_have_state(scope):
            body = Body(receive, self._limit)
            if await body.read():
                await self._serve(owner, session, body, scope, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, owner: str, session: str, body: Body, scope: Scope, send: Send) -> None:
        """Serve a request of which the body had to be read. `owner` is the replica in its head; empty for this one."""
        if handed := header(scope, HEADER):
            await self._serve_handed(handed, owner, session, body, scope, send)
            return
        if not owner and (owner := owners.of_body(body.content)) == self._own:
            owner = ""
        if body.too_large or self._addresses.url(owner) is None or self._stays(session, body):
            await self._app(scope, body.replayed(), send)
            return
        try:
            caller = Caller(holder_of(principal_of(scope)), session or address_of(scope))
            with self._requests.counted(caller, len(body.content)):
                served = await self._hand(owner, session, body, scope, send)
            if not served and (refusal := self.draining.refusal()) and owners.opens_session(scope):
                raise refusal
        except SidecarError as error:
            await self._refusals.refuse(principal_of(scope), scope, send, error)
            return
        if not served:
            await self._app(scope, body.replayed(), send)

    # --- from another replica --------------------------------------------------------------------------------------

    async def _serve_handed(
        self, handed: bytes, owner: str, session: str, body: Body, scope: Scope, send: Send
    ) -> None:
        """Serve a request here that another replica has handed over, if it has."""
        try:
            if body.too_large:
                raise BodyTooLarge(f"The body is larger than {self._limit} bytes.")
            sender = self._verifier.verify(handed, _signed(scope, body.content))
        except SidecarError as error:
            self._log_refusal(error)
            await self._refusals.refuse(principal_of(scope), scope, send, error)
            return
        scope["state"][CONNECTION_KEY].of_hub = True
        scope["state"][HEAD_KEY] = b""  # each has another head, so the direct way has nothing to learn
        scope["client"] = (sender.address, 0)
        scope["headers"] = [each for each in scope["headers"] if each[0] not in (HEADER, b"x-forwarded-for")]
        scope.pop(HEADERS_KEY, None)
        if owner and not self._stays(session, body) and (refusal := self.draining.refusal()):
            await respond_error(send, refusal.status, refusal)
            return
        await self._app(scope, body.replayed(), send)

    def _log_refusal(self, error: SidecarError) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL:
            self._logged_at = now
            log.warning("a request of a replica was refused", extra={"code": error.code, "reason": error.message})

    # --- to another replica ----------------------------------------------------------------------------------------

    async def _hand(self, owner: str, session: str, body: Body, scope: Scope, send: Send) -> bool:
        """Have another replica serve a request; False if this one is to serve it. Raises ReplicaBusy."""
        for name in (owner, *(self._addresses.heirs(owner, session) if session else ())):
            if name == self._own and not self.draining.active:
                break
            if name == self._own:
                continue
            url = self._addresses.url(name)
            if url is None or self._is_away(name, session, body):
                continue
            try:
                if session and self._is_to_be_asked(name, url, body):
                    await self._hops.ask(url, self._request(name, PING, scope))
                    self._note_reached(name)
                await self._hops.serve(url, self._request(name, body.content, scope), body.receive, send)
            except Away as away:
                self._note_away(name, leaving=isinstance(away, Refused) and away.leaving)
            except Busy:
                self._count("busy")
                raise ReplicaBusy(f"Too many requests are being handed to the replica {name!r}.") from None
            except Lost as lost:
                if lost.begun or not owners.may_repeat(body.content):
                    log.warning("a replica was lost with a request", extra={"replica": name})
                    self._count("lost")
                    await _tell_lost(lost, name, body, scope, send)
                    return True
                self._note_away(name)
            else:
                self._note_reached(name)
                self._count("owner" if name == owner else "heir")
                return True
        self._count("here")
        return False

    # --- when this replica is about to stop --------------------------------------------------------------------------

    def _owner_while_draining(self, owner: str, session: str, scope: Scope) -> tuple[str, str]:
        """Whom a request is for, as `owners.of_head`: this replica counts as one that is gone for its sessions over
        Streamable HTTP, and for those that are to be opened."""
        if owner == self._own and not session:
            return "", ""
        if not owner and owners.opens_session(scope):
            return self._own, secrets.token_hex(8)
        return owner, session

    def _stays(self, session: str, body: Body) -> bool:
        """Whether a request is served here all the same: it is about a call that is in progress here."""
        if not self._sessions.holds(session):
            return False
        message = owners.message_of(body.content)
        return isinstance(message, dict) and self._sessions.waits_for(session, message)

    def _leaving(self, scope: Scope, send: Send) -> Send:
        """The `send` for a request while this replica is draining: its client is to connect elsewhere next time."""
        scope["state"][HEAD_KEY] = b""
        if not self.draining.noticed:
            return send
        self.draining.late += 1
        return _closing(send)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _request(self, name: str, body: bytes, scope: Scope) -> Request:
        """The request for the replica `name`, signed: with the head as it came, for its credential and Host count."""
        address = address_of(scope)
        signed = _signed(scope, body)
        headers: Headers = [each for each in scope["headers"] if each[0] not in _NOT_SENT]
        headers.append((HEADER, self._signer.sign(name, address, signed)))
        if address:
            headers.append((b"x-forwarded-for", address.encode("latin-1")))
        return Request(signed.method, signed.target, headers, body)

    def _is_away(self, name: str, session: str, body: Body) -> bool:
        now = time.monotonic()
        if now < self._away.get(name, 0.0):
            return True
        return bool(session) and now < self._stopping.get(name, 0.0) and not owners.is_about_call(body.content)

    def _is_to_be_asked(self, name: str, url: str, body: Body) -> bool:
        """Whether a replica is to be asked first if it is there: a request that may not be repeated would be lost with
        it on a new connection that nobody has accepted. On an open one, a replica that stops says so (`Farewell`)."""
        if self._hops.knows(url) and name not in self._stopping:
            return False
        return not (owners.may_repeat(body.content) or owners.is_about_call(body.content))

    def _note_away(self, name: str, *, leaving: bool = False) -> None:
        noted = self._stopping if leaving else self._away
        if len(noted) >= MAX_AWAY:
            noted.clear()
        if name not in noted:
            what = "a replica is about to stop" if leaving else "a replica cannot be reached"
            log.warning(what, extra={"replica": name})
        noted[name] = time.monotonic() + AWAY_SECONDS

    def _note_reached(self, name: str) -> None:
        noted = [found for found in (self._away, self._stopping) if found.pop(name, None) is not None]
        if noted:
            log.info("a replica can be reached again", extra={"replica": name})


class Body:
    """The body of a request, which is read whole: its hash is signed, and it may have to be sent again."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.receive = receive
        """What comes after the body."""
        self._limit = limit
        self._messages: list[Message] = []
        self.content = b""
        self.too_large = False
        """Whether it is longer than `limit` bytes; then only its beginning was read."""

    async def read(self) -> bool:
        """Read the body; False if the client has left before it was complete."""
        pieces: list[bytes] = []
        size = 0
        while not self.too_large:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return False
            self._messages.append(message)
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            self.too_large = size > self._limit
            if not message.get("more_body"):
                break
        self.content = b"".join(pieces)
        return True

    def replayed(self) -> Receive:
        """An ASGI `receive` that begins with what was read."""
        waiting = iter(self._messages)

        async def receive() -> Message:
            for message in waiting:
                return message
            return await self.receive()

        return receive


def _closing(send: Send) -> Send:
    """An ASGI `send` that has the connection end with the response."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return closing


def _signed(scope: Scope, body: bytes) -> Signed:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    target = path.partition(b"?")[0] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    return Signed(scope["method"], target, body, header(scope, b"authorization"))


async def _tell_lost(lost: Lost, name: str, body: Body, scope: Scope, send: Send) -> None:
    """Tell the client that the replica with its request is gone: as the answer, or where the response has begun as the
    last event of the stream. A response of another type is cut off."""
    error = ReplicaLost(f"The replica {name!r} of the hub ended while it had the request.")
    number = owners.request_id(body.content)
    answer = codec.dumps(jsonrpc.error(number, error.rpc()))
    if not lost.begun:
        if number is None:
            await respond_error(send, error.status, error)
        else:
            await respond(send, 200, answer, b"application/json")
    elif lost.is_stream and lost.between:
        event = b"" if number is None else b"event: message\r\ndata: %b\r\n\r\n" % answer
        await send({"type": "http.response.body", "body": event})
    else:
        scope["state"][CONNECTION_KEY].transport.abort()

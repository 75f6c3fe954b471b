"""What one replica asks of the others for its admins: their newest log records (docs/scaling.md).

An ASGI layer around everything else answers the questions of other replicas. They are signed like requests that are
handed over, with a key of their own, and nothing but a replica gets an answer. None is passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from bridge.errors import ErrorBody, HubError
from bridge.models import LogRecords, Logs, UnansweredReplica
from bridge.models.actual import ALL_REPLICAS
from sidecar.errors import SidecarError
from sidecar.http_errors import BodyTooLarge
from sidecar.listener.asgi import header, respond, respond_error
from sidecar.protocol import codec
from sidecar.protocol.jsonrpc import as_dict
from sidecar.replicas.connection import Away, Broken, Connection, Connections, taken
from sidecar.replicas.errors import ReplicaSignatureInvalid, ReplicaSilent, ReplicaUnknown
from sidecar.replicas.forwarding import LOG_INTERVAL, Body
from sidecar.replicas.hop import Request
from sidecar.replicas.signature import HEADER, Signed, Signer, Verifier

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from bridge.models.replicas import ReplicasState
    from bridge.settings.replicas import ReplicaAddresses

log = logging.getLogger(__name__)

PATH = "/mcp/_replica/logs"
"""Below /mcp/, so that the sidecar gets it at the public port; no workspace has an endpoint there."""
PURPOSE = "questions between replicas"
"""The purpose of the key (`ReplicaSettings.replica_key`)."""
SECONDS = 3.0
"""Seconds that the replicas have to answer; less than a client of the bridge waits."""
MAX_AT_ONCE = 64
"""Replicas that are asked at the same time."""
MAX_QUESTION = 16 * 1024
"""Bytes of a question."""
MAX_ANSWER = 1024 * 1024
"""Bytes of the records that one replica answers: its newest ones."""
Find = Callable[[Logs], Iterable[dict[str, Any]]]


class Questions:
    """Answers the questions of other replicas with `find`, and asks them; `app` serves all other requests."""

    def __init__(
        self,
        app: ASGIApp,
        key: bytes,
        addresses: ReplicaAddresses,
        find: Find,
        known: Callable[[], Awaitable[ReplicasState]],
    ) -> None:
        """`known` returns the replicas that have told of themselves, of which `addresses` may list none."""
        self._app = app
        self._addresses = addresses
        self._own = addresses.own
        self._find = find
        self._known = known
        self._signer, self._verifier = Signer(key, self._own), Verifier(key, self._own)
        self._logged_at = float("-inf")

    # --- from another replica ----------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        body = Body(receive, MAX_QUESTION)
        if not await body.read():
            return
        try:
            records = self._answer(body, scope)
        except SidecarError as error:
            self._log_refusal(error)
            await respond_error(send, error.status, error)
            return
        await respond(send, 200, b'{"records":[%b]}' % b",".join(records), b"application/json")

    def _answer(self, body: Body, scope: Scope) -> list[bytes]:
        """The newest records that a question is about, oldest first, each as JSON.

        Raises:
            BodyTooLarge: it is larger than any question.
            ReplicaSignatureInvalid, ReplicaLoop: no replica asks, or it asks another one.
        """
        if body.too_large:
            raise BodyTooLarge(f"The body is larger than {MAX_QUESTION} bytes.")
        self._verifier.verify(header(scope, HEADER), _signed(body.content, scope["method"]))
        try:
            asked = Logs.model_validate(codec.loads(body.content))
        except (ValueError, RecursionError):
            raise ReplicaSignatureInvalid("The question has a format of another version of the hub.") from None
        found: list[bytes] = []
        left = MAX_ANSWER
        for record in reversed(tuple(self._find(asked))):
            encoded = codec.dumps(record)
            left -= len(encoded) + 1
            if left < 0:
                break
            found.append(encoded)
        return found[::-1]

    def _log_refusal(self, error: SidecarError) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL:
            self._logged_at = now
            log.warning("a question of a replica was refused", extra={"code": error.code, "reason": error.message})

    # --- to the others -----------------------------------------------------------------------------------------------

    async def logs(self, asked: Logs) -> LogRecords:
        """The newest records of one replica, or of all, by time; `logged_by` names the replica of each.

        Raises:
            ReplicaUnknown: there is no replica of this name.
        """
        names = await self._names(asked.replica or self._own)
        question = asked.model_copy(update={"replica": None})
        turns = asyncio.Semaphore(MAX_AT_ONCE)
        until = asyncio.get_running_loop().time() + SECONDS
        found: list[dict[str, Any]] = []
        silent: list[UnansweredReplica] = []

        async def ask(name: str) -> None:
            nonlocal found
            answer = await self._asked(name, question, turns, until)
            if isinstance(answer, ErrorBody):
                silent.append(UnansweredReplica(name=name, error=answer))
                return
            marked = [{**record, "logged_by": name} for record in answer]
            found = sorted((*found, *marked), key=lambda each: str(each.get("time")))[-asked.limit :]

        await asyncio.gather(*(ask(name) for name in names))
        silent.sort(key=lambda each: each.name)
        return LogRecords(records=tuple(found), replicas=tuple(names), unanswered=tuple(silent))

    async def _names(self, wanted: str) -> list[str]:
        """The replicas that are meant. Raises ReplicaUnknown."""
        if wanted != ALL_REPLICAS:
            if wanted != self._own and self._addresses.url(wanted) is None:
                raise ReplicaUnknown(f"HUB_REPLICAS has no replica {wanted[:80]!r}.")
            return [wanted]
        told = (await self._known()).replicas
        others = {each.name for each in told if each.state != "stopped" and self._addresses.url(each.name)}
        return sorted({self._own, *self._addresses.listed, *others})

    async def _asked(
        self, name: str, question: Logs, turns: asyncio.Semaphore, until: float
    ) -> Iterable[dict[str, Any]] | ErrorBody:
        """The records of one replica, or why it has not answered until then (time of the event loop)."""
        if name == self._own:
            return self._find(question)
        try:
            async with asyncio.timeout_at(until), turns:
                return await self._ask(name, question)
        except TimeoutError:
            return ReplicaSilent(f"The replica {name!r} has not answered within {SECONDS:g} s.").body()
        except Away:
            return ReplicaSilent(f"The replica {name!r} cannot be connected to.").body()
        except Broken:
            return ReplicaSilent(f"The replica {name!r} closed the connection before it answered.").body()
        except HubError as error:
            return error.body()

    async def _ask(self, name: str, question: Logs) -> tuple[dict[str, Any], ...]:
        """Ask one replica by a connection of its own; the caller limits the time.

        Raises:
            Away: it cannot be connected to.
            Broken: the connection broke.
            ReplicaSilent: its answer is none.
        """
        url = self._addresses.url(name) or ""
        body = question.model_dump_json(exclude_none=True).encode()
        headers = [
            (b"host", urlsplit(url).netloc.encode()),
            (b"content-type", b"application/json"),
            (b"connection", b"close"),
            (HEADER, self._signer.sign(name, "", _signed(body))),
        ]
        with contextlib.closing(Connections(url)) as connections:
            async with taken(connections) as connection:
                await connection.send(Request("POST", PATH.encode(), headers, body).encoded(), 2 * SECONDS)
                content = await _content(name, connection)
                return _records(name, connection.status, content)


async def _content(name: str, connection: Connection) -> bytes:
    """The body of the answer. Raises Broken, ReplicaSilent."""
    await connection.head(2 * SECONDS)
    content = b""
    async with aclosing(connection.body(2 * SECONDS)) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > 2 * MAX_ANSWER:
                raise ReplicaSilent(f"The replica {name!r} answers with too many bytes.")
    return content


def _records(name: str, status: int, content: bytes) -> tuple[dict[str, Any], ...]:
    """The records in an answer. Raises ReplicaSilent."""
    try:
        answer = codec.loads(content)
        if status == 200:
            return LogRecords.model_validate(answer).records
        reason = as_dict(as_dict(as_dict(answer).get("error")).get("data")).get("code", "")
    except (ValidationError, ValueError, RecursionError):
        reason = ""
    raise ReplicaSilent(f"The replica {name!r} answers with HTTP {status} {reason}".rstrip() + ".")


def _signed(body: bytes, method: str = "POST") -> Signed:
    return Signed(method, PATH.encode(), body, b"")

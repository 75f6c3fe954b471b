"""Asks other replicas for what their admins are to see (questions.py): all at the same time, within a time limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from bridge.errors import ErrorBody, HubError
from sidecar.protocol import codec
from sidecar.protocol.jsonrpc import as_dict
from sidecar.replicas.connection import Away, Broken, Connection, Connections, taken
from sidecar.replicas.errors import ReplicaSilent
from sidecar.replicas.hop import Request
from sidecar.replicas.signature import HEADER, Signed, Signer

if TYPE_CHECKING:
    from bridge.settings.replicas import ReplicaAddresses

T = TypeVar("T")

MAX_AT_ONCE = 64
"""Replicas that are asked at the same time."""
MAX_ANSWER = 2 * 1024 * 1024
"""Bytes of an answer."""


def signed(path: str, body: bytes, method: str = "POST") -> Signed:
    """What is signed of a question."""
    return Signed(method, path.encode(), body, b"")


class Asker:
    """Asks the replicas at `addresses`. Its questions are signed with `key`."""

    def __init__(self, key: bytes, addresses: ReplicaAddresses) -> None:
        self._addresses = addresses
        self._signer = Signer(key, addresses.own)

    async def ask(
        self,
        names: Iterable[str],
        path: str,
        question: bytes,
        seconds: float,
        read: Callable[[bytes], T],
        take: Callable[[str, T | ErrorBody], None],
    ) -> None:
        """Ask replicas a question, which have `seconds` together. `take` gets what `read` makes of each answer as it
        comes, or why there is none. `read` raises ValueError for what is no answer."""
        turns = asyncio.Semaphore(MAX_AT_ONCE)
        until = asyncio.get_running_loop().time() + seconds

        async def ask(name: str) -> None:
            take(name, await self._answer(name, path, question, seconds, until, turns, read))

        await asyncio.gather(*(ask(name) for name in names))

    async def _answer(
        self,
        name: str,
        path: str,
        question: bytes,
        seconds: float,
        until: float,
        turns: asyncio.Semaphore,
        read: Callable[[bytes], T],
    ) -> T | ErrorBody:
        """The answer of one replica, or why there is none until then (time of the event loop)."""
        try:
            async with asyncio.timeout_at(until), turns:
                status, content = await self._asked(name, path, question, 2 * seconds)
            return _read(name, status, content, read)
        except TimeoutError:
            return ReplicaSilent(f"The replica {name!r} has not answered within {seconds:g} s.").body()
        except Away:
            return ReplicaSilent(f"The replica {name!r} cannot be connected to.").body()
        except Broken:
            return ReplicaSilent(f"The replica {name!r} closed the connection before it answered.").body()
        except HubError as error:
            return error.body()

    async def _asked(self, name: str, path: str, question: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body of the answer of one replica, on a connection of its own; `seconds` limit each step.

        Raises:
            Away: it cannot be connected to.
            Broken: the connection broke.
            ReplicaSilent: its answer is too large.
        """
        url = self._addresses.url(name) or ""
        headers = [
            (b"host", urlsplit(url).netloc.encode()),
            (b"content-type", b"application/json"),
            (b"connection", b"close"),
            (HEADER, self._signer.sign(name, "", signed(path, question))),
        ]
        with contextlib.closing(Connections(url)) as connections:
            async with taken(connections) as connection:
                await connection.send(Request("POST", path.encode(), headers, question).encoded(), seconds)
                content = await _content(name, connection, seconds)
                return connection.status, content


async def _content(name: str, connection: Connection, seconds: float) -> bytes:
    """The body of the answer. Raises Broken, ReplicaSilent."""
    await connection.head(seconds)
    content = b""
    async with aclosing(connection.body(seconds)) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > MAX_ANSWER:
                raise ReplicaSilent(f"The replica {name!r} answers with too many bytes.")
    return content


def _read(name: str, status: int, content: bytes, read: Callable[[bytes], T]) -> T:
    """What is in an answer. Raises ReplicaSilent."""
    try:
        if status == 200:
            return read(content)
        reason = as_dict(as_dict(as_dict(codec.loads(content)).get("error")).get("data")).get("code", "")
    except (ValidationError, ValueError, RecursionError):
        reason = ""
    raise ReplicaSilent(f"The replica {name!r} answers with HTTP {status} {reason}".rstrip() + ".")

"""A session with the hub over its HTTP+SSE endpoint (revision 2024-11-05), where all messages arrive in one order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2

from hubctl.errors import HubLost, HubRefused
from hubctl.stdio.conversation import Frame, decode, rpc_error

TIMEOUT = 10.0
"""Seconds that the hub has to accept a connection, and a message."""
MAX_EVENT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Endpoint:
    """The address of a workspace: the sidecar's own port, or a protected hub's Unix socket with a token."""

    url: str
    socket: Path | None = None
    token: str = ""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open a session.

        Raises:
            HubLost: nobody listens there, or the session ends while it is used.
            HubRefused: the hub refuses the client.
        """
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(self.socket) if self.socket else None),
            headers=headers,
            timeout=httpx2.Timeout(TIMEOUT),
            trust_env=False,
        ) as client:
            try:
                streaming = client.stream("GET", self.url, timeout=httpx2.Timeout(TIMEOUT, read=None))
                async with streaming as response:
                    if response.status_code != 200:
                        raise _refusal(response.status_code, await response.aread())
                    session = Session(client, response)
                    try:
                        await session.begin()
                        yield session
                    finally:
                        await session.aclose()
            except (httpx2.HTTPError, TimeoutError) as error:
                raise HubLost(f"The connection to the hub ended ({type(error).__name__}).") from None


class Session:
    """An open session: iterate over it to receive messages, `post` to send them."""

    def __init__(self, client: httpx2.AsyncClient, response: httpx2.Response) -> None:
        self._client = client
        self._origin = response.url
        self._events = cast("Any", aiter(httpx2.EventSource(response, max_event_size=MAX_EVENT)))
        self._target = ""
        self._given_up = asyncio.Event()

    async def aclose(self) -> None:
        """Stop reading. The caller that opened the session calls it."""
        await self._events.aclose()

    def give_up(self) -> None:
        """Mark the session as unusable although its stream has not ended."""
        self._given_up.set()

    async def given_up(self) -> None:
        """Wait until the session is marked as unusable."""
        await self._given_up.wait()

    async def begin(self) -> None:
        """Read the URL to post to from the stream's first event. Raises HubLost, TimeoutError."""
        async with asyncio.timeout(TIMEOUT):
            async for event in self._events:
                if event.event == "endpoint":
                    self._target = str(self._origin.join(event.data))
                    return
        raise HubLost("The hub ended the stream at once.")

    async def __aiter__(self) -> AsyncIterator[tuple[Frame, bytes]]:
        """Yield the hub's messages, parsed and as they were written, until the stream ends."""
        async for event in self._events:
            if event.event == "message":
                yield decode(event.data.encode()), event.data.encode()

    async def post(self, message: bytes) -> dict[str, Any] | None:
        """Send a message; return the hub's error if it refuses the message.

        Raises:
            HubLost: the message was not delivered.
        """
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self._client.post(self._target, content=message, headers=headers)
        except httpx2.HTTPError as error:
            raise HubLost(f"The hub did not take the message ({type(error).__name__}).") from None
        if answer.is_success:
            return None
        if answer.status_code == 404:
            raise HubLost("The hub does not know the session any more.")
        found = _error_in(answer.content)
        return found or rpc_error(_refusal(answer.status_code, answer.content))


def _refusal(status: int, body: bytes) -> HubRefused:
    found = _error_in(body) or {}
    said = str(found.get("message") or "")
    return HubRefused(f"The hub answered HTTP {status}{f': {said}' if said else '.'}", data={"status": status})


def _error_in(body: bytes) -> dict[str, Any] | None:
    """Return the JSON-RPC error in a body; if there is none, an error of the bridge."""
    try:
        found = decode(body)
    except ValueError:
        return None
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else None

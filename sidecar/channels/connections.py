"""HTTP connection pools to remote servers: one per origin, shared by all upstreams with that origin."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self
from urllib.request import getproxies, proxy_bypass

import httpx2

from bridge.models import RemoteLaunch
from sidecar.channels.reading import ACCEPT_ENCODING, MAX_LARGE
from sidecar.channels.web import CONNECT_TIMEOUT, check_url, checked_headers, tls
from sidecar.errors import Unreachable
from sidecar.large.reader import ReadLarge, in_process

WRITE_TIMEOUT = 60.0
KEEPALIVE = 4.0
"""Seconds that an idle connection is kept: less than the 5 s after which uvicorn and Node close it."""
MAX_IDLE = 20
"""Idle connections that are kept per origin."""
MAX_REQUESTS = 256
"""Concurrent requests per origin; further ones wait for their turn, within their own deadlines."""


class Authorizer(Protocol):
    """Authorizes the requests of one upstream with an access token (RFC 6750)."""

    async def authorization(self) -> str:
        """The value of the header Authorization for a request that is sent now. Raises SidecarError."""

    async def refused(self, sent: str, status: int, challenge: str, *, again: bool) -> bool:
        """Handle a 401 or 403. Returns whether to send the request again. Raises SidecarError.

        `sent`: the header that was sent; `challenge`: WWW-Authenticate; `again`: it was sent again already.
        """


class RemoteClient(httpx2.AsyncClient):
    """The HTTP client of one upstream, with headers and cookies of its own and the connections of the origin's pool."""

    def __init__(
        self,
        launch: RemoteLaunch,
        pool: _OriginPool,
        read_large: ReadLarge,
        connect_timeout: float | None = None,
        max_message: int | None = None,
        authorizer: Authorizer | None = None,
    ) -> None:
        super().__init__(
            headers={**checked_headers(launch.headers), b"accept-encoding": ACCEPT_ENCODING.encode()},
            transport=_SharedTransport(pool),
            timeout=httpx2.Timeout(None, connect=connect_timeout or CONNECT_TIMEOUT, write=WRITE_TIMEOUT),
        )
        self.authorizer = authorizer
        """As in `Connections`."""
        self.connect_timeout = connect_timeout
        """As in `Connections`."""
        self.max_message = max_message
        """As in `Connections`."""
        self.turn = pool.turn
        """Held during a request; but not by streams, notifications and responses: requests may depend on these, so
        making them wait could deadlock."""
        self.read_large = read_large
        self.large = pool.large
        """Held while a large message is read (`reading.MAX_LARGE`)."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As `AsyncClient.send`; requests are authorized where there is an authorizer. Raises SidecarError too."""
        if self.authorizer is None:
            return await super().send(request, **options)
        for again in (False, True):
            sent = request.headers["authorization"] = await self.authorizer.authorization()
            response = await super().send(request, **options)
            if response.status_code not in (401, 403):
                break
            try:
                challenge = response.headers.get("www-authenticate", "")
                if not await self.authorizer.refused(sent, response.status_code, challenge, again=again):
                    break
            except BaseException:
                await response.aclose()
                raise
            await response.aclose()
        return response


class Connections:
    """The owner of all pools, which it closes at the end; there is one per process."""

    def __init__(self, read_large: ReadLarge = in_process, max_message: int | None = None) -> None:
        self.read_large = read_large
        """Reads messages of 1 MiB and more."""
        self.max_message = max_message
        """Bytes of the longest message; None for `reading.MAX_MESSAGE`."""
        self.connect_timeout: float | None = None
        """Seconds for a connection, and for the first answer on it; None for `CONNECT_TIMEOUT`."""
        self.authorizer: Authorizer | None = None
        """Authorizes all requests; None where the configured headers do."""
        self._pools: dict[tuple[str, str, int | None], _OriginPool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    def within(self, connect_timeout: float, authorizer: Authorizer | None = None) -> Connections:
        """The same pools with another `connect_timeout` and `authorizer`; the view has no end of its own."""
        view = copy.copy(self)
        view.connect_timeout, view.authorizer = connect_timeout, authorizer
        return view

    @asynccontextmanager
    async def client(self, launch: RemoteLaunch) -> AsyncIterator[RemoteClient]:
        """A client for one server. Connecting may take `connect_timeout`; there is no limit for an answer.

        Raises:
            Unreachable: the URL, a header, or the proxy that the environment names cannot be used.
        """
        url = check_url(launch.url, "http", "https")
        origin = (url.scheme, url.host, url.port)
        pool = self._pools.get(origin) or self._pools.setdefault(origin, _OriginPool.to(url))
        pool.users += 1
        try:
            options = (self.read_large, self.connect_timeout, self.max_message, self.authorizer)
            async with RemoteClient(launch, pool, *options) as client:
                yield client
        finally:
            pool.users -= 1
            if not pool.users:
                self._pools.pop(origin, None)
                await pool.aclose()


@dataclass
class _OriginPool:
    """The connections to one origin. Streams have their own, so that requests never wait for a stream to end."""

    requests: httpx2.AsyncHTTPTransport
    streams: httpx2.AsyncHTTPTransport
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_REQUESTS))
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_LARGE))
    users: int = 0

    @classmethod
    def to(cls, url: httpx2.URL) -> _OriginPool:
        return cls(requests=_transport(url, MAX_IDLE), streams=_transport(url, 0))

    async def aclose(self) -> None:
        await self.requests.aclose()
        await self.streams.aclose()


class _SharedTransport(httpx2.AsyncBaseTransport):
    """Gives a client access to a shared pool; closing the client does not close the pool."""

    def __init__(self, pool: _OriginPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; in MCP a GET opens a stream, everything else is a message."""
        transport = self._pool.streams if request.method == "GET" else self._pool.requests
        return await transport.handle_async_request(request)


def _transport(url: httpx2.URL, idle: int) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=idle, keepalive_expiry=KEEPALIVE)
    try:
        return httpx2.AsyncHTTPTransport(verify=tls(), limits=limits, proxy=_proxy(url))
    except (ImportError, ValueError, httpx2.InvalidURL):  # SOCKS without its package, unknown scheme, invalid URL
        why = "The proxy that the environment names for it (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) cannot be used."
        raise Unreachable(why, hint="Correct the variable, or exempt the host in NO_PROXY.") from None


def _proxy(url: httpx2.URL) -> str | None:
    """The proxy for a URL from the environment, by the same rules as curl and Python; None for no proxy."""
    if proxy_bypass(url.netloc.decode("ascii")):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"

"""The sidecar's HTTP connections to remote servers: a pool for each origin, shared by all upstreams that go there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.request import getproxies, proxy_bypass

import httpx2

from bridge.models import RemoteLaunch
from sidecar.channels.reading import ACCEPT_ENCODING, MOST_LARGE
from sidecar.channels.web import CONNECT_TIMEOUT, check_url, checked_headers, tls
from sidecar.errors import Unreachable
from sidecar.large.reader import ReadLarge, in_process

WRITE_TIMEOUT = 60.0
KEEPALIVE = 4.0  # less than the 5 s after which uvicorn and Node close an idle connection
MOST_IDLE = 20
MOST_REQUESTS = 256
"""Requests under way to one origin; one more waits for its turn, within its own deadline."""


class RemoteClient(httpx2.AsyncClient):
    """The HTTP client of one upstream: headers and cookies are its own, its connections those of the origin's pool."""

    def __init__(self, launch: RemoteLaunch, pool: _OriginPool, read_large: ReadLarge) -> None:
        super().__init__(
            headers={**checked_headers(launch.headers), b"accept-encoding": ACCEPT_ENCODING.encode()},
            transport=_Lent(pool),
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT, write=WRITE_TIMEOUT),
        )
        self.turn = pool.turn
        """Held while a request is under way; not by streams, nor by what has no answer: they would wait for requests
        that wait for them."""
        self.read_large = read_large
        self.large = pool.large
        """Held while a large message is read; see `reading.MOST_LARGE`."""


class Connections:
    """Owns every pool, and closes what is left of them at the end; for the app, which has one."""

    def __init__(self, read_large: ReadLarge = in_process) -> None:
        self.read_large = read_large
        """What reads messages of 1 MiB and more."""
        self._pools: dict[tuple[str, str, int | None], _OriginPool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    @asynccontextmanager
    async def client(self, launch: RemoteLaunch) -> AsyncIterator[RemoteClient]:
        """A client for one server; an answer may take any time, a connection 10 s.

        Raises:
            Unreachable: the URL, a header, or the proxy that the environment names cannot be used.
        """
        url = check_url(launch.url, "http", "https")
        origin = (url.scheme, url.host, url.port)
        pool = self._pools.get(origin) or self._pools.setdefault(origin, _OriginPool.to(url))
        pool.users += 1
        try:
            async with RemoteClient(launch, pool, self.read_large) as client:
                yield client
        finally:
            pool.users -= 1
            if not pool.users:
                self._pools.pop(origin, None)
                await pool.aclose()


@dataclass
class _OriginPool:
    """The connections to one origin. Streams have their own, so that no request waits for a stream to end."""

    requests: httpx2.AsyncHTTPTransport
    streams: httpx2.AsyncHTTPTransport
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_REQUESTS))
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_LARGE))
    users: int = 0

    @classmethod
    def to(cls, url: httpx2.URL) -> _OriginPool:
        return cls(requests=_transport(url, MOST_IDLE), streams=_transport(url, 0))

    async def aclose(self) -> None:
        await self.requests.aclose()
        await self.streams.aclose()


class _Lent(httpx2.AsyncBaseTransport):
    """A pool in the hands of a client, which must not close it."""

    def __init__(self, pool: _OriginPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it: a GET is a stream in MCP, all else a message."""
        transport = self._pool.streams if request.method == "GET" else self._pool.requests
        return await transport.handle_async_request(request)


def _transport(url: httpx2.URL, idle: int) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=idle, keepalive_expiry=KEEPALIVE)
    try:
        return httpx2.AsyncHTTPTransport(verify=tls(), limits=limits, proxy=_proxy(url))
    except (ImportError, ValueError, httpx2.InvalidURL):  # SOCKS without its package, an unknown scheme, no URL
        why = "The proxy that the environment names for it (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) cannot be used."
        raise Unreachable(why, hint="Correct the variable, or exempt the host in NO_PROXY.") from None


def _proxy(url: httpx2.URL) -> str | None:
    """The proxy for a URL, as curl and Python find it in the environment."""
    if proxy_bypass(url.netloc.decode("ascii")):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"

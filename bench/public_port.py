"""What the public port costs a call and a connection, beside the sidecar's own port (ADR 24)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from bench.figure import Figure
from bench.load import Report, measure
from bench.peers.peer import Mode
from bench.stats import median
from bench.ways import MODES, TITLES, made_key
from tests.support.hub import running
from tests.support.yamcp import module

OWN, PUBLIC, PROTECTED = "the sidecar's own port", "the public port", "the public port of a protected hub, with a key"
SHARE, TIMES = 0.90, 1.10
"""Calls/s with ten clients, and p50 of one, as parts of what the sidecar's own port has."""
CONNECTIONS_PER_SECOND = 1_000
AT_ONCE = 32


@dataclass(frozen=True)
class Way:
    """The endpoints of one workspace at one address, and the token that is wanted there."""

    urls: Mapping[Mode, str]
    bearer: str = ""

    @classmethod
    def at(cls, base: str, bearer: str = "") -> Self:
        """The endpoints of workspace `w` below this address."""
        return cls({"sse": f"{base}/mcp/w/sse", "http": f"{base}/mcp/w", "modern": f"{base}/mcp/w"}, bearer)


@asynccontextmanager
async def ways() -> AsyncIterator[dict[str, Way]]:
    """All up at once, before an echo server each."""
    providers, workspaces = {"e": module("e", "bench.echo_server")}, {"w": ["e"]}
    async with (
        running(providers, workspaces, front=True) as hub,
        running(providers, workspaces, front=True, HUB_TOKEN=secrets.token_hex(16)) as protected,
    ):
        yield {
            OWN: Way.at(hub.base),
            PUBLIC: Way.at(hub.public),
            PROTECTED: Way.at(protected.public, await made_key(protected, "w")),
        }


async def calls(quick: bool) -> list[Figure]:
    """Calls/s of ten clients and p50 of one, in each mode, in alternating rounds."""
    rounds, seconds = (2, 0.7) if quick else (7, 1.0)
    figures = []
    async with ways() as found:
        for mode in MODES:
            reports: dict[str, list[tuple[Report, Report]]] = {name: [] for name in found}
            for number in range(rounds):
                for name in sorted(found, reverse=number % 2 == 1):  # none of them always has the same one before it
                    reports[name].append(
                        (
                            await _report(found[name], mode, 10, seconds),
                            await _report(found[name], mode, 1, seconds),
                        )
                    )
            figures += _figures(mode, reports)
    return figures


async def _report(way: Way, mode: Mode, clients: int, seconds: float) -> Report:
    transport, era = MODES[mode]
    options = {"transport": transport, "era": era, "bearer": way.bearer, "tool": "e_echo"}
    report = await measure(way.urls[mode], clients=clients, seconds=seconds, **options)
    if report.errors:
        raise RuntimeError(f"{way.urls[mode]}: {report.errors} of {report.calls} calls failed: {report.first_errors}")
    return report


def _figures(mode: Mode, reports: Mapping[str, list[tuple[Report, Report]]]) -> list[Figure]:
    rates = {name: median(ten.calls_per_s for ten, _ in each) for name, each in reports.items()}
    p50 = {name: median(one.p50_ms for _, one in each) for name, each in reports.items()}
    title, note = TITLES[mode], f"medians of {len(reports[OWN])} alternating rounds"
    found = [
        Figure(f"{title}: {name}, 10 clients", rates[name], "calls/s", note=f"{note}; one client p50 {p50[name]} ms")
        for name in reports
    ]
    for name in (PUBLIC, PROTECTED):
        found += [
            Figure(f"{title}, 10 clients: {name} / {OWN}", rates[name] / rates[OWN], "x", ">=", SHARE, note),
            Figure(f"{title}, one client, p50: {name} / {OWN}", p50[name] / p50[OWN], "x", "<=", TIMES, note),
        ]
    return found


async def connections(quick: bool) -> list[Figure]:
    """New connections a second, each with one request for an endpoint (404), the client on the same cores."""
    count, rounds = (500, 1) if quick else (4_000, 5)
    async with running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}, front=True) as hub:
        bases = {OWN: hub.settings.sidecar_port, PUBLIC: hub.settings.port}
        rates: dict[str, list[float]] = {name: [] for name in bases}
        for _ in range(rounds):
            for name, port in bases.items():
                rates[name].append(await _connect(port, count))
    own, public = median(rates[OWN]), median(rates[PUBLIC])
    note = f"{count} connections, {AT_ONCE} at once, medians of {rounds} rounds; {OWN} {own:,.0f}/s"
    return [
        Figure("new connections handed over", public, "/s", ">=", CONNECTIONS_PER_SECOND, note),
    ]


async def _connect(port: int, count: int) -> float:
    """How many connections a second are made, asked on, and ended."""
    loop, left, begin = asyncio.get_running_loop(), count, time.perf_counter()

    async def some() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            done = loop.create_future()
            transport, _ = await loop.create_connection(lambda done=done: _One(done), "127.0.0.1", port)  # type: ignore[misc]
            transport.write(b"GET /mcp/nobody HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not (await done).startswith(b"HTTP/1.1 404"):
                raise RuntimeError(f"port {port} answered something else")
            transport.abort()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - begin)


class _One(asyncio.Protocol):
    """Waits for the first bytes of an answer."""

    def __init__(self, done: asyncio.Future[bytes]) -> None:
        self._done = done

    def data_received(self, data: bytes) -> None:
        if not self._done.done():
            self._done.set_result(data)

    def connection_lost(self, _: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(b"")

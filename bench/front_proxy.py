"""What a call pays at the public port, beside what a bare Node reverse proxy of the same kind adds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.direct import node
from bench.figure import Figure
from bench.load import Report, measure
from bench.stats import median
from tests.support.hub import free_port, running
from tests.support.yamcp import module

DIRECT, PUBLIC, BARE = "the sidecar itself", "through the public port", "through a bare proxy"
TRANSPORTS = {"sse": "/mcp/w/sse", "http": "/mcp/w"}


@asynccontextmanager
async def ways() -> AsyncIterator[dict[str, str]]:
    """The three addresses of one hub, all up at once."""
    async with running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}, front=True) as hub:
        port = free_port()
        async with node("bare_proxy.mjs", hub.base, str(port), port=port):
            yield {DIRECT: hub.base, PUBLIC: hub.settings.base_url, BARE: f"http://127.0.0.1:{port}"}


async def added(quick: bool) -> list[Figure]:
    """The p50 that public port and bare proxy add, one client, in alternating rounds."""
    rounds, seconds = (2, 0.7) if quick else (9, 1.0)
    figures = []
    async with ways() as bases:
        for transport, path in TRANSPORTS.items():
            p50: dict[str, list[float]] = {name: [] for name in bases}
            for number in range(rounds):
                for name in sorted(bases, reverse=number % 2 == 1):  # none of them always has the same one before it
                    report = await _report(f"{bases[name]}{path}", transport, seconds)
                    p50[name].append(report.p50_ms)
            figures += _figures(transport, p50)
    return figures


async def _report(url: str, transport: str, seconds: float) -> Report:
    report = await measure(url, transport=transport, clients=1, seconds=seconds, tool="e_echo")
    if report.errors:
        raise RuntimeError(f"{url}: {report.errors} of {report.calls} calls failed: {report.first_errors}")
    return report


def _figures(transport: str, p50: dict[str, list[float]]) -> list[Figure]:
    direct, public, bare = (median(p50[name]) for name in (DIRECT, PUBLIC, BARE))
    title, rounds = f"{transport}, one client", len(p50[DIRECT])
    note = f"medians of {rounds} alternating rounds; the sidecar itself {direct:.3f} ms"
    return [
        Figure(f"{title}: p50 that the public port adds", public - direct, "ms", note=note),
        Figure(f"{title}: p50 that a bare Node proxy adds", bare - direct, "ms", note=note),
        Figure(
            f"{title}: what the public port adds / what a bare proxy adds",
            (public - direct) / (bare - direct),
            "x",
            "<=",
            1.5,
            note,
        ),
    ]

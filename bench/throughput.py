"""Calls a second and latency at the hub's public port, beside a plain FastMCP server, in alternating rounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.direct import call_stdio, serving
from bench.figure import Figure
from bench.load import Report, measure
from bench.stats import median
from bench.ways import MODES, TITLES
from tests.support.hub import running
from tests.support.yamcp import mock, module

CLIENTS = 10
PLAIN, RAW, SAME = "plain FastMCP, no hub", "hub before an echo server", "hub before the same FastMCP tool"
OWN_PORT = "the same at the sidecar's own port"
BARE = "bare relay before an echo server"
TIMES_PLAIN, SHARE_OF_BARE = 6.0, 0.65
"""What the hub must reach over SSE."""

Columns = dict[str, tuple[str, str]]
"""URL and tool of each thing that is measured."""


@asynccontextmanager
async def side_by_side(transport: str) -> AsyncIterator[Columns]:
    """The baseline and a hub with both upstreams, all up at once."""
    providers = {
        "raw": module("raw", "bench.echo_server"),
        "same": module("same", "bench.plain_server", "stdio"),
    }
    path = "/sse" if transport == "sse" else "/mcp"
    async with (
        serving("bench.plain_server", transport, path=path) as plain,
        serving("bench.bare_relay", path=path) as bare,
        running(providers, {"raw": ["raw"], "same": ["same"]}, front=True) as hub,
    ):
        url, own = (hub.public_sse, hub.sse) if transport == "sse" else (hub.public_http, hub.http)
        yield {
            PLAIN: (plain, "echo"),
            RAW: (url("raw"), "raw_echo"),
            OWN_PORT: (own("raw"), "raw_echo"),
            SAME: (url("same"), "same_echo"),
            BARE: (bare, "echo"),
        }


async def one_round(columns: Columns, transport: str, clients: int, seconds: float) -> dict[str, Report]:
    """Load each column in turn. Raises RuntimeError when a call fails."""
    reports = {}
    for name, (url, tool) in columns.items():
        report = await measure(url, transport=transport, clients=clients, seconds=seconds, tool=tool)
        if report.errors:
            raise RuntimeError(f"{name}: {report.errors} of {report.calls} calls failed: {report.first_errors}")
        reports[name] = report
    return reports


async def ratio(quick: bool) -> list[Figure]:
    """Calls/s with 10 clients, over both transports, and how many times those of the plain server that is."""
    return await _compare("sse", quick) + await _compare("http", quick)


async def _compare(transport: str, quick: bool) -> list[Figure]:
    """Alternating rounds, so that whatever else the machine does falls on all columns."""
    count, seconds = (2, 1.0) if quick else (5, 1.5)
    reports: list[dict[str, Report]] = []
    alone: list[float] = []
    async with side_by_side(transport) as columns:
        for _ in range(count):
            reports.append(await one_round(columns, transport, CLIENTS, seconds))
            alone.append((await call_stdio("bench.plain_server", "stdio", inflight=CLIENTS, seconds=seconds))[0])
    rates = {name: [report[name].calls_per_s for report in reports] for name in columns}
    title, plain = f"{transport}, {CLIENTS} clients", median(rates[PLAIN])
    judged = transport == "sse"
    note = f"medians of {count} alternating rounds"
    return [
        *(_rate(f"{title}: {name}", rates[name], [report[name] for report in reports]) for name in columns),
        Figure(f"stdio, {CLIENTS} in flight: that FastMCP tool alone", median(alone), "calls/s", note=_spread(alone)),
        Figure(
            f"{title}: {RAW} / plain FastMCP",
            median(rates[RAW]) / plain,
            "x",
            ">=" if judged else None,
            TIMES_PLAIN if judged else None,
            note,
        ),
        Figure(
            f"{title}: {RAW} / bare relay",
            median(rates[RAW]) / median(rates[BARE]),
            "x",
            ">=" if judged else None,
            SHARE_OF_BARE if judged else None,
            note,
        ),
        Figure(f"{title}: {SAME} / plain FastMCP", median(rates[SAME]) / plain, "x", note=note),
        Figure(f"{title}: {SAME} / that tool alone", median(rates[SAME]) / median(alone), "x", note=note),
    ]


def _rate(name: str, rates: list[float], reports: list[Report]) -> Figure:
    p50, p95 = median(report.p50_ms for report in reports), median(report.p95_ms for report in reports)
    busy = median(report.client_cpu for report in reports)
    note = f"{_spread(rates)}; p50 {p50:.2f} ms, p95 {p95:.2f} ms; client {busy:.0%} of a core"
    return Figure(name, median(rates), "calls/s", note=note)


def _spread(rates: list[float]) -> str:
    return f"{min(rates):,.0f}-{max(rates):,.0f}"


async def latency(quick: bool) -> list[Figure]:
    """What the hub adds to one client's call: p50 through the hub over SSE, less p50 over the upstream's own pipes."""
    seconds = 1.0 if quick else 1.5
    async with side_by_side("sse") as columns:
        reports = [await one_round(columns, "sse", 1, seconds) for _ in range(1 if quick else 3)]
    p50 = {name: median(report[name].p50_ms for report in reports) for name in columns}
    raw = median((await call_stdio("bench.echo_server", inflight=1, seconds=seconds))[1])
    same = median((await call_stdio("bench.plain_server", "stdio", inflight=1, seconds=seconds))[1])
    return [
        Figure(
            "added latency p50, one client, echo server", p50[RAW] - raw * 1e3, "ms", "<=", 50, _split(p50[RAW], raw)
        ),
        Figure(
            "added latency p50, one client, FastMCP server",
            p50[SAME] - same * 1e3,
            "ms",
            "<=",
            50,
            _split(p50[SAME], same),
        ),
        Figure("p50 of a plain FastMCP server over SSE, one client", p50[PLAIN], "ms"),
    ]


def _split(through: float, direct: float) -> str:
    return f"{through:.2f} ms through the hub, {direct * 1e3:.2f} ms over the server's own pipes"


async def lists(quick: bool) -> list[Figure]:
    """tools/list of a workspace with three servers of 50 tools each, and of one with 2,000 tools of 50 servers."""
    return await _three_servers(quick) + await many_tools(quick)


async def many_tools(quick: bool) -> list[Figure]:
    """tools/list of 2,000 tools in 50 servers, in each mode."""
    servers, each = (5, 38) if quick else (50, 38)  # and two that every echo server has
    names = [f"s{number}" for number in range(servers)]
    providers = {name: module(name, "bench.echo_server", "--tools", str(each)) for name in names}
    figures = []
    async with running(providers, {"all": names}, front=True) as hub:
        for mode, (transport, era) in MODES.items():
            url = hub.public_sse("all") if transport == "sse" else hub.public_http("all")
            way = {"transport": transport, "era": era, "clients": 1, "warmup": 5, "method": "tools/list"}
            report = await measure(url, seconds=0.5 if quick else 1.5, **way)
            if report.errors:
                raise RuntimeError(f"tools/list: {report.errors} of {report.calls} failed: {report.first_errors}")
            note = f"p95 {report.p95_ms:.2f} ms; {report.calls_per_s:,.0f} lists/s, one client"
            title = f"{TITLES[mode]}: tools/list of {servers * (each + 2):,} tools in {servers} servers, p50"
            figures.append(Figure(title, report.p50_ms, "ms", "<=", 5.0, note))
    return figures


async def workspaces(quick: bool) -> list[Figure]:
    """Calls/s of one workspace that is alone in its hub, and of one beside 49 others, each with a server of its own."""
    rounds, seconds, count = (2, 0.5, 5) if quick else (7, 1.0, 50)
    names = [f"s{number}" for number in range(count)]
    providers = {name: module(name, "bench.echo_server") for name in names}
    rates: dict[str, list[float]] = {"one": [], "many": []}
    async with (
        running({"s0": providers["s0"]}, {"s0": ["s0"]}, front=True) as one,
        running(providers, {name: [name] for name in names}, front=True) as many,
    ):
        hubs = {"one": one, "many": many}
        for number in range(rounds):
            for name in sorted(hubs, reverse=number % 2 == 1):
                report = await measure(hubs[name].public_sse("s0"), clients=CLIENTS, seconds=seconds, tool="s0_echo")
                rates[name].append(report.calls_per_s)
    ratio = median(rates["many"]) / median(rates["one"])
    note = f"{_spread(rates['many'])} of {count}, {_spread(rates['one'])} of one; {rounds} alternating rounds"
    return [Figure(f"calls/s with {count} workspaces / with one", ratio, "x", ">=", 0.9, note)]


async def _three_servers(quick: bool) -> list[Figure]:
    names = ["one", "two", "three"]
    providers = {name: mock(name, "--tools", "50") for name in names}
    async with running(providers, {"all": names}, front=True) as hub:
        url = hub.public_sse("all")
        first = await measure(url, clients=1, count=1, warmup=0, method="tools/list")
        report = await measure(url, clients=10, seconds=1.0 if quick else 1.5, method="tools/list")
    note = f"3 servers, each 50 tools and more; 10 clients, {report.calls_per_s:,.0f} lists/s, {report.errors} errors"
    return [
        Figure("tools/list p95", report.p95_ms / 1e3, "s", "<=", 2.0, note),
        Figure("tools/list, the first of a session after start", first.p50_ms / 1e3, "s", "<=", 2.0),
    ]

"""The hub beside every installable peer, a plain FastMCP server and the bare relay: the ratios that are promised."""

from __future__ import annotations

from bench.compare import BIG, Scenario, Table, compare, fastest
from bench.figure import Figure, Sense
from bench.peers.peer import Mode
from bench.stats import median
from bench.ways import BARE, HUB, PEER_NAMES, PLAIN, TITLES, side_by_side

SIZE = 20
CLIENTS = 10
BIG_MODES: tuple[Mode, ...] = ("http", "modern")
TIMES_PEER, TIMES_PLAIN, SHARE_OF_BARE, SHARE_OF_P50 = 3.0, 6.0, 0.65, 0.6


async def peers(quick: bool) -> list[Figure]:
    """Calls/s with 10 clients in each mode, and the p50 of one client over SSE."""
    rounds, seconds = (1, 0.5) if quick else (5, 2.0)
    figures = []
    async with side_by_side((HUB, BARE, PLAIN, *PEER_NAMES)) as (ways, notes):
        for mode in TITLES:
            table = await compare(ways, Scenario(mode, CLIENTS, SIZE), rounds, seconds, direct=False)
            figures += rates(mode, table)
        table = await compare(ways, Scenario("sse", 1, SIZE), rounds, seconds, direct=False)
        figures.append(p50(table))
    return [*figures, *(Figure(name, 0.0, "", error=why) for name, why in notes.items())]


async def big(quick: bool) -> list[Figure]:
    """Calls/s with results of 64 kB over Streamable HTTP, beside the bare relay."""
    rounds, seconds = (1, 0.5) if quick else (9, 2.0)
    figures = []
    async with side_by_side((HUB, BARE)) as (ways, _):
        for mode in BIG_MODES:
            scenario = Scenario(mode, CLIENTS, BIG)
            table = await compare(ways, scenario, rounds, seconds, direct=False)
            note = f"{table[HUB].rate:,.0f} calls/s and {table[BARE].rate:,.0f}; medians of {rounds} alternating rounds"
            figures.append(_ratio(f"{scenario.title}: hub / {BARE}", table[HUB].rate, table[BARE].rate, 1.0, note))
    return figures


def rates(mode: Mode, table: Table) -> list[Figure]:
    """The hub's calls/s in a mode, over those of the fastest peer and of the others."""
    title, hub = f"{TITLES[mode]}, {CLIENTS} clients", table[HUB].rate
    peer = fastest(table, PEER_NAMES)
    name, rate = (peer.way, peer.rate) if peer else ("", 0.0)
    figures = [_ratio(f"{title}: hub / fastest peer", hub, rate, TIMES_PEER, f"{name}, {rate:,.0f} calls/s")]
    for other, target in ((PLAIN, TIMES_PLAIN), (BARE, SHARE_OF_BARE)):
        judged = target if mode == "sse" else None
        note = f"{table[other].rate:,.0f} calls/s"
        figures.append(_ratio(f"{title}: hub / {other}", hub, table[other].rate, judged, note))
    return [Figure(f"{title}: the hub", hub, "calls/s", note=table[HUB].note), *figures]


def _ratio(title: str, hub: float, other: float, target: float | None, note: str) -> Figure:
    sense: Sense | None = None if target is None else ">="
    if not other > 0:  # NaN neither
        return Figure(title, 0.0, "x", sense, target, error="nothing to compare with: none runs, or its calls fail")
    return Figure(title, hub / other, "x", sense, target, note)


def p50(table: Table) -> Figure:
    """The hub's p50 over the least of a peer."""
    title = "SSE, one client: p50 of the hub / the fastest peer's"
    of_peers = {name: median(row.p50) for name, row in table.items() if name in PEER_NAMES and row.works}
    if not of_peers:
        return Figure(title, 0.0, "x", "<=", SHARE_OF_P50, error="nothing to compare with: no peer runs")
    least = min(of_peers, key=lambda name: of_peers[name])
    mine = median(table[HUB].p50)
    return Figure(
        title, mine / of_peers[least], "x", "<=", SHARE_OF_P50, f"{mine:.3f} ms; {least} {of_peers[least]:.3f} ms"
    )

"""The hub at its public port beside every installable peer, a plain FastMCP server and the bare relay."""

from __future__ import annotations

from collections.abc import Mapping

from bench.compare import BIG, Scenario, Table, compare, fastest
from bench.figure import Figure, Sense
from bench.peers.peer import Mode
from bench.stats import median
from bench.ways import BARE, HUB, OWN_PORT, PEER_NAMES, PLAIN, TITLES, side_by_side

SIZE = 20
CLIENTS = 10
TIMES_PEER: dict[Mode, float] = {"sse": 4.0, "http": 6.0, "modern": 6.0}
TIMES_PLAIN, SHARE_OF_BARE, SHARE_OF_P50, MODERN_SHARE, SHARE_OF_BARE_BIG = 6.0, 0.65, 0.6, 0.80, 1.0


async def peers(quick: bool) -> list[Figure]:
    """Calls/s with 10 clients in each mode, small results and large ones, and the p50 of one client over SSE."""
    rounds, seconds = (1, 0.5) if quick else (5, 1.0)
    figures = []
    async with side_by_side((HUB, OWN_PORT, BARE, PLAIN, *PEER_NAMES)) as (ways, notes):
        tables = {
            mode: await compare(ways, Scenario(mode, CLIENTS, SIZE), rounds, seconds, direct=False) for mode in TITLES
        }
        for mode, table in tables.items():
            figures += rates(mode, table)
        figures.append(eras(tables))
        both = [way for way in ways if way.name in (HUB, BARE)]
        for mode in TITLES:
            figures.append(
                large(mode, await compare(both, Scenario(mode, CLIENTS, BIG), rounds, seconds, direct=False))
            )
        table = await compare(ways, Scenario("sse", 1, SIZE), rounds, seconds, direct=False)
        figures.append(p50(table))
    return [*figures, *(Figure(name, 0.0, "", error=why) for name, why in notes.items())]


def rates(mode: Mode, table: Table) -> list[Figure]:
    """The hub's calls/s in a mode, over those of the fastest peer and of the others."""
    title, hub = f"{TITLES[mode]}, {CLIENTS} clients", table[HUB].rate
    peer = fastest(table, PEER_NAMES)
    name, rate = (peer.way, peer.rate) if peer else ("", 0.0)
    figures = [_ratio(f"{title}: hub / fastest peer", hub, rate, TIMES_PEER[mode], f"{name}, {rate:,.0f} calls/s")]
    for other, target in ((PLAIN, TIMES_PLAIN), (BARE, SHARE_OF_BARE)):
        judged = target if mode == "sse" else None
        note = f"{table[other].rate:,.0f} calls/s"
        figures.append(_ratio(f"{title}: hub / {other}", hub, table[other].rate, judged, note))
    return [
        Figure(f"{title}: the hub", hub, "calls/s", note=table[HUB].note),
        Figure(f"{title}: the hub, the sidecar's own port", table[OWN_PORT].rate, "calls/s", note=table[OWN_PORT].note),
        *figures,
    ]


def eras(tables: Mapping[Mode, Table]) -> Figure:
    """The hub's calls/s in the modern era over those in the legacy era."""
    legacy, modern = tables["http"][HUB].rate, tables["modern"][HUB].rate
    title = f"Streamable HTTP, {CLIENTS} clients: modern / legacy"
    return _ratio(title, modern, legacy, MODERN_SHARE, f"{legacy:,.0f} calls/s in the legacy era")


def large(mode: Mode, table: Table) -> Figure:
    """The hub's calls/s with results of 64 kB over those of the bare relay; judged over legacy Streamable HTTP."""
    judged = SHARE_OF_BARE_BIG if mode == "http" else None
    title = f"{TITLES[mode]}, {CLIENTS} clients, 64 kB: hub / bare relay"
    return _ratio(title, table[HUB].rate, table[BARE].rate, judged, f"the hub {table[HUB].rate:,.0f} calls/s")


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

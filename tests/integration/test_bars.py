"""The measurements of `make bars` can be made: with a real hub, and with nothing left afterwards."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bench import bars
from bench.alone import session_kb
from bench.compare import DIRECT, Row, Scenario, compare
from bench.load import open_sessions
from bench.peers import peer
from bench.peers_bar import p50, rates
from bench.report import Comparison
from bench.ways import BARE, HUB, MODES, OWN_PORT, PEER_NAMES, PLAIN, side_by_side
from tests.support.hub import MARK, running
from tests.support.yamcp import module


@pytest.mark.parametrize("name", ["idle", "start", "edits", "list_changed", "imports", "history_queries"])
async def test_measurement_can_be_made(name: str) -> None:
    """A measurement gives figures, none of which is an error; whether they pass is the machine's affair."""
    figures = await bars.measure(name, True)
    assert figures
    assert [figure.error for figure in figures if figure.error] == []


async def test_hub_and_yardstick_are_loaded_side_by_side() -> None:
    """In every mode both answer without errors, and what stands between the marks of the docs can be made of it."""
    it = Comparison({"cpu": "one"}, (HUB, BARE))
    async with side_by_side((HUB, BARE)) as (ways, it.notes):
        assert it.notes == {}
        assert [set(way.tools) for way in ways] == [set(MODES), set(MODES)]
        for mode in MODES:
            scenario = Scenario(mode, 2, 64 * 1024)
            it.tables[scenario] = await compare(ways, scenario, rounds=1, seconds=0.1)
        it.session = {way.name: await session_kb(way, quick=True) for way in ways}
        assert all(way.memory() > 1 for way in ways)
    rows = [row for table in it.tables.values() for row in table.values()]
    assert [row.note for row in rows if not row.works] == []
    assert {row.way for row in rows} == {HUB, BARE, DIRECT}
    assert all(isinstance(value, float) for value in it.session.values())
    assert it.as_markdown().count(f"| {HUB} |") == len(MODES) + 1


async def test_peers_that_are_not_installed_are_told_and_the_bar_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each by name, with what to do; the ratios to them are not invented."""
    monkeypatch.setattr(peer, "PLACE", tmp_path)
    async with side_by_side(PEER_NAMES) as (ways, notes):
        assert ways == []
        assert set(notes) == set(PEER_NAMES)
        assert all("bench/peers/setup.sh" in note for note in notes.values())
    table = {HUB: Row(HUB, [10.0], [1.0], [1.0], [1.0])} | {name: Row(name, note=note) for name, note in notes.items()}
    ours = dict.fromkeys((OWN_PORT, BARE, PLAIN), table[HUB])
    figures = [*rates("http", {**table, **ours}), p50(table)]
    assert [figure.verdict for figure in figures] == ["-", "-", "not measured", "-", "-", "not measured"]


async def test_hub_of_a_measurement_ends_with_all_its_processes() -> None:
    """The hub serves what its files say, shows its children, and leaves none behind."""
    async with running({"e": module("e", "bench.echo_server")}, {"w": ["e"]}) as hub:
        [server] = (await hub.status()).servers
        assert set(server.pids) <= {child.pid for child in hub.children()}
        async with open_sessions(hub.sse("w"), 2) as sessions:
            for session in sessions:
                result = await session.request("tools/call", {"name": "e_echo", "arguments": {"text": "x"}})
                assert result["content"][0]["text"] == "x"
        await hub.stop("sidecar")
        assert await hub.wait_gone() == []
    marked = [process for process in psutil.process_iter() if _mark(process) == hub.mark]
    assert marked == []


def _mark(process: psutil.Process) -> str:
    try:
        return str(process.environ().get(MARK))
    except psutil.Error:
        return ""

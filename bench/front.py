"""The console in a real browser: how soon it is there, and how soon a click on a switch is done."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from bench.figure import Figure
from bench.stats import median, percentile
from tests.support.hub import running
from tests.support.yamcp import ROOT, mock


async def script(name: str, *arguments: str) -> Any:
    """What a Node program of bench/ prints, as JSON. Raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(
        "node", str(ROOT / "bench" / name), *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} {arguments[0]} failed; see its error above")
    return orjson.loads(output)


async def toggle(quick: bool) -> list[Figure]:
    """Click -> the switch shows the new state as done and the endpoint answers accordingly, both ways.

    The server of the workspace is also in another one, so it runs all the time: its own start does not count.
    """
    count = 6 if quick else 40
    async with running({"s": mock("s")}, {"dev": ["s"], "other": ["s"]}, front=True) as hub:
        clicks = await script("front_pages.mjs", "toggle", hub.settings.base_url, str(count), "dev")
    figures = []
    for on, word in ((False, "off"), (True, "on")):
        taken = [click for click in clicks if click["on"] is on]
        both = [click["endpoint"] for click in taken]  # asked once the page shows it
        page = median(click["page"] for click in taken)
        note = (
            f"of {len(taken)}; p50 {median(both):.0f} ms, max {max(both):.0f} ms; shown by the page, p50 {page:.0f} ms"
        )
        figures.append(
            Figure(f"switch {word}: click -> shown and served, p95", percentile(both, 0.95), "ms", "<=", 300, note)
        )
    return figures


async def render(quick: bool) -> list[Figure]:
    """A first visit: navigation -> all workspaces are painted, as the hub sends them; and -> the page is live."""
    count = 4 if quick else 20
    servers = [f"s{number}" for number in range(10)]
    workspaces = {f"w{number}": servers[2 * number : 2 * number + 2] for number in range(5)}
    async with running({name: mock(name) for name in servers}, workspaces, front=True) as hub:
        visits = await script("front_pages.mjs", "render", hub.settings.base_url, str(count))
    assert all(visit["switches"] == len(workspaces) for visit in visits), "the first paint lacks workspaces"
    figures = []
    for part, title, bar in (
        ("painted", "first visit -> the workspaces are painted", 100),
        ("rendered", "first visit -> the page is live", None),
    ):
        times = [visit[part] for visit in visits]
        note = f"of {count} fresh profiles; {min(times):.0f}-{max(times):.0f} ms"
        figures.append(Figure(f"{title}, median", median(times), "ms", "<", bar, note))
        figures.append(Figure(f"{title}, p95", percentile(times, 0.95), "ms", "<", None, note))
    return figures

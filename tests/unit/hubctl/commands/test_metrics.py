"""`hubctl metrics` against a hub of canned answers."""

from __future__ import annotations

import json

import pytest

from bridge.models import Figure, History, ReadHistory, Sample
from tests.unit.hubctl.canned import NOW, CannedHub

pytestmark = pytest.mark.outside


def figure(tool: str, calls: int, seconds: float, p95: float) -> Figure:
    """Calls of a tool of the server `time`; one of them failed."""
    return Figure(server="time", tool=tool, calls=calls, errors=1, seconds=seconds, p50=0.01, p95=p95)


async def test_each_tool_has_a_row(hub: CannedHub) -> None:
    """Samples are added up, those called most come first; a script gets the samples."""
    samples = (
        Sample(at=NOW - 10, figures=(figure("a", 1, 2.0, 2.0), figure("b", 3, 0.3, 0.2))),
        Sample(at=NOW, figures=(figure("b", 1, 0.1, 0.1),)),
    )
    hub.history = History(interval=10, now=NOW, samples=samples)
    code, out, _ = await hub.hubctl("metrics", "--server", "time")
    assert (code, hub.asked) == (0, [ReadHistory(server="time")])
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["time", "b", "4", "2", "100", "ms", "200", "ms"],
        ["time", "a", "1", "1", "2.0", "s", "2.0", "s"],
    ]
    assert len(json.loads((await hub.hubctl("metrics", "--json"))[1])["samples"]) == 2


async def test_no_calls_and_no_such_server_are_told(hub: CannedHub) -> None:
    """In words."""
    assert await hub.hubctl("metrics") == (0, "There was no call in the last hour.\n", "")
    assert (await hub.hubctl("metrics", "--server", "tine"))[0] == 1

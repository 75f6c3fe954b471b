"""The measurements of `make bars` can be made: with a real hub, and with nothing left afterwards."""

from __future__ import annotations

import psutil
import pytest

from bench import bars
from bench.load import open_sessions
from tests.support.hub import MARK, running
from tests.support.yamcp import module


@pytest.mark.parametrize("name", ["start", "edits"])
async def test_measurement_can_be_made(name: str) -> None:
    """A measurement gives figures, none of which is an error; whether they pass is the machine's affair."""
    figures = await bars.measure(name, True)
    assert figures
    assert [figure.error for figure in figures if figure.error] == []


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

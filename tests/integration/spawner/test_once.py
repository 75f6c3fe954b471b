"""Servers that end after each answer: a request that was not carried out is asked again, and no other is."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.models import ServerSettings, ServerSpec, StdioLaunch
from sidecar.channels.stdio import open_stdio
from sidecar.errors import ConnectionLost
from sidecar.observe.metrics import Metrics
from sidecar.spawner.client import Spawner
from sidecar.upstream.upstream import Upstream
from tests.integration.spawner.conftest import Token, until

ONCE = str(Path(__file__).with_name("once.py"))


class Nobody:
    """Listens to nothing."""

    def upstream_changed(self, upstream: Upstream) -> None:
        pass

    def upstream_notified(self, upstream: Upstream, method: str, params: dict) -> None:
        pass


@asynccontextmanager
async def serving(spawner: Spawner, token: Token, file: Path, *habits: str) -> AsyncIterator[Upstream]:
    """An upstream of such a server, ready."""
    launch = StdioLaunch(command=sys.executable, args=("-S", ONCE, str(file), *habits, token.text))
    spec = ServerSpec(key="o", namespace="o", launch=launch, settings=ServerSettings())
    upstream = Upstream(
        "f", spec, lambda on_frame: open_stdio(spawner, launch, on_frame=on_frame, redact=str), Nobody(), Metrics()
    )
    task = asyncio.create_task(upstream.run())
    await until(lambda: upstream.state == "ready")
    try:
        yield upstream
    finally:
        upstream.stop()
        await task


async def call(upstream: Upstream, nonce: int, tool: str = "t") -> str:
    """Call a tool; what it answers."""
    params = {"name": tool, "arguments": {"n": str(nonce)}}
    frame = await upstream.request("tools/call", params, timeout=100)
    return frame["result"]["content"][0]["text"]


@pytest.mark.parametrize("habit", ["", "slow"])
async def test_one_after_the_other(spawner: Spawner, token: Token, tmp_path: Path, habit: str) -> None:
    """Each is answered, though the server is about to end when most come, and each is carried out once."""
    notes = tmp_path / "notes"
    async with serving(spawner, token, notes, habit) as upstream:
        assert [await call(upstream, nonce) for nonce in range(5)] == list(map(str, range(5)))
    assert Counter(notes.read_text().split()) == Counter(map(str, range(5)))


async def test_at_once(spawner: Spawner, token: Token, tmp_path: Path) -> None:
    """Those that it has not read when it ends are for the next process."""
    notes = tmp_path / "notes"
    async with serving(spawner, token, notes) as upstream:
        answers = await asyncio.gather(*(call(upstream, nonce) for nonce in range(5)))
    assert answers == list(map(str, range(5)))
    assert Counter(notes.read_text().split()) == Counter(answers)


@pytest.mark.parametrize(("tool", "times"), [("t", 1), ("reads", 2)])
async def test_no_answer(spawner: Spawner, token: Token, tmp_path: Path, tool: str, times: int) -> None:
    """A call that was read may have been carried out: it is an error that says so, unless the tool only reads."""
    notes = tmp_path / "notes"
    async with serving(spawner, token, notes, "before") as upstream:
        with pytest.raises(ConnectionLost, match=r"may have been carried out\): It exited with code 3"):
            await call(upstream, 7, tool)
    assert notes.read_text().split() == ["7"] * times

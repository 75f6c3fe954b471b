"""The README's programs, run as they stand."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support import clients
from tests.support.run import Run, prepared
from tests.support.sidecar import SMOLAGENTS
from tests.support.yamcp import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAMS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Run]:
    """A hub on its very first start, with its workspace `demo`."""
    async with prepared() as run:
        await run.start()
        await run.until("Streamable HTTP")
        yield run
        assert (await run.end(signal.SIGTERM))[0] == 0


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: re.search(r"from (\w+)", text)[1])
async def test_program(hub: Run, program: str) -> None:
    """It prints the names of the demo workspace's tools."""
    interpreter = str(SMOLAGENTS) if "smolagents" in program else sys.executable
    printed = await clients.run(interpreter, "-c", program.replace("127.0.0.1:8765", f"127.0.0.1:{hub.port}"))
    assert "'notes_add_note'" in printed
    assert "'clock_now'" in printed

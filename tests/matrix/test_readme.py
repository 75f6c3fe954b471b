"""README.md followed from its first command to Ctrl-C, with its programs as they are printed."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support import clients
from tests.support.checkout import Newcomer, blocks, commands
from tests.support.run import prepared
from tests.support.sidecar import SMOLAGENTS
from tests.support.yamcp import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

README = (ROOT / "README.md").read_text("utf-8")
PROGRAMS = blocks(README, "python")
START, COMMANDS, _ = blocks(README, "sh")
[GREETING] = blocks(README, "")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def user() -> AsyncIterator[Newcomer]:
    """A user who has typed the first block, and whose hub says what there is."""
    async with prepared() as run:
        newcomer = Newcomer(run)
        await newcomer.start(commands(START))
        await run.until("Next: ")
        await run.until("\n", 100)
        yield newcomer


async def test_what_make_run_prints(user: Newcomer) -> None:
    """The workspace `demo` of two servers, made where README says that YAMCP keeps its files; line by line as shown."""
    while not user.run.text.endswith("\n"):
        await user.run.until("\n")
    *_, printed = user.run.text.partition("yamcp-hub is ready.")
    assert "yamcp-hub is ready." + printed == GREETING.replace("8765", str(user.run.port))
    providers = json.loads((user.run.root / ".local/share/yamcp-nodejs/providers.json").read_text("utf-8"))
    assert list(providers) == ["notes", "clock"]
    assert all(str(user.directory) in str(entry) for entry in providers.values()), "the clone's own servers"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: re.search(r"from (\w+)", text)[1])
async def test_program(user: Newcomer, program: str) -> None:
    """It prints the names of the demo workspace's tools."""
    interpreter = str(SMOLAGENTS) if "smolagents" in program else sys.executable
    printed = await clients.run(interpreter, "-c", program.replace("127.0.0.1:8765", f"127.0.0.1:{user.run.port}"))
    assert "'notes_add_note'" in printed
    assert "'clock_now'" in printed


async def test_the_line_that_installs_smolagents(user: Newcomer) -> None:
    """In the environment in which its programs are tested there is just what it asks for: pip finds nothing to do.

    `make newcomer-test` runs the line in an empty environment, with the network.
    """
    [line] = re.findall(r"`(pip install 'smolagents[^`]*)`", README)
    path = f"{SMOLAGENTS.parent}:{os.environ['PATH']}"
    said = await user.shell(line, PATH=path, PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONPATH="")
    assert "Requirement already satisfied: smolagents[mcp]" in said
    assert "Requirement already satisfied: mcp<2" in said
    assert "Successfully installed" not in said


async def test_the_commands(user: Newcomer) -> None:
    """Each prints what it is there for."""
    printed = [await user.shell(line) for line in commands(COMMANDS)]
    status, doctor, called, off, on = printed
    assert re.search(r"demo +ready", status), status
    assert doctor.endswith("Nothing is wrong.\n"), doctor
    assert "weekday" in called, called
    assert off == "Workspace demo is off.\n"
    assert on.startswith("Workspace demo is on"), on


async def test_ctrl_c(user: Newcomer) -> None:
    """It ends the hub and all its processes."""
    assert "yamcp-hub has stopped.\n" in await user.interrupt()
    assert await user.run.left() == []

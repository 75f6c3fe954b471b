"""`hubctl run <workspace>` where there is no hub, and where its words cannot be used."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubctl.context import Context
from hubctl.errors import HubNotRunning, NoSuchWorkspace
from hubctl.main import main
from hubctl.stdio import stdio
from hubctl.stdio.pipes import NOT_JSON, Lines, Output
from hubctl.stdio.stream import Endpoint
from tests.unit.hubctl.canned import CannedHub, settings


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends; whichever the test leaves open is closed."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.mark.outside
async def test_no_hub_is_waited_for_and_then_told(tmp_path: Path) -> None:
    """A client that starts together with the hub finds it; without one it is told so."""
    with pytest.raises(HubNotRunning, match=r"waited for 0\.3 s"):
        await stdio.run_workspace(Context(settings(tmp_path).model_copy(update={"stdio_wait": 0.3})), "w", None)


@pytest.mark.outside
async def test_a_request_waits_for_the_hub_as_long_as_the_settings_say(tmp_path: Path) -> None:
    """Then it is answered with an error that says how long that was."""
    nobody = Endpoint("http://localhost/mcp/w/sse", tmp_path / "nobody.sock", "token")
    with pipe() as (stdin, client_out), pipe() as (client_in, stdout):
        os.set_blocking(stdin, False)
        os.write(client_out, b'{"jsonrpc": "2.0", "id": 7, "method": "ping"}\n')
        os.close(client_out)
        bridge = stdio.Bridge(nobody, Output(stdout), wait=0.1)
        assert await bridge.run(Lines(stdin), deadline=math.inf) == 0
        answer = json.loads(os.read(client_in, 65536))
    assert answer["id"] == 7
    assert answer["error"]["message"].startswith("The hub is away for more than 0.1 s.")


@pytest.mark.outside
async def test_a_hub_that_knows_its_workspaces_is_believed(hub: CannedHub) -> None:
    """A name that it does not have is told at once."""
    context = Context(hub.settings, transport=hub.bridge)
    with pytest.raises(NoSuchWorkspace, match="My Work"):
        await stdio.run_workspace(context, "nope", None)


def test_a_token_file_is_for_a_workspace(capsys: pytest.CaptureFixture[str]) -> None:
    """The hub itself takes none there."""
    assert main(["run", "--token-file", "x"]) == 2
    assert "no workspace is named" in capsys.readouterr().err


async def test_lines() -> None:
    """However they are cut; blank ones are none; the last needs no end."""
    with pipe() as (reading, writing):
        os.set_blocking(reading, False)
        lines = aiter(Lines(reading))
        os.write(writing, b"a\r\n\n  \nb")
        assert (await anext(lines)).strip() == b"a"
        os.write(writing, b"c\nd")
        assert await anext(lines) == b"bc"
        os.close(writing)
        assert await anext(lines) == b"d"
        with pytest.raises(StopAsyncIteration):
            await anext(lines)


async def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fills no memory, is no JSON, and the next one is read."""
    monkeypatch.setattr("hubctl.stdio.pipes.MAX_LINE", 1000)
    monkeypatch.setattr("hubctl.stdio.pipes._CHUNK", 500)
    with pipe() as (reading, writing):
        lines = aiter(Lines(reading))
        os.write(writing, b"x" * 5000 + b"\nnext\n")
        os.close(writing)
        assert [line async for line in lines] == [NOT_JSON, b"next"]


async def test_output_waits_for_its_reader() -> None:
    """What does not fit into the pipe is waited for, beside the loop, and goes out whole and in order."""
    with pipe() as (reading, writing):
        os.set_blocking(writing, False)
        output = Output(writing)
        data = bytes(range(256)) * 4096
        written = asyncio.gather(output.write(data), output.write(b"end"))
        await asyncio.wait([written], timeout=0.1)
        assert not written.done()
        found = b""
        while not found.endswith(b"end"):
            found += await asyncio.to_thread(os.read, reading, 65536)
        await written
        assert found == data + b"end"
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            await output.write(b"x")

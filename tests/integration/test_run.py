"""`hubctl run`, as `make run` calls it: the real hub under supervisord, from the first line to the last process."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.run import HUBCTL, Run, prepared
from tests.support.yamcp import mock, write_in_place


@pytest.fixture
async def hub() -> AsyncIterator[Run]:
    """Not started yet."""
    async with prepared() as run:
        yield run


async def test_from_the_first_line_to_the_last_process(hub: Run) -> None:
    """A first start shows the demo workspace with its URLs; a second hub is refused; Ctrl-C leaves nothing."""
    began = time.monotonic()
    await hub.start()
    text = await hub.until("Streamable HTTP")
    base = f"http://127.0.0.1:{hub.port}/mcp/demo"
    await hub.until(base + "\n")
    assert time.monotonic() - began < 20
    assert "  demo: ready, 2 of 2 servers ready, " in text
    assert f"    SSE              {base}/sse\n" in hub.text

    assert (await hub.hubctl("url", "demo", "--transport", "sse"))[:2] == (0, f"{base}/sse\n")
    status = json.loads((await hub.hubctl("status", "--json"))[1])
    assert [server["state"] for server in status["servers"]] == ["ready", "ready"]
    code, out, _ = await hub.hubctl("doctor")
    assert (code, out.splitlines()[-1]) == (0, "Nothing is wrong.")

    code, out, err = await hub.hubctl("run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"HUB_RUNNING: A hub already runs with {hub.root}/run (pid {hub.process.pid}). ")

    code, took = await hub.end(signal.SIGINT)
    assert (code, await hub.left()) == (0, [])
    assert took < 10
    assert hub.text.endswith("\nyamcp-hub has stopped.\n")
    assert (await hub.hubctl("status"))[0] == 3


async def test_what_changes_is_told_at_the_terminal(hub: Run) -> None:
    """A switch, an edit, a sidecar that is killed and comes back: each has its line."""
    (hub.root / "yamcp").mkdir()
    write_in_place(hub.root / "yamcp" / "workspaces.json", {"w": ["a"]})
    write_in_place(hub.root / "yamcp" / "providers.json", {"a": mock("a")})
    await hub.start()
    await hub.until("w: ready")

    assert (await hub.hubctl("disable", "w"))[1] == "Workspace w is off.\n"
    await hub.until("workspace w: off")
    assert (await hub.hubctl("enable", "w"))[0] == 0
    await hub.until("workspace w: ready")

    write_in_place(hub.root / "yamcp" / "workspaces.json", {"w": ["a"], "other": ["a", "gone"]})
    await hub.until("workspace other: added, ready, ")

    pid = json.loads((await hub.hubctl("status", "--json"))[1])["pid"]
    os.kill(pid, signal.SIGKILL)
    await hub.until("the sidecar was restarted")
    code, _, err = await hub.hubctl("call", "w", "a_echo", "text=again")
    assert (code, err) == (0, "")
    assert (await hub.end(signal.SIGTERM))[0] == 0
    assert await hub.left() == []


async def test_a_taken_port_is_one_line(hub: Run) -> None:
    """It names the port and the setting, and nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", hub.port))
        taken.listen()
        code, out, err = await hub.hubctl("run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"PORT_TAKEN: HUB_SIDECAR_PORT: port {hub.port} on 127.0.0.1 is taken")
    assert hub.processes() == []


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGKILL])
async def test_nothing_outlives_its_terminal_nor_its_supervisor(hub: Run, sig: signal.Signals) -> None:
    """A closed terminal ends the hub; so does the death of supervisord, by whatever cause."""
    await hub.start()
    await hub.until("Streamable HTTP")
    code, _ = await hub.end(sig)
    assert code == (0 if sig == signal.SIGHUP else -signal.SIGKILL)
    assert await hub.left(15) == []


async def test_at_a_real_terminal(hub: Run) -> None:
    """The first lines are in colour, and Ctrl-C is a key."""
    loop = asyncio.get_running_loop()
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *HUBCTL, "run", cwd=hub.root, env=hub.env, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=_own_terminal
    )
    os.close(theirs)
    text = b""
    try:
        async with asyncio.timeout(40):
            while b"Streamable HTTP" not in text:
                text += await loop.run_in_executor(None, os.read, ours, 65536)
            assert b"\x1b[32mready\x1b[0m" in text
            os.write(ours, b"\x03")
            assert await process.wait() == 0
        assert await hub.left() == []
    finally:
        os.close(ours)


def _own_terminal() -> None:
    """In the new process: a session whose terminal is stdin."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

"""`hubctl run`, as `make run` calls it: the real hub under supervisord, from the first line to the last process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastmcp import Client

from hubctl.run.yamcp_ui import KEPT_VARIABLES
from tests.support.run import HUBCTL, Run, hubctl, prepared
from tests.support.yamcp import mock, write_in_place


@pytest.fixture
async def hub() -> AsyncIterator[Run]:
    """Not started yet."""
    async with prepared() as run:
        yield run


async def test_from_the_first_line_to_the_last_process(hub: Run) -> None:
    """A first start shows the demo workspace with its URLs; a second hub is refused; Ctrl-C leaves nothing."""
    await hub.start()
    text = await hub.until("Streamable HTTP")
    base = f"http://127.0.0.1:{hub.port}/mcp/demo"
    await hub.until(base + "\n")
    assert f"\n  Open http://127.0.0.1:{hub.port}/\n" in hub.text
    assert "  demo: ready, 2 of 2 servers ready, " in text
    assert f"    SSE              {base}/sse\n" in hub.text

    assert (await hub.hubctl("url", "demo", "--transport", "sse"))[:2] == (0, f"{base}/sse\n")
    direct = f"http://127.0.0.1:{hub.sidecar_port}/mcp/demo"
    assert (await hub.hubctl("url", "demo", "--direct", "--transport", "http"))[:2] == (0, f"{direct}\n")
    async with Client(f"{base}/sse") as client:
        assert "clock_now" in [tool.name for tool in await client.list_tools()]
    assert await hub.hubctl("health") == (0, "The hub is well.\n", "")
    status = json.loads((await hub.hubctl("status", "--json"))[1])
    assert [server["state"] for server in status["servers"]] == ["ready", "ready"]
    code, out, _ = await hub.hubctl("doctor")
    assert (code, out.splitlines()[-1]) == (0, "Nothing is wrong.")
    elsewhere = {name: value for name, value in hub.env.items() if name not in ("HUB_PORT", "HUB_SIDECAR_PORT")}
    code, out, _ = await hubctl(elsewhere, "doctor")  # a shell that knows where the hub's files are, and no more
    assert (code, out.splitlines()[-1]) == (0, "Nothing is wrong.")

    code, out, err = await hub.hubctl("run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"HUB_RUNNING: A hub already runs with {hub.root}/run (pid {hub.process.pid}). ")

    assert await hub.end(signal.SIGINT) == (0, [])
    assert await hub.left() == []
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

    async with call_of_a_page(hub) as events:
        assert "notifications/" in await anext(events)
        ending = asyncio.create_task(hub.end(signal.SIGTERM))
        assert "said 2 things" in "".join([event async for event in events]), "a call by the front ends with its answer"
    assert (await ending)[0] == 0
    assert await hub.left() == []


@contextlib.asynccontextmanager
async def call_of_a_page(hub: Run) -> AsyncIterator[AsyncIterator[str]]:
    """The data of the events of a call that lasts 2 s, by a page of the hub: the front forwards it."""
    base = f"http://127.0.0.1:{hub.port}"
    headers = {"origin": base, "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(base_url=base, headers=headers, timeout=100) as http:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        reply = await http.post("/mcp/w", json=message("initialize", hello))
        session = {"mcp-session-id": reply.headers["mcp-session-id"]}
        await http.post("/mcp/w", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
        params = {"name": "a_chatty", "arguments": {"count": 2, "delay": 1}, "_meta": {"progressToken": "p"}}
        async with http.stream("POST", "/mcp/w", json=message("tools/call", params), headers=session) as stream:
            yield (line async for line in stream.aiter_lines() if line.startswith("data:"))


def message(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def test_a_taken_port_is_one_line(hub: Run) -> None:
    """It names the port and the setting, and nothing was started."""
    for port, name in ((hub.port, "HUB_PORT"), (hub.sidecar_port, "HUB_SIDECAR_PORT")):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            code, out, err = await hub.hubctl("run")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"PORT_TAKEN: {name}: port {port} on 127.0.0.1 is taken")
        assert hub.processes() == []


async def test_what_is_no_yamcp_ui_is_one_line(hub: Run) -> None:
    """With what to do; nothing was started."""
    hub.env["HUB_YAMCP_UI_DIR"] = str(hub.root)
    code, out, err = await hub.hubctl("run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"SETTING_INVALID: HUB_YAMCP_UI_DIR: {hub.root} is not a built YAMCP-UI: it has no ")
    assert "npm ci --omit=peer && npm run build" in err
    assert hub.processes() == []


async def test_killing_one_never_stops_another(hub: Run) -> None:
    """Each program comes back in a process of its own, and the others stay in theirs."""
    yamcp_ui(hub, "a stand-in, 100 % ours")
    await hub.start()
    await hub.until("Streamable HTTP")
    before = await hub.running("acceptor", "adapter", "sidecar", "front", "yamcp-ui", "watch")
    for name in ("acceptor", "front", "yamcp-ui", "adapter"):
        os.kill(before[name], signal.SIGKILL)
        socket.create_connection(("127.0.0.1", hub.port)).close()  # the supervisor keeps the port: nobody is refused
        after = await hub.running(*before)
        while after == before:  # supervisord has not seen it yet
            after = await hub.running(*before)
        assert {one for one in before if before[one] != after[one]} == {name}
        before = after
    async with asyncio.timeout(100):
        while (await hub.hubctl("health"))[0] != 0:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.1)
    code, out, _ = await hub.hubctl("doctor")
    assert (code, [line for line in out.splitlines() if "answers." in line]) == (
        0,
        [f"ok       {name}: answers." for name in ("sidecar", "adapter", "front", "yamcp-ui", "recorder")],
    )
    assert await hub.end(signal.SIGINT) == (0, [])
    assert await hub.left() == []


async def test_yamcp_ui_has_the_hubs_files_and_nothing_else_of_it(hub: Run) -> None:
    """Both read what the other writes, in place or by a rename; no setting and no secret of the hub reaches it."""
    hub.env |= {"HUB_PASS_ENV": f"{hub.env['HUB_PASS_ENV']},TOKEN", "TOKEN": "secret", "HUB_SEED_DEMO": "false"}
    yamcp_ui(hub, "ui")
    (hub.root / "yamcp").mkdir()
    write_in_place(hub.root / "yamcp" / "providers.json", {"a": mock("a")})
    await hub.start()
    await hub.until("There is no workspace yet")
    url = "http://localhost/"
    transport = httpx2.AsyncHTTPTransport(uds=str(hub.root / "run" / "yamcp-ui.sock"))
    async with httpx2.AsyncClient(transport=transport, timeout=100) as http:
        told = (await http.get(url)).json()
        listening = {
            each.laddr.port
            for process in hub.processes()
            for each in process.net_connections()
            if each.status == "LISTEN"
        }
        assert listening == {hub.port, hub.sidecar_port}, "nothing that is behind the front has a port"
        assert told["cwd"] == str(hub.root / "ui")
        assert told["terminal"] is False
        assert {"PATH", "HOME", "PORT", "XDG_DATA_HOME"} <= set(told["env"]) - {"PWD"} <= {
            *KEPT_VARIABLES, "PORT", "XDG_DATA_HOME",
        }  # fmt: skip
        await http.put(f"{url}workspaces.json", json={"w": ["a"]})
        await hub.until("workspace w: added, ")
        replacement = hub.root / "yamcp" / "new"
        replacement.write_text(json.dumps({"w": ["a"], "v": ["a"]}))
        replacement.replace(hub.root / "yamcp" / "workspaces.json")
        assert (await http.get(f"{url}workspaces.json")).json() == {"w": ["a"], "v": ["a"]}
    assert not (hub.root / "yamcp" / "workspaces.json").is_symlink()
    assert "listening" in (hub.root / "data" / "logs" / "yamcp-ui.log").read_text()
    code, _ = await hub.end(signal.SIGTERM)
    assert (code, await hub.left()) == (0, [])


def yamcp_ui(hub: Run, name: str) -> None:
    """Set up what is run as YAMCP-UI: tells how it was started, and gives or takes a file of its data directory."""
    directory = hub.root / name
    (directory / "dist").mkdir(parents=True)
    (directory / "dist" / "index.html").write_text("<!doctype html>")
    (directory / "server.mjs").write_text(STAND_IN)
    hub.env["HUB_YAMCP_UI_DIR"] = str(directory)


STAND_IN = """
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
const { env, stdin } = process;
const told = () => JSON.stringify({ env, cwd: process.cwd(), terminal: Boolean(stdin.isTTY) });
createServer(async (request, response) => {
  const file = `${env.XDG_DATA_HOME}/yamcp-nodejs${request.url}`;
  const chunks = await request.toArray();
  if (request.method === 'PUT') writeFileSync(file, Buffer.concat(chunks));
  response.end(request.url === '/' ? told() : readFileSync(file));
}).listen(env.PORT, 'localhost', () => console.log('listening'));
"""


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGKILL])
async def test_nothing_outlives_its_terminal_nor_its_supervisor(hub: Run, sig: signal.Signals) -> None:
    """A closed terminal ends the hub; so does the death of supervisord, by whatever cause."""
    await hub.start()
    await hub.until("Streamable HTTP")
    code, _ = await hub.end(sig)
    assert code == (0 if sig == signal.SIGHUP else -signal.SIGKILL)
    assert await hub.left() == []


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
        async with asyncio.timeout(100):
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

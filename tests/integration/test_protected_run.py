"""A hub that asks for a token, as `hubctl run` starts it: where the token is and is not, and what named keys open."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import pytest

from bridge.keys import token_hash
from hubctl.run.supervisor import process_states, seconds_since_start
from tests.integration.test_run import yamcp_ui
from tests.support.run import Run, prepared

TOKEN = "m4rker-of-the-hubs-own-token"
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}  # fmt: skip


@pytest.fixture
async def hub() -> AsyncIterator[Run]:
    """Not started yet."""
    async with prepared() as run:
        yield run


async def ask(hub: Run, token: str | None, workspace: str = "demo") -> int:
    """The status with which the sidecar answers the first request of a session."""
    transport = httpx2.AsyncHTTPTransport(uds=str(hub.root / "run" / "sidecar.sock"))
    headers = {"Accept": "application/json, text/event-stream"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub", timeout=100) as http:
        return (await http.post(f"/mcp/{workspace}", json=INITIALIZE, headers=headers)).status_code


async def until(hub: Run, token: str, status: int) -> None:
    """Wait until a token is answered so."""
    async with asyncio.timeout(100):
        while await ask(hub, token) != status:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.05)


async def started(hub: Run) -> str:
    """Start it; all that it wrote until its workspaces were there."""
    hub.text = ""
    await hub.start()
    return await hub.until("Streamable HTTP")


async def ended(hub: Run) -> None:
    """Stop it, and see that nothing is left."""
    assert (await hub.end(signal.SIGTERM))[0] == 0
    assert await hub.left() == []


def files(hub: Run, word: str) -> set[str]:
    """The files of the hub that have this word in them."""
    found = set()
    for path in hub.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and word.encode() in path.read_bytes():
            found.add(str(path.relative_to(hub.root)))
    return found


def seen_in_processes(hub: Run, word: str) -> list[str]:
    """The processes of the hub that have this word among their arguments or variables."""
    found = []
    for process in hub.processes():
        where = Path("/proc") / str(process.pid)
        if any(word.encode() in (where / name).read_bytes() for name in ("cmdline", "environ")):
            found.append(" ".join(process.cmdline()))
    return found


async def test_the_first_start_makes_a_token_and_shows_it_once(hub: Run) -> None:
    """Beyond loopback: a URL to click, a file for its user alone, no port of the sidecar's; it is kept."""
    hub.env |= {"HUB_HOST": "0.0.0.0"}
    text = await started(hub)
    [token] = re.findall(rf"^  Open http://127\.0\.0\.1:{hub.port}/\?token=([\w-]{{43}})$", text, re.MULTILINE)
    assert text.count(token) == 1
    file = hub.root / "data" / "token"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (f"{token}\n", 0o600)
    assert files(hub, token) == {"data/token"}
    assert seen_in_processes(hub, token) == []
    front = (hub.root / "run" / "front.key").read_text()
    assert stat.S_IMODE((hub.root / "run" / "front.key").stat().st_mode) == 0o600
    assert [await ask(hub, one) for one in (None, "wrong", token, front.strip())] == [401, 401, 200, 200]
    listening = {connection.laddr.port for connection in psutil.net_connections("tcp") if connection.status == "LISTEN"}
    assert hub.port in listening
    assert hub.sidecar_port not in listening
    assert json.loads((await hub.hubctl("token", "--json"))[1]) == {
        "token": token, "url": f"http://127.0.0.1:{hub.port}/?token={token}",
    }  # fmt: skip
    await ended(hub)
    text = await started(hub)
    assert token not in text
    assert "`hubctl token` shows the hub's own" in text
    assert await ask(hub, token) == 200
    assert await ask(hub, front.strip()) == 401
    code, out, _ = await hub.hubctl("token", "--rotate")
    new = file.read_text().strip()
    assert (code, f"Token  {new}\n" in out, new != token) == (0, True, True)
    await until(hub, token, 401)
    assert await ask(hub, new) == 200
    await ended(hub)


async def test_a_given_token_is_in_no_process_log_or_file(hub: Run) -> None:
    """Loopback with HUB_TOKEN: it opens the sidecar and is nowhere; YAMCP-UI, at its socket, has nothing of the hub."""
    hub.env |= {"HUB_TOKEN": TOKEN, "HUB_LOG_LEVEL": "debug", "HUB_PASS_ENV": f"{hub.env['HUB_PASS_ENV']},HUB_TOKEN"}
    yamcp_ui(hub, "ui")
    text = await started(hub)
    assert TOKEN not in text
    pids = await hub.running("adapter", "sidecar", "front", "yamcp-ui", "watch")
    assert [await ask(hub, one) for one in (None, TOKEN)] == [401, 200]
    socket = str(hub.root / "run" / "yamcp-ui.sock")
    for attempt in range(2):
        async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=socket), timeout=100) as http:
            told = (await http.get("http://localhost/")).json()["env"]
        assert told["PORT"] == socket
        assert not [name for name in told if name.startswith(("HUB_", "YAMCP_HUB_"))]
        if attempt == 0:  # killed, it leaves its socket, and the next can listen all the same
            os.kill(pids["yamcp-ui"], signal.SIGKILL)
            while (await hub.running("yamcp-ui"))["yamcp-ui"] == pids["yamcp-ui"]:
                pass
    assert (await hub.hubctl("token"))[1].startswith(f"Token  {TOKEN}\nOpen   http://127.0.0.1:{hub.port}/?token=")
    await hub.hubctl("doctor")
    assert seen_in_processes(hub, TOKEN) == []
    servers = [process for process in hub.processes() if "/demo_servers/" in " ".join(process.cmdline())]
    assert servers
    assert not [name for process in servers for name in process.environ() if name.startswith("HUB_")]
    states = str(await asyncio.to_thread(process_states, hub.root / "run"))
    assert TOKEN not in states
    ages = [await asyncio.to_thread(seconds_since_start, hub.root / "run", name) for name in ("sidecar", "none")]
    assert ages[0] is not None
    assert ages[1] is None
    await ended(hub)
    assert TOKEN not in hub.text
    assert files(hub, TOKEN) == set()
    assert files(hub, token_hash(TOKEN)) == {"run/token.hash"}


async def test_named_keys_open_what_they_are_for_until_they_are_revoked(hub: Run) -> None:
    """Made, used, kept over a restart, revoked; a broken file lets in nobody but the hub's own token, and says so."""
    hub.env |= {"HUB_TOKEN": TOKEN}
    (hub.root / "yamcp").mkdir()
    await started(hub)
    agent = json.loads((await hub.hubctl("keys", "add", "agent", "--workspace", "demo", "--json"))[1])
    laptop = json.loads((await hub.hubctl("keys", "add", "laptop", "--json"))[1])
    for key in (agent, laptop):
        await until(hub, key["token"], 200)
    code, out, _ = await hub.hubctl("keys")
    assert (code, [line.split()[:3] for line in out.splitlines()[1:]]) == (
        0, [["agent", agent["id"], "demo"], ["laptop", laptop["id"], "all"]],
    )  # fmt: skip
    assert (await hub.hubctl("keys", "add", "agent"))[2].startswith("ALREADY_EXISTS: ")

    file = hub.root / "data" / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert files(hub, agent["token"]) | files(hub, laptop["token"]) == set()
    assert files(hub, token_hash(agent["token"])) == {"data/keys.json"}
    await ended(hub)
    await started(hub)
    assert await ask(hub, agent["token"]) == 200

    assert (await hub.hubctl("keys", "revoke", "agent"))[0] == 0
    await until(hub, agent["token"], 401)
    assert await ask(hub, laptop["token"]) == 200

    good = file.read_bytes()
    file.write_bytes(good[:-5])
    await until(hub, laptop["token"], 401)
    assert await ask(hub, TOKEN) == 200
    async with asyncio.timeout(100):
        while "KEYS_UNUSABLE" not in (await hub.hubctl("doctor", "--json"))[1]:
            pass
    assert (await hub.hubctl("keys"))[2].startswith("KEYS_FILE_BROKEN: ")
    file.write_bytes(good)
    await until(hub, laptop["token"], 200)
    await ended(hub)


async def test_what_cannot_protect_is_told_before_anything_starts(hub: Run) -> None:
    """On one line, without the token that it may be about."""
    (hub.root / "short").write_text("s3cret")
    for variables, told in (
        ({"HUB_TOKEN": "s3cret"}, "SETTING_INVALID: HUB_TOKEN: a token is 16 to 512 visible ASCII characters"),
        ({"HUB_TOKEN_FILE": str(hub.root / "short")}, "SETTING_INVALID: HUB_TOKEN_FILE: "),
        ({"HUB_HOST": "hub.example"}, "SETTING_INVALID: HUB_HOST: 'hub.example' is not an IP address or localhost"),
        ({"HUB_TLS_CERT": str(hub.root / "c")}, "SETTING_INVALID: HUB_TLS_CERT and HUB_TLS_KEY: one is set without"),
        (
            {"HUB_TLS_CERT": str(hub.root / "c"), "HUB_TLS_KEY": str(hub.root / "k")},
            f"SETTING_INVALID: HUB_TLS_CERT: {hub.root}/c cannot be read: No such file or directory.",
        ),
    ):
        before = dict(hub.env)
        hub.env |= variables
        code, out, err = await hub.hubctl("run")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(told)
        assert "s3cret" not in err
        hub.env = before
    assert hub.processes() == []

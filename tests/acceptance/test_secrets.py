"""Secrets of a configuration appear nowhere that people or programs look at, whatever the servers do with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import psutil

from bridge.models import Desired, ReadDesired
from tests.acceptance.steps import ask, code, until
from tests.support import peers
from tests.support.hub import Hub, free_port, running
from tests.support.run import hubctl
from tests.support.yamcp import mock, stdio

KNOWN = ("env", "api-key", "variable", "flag", "equals", "user", "query", "path", "bearer", "header", "default")
"""Secrets of definitions that are in use: masked also where servers themselves tell them."""
UNKNOWN = ("missing", "entry", "file")
"""In what cannot be used."""
SECRETS = {
    kind: f"mark{number}-Kq7{'xYz'[number % 3]}w{number}-{7919 * number}/="
    for number, kind in enumerate(KNOWN + UNKNOWN)
}
STATES = {
    "good": "ready",
    "rude": "backoff",
    "refused": "failed",
    "broken": "backoff",
    "dead": "backoff",
    "absent": "failed",
    "missing": "failed",
}
HUBCTL = [
    ["status"],
    ["status", "--json"],
    ["workspaces"],
    ["workspaces", "--json"],
    ["tools", "w"],
    ["logs", "-n", "5000"],
    ["logs", "--json", "-n", "5000"],
    ["doctor"],
    ["doctor", "--json"],
]


@contextlib.asynccontextmanager
async def talkative(status: str) -> AsyncIterator[int]:
    """An HTTP server that answers with all that it was asked, under that status; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            asked = await reader.readuntil(b"\r\n\r\n")
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(asked)}\r\nConnection: close\r\n\r\n".encode() + asked
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def quoted(kind: str) -> str:
    """As it stands in a URL."""
    return quote(SECRETS[kind], safe="")


def remote(port: int) -> dict[str, Any]:
    """A server at a URL full of secrets."""
    s = SECRETS
    url = f"http://user:{quoted('user')}@127.0.0.1:{port}/mcp/{quoted('path')}?token={quoted('query')}"
    headers = {"Authorization": f"Bearer {s['bearer']}", "X-Custom": s["header"]}
    return {"namespace": "r", "type": "sse", "providerParameters": {"url": url, "headers": headers}}


def providers(refusing: int, failing: int) -> dict[str, Any]:
    """Every place of a definition where a secret may stand; servers that print it, and fail with it."""
    s = SECRETS
    env = {"PLAIN": s["env"], "API_KEY": s["api-key"], "OTHER": "${SOURCE}", "FALLBACK": f"${{UNSET:-{s['default']}}}"}
    told = f"{s['env']} {s['api-key']} ${{SOURCE}} {s['default']}"
    return {
        "good": mock("good", "--stderr", told, env=env),
        "rude": mock(
            "rude", "--api-key", s["flag"], f"--token={s['equals']}"
        ),  # argparse repeats what it does not know
        "refused": remote(refusing),
        "broken": remote(failing),
        "dead": remote(free_port()),
        "absent": stdio("absent", "/there/is/no/such", "--api-key", s["flag"], env=env),
        "missing": mock("missing", env={"PLAIN": f"{s['missing']} ${{NO_SUCH_VARIABLE}}"}),
        "bad": {"namespace": "bad", "type": "stdio", "providerParameters": {"command": 7, "env": {"KEY": s["entry"]}}},
    }


async def test_no_secret_is_told() -> None:
    """Logs, status, events, pages, hubctl, the hub's command lines are free of all of them, at debug level too."""
    async with talkative("401 No") as refusing, talkative("500 Oh") as failing:
        entries = providers(refusing, failing)
        variables = {"HUB_LOG_LEVEL": "debug", "SOURCE": SECRETS["variable"]}
        async with running(entries, {"w": list(entries)}, settle=False, **variables) as hub:
            await hub.wait_status(
                lambda status: {each.key: each.state for each in status.servers} == STATES, "as expected"
            )
            await provoke(hub)
            await until(lambda: words(hub), lambda found: "***" in found.get("stderr of good", ""))
            found = await places(hub)
            kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in hub.data_dir.iterdir() if path.is_file()}
    told = [
        f"{kind} in {place}"
        for place, text in found.items()
        for kind, mark in SECRETS.items()
        if mark in text or quote(mark, safe="") in text
    ]
    assert told == []
    assert {"applied.json", "adapter-state.json"} <= kept.keys()
    assert all(not mode & 0o077 for name, mode in kept.items() if name.endswith((".json", ".key"))), kept


async def provoke(hub: Hub) -> None:
    """Have a server print secrets, answer with them, and crash; have the files broken."""
    async with peers.connected(hub.http("w"), "sse", "legacy") as peer:
        for mark in map(SECRETS.__getitem__, KNOWN):
            await ask(peer, "good_stderr", text=f"the key is {mark}!")
            assert mark in (await ask(peer, "good_fail", message=f"wrong key {mark}")).answer["error"]["message"]
            await ask(peer, "good_tool_error", message=f"wrong key {mark}")
        assert (await ask(peer, "good_env", name="OTHER")).result["content"][0]["text"] == SECRETS["variable"]
        assert code(await ask(peer, "good_crash")) == "SERVER_CONNECTION_LOST"
    path = hub.yamcp_dir / "providers.json"
    whole = path.read_text()
    path.write_text('{"a": {"namespace": "' + SECRETS["file"] + '", "type": "stdio", ]}')
    await until(lambda: hub.desired.request(ReadDesired()), broken)
    path.write_text(whole)
    await until(lambda: hub.desired.request(ReadDesired()), lambda desired: not broken(desired))


def broken(desired: Desired) -> bool:
    """Whether a file cannot be used."""
    return any(issue.subject.startswith("file:") for issue in desired.issues)


async def words(hub: Hub) -> dict[str, str]:
    """The last lines of each server."""
    return {f"stderr of {server.key}": " ".join(server.stderr) for server in (await hub.status()).servers}


async def places(hub: Hub) -> dict[str, str]:
    """All that can be seen, by where."""
    found = {f"{name}.log": hub.log(name) for name in ("adapter", "sidecar")}
    found["status"] = (await hub.status()).model_dump_json()
    found["issues"] = json.dumps([issue.model_dump() for issue in (await hub.desired.request(ReadDesired())).issues])
    found["events"] = json.dumps([event.model_dump() for _, event in hub.events])
    async with httpx2.AsyncClient(timeout=100) as http:
        for page in ("status", "metrics", "healthz", "readyz", "mcp/nowhere/sse"):
            found[f"/{page}"] = (await http.get(f"{hub.base}/{page}")).text
    for line in HUBCTL:
        found[f"hubctl {' '.join(line)}"] = "".join(map(str, await hubctl(hub.env, *line)))
    own = [hub.pid("adapter"), hub.pid("sidecar")]
    own += [child.pid for child in psutil.Process(own[1]).children() if "spawner" in " ".join(child.cmdline())]
    assert len(own) == 3
    return found | {f"command line of {pid}": " ".join(psutil.Process(pid).cmdline()) for pid in own}

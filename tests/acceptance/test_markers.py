"""A whole protected hub with a marker in each place where a secret may stand: none of them is found anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psutil
from websockets.asyncio.client import connect

from bridge.client import Subscriber
from tests.acceptance.steps import ask, until
from tests.acceptance.test_secrets import talkative
from tests.integration.test_run import yamcp_ui
from tests.support import peers
from tests.support.run import Run, prepared
from tests.support.yamcp import mock, stdio, write_in_place

DEFINED = (
    *("env", "api-key", "default", "password", "path", "query", "header", "bearer"),
    *("dying", "absent", "added", "imported"),
)
"""What stands in providers.json itself, and so in what the hub keeps of it."""
KINDS = ("hub token", "wrong bearer", "wrong link", "wrong form", *DEFINED, "variable", "header variable", "in args")
MARKS = {
    kind: f"mark{number}-Vw8mYq2Lc{'kQz'[number % 3]}t{number}-{6151 * number + 7}" for number, kind in enumerate(KINDS)
}
VARIABLES = {"SOURCE_A": "variable", "SOURCE_B": "header variable", "SHOWN_IN_ARGS": "in args"}
"""Of the environment that the hub is started in; the hub's own processes inherit it."""
CONFIGURATION = ("yamcp/providers.json", "data/applied.json", "data/adapter-state.json", "data/backups/")
HUBCTL = [
    ["status"], ["status", "--json"], ["health"], ["workspaces", "--json"], ["tools", "w", "--json"], ["url", "w"],
    ["logs", "-n", "5000"], ["logs", "--json", "-n", "5000"], ["doctor"], ["doctor", "--json"],
    ["keys"], ["keys", "--json"], ["restart", "absent"], ["call", "w", "good_tool_error"], ["call", "w", "nothing"],
    ["keys", "revoke", "nobody"],
]  # fmt: skip
PAGES = [
    "/", "/hub/", "/hub/main.mjs",
    "/login", "/healthz", "/status", "/metrics", "/nothing", "/api/nothing",
    "/mcp/nowhere", "/api/hub/state", "/api/hub/tools?workspace=w", "/api/hub/history", "/api/hub/logs?limit=5000",
    "/api/stats",
    "/api/servers", "/api/workspaces", "/api/logs", "/api/log-files", "/api/config/providers", "/api/config/workspaces",
    *(f"/api/hub/servers?key={key}" for key in ("good", "remote", "broken", "dying", "absent", "shown", "added")),
    *(f"/api/log-files/hub/{name}.log" for name in ("adapter", "sidecar", "front", "supervisord", "watch", "yamcp-ui")),
]  # fmt: skip
EXIT = "import os, sys; sys.exit('cannot log in with ' + os.environ['LOGIN'])"


def providers(refusing: int, failing: int) -> dict[str, Any]:
    """Servers that have the marks, print them, and fail with them."""
    m = MARKS
    env = {"PLAIN": m["env"], "API_KEY": m["api-key"], "OTHER": "${SOURCE_A}", "SPARE": f"${{UNSET:-{m['default']}}}"}
    address = f"http://user:{quote(m['password'])}@127.0.0.1:%d/mcp/{m['path']}?token={m['query']}"
    headers = {"Authorization": f"Bearer {m['bearer']}", "X-Plain": m["header"], "X-Other": "${SOURCE_B}"}
    entry = {"namespace": "r", "type": "sse"}
    return {
        "good": mock("good", env=env),
        "plain": mock("plain"),
        "remote": {**entry, "providerParameters": {"url": address % refusing, "headers": headers}},
        "broken": {**entry, "providerParameters": {"url": address % failing, "headers": headers}},
        "dying": stdio("dying", sys.executable, "-c", EXIT, env={"LOGIN": m["dying"]}),
        "absent": stdio("absent", "/there/is/no/such", env={"LOGIN": m["absent"]}),
        "shown": mock("shown", "--stderr", "${SHOWN_IN_ARGS}"),
    }


@contextlib.asynccontextmanager
async def protected() -> AsyncIterator[Run]:
    """A hub with all of them, as `hubctl run` starts it, YAMCP-UI included; its servers have been tried."""
    variables = {name: MARKS[kind] for name, kind in VARIABLES.items()}
    async with (
        talkative("401 No") as refusing,
        talkative("500 Oh") as failing,
        prepared(HUB_TOKEN=MARKS["hub token"], HUB_LOG_LEVEL="debug", HUB_SEED_DEMO="false", **variables) as run,
    ):
        (run.root / "yamcp").mkdir()
        entries = providers(refusing, failing)
        write_in_place(run.root / "yamcp/workspaces.json", {"w": list(entries)})
        write_in_place(run.root / "yamcp/providers.json", entries)
        yamcp_ui(run, "ui")
        await run.start()
        await run.until("Streamable HTTP")
        yield run


class Collector:
    """All that can be seen of a hub, by where."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.seen: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{run.port}"
        self.http = httpx2.AsyncClient(base_url=self.url, timeout=100, verify=False)

    async def listen(self, name: str) -> None:
        """Collect the events of a process until cancelled."""
        async with Subscriber(f"ipc://{self.run.root}/run/{name}.sock") as subscriber:
            async for event in subscriber:
                self.add(f"events of {name}", event.model_dump_json())

    async def watch(self, token: str) -> None:
        """Collect what the pages are told until cancelled."""
        headers = {"Authorization": f"Bearer {token}"}
        uri = f"{self.url.replace('http', 'ws')}/api/hub/live"
        async with connect(uri, additional_headers=headers, proxy=None, max_size=None) as socket:
            async for message in socket:
                self.add("live", str(message))

    def add(self, where: str, text: str) -> None:
        """One thing that was seen."""
        self.seen[where] = self.seen.get(where, "") + text + "\n"

    async def ask(self, method: str, path: str, token: str = "", **options: Any) -> httpx2.Response:
        """A request of a page or a program, its answer collected."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http.cookies.clear()
        reply = await self.http.request(method, path, headers=headers | options.pop("headers", {}), **options)
        told = f"{reply.status_code} {list(reply.headers.items())} {reply.text}"
        self.add(f"{method} {path.partition('?token')[0]}", told)
        return reply

    async def hubctl(self, *words: str) -> str:
        """A command, with what it says."""
        said = "".join(map(str, await self.run.hubctl(*words)))
        self.add(f"hubctl {' '.join(words)}", said)
        return said


async def test_no_mark_is_seen_but_where_it_belongs() -> None:
    """Answers, events, logs, files, arguments, environments; but a variable in a server's own args, with a warning."""
    async with protected() as run:
        look = Collector(run)
        token = MARKS["hub token"]
        tasks = [asyncio.create_task(task) for task in (look.listen("events"), look.listen("desired-events"))]
        tasks.append(asyncio.create_task(look.watch(token)))
        tokens = await keys(run)
        await wrong_tokens(look)
        await edits(look, token)
        await calls(look, tokens["agent"])
        for path in PAGES:
            for who in ("", token, tokens["agent"]):
                await look.ask("GET", path, who, headers={"Accept": "text/html, application/json"})
        await asyncio.gather(*(look.hubctl(*words) for words in HUBCTL))
        await run.hubctl("keys", "revoke", "agent")
        assert "VARIABLE_IN_ARGS" in look.seen["hubctl doctor --json"]
        assert {"events of events", "events of desired-events", "live"} <= look.seen.keys()
        assert "***" in look.seen["hubctl logs -n 5000"], "servers told their secrets"
        assert [task.exception() for task in tasks if task.done()] == []
        processes = shown_by(run)
        await look.http.aclose()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        marks = MARKS | {f"key {name}": made for name, made in tokens.items()}
        assert found(marks, look.seen) == []
        check_processes(marks, processes)
        assert (await run.end(signal.SIGTERM))[0] == 0
        assert found(marks, {"terminal": run.text}) == []
        check_files(marks, run.root)


async def keys(run: Run) -> dict[str, str]:
    """Named keys; their tokens are shown this once."""
    made = {}
    for words in (["agent", "--workspace", "w"], ["boss", "--admin"]):
        made[words[0]] = json.loads((await run.hubctl("keys", "add", *words, "--json"))[1])["token"]
    return made


async def wrong_tokens(look: Collector) -> None:
    """In each way that there is to give one, and the right one by link and form."""
    await look.ask("GET", "/api/hub/state", MARKS["wrong bearer"])
    await look.ask("GET", "/mcp/w", MARKS["wrong bearer"])
    for mark in ("wrong link", "hub token"):
        await look.ask("GET", f"/hub/?token={MARKS[mark]}", headers={"Accept": "text/html"})
    for mark in ("wrong form", "hub token"):
        form = {"Origin": look.url, "Accept": "text/html"}
        await look.ask("POST", "/login", headers=form, data={"token": MARKS[mark], "next": "/hub/"})


async def edits(look: Collector, token: str) -> None:
    """A server by the API, another by import, one of which no use can be made, and a broken file."""
    entry = mock("added", env={"API_KEY": MARKS["added"]})
    assert (await look.ask("POST", "/api/hub/servers", token, json={"key": "added", "entry": entry})).status_code < 300
    env = {"PLAIN": MARKS["imported"], "TEST_SERVER": "imported"}
    text = json.dumps({"mcpServers": {"imported": entry["providerParameters"] | {"env": env}}})
    assert (await look.ask("POST", "/api/hub/import", token, json={"text": text, "workspace": "w"})).status_code < 300
    bad = {"namespace": "bad", "type": "stdio", "providerParameters": {"command": 7, "env": {"KEY": MARKS["added"]}}}
    assert (await look.ask("POST", "/api/hub/servers", token, json={"key": "bad", "entry": bad})).status_code >= 400
    path = look.run.root / "yamcp/providers.json"
    whole = path.read_text()
    path.write_text(whole[:-20])
    await until(lambda: look.hubctl("doctor", "--json"), lambda said: "FILE_UNPARSABLE" in said)
    path.write_text(whole)
    await until(lambda: look.hubctl("doctor", "--json"), lambda said: "FILE_UNPARSABLE" not in said)


async def calls(look: Collector, token: str) -> None:
    """Servers that print secrets, fail, crash, and are not there, met by a client over both transports."""
    for transport in ("sse", "http"):
        base = f"{look.url}/mcp/w"
        async with peers.connected(base, transport, "legacy", token=token) as peer:  # type: ignore[arg-type]
            for mark in ("env", "variable"):
                answer = await ask(peer, "good_stderr", text=f"the key is {MARKS[mark]}")
                look.add("answers", json.dumps(answer.answer))
            for tool in ("good_fail", "good_tool_error", "good_nothing", "dying_any", "good_crash"):
                answer = await ask(peer, tool)
                look.add("answers", json.dumps(answer.answer))
            look.add("answers", json.dumps([peer.greeting, peer.notes]))


def found(marks: dict[str, str], seen: dict[str, str]) -> list[str]:
    """Which mark is where."""
    return [
        f"{kind} in {where}"
        for where, text in seen.items()
        for kind, mark in marks.items()
        if mark in text or quote(mark, safe="") in text
    ]


def shown_by(run: Run) -> list[tuple[str, str, str]]:
    """Of each process that came of the hub: whose it is, its arguments and its variables."""
    shown = []
    for process in run.processes():
        with contextlib.suppress(psutil.Error, OSError):
            where = Path("/proc") / str(process.pid)
            words, variables = ((where / name).read_text("utf-8", "replace") for name in ("cmdline", "environ"))
            shown.append((kind_of(words, variables), words, variables))
    return shown


def kind_of(words: str, variables: str) -> str:
    """Whose process it is: a server's name, `yamcp-ui`, or `hub`."""
    if "server.mjs" in words:
        return "yamcp-ui"
    if EXIT in words:
        return "dying"
    server = re.search(r"(?:^|\0)TEST_SERVER=(\w+)", variables)
    return server[1] if server else "hub"


def check_processes(marks: dict[str, str], processes: list[tuple[str, str, str]]) -> None:
    """A server has what its own definition names, the hub's processes what it was started with, others nothing."""
    own = {
        "hub": set(VARIABLES.values()), "good": {"env", "api-key", "default", "variable"}, "dying": {"dying"},
        "added": {"added"}, "imported": {"imported"},
    }  # fmt: skip
    for kind, words, variables in processes:
        told = {line.removesuffix(" in it") for line in found(marks, {"it": variables})}
        assert told <= own.get(kind, set()), f"environment of {kind}: {words}"
        told = {line.removesuffix(" in it") for line in found(marks, {"it": words})}
        assert told == ({"in args"} if kind == "shown" else set()), f"arguments of {kind}"
    assert {"hub", "plain", "good", "shown", "imported", "yamcp-ui"} <= {kind for kind, *_ in processes}


def check_files(marks: dict[str, str], root: Path) -> None:
    """Of the files, the configuration has what it said, for its user alone; logs and all else have nothing."""
    for path in root.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        name = str(path.relative_to(root))
        text = path.read_bytes().decode("utf-8", "replace")
        there = {line.rpartition(" in ")[0] for line in found(marks, {name: text})}
        allowed = set(DEFINED) if name.startswith(CONFIGURATION) else set()
        assert there <= allowed, (name, there)
        if there and name.startswith("data/"):
            assert path.stat().st_mode & 0o077 == 0, name
    logs = {path.name for path in (root / "data/logs").iterdir()}
    assert {"adapter.log", "sidecar.log", "front.log", "supervisord.log", "yamcp-ui.log", "watch.log"} <= logs

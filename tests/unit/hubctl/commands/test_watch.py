"""`hubctl watch`: the first lines, and a line for each change."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bridge.errors import ErrorBody
from bridge.models import Issue, Status
from hubctl.commands.changes import changes, first_lines, remembered
from hubctl.commands.watch import program_name, watch
from hubctl.context import Context
from hubctl.render import Paint
from tests.unit.hubctl.canned import CannedHub, Lines, desired, missing, server, settings, small, status, workspace

PLAIN = Paint()
ISSUE = Issue(
    code="ENTRY_INVALID",
    severity="error",
    subject="server:x",
    file="providers.json",
    message="x has no command.",
    hint="Give it one.",
)


def test_first_lines_say_what_a_person_wants_to_know() -> None:
    """Each workspace, its state, its two URLs; then what is not well."""
    assert first_lines(small(), desired(ISSUE), "Open http://127.0.0.1:8765/", PLAIN, "hubctl") == [
        "yamcp-hub is ready.",
        "  Open http://127.0.0.1:8765/",
        "  My Work: degraded, 1 of 2 servers ready, 6 tools",
        "    SSE              http://127.0.0.1:8765/mcp/my-work/sse",
        "    Streamable HTTP  http://127.0.0.1:8765/mcp/my-work",
        "  idle: off; switch it on with: hubctl enable idle",
        "  server gone: failed, SERVER_COMMAND_MISSING: gone: no such command. Install it. On stderr: two",
        "  error providers.json: x has no command. Give it one.",
        "  Next: `hubctl doctor` says what to do about it.",
    ]


def test_first_lines_of_nothing() -> None:
    """No workspace, no adapter, and servers that still start, are each said."""
    lines = first_lines(status([], [server("a", "starting")], settled=False), None, "pages", PLAIN, "hubctl")
    assert lines[0] == "yamcp-hub is running; some servers still start."
    assert lines[1] == "  pages"
    assert lines[2] == "  There is no workspace yet."
    assert lines[3] == "  server a: starting"
    assert lines[4].startswith("  The adapter does not answer")
    assert lines[5] == "  Next: `hubctl doctor` says what to do about it."


def test_the_greeting_names_the_next_step() -> None:
    """An empty hub needs servers; the sample is to be tried; then clients connect."""

    def last(found: Status) -> str:
        return first_lines(found, desired(), "pages", PLAIN, ".venv/bin/hubctl")[-1]

    assert last(status([], [])) == (
        "  Next: import another client's configuration or add a server on that page,"
        " or with `.venv/bin/hubctl add NAME --workspace WORKSPACE -- COMMAND`."
    )
    assert last(status([workspace("demo", "notes", "clock", tools=8)], [server("notes"), server("clock")])) == (
        "  Next: `.venv/bin/hubctl call demo clock_now` tries a tool, `.venv/bin/hubctl connect CLIENT demo` connects a"
        " client; add servers of your own on that page."
    )
    for name in ("w", "demo"):  # a user's own workspace may be called that, too
        assert last(status([workspace(name, "a", tools=8)], [server("a")])).startswith(
            "  Next: `.venv/bin/hubctl connect CLIENT WORKSPACE` connects a client;"
        )


def test_hubctl_is_named_as_this_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its name where PATH has it, else below the working directory, else by its whole path."""
    program = tmp_path / ".venv/bin/hubctl"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    monkeypatch.setenv("PATH", str(program.parent))
    assert program_name() == "hubctl"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert program_name() == ".venv/bin/hubctl"
    monkeypatch.chdir(tmp_path.parent)
    assert program_name() == f"{tmp_path.name}/.venv/bin/hubctl"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert program_name() == str(program)


def one(state: str, **more: object) -> Status:
    """A status of one server in one workspace."""
    ready = int(state == "ready")
    entry = missing("a") if state == "failed" else server("a", state, **more)
    return status([workspace("w", "a", ready=ready, tools=3 * ready)], [entry])


def test_a_failure_and_its_end_are_told() -> None:
    """With the reason, and for the workspace too."""
    assert changes(one("ready"), one("failed"), PLAIN) == [
        "server a: failed, SERVER_COMMAND_MISSING: a: no such command. Install it. On stderr: two",
        "workspace w: failed, 0 tools",
    ]
    assert changes(one("failed"), one("ready"), PLAIN) == ["server a: ready, 3 tools", "workspace w: ready, 3 tools"]


def test_a_degraded_server_is_told() -> None:
    """With its first trouble; and when these change, and when it is whole again. Its workspace stays ready."""
    first, second = (ErrorBody(code=code, message=f"{code} is missing.", hint="Wait.") for code in ("A", "B"))
    workspaces = [workspace("w", "a", tools=3)]
    whole = status(workspaces, [server("a")])
    one, two = (
        status(workspaces, [server("a", "degraded", troubles=troubles, tools=3)])
        for troubles in ((first,), (second, first))
    )
    assert changes(whole, one, PLAIN) == ["server a: degraded, 3 tools, A: A is missing. Wait."]
    assert changes(one, two, PLAIN) == ["server a: degraded, 3 tools, B: B is missing. Wait. (1 more)"]
    assert changes(two, two, PLAIN) == []
    assert changes(two, whole, PLAIN) == ["server a: ready, 3 tools"]
    assert "  server a: degraded, 3 tools, A: A is missing. Wait." in first_lines(
        one, desired(), "pages", PLAIN, "hubctl"
    )


def test_each_try_is_not_told() -> None:
    """A server that starts, fails, starts and fails again for the same reason is told of once."""
    reason = ErrorBody(code="SERVER_EXITED", message="exited 1")
    sequence = [one("ready"), one("backoff", reason=reason), one("starting"), one("backoff", reason=reason)]
    told, lines = sequence[0], []
    for current in sequence[1:]:
        lines += changes(told, current, PLAIN)
        told = remembered(told, current)
    assert lines == ["server a: backoff, SERVER_EXITED: exited 1.", "workspace w: failed, 0 tools"]


def test_another_reason_is_told() -> None:
    """The same state for a new reason is news."""
    first, second = (ErrorBody(code=code, message="m") for code in ("ONE", "TWO"))
    lines = changes(one("backoff", reason=first), one("backoff", reason=second), PLAIN)
    assert lines == ["server a: backoff, TWO: m."]
    assert changes(one("backoff", reason=first), one("backoff", reason=first), PLAIN) == []


def test_what_is_added_and_removed_is_told() -> None:
    """Workspaces with their URLs, servers when they are ready."""
    base = "http://127.0.0.1:8765/mcp/w"
    empty, full = status([], []), one("ready")
    assert changes(empty, full, PLAIN) == [
        "server a: ready, 3 tools",
        f"workspace w: added, ready, {base}/sse and {base}",
    ]
    assert changes(full, empty, PLAIN) == ["server a: removed", "workspace w: removed"]
    assert changes(status([], []), status([], [server("off", "stopped")]), PLAIN) == []


def test_a_switch_is_told() -> None:
    """Off is a state of the workspace like any other."""
    before = one("ready")
    after = status([before.workspaces[0].model_copy(update={"enabled": False, "tools": 0})], before.servers)
    assert changes(before, after, PLAIN) == ["workspace w: off, 0 tools"]


def watching(hub: CannedHub, settle: float = 10) -> tuple[Lines, asyncio.Task[int]]:
    """A watcher of this hub, and what it writes."""
    out = Lines()
    return out, asyncio.create_task(watch(Context(hub.settings, out=out, transport=hub.bridge), settle))


async def ended(task: asyncio.Task[int]) -> None:
    """End a watcher as Ctrl-C does."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.outside
async def test_it_waits_for_servers_to_start_and_then_follows(hub: CannedHub) -> None:
    """First lines once all have settled; then changes, and the issues that an edit brought."""
    hub.status = status([], [], accepted=None, settled=False)
    out, task = watching(hub)
    hub.become(one("ready"))
    text = await out.until("Streamable HTTP")
    pages = f"  Open http://127.0.0.1:{hub.settings.port}/\n"
    assert text.startswith(f"yamcp-hub is ready.\n{pages}  w: ready, 1 of 1 server ready, 3 tools\n")
    hub.desired = desired(ISSUE)
    hub.become(one("failed").model_copy(update={"accepted": None}))
    text = await out.until("x has no command")
    assert text.index("server a: failed") < text.index("error providers.json")
    await ended(task)


@pytest.mark.outside
async def test_it_says_what_there_is_when_time_is_up(hub: CannedHub) -> None:
    """A server that hangs does not hold the first lines back for ever."""
    hub.status = one("starting").model_copy(update={"settled": False})
    out, task = watching(hub, settle=0)
    assert "some servers still start" in await out.until("server a: starting")
    await ended(task)


@pytest.mark.outside
async def test_a_front_that_is_still_starting_is_waited_for(tmp_path: Path) -> None:
    """The address is told when there is something to be seen; after a while, that there is nothing."""
    hub = CannedHub(settings(tmp_path), status=one("ready"))
    async with hub.serving("actual", "desired"):
        out, task = watching(hub)
        async with hub.front():
            assert f"Open http://127.0.0.1:{hub.settings.port}/" in await out.until("Streamable HTTP")
        await ended(task)
        out, task = watching(hub, settle=0)
        assert "FRONT_AWAY: The front does not answer" in await out.until("Streamable HTTP")
        await ended(task)


@pytest.mark.outside
async def test_a_restarted_sidecar_is_met_again(hub: CannedHub) -> None:
    """It is told of once it has settled, with what differs."""
    hub.status = one("ready")
    out, task = watching(hub)
    await out.until("Streamable HTTP")
    hub.become(status([], [], session="s2", accepted=None, settled=False))
    hub.become(one("ready").model_copy(update={"session": "s2"}))
    text = await out.until("the sidecar was restarted")
    assert "removed" not in text
    await ended(task)


@pytest.mark.outside
async def test_a_sidecar_that_does_not_answer_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With where to look."""
    monkeypatch.setattr("hubctl.commands.watch.ANSWER_TIMEOUT", 0.1)
    hub = CannedHub(settings(tmp_path))
    out, task = watching(hub, settle=0)
    text = await out.until("does not answer")
    assert "sidecar.log" in text
    await ended(task)


@pytest.mark.outside
async def test_a_sidecar_that_starts_slowly_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its process is young it is starting, whatever the machine needs for it; then it is in trouble."""
    monkeypatch.setattr("hubctl.commands.watch.ANSWER_TIMEOUT", 0.05)
    ages = {"sidecar": 12.0}
    monkeypatch.setattr("hubctl.commands.watch.seconds_since_start", lambda _, name: ages[name])
    monkeypatch.setattr("hubctl.commands.watch.Watcher.pause", lambda _: 0.01)
    out, task = watching(CannedHub(settings(tmp_path)), settle=0)
    text = await out.until("the sidecar is still starting")
    assert "does not answer" not in text
    ages["sidecar"] = 61.0
    text = await out.until("does not answer")
    assert (text.count("still starting"), text.count("does not answer")) == (1, 1)
    await ended(task)


@pytest.mark.outside
async def test_in_a_container_no_address_is_told_that_may_be_wrong(
    hub: CannedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its port is published, only the user knows: paths are told, unless HUB_PUBLIC_URL says the address."""
    monkeypatch.setenv("YAMCP_HUB_IMAGE", "true")
    base = f"http://127.0.0.1:{hub.settings.port}"
    urls = {"sse_url": f"{base}/mcp/w/sse", "http_url": f"{base}/mcp/w"}
    hub.status = status([workspace("w", "time", **urls)], [server("time")])
    out, task = watching(hub)
    text = await out.until("Streamable HTTP")
    assert f"Open the address at which port {hub.settings.port} of the container is published" in text
    assert "SSE              /mcp/w/sse\n" in text
    assert "127.0.0.1" not in text
    await ended(task)
    hub.settings = hub.settings.model_copy(update={"public_url": "https://hub.example"})
    out, task = watching(hub)
    text = await out.until("Streamable HTTP")
    assert "Open https://hub.example/\n" in text
    assert f"SSE              {base}/mcp/w/sse" in text
    await ended(task)


@pytest.mark.outside
async def test_for_scripts_each_change_is_the_whole_status(hub: CannedHub) -> None:
    """One JSON line a change, nothing for people."""
    hub.status = one("ready")
    out = Lines()
    task = asyncio.create_task(watch(hub.context(json=True, out=out)))
    await out.until("ready")
    hub.become(one("failed").model_copy(update={"accepted": None}))
    text = await out.until("SERVER_COMMAND_MISSING")
    assert [json.loads(line)["servers"][0]["state"] for line in text.splitlines()] == ["ready", "failed"]
    await ended(task)

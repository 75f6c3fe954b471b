"""hubctl's commands against a hub of canned answers."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from pathlib import Path
from typing import cast

import pytest

from bridge.errors import ErrorBody
from bridge.models import Call, Event, ListTools, Logs, ReadStatus, Restart, SetWorkspace, UnansweredReplica
from hubctl.commands.logs import logs
from tests.unit.hubctl.canned import CannedHub, Lines, missing, server, settings, snapshot_id, status, workspace

pytestmark = pytest.mark.outside


async def test_status_shows_workspaces_servers_and_what_is_wrong(hub: CannedHub) -> None:
    """Every workspace and server has a row; one that is not ready has its reason and last words below."""
    code, out, _ = await hub.hubctl("status")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("yamcp-hub 0.1.0: sidecar pid 4711, up ")
    assert lines[0].endswith(", settled")
    assert any(line.startswith("My Work    degraded  1/2") for line in lines)
    assert any(line.startswith("time    ready") and "stdio legacy" in line and "20 MB" in line for line in lines)
    assert "gone: SERVER_COMMAND_MISSING: gone: no such command. Install it. (tried 2 times" in out
    assert "  stderr: two" in lines


async def test_status_tells_of_stale_servers_and_hints(hub: CannedHub) -> None:
    """A server whose entry broke, and one that would rather be per client, say so."""
    servers = [hub.status.servers[0].model_copy(update={"stale": True, "hints": ("Set session: per_client.",)})]
    hub.status = status([], servers, source="disk", settled=False)
    _, out, _ = await hub.hubctl("status")
    assert "settling, from its own copy" in out
    assert "There is no workspace." in out
    assert "time: its entry in the file is broken; its last good version is in force." in out
    assert "time: Set session: per_client." in out


@pytest.mark.parametrize("command", ["status", "workspaces"])
async def test_json_is_the_whole_truth(hub: CannedHub, command: str) -> None:
    """With --json the models come as they are."""
    code, out, _ = await hub.hubctl(command, "--json")
    whole = json.loads(hub.status.model_dump_json())
    assert (code, json.loads(out)) == (0, whole if command == "status" else whole["workspaces"])


async def test_workspaces_have_state_and_urls(hub: CannedHub) -> None:
    """One row a workspace, with both URLs."""
    _, out, _ = await hub.hubctl("workspaces")
    assert "http://127.0.0.1:8765/mcp/my-work/sse  http://127.0.0.1:8765/mcp/my-work" in out
    assert any(line.startswith("idle       off") for line in out.splitlines())


async def test_a_protected_hub_has_no_direct_urls(hub: CannedHub) -> None:
    """They are empty in its status, and that is told."""
    hub.status = status([workspace("w", direct_sse_url="", direct_http_url="")], [])
    assert (await hub.hubctl("url", "w"))[0] == 0
    code, out, err = await hub.hubctl("url", "w", "--direct")
    assert (code, out) == (2, "")
    assert err.startswith("CLI_ARGUMENTS: The sidecar has no URLs of its own")


async def test_url_is_bare_when_the_transport_is_named(hub: CannedHub) -> None:
    """A script gets the one URL; a person both, with their names. The slug will do for a name."""
    base = "http://127.0.0.1:8765/mcp/my-work"
    assert await hub.hubctl("url", "My Work", "--transport", "sse") == (0, f"{base}/sse\n", "")
    assert await hub.hubctl("url", "my-work") == (0, f"sse  {base}/sse\nhttp {base}\n", "")
    assert json.loads((await hub.hubctl("url", "my-work", "--json"))[1]) == {"sse": f"{base}/sse", "http": base}
    direct = base.replace("8765", "8766")
    assert await hub.hubctl("url", "my-work", "--direct") == (0, f"sse  {direct}/sse\nhttp {direct}\n", "")
    assert await hub.hubctl("url", "my-work", "--direct", "--transport", "http") == (0, f"{direct}\n", "")


async def test_health_is_what_the_front_finds(hub: CannedHub) -> None:
    """0 when all is well, 1 with a line for each thing that is not, 3 when there is no front."""
    assert await hub.hubctl("health") == (0, "The hub is well.\n", "")
    reason = {"code": "HUB_AWAY", "message": "The sidecar does not answer.", "hint": "Wait."}
    hub.health = {"status": "failing", "reasons": [reason, {**reason, "code": "OTHER"}]}
    line = "The sidecar does not answer. Wait.\n"
    assert await hub.hubctl("health") == (1, f"HUB_AWAY: {line}OTHER: {line}", "")
    assert json.loads((await hub.hubctl("health", "--json"))[1])["reasons"][0]["code"] == "HUB_AWAY"
    assert (await hub.hubctl("status"))[1].splitlines()[1] == f"pages: http://127.0.0.1:{hub.settings.port}/"
    hub.health = {"status": "failing"}  # as a hub that asks for tokens says it
    assert (await hub.hubctl("health"))[1] == "The hub is not well: `hubctl doctor` finds out why.\n"
    hub.health = {"hello": "I am another program"}
    code, out, err = await hub.hubctl("health")
    assert (code, out) == (3, "")
    assert err.startswith(f"FRONT_AWAY: What answers at 127.0.0.1:{hub.settings.port} is not the front (status 503). ")


async def test_a_front_that_is_away_is_told(tmp_path: Path) -> None:
    """The state of the rest is shown all the same."""
    async with CannedHub(settings(tmp_path)).serving("actual", "desired") as hub:
        code, out, _ = await hub.hubctl("status")
    where = f"127.0.0.1:{hub.settings.port}"
    assert code == 0
    assert out.splitlines()[1].startswith(f"FRONT_AWAY: The front does not answer at {where}: Connection refused. ")
    assert "My Work" in out


async def test_a_front_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for any longer than that."""
    monkeypatch.setattr("hubctl.commands.servers.FRONT_TIMEOUT", 0.1)
    hub = CannedHub(settings(tmp_path))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", hub.settings.port))
        silent.listen()
        code, _, err = await hub.hubctl("health")
    assert (code, err.partition(". ")[0]) == (
        3,
        f"FRONT_AWAY: The front does not answer at 127.0.0.1:{hub.settings.port}: nothing within 0.1 s",
    )


async def test_an_unknown_workspace_is_an_error_that_names_the_known(hub: CannedHub) -> None:
    """One line on stderr, as JSON where that is asked for, and exit code 1."""
    code, out, err = await hub.hubctl("url", "nope")
    assert (code, out) == (1, "")
    assert err.startswith("NO_SUCH_WORKSPACE: There is no workspace 'nope'; there are: My Work, idle. ")
    assert err.count("\n") == 1
    code, _, err = await hub.hubctl("tools", "nope", "--json")
    assert (code, json.loads(err)["error"]["code"]) == (1, "NO_SUCH_WORKSPACE")


async def test_enable_returns_when_it_is_done(hub: CannedHub) -> None:
    """The workspace is named by its slug, changed by its name, and told of once it is applied."""
    assert await hub.hubctl("enable", "idle") == (0, "Workspace idle is on: 1 of 1 server ready.\n", "")
    assert await hub.hubctl("disable", "idle") == (0, "Workspace idle is off.\n", "")
    hub.asked.clear()
    await hub.hubctl("enable", "idle")
    code, out, _ = await hub.hubctl("disable", "my-work", "--json")
    assert (code, json.loads(out)["enabled"]) == (0, False)
    assert hub.asked == [SetWorkspace(name="idle", enabled=True), SetWorkspace(name="My Work", enabled=False)]


async def test_enable_waits_for_the_servers_of_the_workspace(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until each has started or failed to, so that a call that follows finds its tool; but not for ever."""
    slow = [workspace("idle", "slow", "gone", ready=0, enabled=False), workspace("My Work", "else")]
    servers = [server("slow", "starting"), missing("gone"), server("else", "starting")]
    hub.status = status(slow, servers)
    waiting = asyncio.create_task(hub.hubctl("enable", "idle", "--json"))
    async with asyncio.timeout(100), hub.context().actual() as client:
        while (await client.request(ReadStatus())).applied.revision == 1:
            pass
    assert not waiting.done()
    ready = [workspace("idle", "slow", "gone", ready=1), slow[1]]
    hub.become(status(ready, [server("slow"), *servers[1:]], applied=snapshot_id(2)))
    assert json.loads((await waiting)[1])["ready"] == 1

    monkeypatch.setattr("hubctl.applying.START_TIMEOUT", 0)
    assert (await hub.hubctl("enable", "my-work"))[1] == "Workspace My Work is on: 1 of 1 server ready.\n"


async def test_a_change_that_is_not_applied_says_so(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was saved, but not carried out in time, is an error of its own."""
    hub.applies = False
    monkeypatch.setattr("hubctl.applying.APPLY_TIMEOUT", 0.1)
    code, out, err = await hub.hubctl("enable", "idle")
    assert (code, out) == (1, "")
    assert err.startswith("CLI_NOT_APPLIED: Workspace 'idle' is set to on, but not switched yet. ")


async def test_tools_show_their_first_line(hub: CannedHub) -> None:
    """A person gets names and first lines, a script everything."""
    _, out, _ = await hub.hubctl("tools", "my-work")
    assert out.splitlines()[1] == "time_now  Tell the time."
    _, out, _ = await hub.hubctl("tools", "my-work", "--json")
    assert json.loads(out)[0]["inputSchema"]["properties"]["zone"] == {"type": "string"}
    assert hub.asked == [ListTools(workspace="My Work")] * 2


async def test_arguments_are_typed_as_the_tool_wants_them(hub: CannedHub) -> None:
    """A value is JSON where it can be, and a string where the schema wants one."""
    code, out, _ = await hub.hubctl("call", "my-work", "time_now", "zone=5", "depth=5", "more=[1]", "text=plain")
    assert (code, out) == (0, "noon\n")
    wanted = {"zone": "5", "depth": 5, "more": [1], "text": "plain"}
    assert hub.asked[-1] == Call(workspace="My Work", tool="time_now", arguments=wanted, timeout=60)


async def test_arguments_may_be_one_object(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON as a word, or on stdin."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"b": 2}'))
    await hub.hubctl("call", "my-work", "time_now", '{"a": 1}', "--timeout", "5")
    await hub.hubctl("call", "my-work", "time_now", "-")
    assert [body.arguments for body in hub.asked if isinstance(body, Call)] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("words", [["nothing"], ["=x"], ["{"], ["{1: 2}"], ["-"]])
async def test_bad_arguments_are_a_usage_error(
    hub: CannedHub, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and nothing is called."""
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]"))
    code, _, err = await hub.hubctl("call", "my-work", "time_now", *words)
    assert (code, err.partition(":")[0]) == (2, "CLI_ARGUMENTS")
    assert not [body for body in hub.asked if isinstance(body, Call)]


async def test_a_result_that_is_an_error_is_exit_code_1(hub: CannedHub) -> None:
    """The tool's own words still go to stdout, and what is not text as JSON."""
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    hub.result = {"content": [{"type": "text", "text": "no\x1b[2J\nway"}, image], "isError": True}
    code, out, _ = await hub.hubctl("call", "my-work", "time_now")
    assert code == 1
    assert out.splitlines()[:2] == ["no\\x1b[2J", "way"]
    assert json.loads(out.splitlines()[2])["data"] == "(4 characters of base64)"


async def test_a_result_without_content_shows_its_structure(hub: CannedHub) -> None:
    """Structured content stands in where there is no other; --json gives the result as it is."""
    hub.result = {"content": [], "structuredContent": {"a": 1}}
    assert (await hub.hubctl("call", "my-work", "time_now"))[1] == '{\n  "a": 1\n}\n'
    assert json.loads((await hub.hubctl("call", "my-work", "time_now", "--json"))[1]) == hub.result


async def test_restart_tells_the_state_after_it(hub: CannedHub) -> None:
    """The server is named by its key."""
    assert (await hub.hubctl("restart", "time"))[1] == "Server time was restarted; it is ready now (3 tools).\n"
    assert json.loads((await hub.hubctl("restart", "time", "--json"))[1])["key"] == "time"
    assert hub.asked == [Restart(key="time")] * 2


async def test_restart_waits_for_the_new_state(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was so before the restart is not told as what came of it; nor is waited for ever."""
    monkeypatch.setattr("hubctl.commands.servers.RESTART_TIMEOUT", 0.1)
    hub.status = status([], [server("time", "starting"), server("off", "stopped")])
    assert (await hub.hubctl("restart", "time"))[1] == "Server time was restarted; it is starting now (0 tools).\n"
    assert (await hub.hubctl("restart", "off"))[1] == "Server off was restarted; it is stopped now (0 tools).\n"
    code, _, err = await hub.hubctl("restart", "tine")
    assert (code, err.partition(". ")[0]) == (
        1,
        "NO_SUCH_SERVER: There is no server 'tine' (did you mean time?); there are: time, off",
    )


async def test_logs_are_readable(hub: CannedHub) -> None:
    """Time, level, message and fields on a line, a traceback below; or the record as JSON."""
    hub.records = ({**hub.records[0], "exception": "Trace\nError"},)
    _, out, _ = await hub.hubctl("logs", "-n", "5", "--server", "time")
    assert out.splitlines() == ["10:00:00.123 error   lost  server=time", "  Trace", "  Error"]
    assert hub.asked == [Logs(limit=5, server="time")]
    assert json.loads((await hub.hubctl("logs", "--json"))[1])["message"] == "lost"


async def test_logs_of_all_replicas(hub: CannedHub) -> None:
    """Each record says whose it is; a replica that does not answer is named, and the exit code says so."""
    hub.records = ({**hub.records[0], "logged_by": "r1"},)
    silent = ErrorBody(code="REPLICA_SILENT", message="The replica 'r2' cannot be connected to.", hint="Check.")
    hub.unanswered = (UnansweredReplica(name="r2", error=silent),)
    code, out, err = await hub.hubctl("logs", "--replica", "all")
    assert out.splitlines()[0].endswith("logged_by=r1")
    assert (code, err) == (1, "REPLICA_SILENT: The replica 'r2' cannot be connected to. Check.\n")
    assert hub.asked == [Logs(limit=100, replica="all")]


async def test_following_logs_of_all_replicas(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record is shown once, and a replica that does not answer is named once, however often they are asked."""
    monkeypatch.setattr("hubctl.commands.logs.LOOK_SECONDS", 0.01)
    silent = ErrorBody(code="REPLICA_SILENT", message="The replica 'r2' cannot be connected to.", hint="Check.")
    hub.unanswered = (UnansweredReplica(name="r2", error=silent),)
    out = Lines()
    context = hub.context(json=True, out=out)
    task = asyncio.create_task(logs(context, Logs(limit=10, replica="all"), follow=True))
    await out.until("lost")
    hub.records = (*hub.records, {"message": "next", "logged_by": "r1"})
    text = await out.until("next")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [json.loads(line)["message"] for line in text.splitlines()] == ["lost", "next"]
    assert cast(io.StringIO, context.err).getvalue().count("REPLICA_SILENT") == 1
    assert [each.limit for each in hub.asked[:2]] == [10, 1000]


async def test_following_logs_shows_each_record_once(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first, then what is told, of the server asked for; what comes both ways is shown once."""
    monkeypatch.setattr("hubctl.commands.logs.REMEMBERED", 2)
    out = Lines()
    task = asyncio.create_task(logs(hub.context(json=True, out=out), Logs(limit=10, server="time"), follow=True))
    await out.until("lost")
    other = {"message": "other", "server": "gone"}
    for record in (hub.records[0], other, {"message": "one", "server": "time"}, {"message": "two", "server": "time"}):
        hub.publisher.publish(Event(topic="log", data=record))
    text = await out.until("two")
    assert [json.loads(line)["message"] for line in text.splitlines()] == ["lost", "one", "two"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

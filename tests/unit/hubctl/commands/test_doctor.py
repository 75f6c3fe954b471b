"""`hubctl doctor`: what is wrong, and what to do."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from bridge.errors import ErrorBody, PeerUnavailable
from bridge.models import HubToolStatus, Issue, MaskedSnapshot, ServerSettings, ServerSpec, SnapshotId, StdioLaunch
from hubctl.commands import doctor, permissions
from hubctl.commands.doctor import Finding, finding_lines
from hubctl.render import Paint
from tests.unit.hubctl.canned import (
    NOW,
    CannedHub,
    desired,
    listening,
    missing,
    server,
    settings,
    status,
    workspace,
)

pytestmark = pytest.mark.outside


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canned hub has no sockets to look for; and no HUB_ variable of this shell is looked at."""
    monkeypatch.setattr(doctor, "running", lambda _: True)
    monkeypatch.setattr(doctor, "unknown_variables", lambda _: [])


async def test_a_healthy_hub_is_told_so(hub: CannedHub) -> None:
    """Every look has a line, and the exit code is 0."""
    hub.status = status([workspace("w", "time")], [server("time")])
    empty = desired().snapshot.model_copy(update={"servers": (), "workspaces": ()})
    hub.desired = desired().model_copy(update={"snapshot": empty})
    code, out, _ = await hub.hubctl("doctor")
    assert code == 0
    assert out.splitlines() == [
        "ok       sidecar: answers.",
        "ok       adapter: answers.",
        "ok       front: answers.",
        "ok       recorder: answers.",
        "ok       configuration: every entry can be used.",
        "ok       servers: all that should run are ready.",
        "ok       workspaces: each that is on is ready.",
        "",
        "Nothing is wrong.",
    ]


async def test_what_enforces_limits(hub: CannedHub) -> None:
    """It is told once there are servers with limits."""
    hub.status = status([], []).model_copy(update={"enforcement": "the control group /g (memory, pids)"})
    _, out, _ = await hub.hubctl("doctor")
    assert "ok       limits: those of stdio servers are enforced by the control group /g (memory, pids)." in out


async def test_new_items_that_wait(hub: CannedHub) -> None:
    """By `hubctl status`, too."""
    hub.status = status([workspace("w", pending=2, enabled=False)], [])
    _, out, _ = await hub.hubctl("doctor")
    assert "info     workspace w: 2 new items not shown before you decide." in out
    _, out, _ = await hub.hubctl("status")
    assert "w: 2 new items not shown before you decide: `hubctl curation list`." in out


async def test_tools_of_the_hub_that_cannot_work(hub: CannedHub) -> None:
    """One line for all with the same problem, by `hubctl status`, too."""
    away = {"problem": "The catalogue is away.", "what_to_do": "Try again."}
    tools = (HubToolStatus(name="hub_status"), *(HubToolStatus(name=f"registry_{n}", **away) for n in "ab"))
    hub.status = status([], []).model_copy(update={"hub_tools": tools})
    _, out, _ = await hub.hubctl("doctor")
    assert "warning  tools registry_a, registry_b: The catalogue is away." in out
    _, out, _ = await hub.hubctl("status")
    told = [line for line in out.splitlines() if "away" in line]
    assert told == [f"registry_{n}: The catalogue is away. Try again." for n in "ab"]


async def test_everything_wrong_has_a_line_and_what_to_do(hub: CannedHub) -> None:
    """Broken entries, a refused snapshot, programs that are missing, servers, workspaces."""
    issue = Issue(
        code="MEMBER_UNKNOWN", severity="warning", subject="workspace:w", file="workspaces.json", message="m", hint="h"
    )
    told = issue.model_copy(update={"code": "NAMESPACE_MISSING", "severity": "info"})
    hub.desired = desired(issue, told, sidecar_error=ErrorBody(code="SNAPSHOT_INVALID", message="refused"))
    servers = [missing("gone"), server("slow", "starting"), server("picky", hints=("Set session: per_client.",))]
    hub.status = status([workspace("w", "gone", ready=0), workspace("none")], servers)
    code, out, _ = await hub.hubctl("doctor", "--json")
    found = {(item["level"], item["subject"], item["code"]): item for item in json.loads(out)}
    assert code == 1
    assert set(found) == {
        ("ok", "sidecar", ""),
        ("ok", "adapter", ""),
        ("ok", "front", ""),
        ("ok", "recorder", ""),
        ("warning", "workspaces.json", "MEMBER_UNKNOWN"),
        ("info", "workspaces.json", "NAMESPACE_MISSING"),
        ("error", "snapshot", "SNAPSHOT_INVALID"),
        ("warning", "no-such-command", ""),
        ("error", "server gone", "SERVER_COMMAND_MISSING"),
        ("warning", "servers", ""),
        ("warning", "server picky", ""),
        ("error", "workspace w", ""),
        ("warning", "workspace none", "WORKSPACE_WITHOUT_SERVERS"),
    }
    assert found["error", "server gone", "SERVER_COMMAND_MISSING"]["message"].endswith("On stderr: two")
    assert "needed by time, gone" in found["warning", "no-such-command", ""]["message"]
    assert (await hub.hubctl("doctor"))[1].splitlines()[-1] == "3 wrong; 5 warnings."


async def test_a_degraded_server_is_told_with_what_to_do(hub: CannedHub) -> None:
    """Each of its troubles is a warning; it serves, so nothing is wrong."""
    trouble = ErrorBody(
        code="SERVER_LIST_FAILED", message="`prompts/list` was answered with error -1: x.", hint="Look."
    )
    hub.status = status([workspace("w", "time")], [server("time", "degraded", troubles=(trouble,), tools=3)])
    code, out, _ = await hub.hubctl("doctor", "--json")
    [found] = [each for each in json.loads(out) if each["subject"] == "server time"]
    assert found == {
        "level": "warning",
        "subject": "server time",
        "message": "degraded: `prompts/list` was answered with error -1: x.",
        "hint": "Look.",
        "code": "SERVER_LIST_FAILED",
    }
    assert code == 0
    _, out, _ = await hub.hubctl("status")
    assert "time: SERVER_LIST_FAILED: `prompts/list` was answered with error -1: x. Look." in out


async def test_a_process_that_does_not_answer_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what supervisord says of it; what the other one knows is told all the same."""
    states = dict.fromkeys(("adapter", "front"), "BACKOFF Exited too quickly")
    monkeypatch.setattr(doctor, "process_states", lambda _: states)
    monkeypatch.setattr(doctor, "ANSWER_TIMEOUT", 0.2)
    async with CannedHub(settings(tmp_path), status=status([], [])).serving("actual", "records") as hub:
        code, out, _ = await hub.hubctl("doctor")
    lines = out.splitlines()
    assert code == 1
    assert lines[1].endswith("within 0.2 s. supervisord says: BACKOFF Exited too quickly.")
    assert "adapter.log" in lines[2]
    assert lines[3].startswith(f"error    front: The front does not answer at 127.0.0.1:{hub.settings.port}: ")
    assert lines[3].endswith("supervisord says: BACKOFF Exited too quickly.")
    assert "front.log" in lines[4]
    assert lines[5] == "ok       recorder: answers."
    assert lines[7].startswith("warning  workspaces: there is none.")


async def test_a_yamcp_ui_that_does_not_answer_is_told_of(tmp_path: Path) -> None:
    """Where there should be one; one that answers is well."""
    own = settings(tmp_path).model_copy(update={"yamcp_ui_dir": tmp_path})
    own.runtime.mkdir(parents=True, exist_ok=True)
    async with CannedHub(own, status=status([], [])).serving() as hub:
        told = await found(hub)
        assert (told["level"], told["code"]) == ("error", "YAMCP_UI_AWAY")
        async with listening(page, own.yamcp_ui_socket):
            assert (await found(hub))["level"] == "ok"


async def found(hub: CannedHub) -> dict[str, str]:
    """What is told of YAMCP-UI."""
    items: list[dict[str, str]] = json.loads((await hub.hubctl("doctor", "--json"))[1])
    return next(item for item in items if item["subject"] == "yamcp-ui")


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer any request."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def test_without_a_hub_it_says_whether_one_could_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that stands in its way is told beforehand: no Node, a YAMCP-UI that is none, ports; nothing is made."""
    monkeypatch.setattr(doctor, "running", lambda _: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        own = settings(tmp_path).model_copy(update={"port": port, "sidecar_port": port, "yamcp_ui_dir": tmp_path})
        code, out, _ = await CannedHub(own).hubctl("doctor", "--json")
    told = ["HUB_NOT_RUNNING", "NODE_MISSING", *["SETTING_INVALID"] * 2, *["PORT_TAKEN"] * 2]
    assert (code, [item["code"] for item in json.loads(out)]) == (1, told)
    assert not own.data_dir.exists()


def test_a_program_is_missing_from_the_path_or_where_it_was_named() -> None:
    """A path is no matter of PATH, and the message does not send anyone to look there."""
    commands = ("no-such-command", "/no/such/command", "sh")
    specs = tuple(ServerSpec(key=f"s{i}", namespace="s", launch=StdioLaunch(command=c)) for i, c in enumerate(commands))
    snapshot = MaskedSnapshot(id=SnapshotId(epoch=1, revision=1, hash=""), servers=specs, workspaces=())
    told = {finding.subject: finding.message for finding in doctor.programs(snapshot, "/bin")}
    assert told == {
        "/no/such/command": "is not there, or may not be executed; needed by s1.",
        "no-such-command": "is not on this shell's PATH; needed by s0.",
    }


def test_secrets_that_cannot_be_used(tmp_path: Path) -> None:
    """Each reference that the hub must not follow, or cannot, has a finding; none that it can, and no value is in one.

    Arguments of programs are not shown, since one may be a secret.
    """
    inside, outside = tmp_path / "in", tmp_path / "out"
    for directory in (inside, outside):
        directory.mkdir()
        (directory / "key").write_text("s3cr3t-value")
    (inside / "link").symlink_to(outside / "key")
    (inside / "empty").touch()
    program = tmp_path / "show"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    headers = {"A": f"Bearer ${{file:{inside}/key}}", "B": f"${{file:{outside}/key}}", "C": f"${{file:{inside}/none}}"}
    entries = {
        "a": {"type": "sse", "providerParameters": {"url": "http://a", "headers": headers}},
        "b": {"command": "x", "args": [f"--key=${{cmd:{program} --arg}}", "$${file:/etc/shadow}", "${NAME}"]},
        "c": {"command": "x", "env": {"K": "${cmd:/bin/sh -c 's3cr3t-arg'}", "L": f"${{file:{inside}/link}}"}},
        "d": {"command": f"${{cmd:{tmp_path}/gone}}", "args": [f"${{file:{inside}}}", f"${{file:{inside}/empty}}"]},
        "unused": {"command": "${file:/etc/shadow}"},
    }
    file = tmp_path / "providers.json"
    file.write_text(json.dumps({"mcpServers": entries}))
    own = settings(tmp_path).model_copy(
        update={"secret_dirs": str(inside), "secret_commands": f"{program}, {tmp_path}/gone"}
    )
    launch = StdioLaunch(command="x")
    specs = tuple(ServerSpec(key=key, namespace=key, launch=launch) for key in "abcd")
    by_hand = specs[1].model_copy(update={"settings": ServerSettings(oauth_client_secret="${file:/run/none}")})
    wanted = desired().model_copy(update={"files": {"providers": str(file)}})
    snapshot = wanted.snapshot.model_copy(update={"servers": (specs[0], by_hand, *specs[2:])})
    wanted = wanted.model_copy(update={"snapshot": snapshot})

    found = doctor.secrets(wanted, own)
    assert [(each.subject[-1], each.code.removeprefix("SECRET_")) for each in found] == [
        ("a", "FILE_REFUSED"),
        ("a", "FILE_INVALID"),
        ("b", "FILE_REFUSED"),
        ("c", "COMMAND_REFUSED"),
        ("c", "FILE_REFUSED"),
        ("d", "COMMAND_FAILED"),
        ("d", "FILE_INVALID"),
        ("d", "FILE_INVALID"),
    ]
    assert all(each.level == "error" and each.hint for each in found)
    assert not [each for each in found if "s3cr3t" in each.message]
    off = doctor.secrets(wanted, settings(tmp_path))
    assert {each.code for each in off} == {"SECRET_FILE_REFUSED", "SECRET_COMMAND_REFUSED"}
    assert len(off) == len(found) + 2  # what is allowed above
    for broken in (b"{", b"[]", b"null"):
        file.write_bytes(broken)
        assert [each.subject for each in doctor.secrets(wanted, own)] == ["server b"]


def test_a_server_that_failed_without_a_reason() -> None:
    """Even then its state is told."""
    found = doctor.servers(status([], [server("a", "backoff")]), NOW)
    assert found == [Finding(level="error", subject="server a", message="backoff for 1 min")]
    assert finding_lines(found[0], Paint()) == ["error    server a: backoff for 1 min"]


REASON = ErrorBody(code="SERVER_EXITED", message="It ended with exit code 1.", hint="Look.")


@pytest.mark.parametrize("state", ["starting", "backoff", "failed"])
def test_a_server_that_is_tried_again_and_again_is_wrong_at_each_moment(state: str) -> None:
    """Also while it is being started for the 17th time; a first start is none of it."""
    looping = server("loop", state, attempts=17, reason=REASON)
    first = server("new", "starting")
    [error, warning] = doctor.servers(status([], [looping, first]), NOW)
    assert (error.level, error.subject, error.code) == ("error", "server loop", "SERVER_EXITED")
    assert error.message == f"{state} for 1 min after 17 starts that failed: It ended with exit code 1."
    assert (warning.level, warning.message) == ("warning", "still starting: new.")


def test_a_server_that_is_ready_and_ends_again_and_again_is_wrong() -> None:
    """It is ready whenever one looks; one that was restarted long ago, or seldom, is well."""
    looping = server("loop", restarts=17, since=NOW - 7, stderr=("boom",))
    steady = [server("old", restarts=17, since=NOW - 3600), server("once", restarts=1, since=NOW - 7)]
    [found] = doctor.servers(status([], [looping, *steady]), NOW)
    assert (found.level, found.hint) == ("error", "Look why it ends: hubctl logs --server loop")
    assert found.message == (
        "ready, but it ends again and again: restarted 17 times, the last time 7 s ago. Last on stderr: boom"
    )


async def test_a_yamcp_directory_that_cannot_be_written_is_wrong(
    hub: CannedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server can be added then; a file that is a link is written where it leads."""
    away = hub.settings.data_dir.parent / "away"
    for directory in (hub.settings.yamcp_dir, away):
        directory.mkdir()
    (hub.settings.yamcp_dir / "providers.json").symlink_to(away / "providers.json")
    writable = os.access
    for locked in (hub.settings.yamcp_dir, away):
        monkeypatch.setattr(os, "access", lambda path, mode, no=locked: path != no and writable(path, mode))
        code, out, _ = await hub.hubctl("doctor", "--json")
        [found] = [each for each in json.loads(out) if each["code"] == "YAMCP_DIR_READ_ONLY"]
        assert (code, found["level"], found["message"]) == (
            1,
            "error",
            f"HUB_YAMCP_DIR: {locked} cannot be written.",
        )


async def test_warnings_are_counted(hub: CannedHub) -> None:
    """ "Nothing is wrong" alone would hide them."""
    hub.status = status([workspace("w", "time")], [server("time"), server("new", "starting")])
    empty = desired().snapshot.model_copy(update={"servers": (), "workspaces": ()})
    hub.desired = desired().model_copy(update={"snapshot": empty})
    code, out, _ = await hub.hubctl("doctor")
    assert (code, out.splitlines()[-1]) == (0, "Nothing is wrong; 1 warning.")


MODES = [
    ("data", 0o777, "error", "change"),
    ("data", 0o755, "warning", "read"),
    ("data/logs", 0o711, "warning", "enter"),
    ("data/backups", 0o777, "error", "change"),
    ("yamcp", 0o777, "error", "change"),
    ("data/keys.json", 0o666, "error", "change"),
    ("data/hub.json", 0o644, "error", "read"),
    ("data/applied.json", 0o640, "error", "read"),
    ("data/adapter-state.json", 0o604, "error", "read"),
    ("data/cookie.key", 0o644, "error", "read"),
    ("data/token", 0o644, "error", "read"),
    ("data/backups/providers.json.1", 0o644, "error", "read"),
    ("token-file", 0o644, "error", "read"),
    ("hub env", 0o644, "error", "read"),
    ("key.pem", 0o644, "error", "read"),
    ("yamcp/providers.json", 0o644, "warning", "read"),
    ("yamcp/providers.json", 0o666, "error", "change"),
    ("yamcp/workspaces.json", 0o664, "error", "change"),
]


@pytest.mark.parametrize(("name", "mode", "level", "may"), MODES)
def test_what_others_may_read_or_change_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: int, level: str, may: str
) -> None:
    """With the command that mends it; then nothing is found any more."""
    given = {"token_file": tmp_path / "token-file", "tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
    own = settings(tmp_path).model_copy(update=given)
    monkeypatch.setattr(permissions, "settings_file", lambda: tmp_path / "hub env")
    for directory in ("data/logs", "data/backups", "data/run", "yamcp"):
        (tmp_path / directory).mkdir(0o700, parents=True, exist_ok=True)
    (tmp_path / "data").chmod(0o700)
    for each in {each for each, _, _, _ in MODES}:
        if not (tmp_path / each).exists():
            (tmp_path / each).touch(0o600)
    (tmp_path / "key.pem").chmod(0o640)
    (tmp_path / "yamcp" / "workspaces.json").chmod(0o644)
    (tmp_path / "yamcp").chmod(0o755)
    assert doctor.open_permissions(own) == []
    path = tmp_path / name
    path.chmod(mode)
    (found,) = doctor.open_permissions(own)
    assert (found.level, found.subject, found.code) == (level, str(path), "PATH_TOO_OPEN")
    assert f"may {may} it (mode {mode:04o})" in found.message
    subprocess.run(found.hint, shell=True, check=True)
    assert doctor.open_permissions(own) == []


def test_another_users_file_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets that a container engine mounts, say: the hub's user cannot change them."""
    own = settings(tmp_path)
    own.data_dir.mkdir(0o700)
    (own.data_dir / "keys.json").touch(0o644)
    monkeypatch.setattr(permissions.os, "geteuid", lambda: 12345)
    (found,) = doctor.open_permissions(own)
    assert found.level == "warning"
    assert "belongs to user" in found.message


async def test_doctor_tells_of_it(hub: CannedHub) -> None:
    """And does not say that nothing is wrong."""
    hub.settings.data_dir.mkdir(0o700)
    (hub.settings.data_dir / "keys.json").touch()
    (hub.settings.data_dir / "keys.json").chmod(0o666)
    code, out, _ = await hub.hubctl("doctor")
    assert code == 1
    assert f"error    {hub.settings.data_dir}/keys.json: everybody on this machine may change it (mode 0666)." in out
    assert f"do: chmod go= {hub.settings.data_dir}/keys.json" in out


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("RUNNING pid 7, uptime 0:00:02", "info"),
        ("STARTING ", "info"),
        ("RUNNING pid 7, uptime 0:05:00", "error"),
        ("BACKOFF Exited too quickly", "error"),
    ],
)
def test_a_recorder_that_was_just_started_is_no_fault(state: str, level: str) -> None:
    """It starts at low priority, while records wait on disk; one that stays away is a fault."""
    [finding] = doctor.history(PeerUnavailable("It did not answer."), {"recorder": state})
    assert (finding.subject, finding.level) == ("recorder", level)

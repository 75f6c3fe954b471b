"""The demo servers as processes: their size, how they start, and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.demo.test_sdk_client import PROGRAMS

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
Process = subprocess.Popen[bytes]


@contextmanager
def started(program: str, *flags: str, **options: Any) -> Iterator[Process]:
    """One of the demo servers with pipes; it and its children are killed at the end."""
    command = [sys.executable, str(PROGRAMS[program]), *flags]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **{**pipes, **options}) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


def ask(process: Process, method: str, params: dict[str, Any]) -> Any:
    """Send one request and read its answer."""
    tell(process, method, params)
    assert process.stdout
    return json.loads(process.stdout.readline())["result"]


def tell(process: Process, method: str, params: dict[str, Any]) -> None:
    """Send one request."""
    assert process.stdin
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
    process.stdin.flush()


def call(process: Process, tool: str, **arguments: Any) -> str:
    """Call a tool, and give its text."""
    return str(ask(process, "tools/call", {"name": tool, "arguments": arguments})["content"][0]["text"])


@pytest.mark.parametrize("program", ["notes", "clock", "mock"])
def test_a_server_takes_at_most_20_mb(program: str) -> None:
    """Resident size after the lists and a call (a plain interpreter has 10 MB of it)."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    with started(program, env=environment) as process:  # what measures coverage is not part of it
        ask(process, "initialize", INITIALIZE)
        for method in ("tools/list", "resources/list", "prompts/list"):
            ask(process, method, {})
        call(process, {"notes": "list_notes", "clock": "now", "mock": "pid"}[program])
        assert psutil.Process(process.pid).memory_info().rss <= 20 * 1024 * 1024


@pytest.mark.parametrize("program", ["notes", "clock", "mock"])
def test_end_of_input_and_sigterm_end_it(program: str) -> None:
    """A well-behaved server ends with 0 at the end of its input, and at once on SIGTERM."""
    with started(program) as process:
        ask(process, "initialize", INITIALIZE)
        assert process.stdin
        process.stdin.close()
        assert process.wait(10) == 0
    with started(program) as process:
        ask(process, "initialize", INITIALIZE)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


def test_interrupt_ends_it_quietly() -> None:
    """Ctrl-C leaves no traceback."""
    with started("mock") as process:
        ask(process, "initialize", INITIALIZE)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == b""


def test_exit_at_once_until_a_file_is_there(tmp_path: Path) -> None:
    """With a code and words on stderr; when the file exists it starts as if nothing had been."""
    cure = tmp_path / "cure"
    flags = ("--exit-at-once", "7", "--start-when-file", str(cure), "--stderr", "no licence")
    with started("mock", *flags) as process:
        assert process.wait(10) == 7
        assert process.stderr
        assert process.stderr.read() == b"no licence\n"
    cure.touch()
    with started("mock", *flags) as process:
        assert ask(process, "initialize", INITIALIZE)["serverInfo"]["name"] == "mock"


@pytest.mark.parametrize("flag", [(), ("--hang-on-start",)])
def test_hanging_ends_with_the_file(tmp_path: Path, flag: tuple[str, ...]) -> None:
    """It answers nothing before the file exists, and what was asked meanwhile then."""
    cure = tmp_path / "cure"
    with started("mock", *flag, "--stderr", "up", "--start-when-file", str(cure), "--garbage-on-start") as process:
        tell(process, "initialize", INITIALIZE)
        assert process.stderr
        assert process.stdout
        process.stderr.readline()
        cure.touch()
        assert process.stdout.readline().startswith(b"Welcome")
        assert [process.stdout.readline() for _ in range(3)] == [b"{not json\n", b"\n", b"  [1, 2\n"]
        assert json.loads(process.stdout.readline())["id"] == 1


def test_crash_and_die_after_end_the_process() -> None:
    """A crash gives no answer; --die-after ends after the answer to the last call."""
    with started("mock") as process:
        ask(process, "initialize", INITIALIZE)
        tell(process, "tools/call", {"name": "crash", "arguments": {"code": 9}})
        assert process.wait(10) == 9
        assert process.stdout
        assert process.stdout.read() == b""
    with started("mock", "--die-after", "2") as process:
        ask(process, "initialize", INITIALIZE)
        assert [call(process, "echo", text=str(number)) for number in range(2)] == ["0", "1"]
        assert process.wait(10) == 1


def test_ignore_term_and_setsid_leave_the_group_and_live_on() -> None:
    """It is in another session than the process that was started, and survives the end of its input and signals."""
    with started("mock", "--ignore-term", "--setsid", start_new_session=True) as process:
        ask(process, "initialize", INITIALIZE)
        where = json.loads(call(process, "process"))
        assert where["sid"] == where["pid"] != process.pid
        assert where["ppid"] == process.pid
        assert process.stdin
        assert process.stdout
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(where["pid"], number)
        assert call(process, "echo", text="alive") == "alive"
        process.stdin.close()
        server = psutil.Process(where["pid"])
        with pytest.raises(psutil.TimeoutExpired):
            server.wait(0.3)


def test_setsid_without_a_group_of_its_own_needs_no_child() -> None:
    """Started inside our group it becomes a session leader itself."""
    with started("mock", "--setsid") as process:
        ask(process, "initialize", INITIALIZE)
        assert os.getsid(process.pid) == process.pid


def test_a_launcher_has_the_server_as_a_child() -> None:
    """The child serves on the launcher's pipes; its exit code is passed on."""
    with started("mock", "--launcher", "--die-after", "1") as process:
        ask(process, "initialize", INITIALIZE)
        assert int(call(process, "pid")) != process.pid
        assert process.wait(10) == 1

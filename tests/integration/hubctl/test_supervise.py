"""The hub's supervisor with small programs: what ends or hangs is started again, and soon."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubctl.run.supervisor import process_states

PROGRAM = """
import os, signal, subprocess, sys, threading, time
if sys.argv[1] == "group":
    subprocess.Popen(["sleep", "1000"])
print("pid", os.getpid(), flush=True)
busy = []
signal.signal(signal.SIGUSR1, lambda *_: busy.append(1))
while not busy:
    os.write(int(os.environ["YAMCP_HUB_HEARTBEAT_FD"]), b".")
    time.sleep(0.1)
while True:
    pass
"""
NAMES = ("fine", "group", "other")
LIMIT = 2


class Supervised:
    """A supervisor with a limit of 2 s, and three programs that write heartbeats."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def start(self) -> None:
        """Start it, and wait for its programs."""
        (self.root / "program.py").write_text(PROGRAM)
        (self.root / "conf").write_text(configuration(self.root))
        own = {"YAMCP_HUB_TERMINAL_FD": "1", "HUB_WATCHDOG": str(LIMIT), "HUB_RUNTIME_DIR": str(self.root)}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "hubctl.run.supervise", "-c", str(self.root / "conf")),
            env={**os.environ, **own},
            stdout=asyncio.subprocess.DEVNULL,
        )
        self.pids = {name: await self.next_pid(name) for name in NAMES}

    def lines(self, name: str) -> list[str]:
        """What the program, and the supervisor about it, wrote into its log; without a line that is not whole yet."""
        try:
            return (self.root / f"{name}.log").read_text().rpartition("\n")[0].splitlines()
        except FileNotFoundError:
            return []

    async def next_pid(self, name: str, after: int = 0) -> int:
        """The process of a program, once it is another one than `after`."""
        async with asyncio.timeout(100):
            while True:
                started = [int(line.split()[1]) for line in self.lines(name) if line.startswith("pid ")]
                if started and started[-1] != after:
                    return started[-1]
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        """Stop it and all programs."""
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), 30) == 0


def configuration(root: Path) -> str:
    """`group` is a program whose process group is ended with it."""
    parts = [
        f"[supervisord]\nnodaemon=true\nsilent=true\nlogfile={root}/supervisord.log\npidfile={root}/pid\n"
        f"[unix_http_server]\nfile={root}/supervisor.sock\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface"
    ]
    parts += [
        f"[program:{name}]\ncommand={sys.executable} {root}/program.py {name}\nautorestart=true\nstartsecs=1\n"
        f"stopasgroup={name == 'group'}\nkillasgroup={name == 'group'}\n"
        f"redirect_stderr=true\nstdout_logfile={root}/{name}.log"
        for name in NAMES
    ]
    return "\n".join(parts)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Supervised]:
    """A running one."""
    supervised = Supervised(tmp_path)
    await supervised.start()
    yield supervised
    await supervised.end()


async def test_what_hangs_is_ended_and_started_again(hub: Supervised) -> None:
    """A stopped process and a busy one, each with a line in its log that says why; the third stays."""
    os.kill(hub.pids["group"], signal.SIGSTOP)
    os.kill(hub.pids["other"], signal.SIGUSR1)
    for name in ("group", "other"):
        assert await hub.next_pid(name, hub.pids[name])
        [line] = [json.loads(line) for line in hub.lines(name) if line.startswith("{")]
        assert (line["code"], line["level"], line["pid"]) == ("PROCESS_HUNG", "error", hub.pids[name])
        assert line["message"].startswith(f"{name} did nothing for ")
    assert await hub.next_pid("fine") == hub.pids["fine"]
    assert children(hub.pids["group"]) == [], "what the ended process had started is gone, too"


async def test_what_ends_is_started_again_at_once(hub: Supervised) -> None:
    """After a long run, and when it ends within `startsecs`, which supervisord takes for a failed start."""
    for _ in range(10):
        await until_running(hub.root, "fine")
        times = [await seconds_of_restart(hub), await seconds_of_restart(hub)]
        if max(times) < 1:
            return
    pytest.fail(f"supervisord alone takes 1 to 2 s; a busy machine is not busy ten times in a row: {times}")


async def seconds_of_restart(hub: Supervised) -> float:
    """Kill a process; the seconds until there is another one."""
    pid = await hub.next_pid("fine")
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    await hub.next_pid("fine", pid)
    return time.monotonic() - began


async def until_running(root: Path, name: str) -> None:
    """Wait until supervisord takes it for started."""
    async with asyncio.timeout(100):
        while not (await asyncio.to_thread(process_states, root)).get(name, "").startswith("RUNNING"):  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.05)


def children(group: int) -> list[str]:
    """The processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(path.parent.name)
    return found

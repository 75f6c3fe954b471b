"""The hub as a user runs it: `hubctl run`, with everything that this starts, in a temporary directory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil

from hubctl.run.supervisor import process_states
from tests.support.hub import MARK, free_ports

HUBCTL = [sys.executable, "-m", "hubctl"]


class Run:
    """A hub of its own in a directory of its own, started by hubctl. Times in seconds."""

    def __init__(self, root: Path, variables: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.port, self.sidecar_port = free_ports(2)
        self.mark = secrets.token_hex(8)
        self.text = ""
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")} | {
            "HUB_PORT": str(self.port),
            "HUB_SIDECAR_PORT": str(self.sidecar_port),
            "HUB_YAMCP_DIR": str(root / "yamcp"),
            "HUB_DATA_DIR": str(root / "data"),
            "HUB_RUNTIME_DIR": str(root / "run"),
            "HUB_SETTINGS_FILE": str(root / "hub.env"),
            "HUB_PASS_ENV": MARK,
            MARK: self.mark,
            **(variables or {}),
        }

    async def start(self) -> asyncio.subprocess.Process:
        """`hubctl run`, with its stdout piped to here."""
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *HUBCTL, "run", cwd=self.root, env=self.env, stdout=pipe, stderr=pipe, start_new_session=True
        )
        return self.process

    async def until(self, text: str, timeout: float = 100) -> str:
        """Read its stdout until the text is there; returns all so far."""
        assert self.process.stdout
        async with asyncio.timeout(timeout):
            while text not in self.text:
                chunk = await self.process.stdout.read(65536)
                assert chunk, f"ended without {text!r}:\n{self.text}{self.logs()}"
                self.text += chunk.decode()
        return self.text

    async def hubctl(self, *words: str) -> tuple[int, str, str]:
        """Another hubctl with the same settings: its exit code, stdout, stderr."""
        return await hubctl(self.env, *words, cwd=self.root)

    async def end(self, sig: signal.Signals) -> tuple[int, list[str]]:
        """Send a signal to its process group, as a terminal does.

        Returns its exit code, and supervisord's lines about programs that it killed, as they did not end in time.
        """
        os.killpg(self.process.pid, sig)
        assert self.process.stderr
        assert self.process.stdout
        code = await asyncio.wait_for(self.process.wait(), 100)
        assert await self.process.stderr.read() == b""
        self.text += (await self.process.stdout.read()).decode()
        log = (self.root / "data" / "logs" / "supervisord.log").read_text("utf-8")
        return code, re.findall(r"killing '.*' \(\d+\) with SIGKILL", log)

    async def left(self, timeout: float = 100) -> list[str]:
        """What still runs of it after at most this time."""
        deadline = time.monotonic() + timeout
        while (found := self.processes()) and time.monotonic() < deadline:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.05)
        return [" ".join(process.cmdline()) for process in found]

    def processes(self) -> list[psutil.Process]:
        """Every process that carries the mark of this hub, or (YAMCP-UI has none) works below its directory."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get(MARK) == self.mark or Path(process.cwd()).is_relative_to(self.root)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    async def pids(self) -> dict[str, int]:
        """The process of each program that runs, as supervisord has it."""
        states = await asyncio.to_thread(process_states, self.root / "run")
        running = (re.match(r"RUNNING pid (\d+),", state) for state in states.values())
        return {name: int(found[1]) for name, found in zip(states, running, strict=True) if found}

    async def running(self, *names: str) -> dict[str, int]:
        """The processes of all programs, once these run (for some seconds each, which is what supervisord wants)."""
        async with asyncio.timeout(100):
            while set(names) - set(pids := await self.pids()):  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(0.05)
        return pids

    def logs(self) -> str:
        """All that its processes logged."""
        return "".join(f"\n--- {path.name}\n{path.read_text()}" for path in (self.root / "data" / "logs").glob("*"))


async def hubctl(env: Mapping[str, str], *words: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """A hubctl with these variables: its exit code, stdout, stderr."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*HUBCTL, *words, cwd=cwd, env=env, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def prepared(**variables: str) -> AsyncIterator[Run]:
    """Not started yet; nothing is left of it afterwards, whatever happened."""
    root = Path(tempfile.mkdtemp(prefix="hub"))  # short: Unix sockets lie below it
    run = Run(root, variables)
    try:
        yield run
    finally:
        for process in run.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(root, ignore_errors=True)

"""A new user's clone of this checkout, in which `make run` runs the hub, as README.md tells to do it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

from tests.support.run import Run
from tests.support.yamcp import ROOT

CLONE = "git clone REPOSITORY yamcp-hub"
CD = "cd yamcp-hub"
PACKAGES = """
ln -s "{root}/node_modules" node_modules
mkdir .venv
cp -a "{root}"/.venv/bin "{root}"/.venv/pyvenv.cfg "{root}"/.venv/.done-* .venv
sed -i "1s|.*|#!$PWD/.venv/bin/python|" .venv/bin/hubctl
ln -s "{root}/.venv/lib" .venv/lib
"""
"""The environment of the clone: programs of its own, and the packages of this checkout."""

MEASURED = ("COVERAGE_", "NODE_V8_COVERAGE")
"""Variables by which a process writes which lines it ran: those of the clone are gone when `coverage report` reads."""


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a document that are in this language; those without one are in ""."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for named, block in found if named == language]


def commands(block: str) -> list[str]:
    """The commands of a block of shell, one a line, without comments."""
    return [line for raw in block.splitlines() if (line := re.sub(r"(^|\s+)#.*", "", raw).rstrip())]


def path_without_hubctl() -> str:
    """The PATH of this process, without directories that have a hubctl: a new user has none on it."""
    directories = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in directories if not (Path(each) / "hubctl").exists())


class Newcomer:
    """A user with an empty home directory, and the terminal in which the hub runs."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.directory = run.root / "yamcp-hub"
        environment = {name: value for name, value in run.env.items() if not name.startswith(MEASURED)}
        self.env = environment | {
            "HOME": str(run.root),
            "PYTHONPATH": str(self.directory),
            "PATH": path_without_hubctl(),
        }
        for name in ("HUB_YAMCP_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            self.env.pop(name, None)

    async def start(self, lines: list[str]) -> None:
        """Type the lines, of which the first two clone this checkout and go there, and the last starts the hub.

        The checkout's own packages stand for what `make run` installs in a clone (tests/container/newcomer.sh installs
        them). An edit that is not committed yet is in the clone, too.
        """
        assert lines[:2] == [CLONE, CD]
        await self.shell(CLONE.replace("REPOSITORY", f'"{ROOT}"'), cwd=self.run.root)
        await self.shell(f'git -C "{ROOT}" diff --binary HEAD | git apply --allow-empty')
        await self.shell(PACKAGES.format(root=ROOT))
        *before, last = lines[2:]
        planned = await self.shell(f"{last} --dry-run")
        assert "pip" not in planned and "npm" not in planned, f"would change this checkout's packages: {planned}"
        self.run.process = await asyncio.create_subprocess_exec(
            *("bash", "-e", "-c", "\n".join((*before, last))),
            cwd=self.directory,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def shell(self, line: str, cwd: Path | None = None, **variables: str) -> str:
        """What a command line in the clone's directory prints; it has to succeed."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-e", "-c", line),
            cwd=cwd or self.directory,
            env=self.env | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 100)
        assert process.returncode == 0, f"{line}: {out.decode()}"
        return out.decode()

    async def interrupt(self) -> str:
        """Ctrl-C in the terminal of the hub; what it printed from then on."""
        process = self.run.process
        assert process.stdout
        os.killpg(process.pid, signal.SIGINT)
        rest = (await asyncio.wait_for(process.stdout.read(), 100)).decode()
        await asyncio.wait_for(process.wait(), 100)
        return rest

"""One such program: how it is started before the echo server, and where it serves what."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.direct import program
from tests.support.hub import free_port
from tests.support.yamcp import ROOT

HERE = Path(__file__).resolve().parent
PLACE = ROOT / ".envs" / "peers"
ECHO = (sys.executable, str(ROOT / "bench" / "echo_server.py"))
CONFIG = "config.json"

Mode = str
"""`sse`, `http` (legacy) or `modern` (HTTP of the modern era): keys of `bench.ways.MODES`."""


@dataclass(frozen=True)
class Started:
    """What runs: its URLs by mode, its processes (their children count as its own), the token that it wants."""

    urls: Mapping[Mode, str]
    processes: tuple[psutil.Process, ...]
    bearer: str = ""


Start = Callable[[Path], AbstractAsyncContextManager[Started]]
"""Starts it, with an empty directory for whatever it writes."""


@dataclass(frozen=True)
class Peer:
    """`name` as in the tables; `environment` below .envs/peers, whose lock pins `package`."""

    name: str
    package: str
    environment: str
    start: Start

    @property
    def installed(self) -> bool:
        """Whether setup.sh could install it."""
        return any((PLACE / self.environment).glob(".done-*"))

    @property
    def version(self) -> str:
        """The version that is pinned."""
        if self.environment == "node":
            versions: dict[str, str] = json.loads((HERE / "package.json").read_text())["dependencies"]
            return versions[self.package]
        return (HERE / f"{self.environment}.in").read_text().split("==")[1].split()[0]


@dataclass(frozen=True)
class Program:
    """A command that serves these paths; `{port}` and `{config}` in it stand for a port and a file of `config`."""

    command: tuple[str, ...]
    paths: Mapping[Mode, str]
    config: Mapping[str, object] = field(default_factory=dict)


def programs(*several: Program) -> Start:
    """What starts them side by side, for a peer that needs one for each transport."""

    @asynccontextmanager
    async def start(directory: Path) -> AsyncIterator[Started]:
        async with AsyncExitStack() as stack:
            urls, processes = {}, []
            for number, each in enumerate(several):
                port, config = free_port(), directory / f"{number}-{CONFIG}"
                config.write_text(json.dumps(each.config))
                command = [word.format(port=port, config=config) for word in each.command]
                log = directory / f"{number}.log"
                processes.append(await stack.enter_async_context(program(*command, port=port, cwd=directory, log=log)))
                urls |= {mode: f"http://127.0.0.1:{port}{path}" for mode, path in each.paths.items()}
            yield Started(urls, tuple(processes))

    return start


def executable(environment: str, name: str) -> str:
    """The path of an installed command."""
    return str(PLACE / environment / ("node_modules/.bin" if environment == "node" else "bin") / name)

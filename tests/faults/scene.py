"""A hub with five servers and 50 clients that call them, for faults to be applied to. Times in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from bridge.models import ProcessLimits, RemoteLaunch, ServerSettings, ServerSpec
from sidecar.large import reader
from tests.faults.load import Caller, Outcome
from tests.support import sidecar
from tests.support.peers import Era, Transport
from tests.support.sidecar import Sidecar
from tests.support.yamcp import ROOT

HERE = Path(__file__).parent
WAYS: tuple[tuple[Transport, Era], ...] = (("sse", "legacy"), ("http", "legacy"), ("http", "modern"))
GOOD = ("a", "b", "r")
"""Two stdio servers and a remote one to which nothing happens; all sessions call them."""
OWN = "own"
"""A `per_client` server, which some sessions call too."""
FAULTY, FAULTY_REMOTE = "x", "y"
SESSIONS, OWN_SESSIONS, PROBES = 44, 6, 3
"""Sessions of the good servers, those with servers of their own, and sessions that call one faulty server each."""
PERIOD = 0.25
CALL_TIMEOUT = 1.5
"""`call_timeout` of the faulty servers."""
LIMITS = ProcessLimits(memory="192m", pids=100)
"""Of the faulty stdio server: more than any fault but those needs that exceed them."""
ERROR_DEADLINE = CALL_TIMEOUT + 5.0
"""Within which a call to a faulty server is answered: its deadline, and the wait for a reconnection."""
BACK_WITHIN = 5.0
SLACK = float(os.environ.get("HUB_FAULTS_SLACK", "25"))
"""What a busy machine may add to any of these times; 0 to judge by the promised ones alone."""
SPARE_DESCRIPTORS = 40
"""Idle connections to the two remote servers (`Connections.MAX_IDLE` each), whose number varies with the load."""
RATIO, FLOOR = 3.0, float(os.environ.get("HUB_FAULTS_FLOOR", "10"))
"""The p99 of calls to other servers may be `RATIO` times the quiet one of the same run, or `FLOOR`: on a busy machine
it says more of what else runs there."""


@dataclass(frozen=True)
class Fault:
    """A fault, which lasts for at least so many seconds. `do` returns when its cause is gone.

    `about`: the server that has it; empty: a client has it.
    """

    name: str
    about: str
    seconds: float
    do: Callable[[Scene], Awaitable[None]]


@dataclass
class Finding:
    """What one fault led to; times in milliseconds but for `back`."""

    fault: str
    about: str
    others_calls: int
    others_errors: int
    others_p99: float
    quiet_p99: float
    calls: int
    errors: dict[str, int]
    slowest_error: float
    back: float | None
    wrong: int
    descriptors: int
    processes: int
    memory_mb: float
    problems: list[str]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


@dataclass
class Remote:
    """A remote server in a process of its own."""

    process: asyncio.subprocess.Process
    port: int

    def misbehave(self, kind: str, seconds: float) -> None:
        """Give it a fault."""
        urlopen(f"http://127.0.0.1:{self.port}/misbehave?kind={kind}&seconds={seconds}", timeout=100).read()

    def spec(self, key: str, **settings: Any) -> ServerSpec:
        """It, as the hub's configuration has it."""
        launch = RemoteLaunch(url=f"http://127.0.0.1:{self.port}/mcp", transport="http")
        return ServerSpec(key=key, namespace=key, launch=launch, settings=ServerSettings(**settings))


@contextlib.asynccontextmanager
async def remote() -> AsyncIterator[Remote]:
    """A running remote server."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HERE / "remote_server.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield Remote(process, int(await process.stdout.readline()))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def stdio(key: str, **settings: Any) -> ServerSpec:
    """A stdio server that can misbehave."""
    return sidecar.stdio(key, sys.executable, str(HERE / "stdio_server.py"), **settings)


class Scene:
    """The hub under load. Made by `scene`."""

    def __init__(self, hub: Sidecar, faulty_remote: Remote) -> None:
        self.hub = hub
        self.remote = faulty_remote
        self.callers: list[Caller] = []
        self.probes: dict[str, list[Caller]] = {FAULTY: [], FAULTY_REMOTE: []}
        self.quiet = Outcome()
        self.baseline = (0, 0)
        self._group: asyncio.TaskGroup

    async def begin(self, group: asyncio.TaskGroup) -> None:
        """Start all clients; returns when each has had an answer of each of its servers."""
        for number in range(SESSIONS):
            self.callers.append(self._caller("w", WAYS[number % 3], GOOD, PERIOD))
        for number in range(OWN_SESSIONS):
            self.callers.append(self._caller("own", WAYS[number % 3], (OWN, *GOOD), PERIOD))
        for server, probes in self.probes.items():
            probes += [self._caller("w", way, (server,), PERIOD / 2) for way in WAYS[:PROBES]]
        tasks = [group.create_task(caller.run()) for caller in self._all()]
        async with asyncio.timeout(100):
            await asyncio.gather(*(caller.all_answered() for caller in self._all()))
        assert not any(task.done() for task in tasks)

    def _caller(self, workspace: str, way: tuple[str, str], servers: Iterable[str], period: float) -> Caller:
        url = self.hub.sse(workspace) if way[0] == "sse" else self.hub.http(workspace)
        return Caller(url, way, tuple(servers), period)

    def _all(self) -> Iterator[Caller]:
        yield from self.callers
        for probes in self.probes.values():
            yield from probes

    def end(self) -> None:
        """Let all clients end."""
        for caller in self._all():
            caller.end()

    # --- what is measured ----------------------------------------------------------------------------------------

    def take_others(self, but: Collection[str] = ()) -> Outcome:
        """The calls since last time to the servers that are in order; `but`: not to these."""
        total = Outcome()
        for caller in self._all():
            kept = {}
            for server, outcome in caller.take().items():
                if server in but:
                    kept[server] = outcome
                elif server not in self.probes:
                    total.add(outcome)
            caller._outcomes.update(kept)
        return total

    def take(self, server: str) -> Outcome:
        """The calls since last time to one server."""
        total = Outcome()
        for caller in self._all():
            if outcome := caller._outcomes.pop(server, None):
                total.add(outcome)
        return total

    async def be_quiet(self, seconds: float) -> None:
        """Measure the quiet phase, and the baseline of processes and descriptors."""
        self.take_others()
        await asyncio.sleep(seconds)
        self.quiet = self.take_others()
        assert (self.quiet.errors, self.quiet.wrong) == ([], [])
        self.baseline = self.held()

    def held(self) -> tuple[int, int]:
        """The numbers of descriptors of the sidecar and of processes below it, without that which reads large messages.

        That one ends some seconds after the last such message.
        """
        process = psutil.Process(self.hub.pid("sidecar"))
        return process.num_fds(), sum(not _reads_large(child) for child in process.children(recursive=True))

    def memory(self) -> float:
        """The sidecar's resident memory, in MB."""
        return float(psutil.Process(self.hub.pid("sidecar")).memory_info().rss) / 1e6

    async def settled(self, timeout: float = BACK_WITHIN + SLACK) -> tuple[int, int]:
        """Descriptors and processes, once they are back at the baseline; at the timeout what they are then."""
        deadline = time.monotonic() + timeout
        while (held := self.held()) and time.monotonic() < deadline:
            if held[0] <= self.baseline[0] + SPARE_DESCRIPTORS and held[1] <= self.baseline[1]:
                break
            await asyncio.sleep(0.1)
        return held

    async def back(self, server: str) -> float | None:
        """Wait until each probe of a server gets right answers again; the seconds that took, None if it was not."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(BACK_WITHIN + SLACK):
                await asyncio.gather(*(probe.right_answer(server) for probe in self.probes[server]))
        except TimeoutError:
            return None
        return time.monotonic() - began

    async def _all_go_on(self) -> float:
        """Wait until each client has had an answer of each of its servers."""
        async with asyncio.timeout(100):
            await asyncio.gather(*(caller.all_answered() for caller in self.callers))
        return 0.0

    async def undergo(self, *faults: Fault) -> list[Finding]:
        """Apply faults at the same time, and judge what came of each. No two of them may be about the same server."""
        about = {fault.about for fault in faults if fault.about}
        self.take_others()
        for server in about:
            self.take(server)
        logged = len(self.hub.log("sidecar"))
        backs = await asyncio.gather(*map(self._until_back, faults), return_exceptions=True)
        for failed in backs:
            if isinstance(failed, BaseException):
                raise failed
        held = await self.settled()
        others = self.take_others(but=about)
        lines = [line for line in self.hub.log("sidecar")[logged:].splitlines() if _fault(line)]
        findings = []
        for fault, back in zip(faults, backs, strict=True):
            assert not isinstance(back, BaseException)
            found = self._finding(fault, back, others, held)
            found.problems += [f"logged: {line[:2000]}" for line in lines]
            findings.append(found)
        return findings

    async def _until_back(self, fault: Fault) -> float | None:
        """Apply a fault, and wait until all is well again; the seconds since its cause was gone, or None."""
        await fault.do(self)
        return await self.back(fault.about) if fault.about else await self._all_go_on()

    def _finding(self, fault: Fault, back: float | None, others: Outcome, held: tuple[int, int]) -> Finding:
        to_it = self.take(fault.about) if fault.about else Outcome()
        errors = {code: to_it.errors.count(code) for code in sorted(set(to_it.errors))}
        found = Finding(
            fault.name,
            fault.about,
            len(others.latencies) + len(others.errors),
            len(others.errors),
            round(others.p99 * 1e3, 1),
            round(self.quiet.p99 * 1e3, 1),
            len(to_it.latencies) + len(to_it.errors),
            errors,
            round(to_it.slowest_error * 1e3),
            None if back is None else round(back, 2),
            len(others.wrong) + len(to_it.wrong),
            held[0] - self.baseline[0],
            held[1] - self.baseline[1],
            round(self.memory(), 1),
            [],
        )
        found.problems = list(self._problems(found, others, to_it))
        return found

    def _problems(self, found: Finding, others: Outcome, to_it: Outcome) -> Iterator[str]:
        """What of the promises does not hold."""
        if others.errors:
            yield f"calls to other servers failed: {sorted(set(others.errors))[:5]}"
        if others.wrong or to_it.wrong:
            yield f"wrong answers: {(others.wrong + to_it.wrong)[:3]}"
        if others.p99 > max(RATIO * self.quiet.p99, FLOOR):
            yield f"p99 of calls to other servers: {found.others_p99} ms, quiet {found.quiet_p99} ms"
        if len(others.latencies) < SESSIONS:
            yield f"only {len(others.latencies)} calls to other servers"
        if uncoded := [code for code in to_it.errors if not code.isupper()]:
            yield f"errors without a code: {sorted(set(uncoded))[:5]}"
        if to_it.slowest_error > ERROR_DEADLINE + SLACK:
            yield f"an error came after {to_it.slowest_error:.1f} s"
        if found.back is None:
            yield f"not back after {BACK_WITHIN + SLACK:g} s"
        if found.descriptors > SPARE_DESCRIPTORS or found.processes > 0:
            yield f"left: {found.descriptors} descriptors, {found.processes} processes"


def _reads_large(process: psutil.Process) -> bool:
    try:
        return process.cmdline() == list(reader.COMMAND)
    except psutil.Error:
        return False


def _fault(line: str) -> bool:
    """Whether a line of the log is about a fault of the hub itself, and no output of a server."""
    return "sidecar.server" not in line and ("Traceback" in line or '"level":"error"' in line)


@contextlib.asynccontextmanager
async def scene(quiet: float = 2.0, **variables: str) -> AsyncIterator[Scene]:
    """A hub under load, its quiet phase measured."""
    async with remote() as good, remote() as bad, sidecar.running(**variables) as hub:
        specs = [stdio("a"), stdio("b"), good.spec("r"), stdio(OWN, session="per_client", max_instances=50)]
        faulty = [
            stdio(FAULTY, call_timeout=CALL_TIMEOUT, limits=LIMITS),
            bad.spec(FAULTY_REMOTE, call_timeout=CALL_TIMEOUT),
        ]
        shared = [*specs[:3], *faulty]
        workspaces = sidecar.workspace("w", *shared), sidecar.workspace("own", *specs)
        await hub.put(*specs, *faulty, *workspaces)
        await hub.open_public_port()
        found = Scene(hub, bad)
        async with asyncio.TaskGroup() as group:
            await found.begin(group)
            await found.be_quiet(quiet)
            try:
                yield found
            finally:
                found.end()


assert ROOT in HERE.parents

"""A hub of its own for a test or a measurement: adapter, sidecar and, where it is wanted, front as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import IO, Literal, Self

import psutil

from bridge import front_settings
from bridge.author import Author
from bridge.client import A, BridgeClient, Subscriber
from bridge.errors import PeerUnavailable
from bridge.models import Event, ReadStatus, Reload, Request, ServerStatus, SnapshotId, Status
from bridge.settings import Settings
from hubctl.errors import FrontAway
from hubctl.run.front import health
from hubctl.run.run import acceptor
from tests.support.yamcp import ROOT, Providers, Workspaces, write_in_place

Name = Literal["adapter", "sidecar", "front", "acceptor", "recorder"]
COMMANDS: dict[Name, tuple[str, ...]] = {
    "adapter": (sys.executable, "-m", "yamcp_ui_adapter"),
    "sidecar": (sys.executable, "-m", "sidecar"),
    "front": ("node", str(ROOT / "front" / "server" / "main.mjs")),
    "acceptor": (sys.executable, "-P", "-m", "acceptor"),
    "recorder": (sys.executable, "-m", "recorder"),
}
MARK = "TEST_HUB_MARK"
PORTS = range(20_000, 32_000)
"""Below those that the system gives to outgoing connections. The Node tests take theirs from 10 000 to 20 000."""
PORT_LOCKS = Path(tempfile.gettempdir()) / f"yamcp-hub-test-ports-{os.getuid()}"
POLL = 0.2  # seconds between looks at the status where no event tells of a change


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and that no other test process gets while this one runs.

    Test processes run side by side, and a program that is given a port may take seconds until it listens there.
    """
    locks = _port_locks()
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            fcntl.lockf(
                locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port
            )  # the byte at `port`; the process's end unlocks it
            probe.bind(("127.0.0.1", port))
            return port


@functools.cache
def _port_locks() -> int:
    """A descriptor that stays open: a process that closes any descriptor of a file gives up its locks on that file."""
    return os.open(PORT_LOCKS, os.O_RDWR | os.O_CREAT, 0o600)


def free_ports(count: int) -> list[int]:
    """As many different ones."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)


class PatientClient(BridgeClient):
    """One that waits for an answer as long as tests wait for anything."""

    async def request(self, body: Request[A], timeout: float = 100.0, by: Author | None = None) -> A:
        """As that of BridgeClient."""
        return await super().request(body, timeout, by)


class Hub:
    """The processes and what surrounds them; made by `running`. Times in seconds."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self.root = root
        self.mark = secrets.token_hex(8)
        self.yamcp_dir, self.data_dir = root / "yamcp", root / "data"
        self.env = self._environment(variables)
        self.settings = Settings(
            port=int(self.env["HUB_PORT"]),
            sidecar_port=int(self.env["HUB_SIDECAR_PORT"]),
            data_dir=self.data_dir,
            runtime_dir=root / "run",
            history=self.env.get("HUB_HISTORY") != "off",
        )
        self.events: list[tuple[float, Event]] = []
        """Every event of the sidecar, with when it arrived (`time.perf_counter`)."""
        self._changed = asyncio.Event()
        self._processes: dict[Name, asyncio.subprocess.Process] = {}
        self._logs: dict[Name, IO[bytes]] = {}
        self._clients = contextlib.AsyncExitStack()
        self._listening: asyncio.Task[None] | None = None
        self.yamcp_dir.mkdir()

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        port, sidecar_port = map(str, free_ports(2))
        env |= {
            "HUB_PORT": port,
            "HUB_SIDECAR_PORT": sidecar_port,
            "HUB_YAMCP_DIR": str(self.yamcp_dir),
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_RUNTIME_DIR": str(self.root / "run"),
            "HUB_SETTINGS_FILE": str(self.root / "hub.env"),
            "HUB_SEED_DEMO": "false",
            MARK: self.mark,
        }
        env |= variables
        env["HUB_PASS_ENV"] = ",".join(filter(None, (env.get("HUB_PASS_ENV"), MARK)))
        return env

    # --- the processes -------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.actual = await self._clients.enter_async_context(PatientClient(self.settings.actual_address))
        self.desired = await self._clients.enter_async_context(PatientClient(self.settings.desired_address))
        self.records = await self._clients.enter_async_context(PatientClient(self.settings.records_address))
        subscriber = await self._clients.enter_async_context(Subscriber(self.settings.events_address))
        self._listening = asyncio.create_task(self._listen(subscriber))
        return self

    async def __aexit__(self, *exception: object) -> None:
        try:
            for name in tuple(self._processes):
                await self.stop(name)
        finally:
            self._kill_rest()
            if self._listening:
                self._listening.cancel()
                await asyncio.wait([self._listening])
            await self._clients.aclose()
            for file in self._logs.values():
                file.close()

    async def start(self, name: Name) -> None:
        """Start one of the processes; its stderr goes on in `log(name)`."""
        if name not in self._logs:
            self._logs[name] = (self.root / f"{name}.log").open("ab")
        self._processes[name] = await asyncio.create_subprocess_exec(
            *COMMANDS[name],
            *(self._acceptor_words() if name == "acceptor" else ()),
            cwd=ROOT,
            env=self.env | self._front_settings() if name == "front" else self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._logs[name],
            stderr=self._logs[name],
        )

    def _front_settings(self) -> dict[str, str]:
        """What `hubctl run` hands the front beside the variables."""
        settings = self._given()
        found = front_settings.FrontSettings.of(settings, behind_acceptor=not settings.tls_cert)
        return {front_settings.VARIABLE: found.value()}

    def _acceptor_words(self) -> list[str]:
        """The arguments of the acceptor, which listens itself where it inherits no socket."""
        settings = self._given()
        return [*acceptor(settings)[4:], "--host", settings.host, "--port", str(settings.port)]

    def _given(self) -> Settings:
        """The settings that the processes have."""
        given = {name[4:].lower(): value for name, value in self.env.items() if name.startswith("HUB_") and value}
        return Settings(**{name: given[name] for name in Settings.model_fields if name in given})

    async def stop(self, name: Name, timeout: float = 30) -> int:
        """End a process with SIGTERM, or SIGKILL after the timeout; returns its exit code."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            process.kill()
            return await process.wait()

    async def kill(self, name: Name, sig: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal that ends the process, and wait until it has ended."""
        process = self._processes.pop(name)
        process.send_signal(sig)
        return await process.wait()

    async def restart(self, name: Name) -> None:
        """End a process if it runs, and start it again."""
        if name in self._processes:
            await self.stop(name)
        await self.start(name)

    def pid(self, name: Name) -> int:
        """The process id of the adapter, the sidecar or the front."""
        return self._processes[name].pid

    def processes(self) -> list[psutil.Process]:
        """Every process that came of this hub and still runs, found by a mark in its environment or by its parent."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                marked = process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
                if marked:
                    found[process.pid] = process
                    found |= {child.pid: child for child in process.children(recursive=True)}
        found.pop(os.getpid(), None)
        return list(found.values())

    def children(self) -> list[psutil.Process]:
        """The spawner, the servers and all that these started: every process but the hub's own."""
        own = {process.pid for process in self._processes.values()}
        return [process for process in self.processes() if process.pid not in own]

    async def wait_gone(self, timeout: float = 100) -> list[psutil.Process]:
        """Wait until no child is left; returns those that are there at the timeout."""
        deadline = time.monotonic() + timeout
        while (left := self.children()) and time.monotonic() < deadline:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.02)
        return left

    def _kill_rest(self) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def log(self, name: Name) -> str:
        """All that a process wrote."""
        path = self.root / f"{name}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    # --- its configuration -----------------------------------------------------------------------------------------

    def write(self, providers: Providers | None = None, workspaces: Workspaces | None = None) -> float:
        """Write YAMCP's files as YAMCP-UI does, workspaces first; returns when the last was closed (perf_counter)."""
        closed = time.perf_counter()
        if workspaces is not None:
            closed = write_in_place(self.yamcp_dir / "workspaces.json", workspaces)
        if providers is not None:
            closed = write_in_place(self.yamcp_dir / "providers.json", providers)
        return closed

    # --- what is so --------------------------------------------------------------------------------------------------

    @property
    def public(self) -> str:
        """The address of the public port."""
        return self.settings.base_url

    @property
    def base(self) -> str:
        """The sidecar's address."""
        return self.settings.sidecar_url

    def sse(self, slug: str) -> str:
        """The HTTP+SSE endpoint of a workspace."""
        return f"{self.base}/mcp/{slug}/sse"

    def http(self, slug: str) -> str:
        """The Streamable HTTP endpoint of a workspace."""
        return f"{self.base}/mcp/{slug}"

    def public_sse(self, slug: str) -> str:
        """The HTTP+SSE endpoint of a workspace at the public port."""
        return f"{self.public}/mcp/{slug}/sse"

    def public_http(self, slug: str) -> str:
        """The Streamable HTTP endpoint of a workspace at the public port."""
        return f"{self.public}/mcp/{slug}"

    async def status(self) -> Status:
        """The sidecar's status, asked for now."""
        return await self.actual.request(ReadStatus(), timeout=100)

    async def server(self, key: str) -> ServerStatus:
        """The status of one server. Raises StopIteration when there is none."""
        return next(server for server in (await self.status()).servers if server.key == key)

    async def wait_status(self, wanted: Callable[[Status], bool], what: str, timeout: float = 100) -> Status:
        """Wait until the status is as wanted. Raises TimeoutError, AssertionError when a process has ended."""
        last: Status | None = None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._changed.clear()
                    self._alive()
                    with contextlib.suppress(
                        PeerUnavailable
                    ):  # not up yet; or never: then `_alive` or the timeout tells
                        last = await self.actual.request(ReadStatus(), timeout=5)
                        if wanted(last):
                            return last
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), POLL)
        except TimeoutError:
            raise TimeoutError(f"not within {timeout} s: {what}; last {last}\n{self._tails()}") from None

    async def wait_applied(self, snapshot: SnapshotId, timeout: float = 100) -> Status:
        """Wait until this snapshot, or a newer one, is applied."""
        return await self.wait_status(
            lambda status: status.applied is not None and not snapshot.newer_than(status.applied),
            f"{snapshot} applied",
            timeout,
        )

    async def wait_settled(self, timeout: float = 100) -> Status:
        """Let the adapter read the files now, and wait until what they say is applied and no server is starting."""
        self._alive()
        snapshot = (await self.desired.request(Reload(), timeout=timeout)).snapshot

        def settled(status: Status) -> bool:
            return status.settled and status.applied is not None and not snapshot.newer_than(status.applied)

        return await self.wait_status(settled, "settled", timeout)

    async def wait_front(self, timeout: float = 100) -> None:
        """Wait until the front finds that all is well."""
        async with asyncio.timeout(timeout):
            while True:
                self._alive()
                with contextlib.suppress(FrontAway):
                    if (await health(self.settings, timeout)).status == "ok":
                        return
                await asyncio.sleep(0.05)

    async def wait_event(self, wanted: Callable[[Event], bool], since: int, timeout: float = 100) -> float:
        """Wait for an event, `events[since]` or later; returns when it arrived. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                for arrived, event in self.events[since:]:
                    if wanted(event):
                        return arrived
                since = len(self.events)
                self._changed.clear()
                await self._changed.wait()

    async def _listen(self, subscriber: Subscriber) -> None:
        async for event in subscriber:
            self.events.append((time.perf_counter(), event))
            self._changed.set()

    def _alive(self) -> None:
        for name, process in self._processes.items():
            assert process.returncode is None, f"{name} ended with {process.returncode}:\n{self._tails()}"

    def _tails(self) -> str:
        return "\n".join(f"--- {name}:\n" + "\n".join(self.log(name).splitlines()[-15:]) for name in COMMANDS)


@contextlib.asynccontextmanager
async def running(
    providers: Providers,
    workspaces: Workspaces,
    *,
    settle: bool = True,
    front: bool = False,
    history: bool = False,
    **variables: str,
) -> AsyncIterator[Hub]:
    """A hub that serves these files, settled unless told otherwise; `variables` are further HUB_* settings.

    `history`: with the recorder; without it, nothing is recorded.
    `front`: with its public port, that is with acceptor and front, too; these need some workspace to be ready.
    """
    root = Path(tempfile.mkdtemp(prefix="hub"))  # short: Unix sockets lie below it
    try:
        async with Hub(root, {"HUB_HISTORY": "on" if history else "off", **variables}) as hub:
            hub.write(providers, workspaces)
            await asyncio.gather(hub.start("adapter"), hub.start("sidecar"))
            if history:  # after these, as supervisord starts it
                await hub.start("recorder")
            if settle:
                await hub.wait_settled()
            if front:
                await asyncio.gather(hub.start("acceptor"), hub.start("front"))
                await hub.wait_front()
            yield hub
    finally:
        shutil.rmtree(root, ignore_errors=True)

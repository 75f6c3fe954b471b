"""Runs a program to its end and captures its output; through the spawner, so that it cannot outlive the hub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from sidecar.spawner.child import Child
from sidecar.spawner.client import Spawner
from sidecar.spawner.environment import child_environment
from sidecar.spawner.pipes import Reader, read_pipe

OUTPUT_LIMIT = 4 * 1024 * 1024
STDERR_KEPT = 16 * 1024
OUTPUT_WAIT = 0.5
"""Seconds to wait for the rest of the output after the program has ended."""
PASSED_PREFIXES = (
    *(
        "XDG_",
        "DOCKER_",
        "CONTAINERS_",
        "CONTAINER_",
        "STORAGE_",
        "REGISTRY_AUTH_FILE",
        "SSL_CERT_",
        "TRIVY_",
        "GRYPE_",
        "SYFT_",
        "PIP_AUDIT_",
        "REQUESTS_CA_BUNDLE",
    ),
    *("DBUS_SESSION_BUS_ADDRESS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""Prefixes of the hub's variables that engines and scanners inherit, beside those that every server inherits."""
FIXED = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "GRYPE_CHECK_FOR_APP_UPDATE": "false"}
"""They ask the network for newer versions of themselves otherwise; variables of the hub have precedence."""


@dataclass(frozen=True, slots=True)
class Output:
    """The exit code and the (truncated) output of a program."""

    code: int
    out: bytes
    err: str

    @property
    def complaint(self) -> str:
        """The last line of stderr that is not empty, or the exit code; for messages."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return (lines[-1].removeprefix("Error: ") if lines else f"exit code {self.code}")[:500]


class Tool:
    """Runs programs of the host."""

    def __init__(self, spawner: Spawner, hub: Mapping[str, str] = os.environ) -> None:
        self._spawner = spawner
        own = {name: value for name, value in hub.items() if name.startswith(PASSED_PREFIXES)}
        self.environment = child_environment({**FIXED, **own}, hub=hub)

    def find(self, name: str) -> str | None:
        """The path of a program on the PATH; None if there is none."""
        for directory in self.environment["PATH"].split(":"):
            path = os.path.join(directory or ".", name)  # noqa: PTH118 - PATH consists of strings
            if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
                return path
        return None

    async def run(
        self,
        *argv: str,
        timeout: float,
        limit: int = OUTPUT_LIMIT,
        on_output: Callable[[bytes], None] | None = None,
    ) -> Output:
        """Run a program without input. `timeout` is in seconds; `limit`: bytes of stdout that are kept.

        `on_output` is called with each piece of stdout and stderr.

        Raises:
            TimeoutError: the program did not end in time, and was stopped.
            CommandMissing, ProcessRefused, SpawnerLost: as `Spawner.spawn`.
        """
        child = await self._spawner.spawn(argv, self.environment, None, uuid4().hex)
        os.close(child.stdin)
        reading = _Reading(child, limit, on_output)
        opening = asyncio.create_task(reading.open())
        try:
            await asyncio.shield(opening)
            async with asyncio.timeout(timeout):
                code = await child.wait()
                await asyncio.wait([reader.closed for reader in reading.readers], timeout=OUTPUT_WAIT)
        finally:
            await asyncio.wait([opening])
            try:
                await child.stop(0)
            finally:
                await reading.close()
        return Output(code, bytes(reading.out), reading.err.decode(errors="replace"))


class _Reading:
    """Captures stdout and stderr of a program."""

    def __init__(self, child: Child, limit: int, on_output: Callable[[bytes], None] | None) -> None:
        self._child = child
        self._limit = limit
        self._tell = on_output or _ignore
        self.out, self.err = bytearray(), bytearray()
        self.readers: list[Reader] = []

    async def open(self) -> None:
        """Connect the pipes; must not be cancelled (`pipes.opened`)."""
        self.readers.append(await read_pipe(self._child.stdout, self._on_out, _ended))
        self.readers.append(await read_pipe(self._child.stderr, self._on_err, _ended))

    def _on_out(self, data: bytes) -> None:
        self._tell(data)
        self.out += data[: max(self._limit - len(self.out), 0)]

    def _on_err(self, data: bytes) -> None:
        self._tell(data)
        self.err += data
        del self.err[:-STDERR_KEPT]

    async def close(self) -> None:
        for reader in self.readers:
            reader.close()
        await asyncio.gather(*(reader.closed for reader in self.readers))


def _ignore(data: bytes) -> None:
    """Discard output."""


def _ended() -> None:
    """Nothing to do: `closed` of the reader is awaited."""

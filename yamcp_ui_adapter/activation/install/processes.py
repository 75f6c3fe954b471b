"""Runs installers: with a time limit, their last lines kept, and none of their processes left behind (guard.py)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yamcp_ui_adapter.activation.errors import InstallTimeout

GUARD = Path(__file__).with_name("guard.py")
MAX_LINES = 200
MAX_LINE = 500
"""Characters of a line that are kept."""
CHUNK = 65536
END_SECONDS = 10.0
"""Seconds that the guard has to kill its processes, before it is killed itself."""

PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|(https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS|PIP_.*|DBUS_SESSION_BUS_ADDRESS"
    r"|CONTAINERS_.*|CONTAINER_(HOST|SSHKEY|CONNECTION)|STORAGE_(DRIVER|OPTS)|REGISTRY_AUTH_FILE"
    r"|DOCKER_(HOST|CONFIG|CONTEXT|CERT_PATH|TLS|TLS_VERIFY|API_VERSION)"
)
"""Variables that installers get; npm's are found regardless of case. Those of engines name the store and the registries
that the sidecar uses as well."""
_BREAK = re.compile(r"[\r\n]")
_NPM = re.compile(r"npm_config_.*", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """An installer that has ended. `lines` are its last lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def output(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs installers with these `variables` of the hub, and `timeout` seconds for each."""

    variables: Mapping[str, str]
    timeout: float
    on_line: OnLine = lambda line: None

    async def run(self, *argv: str, cwd: Path | None = None, **variables: str) -> Finished:
        """Run a program until it ends; its stdout and stderr are read together.

        Raises:
            InstallTimeout: it took too long. If this call is cancelled, its processes are ended, too.
        """
        lines: deque[str] = deque(maxlen=MAX_LINES)
        try:
            async with asyncio.timeout(self.timeout), _guarded(argv, cwd, {**self.variables, **variables}) as process:
                assert process.stdout is not None  # noqa: S101  # it is a pipe
                async for line in _lines(process.stdout):
                    lines.append(line)
                    self.on_line(line)
                return Finished(await process.wait(), tuple(lines))
        except TimeoutError:
            name = Path(argv[0]).name
            raise InstallTimeout(f"{name} took longer than {self.timeout:g} s. Its last line: {_last(lines)}") from None


def passed_on(environ: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return what of the hub's environment installers get: no variable that may hold a secret of the hub or a server.

    `names` are those that the settings pass to every server.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in names or PASSED.fullmatch(name) or _NPM.fullmatch(name)
    }


def shown(line: str) -> str:
    """A line of an installer as people may see it: without control characters and the users of URLs."""
    return _USER_IN_URL.sub("********@", _ESCAPES.sub("", line)).strip()[:MAX_LINE]


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else "none"


@contextlib.asynccontextmanager
async def _guarded(
    argv: Sequence[str], cwd: Path | None, variables: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program below a guard; at the end of the context none of its processes is left."""
    held, given = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(GUARD), *argv),
            stdin=held,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
            env=dict(variables),
        )
    except BaseException:
        os.close(given)
        raise
    finally:
        os.close(held)
    try:
        yield process
    finally:
        os.close(given)  # the guard kills all that is left, and ends
        await asyncio.shield(asyncio.ensure_future(_ended(process)))


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.communicate()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines that say something; a longer one than MAX_LINE is cut, and no more of it is held."""
    rest = ""
    while chunk := await stream.read(CHUNK):
        *whole, rest = _BREAK.split(rest + chunk.decode("utf-8", "replace"))
        rest = rest[: 4 * MAX_LINE]
        for line in whole:
            if text := shown(line):
                yield text
    if text := shown(rest):
        yield text

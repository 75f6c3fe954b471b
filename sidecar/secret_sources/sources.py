"""Reads secrets for definitions of servers from files (`${file:/path}`) and commands (`${cmd:/program argument}`).

Both are off unless settings allow them (HUB_SECRET_DIRS, HUB_SECRET_COMMANDS): definitions may be edited by people who
must not read the hub's files or run programs of their choice. Values are read again with each start of a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.settings import Settings, listed
from sidecar.secret_sources.errors import (
    SecretCommandFailed,
    SecretCommandRefused,
    SecretFileInvalid,
    SecretFileRefused,
)
from sidecar.spawner.pipes import Reader, opened, read_pipe

MAX_BYTES = 64 * 1024
"""Longest value, in bytes."""
COMMAND_SECONDS = 10.0
PASSED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR")
"""Variables of the hub that commands get: none that may hold a secret."""


class SecretSources:
    """What settings allow: `directories` of files, absolute paths of `commands`. `environ` is the hub's environment, of
    which commands get PASSED and the names in `pass_env`."""

    def __init__(
        self,
        directories: Iterable[str] = (),
        commands: Iterable[str] = (),
        environ: Mapping[str, str] = os.environ,
        pass_env: Iterable[str] = (),
    ) -> None:
        self._directories = tuple(Path(os.path.realpath(each)) for each in directories)
        self._commands = frozenset(commands)
        self._environ = {name: environ[name] for name in (*PASSED, *pass_env) if name in environ}

    @classmethod
    def allowed_by(cls, settings: Settings) -> SecretSources:
        """What the settings allow."""
        return cls(listed(settings.secret_dirs), listed(settings.secret_commands), pass_env=listed(settings.pass_env))

    async def values(self, references: Iterable[str]) -> dict[str, str]:
        """The values of references such as `file:/path` and `cmd:/program argument`, by reference.

        Raises:
            SecretFileRefused, SecretFileInvalid: a file may not be read, or cannot be.
            SecretCommandRefused, SecretCommandFailed: a command may not be run, or failed.
        """
        found = {}
        for reference in references:
            kind, _, argument = reference.partition(":")
            if kind == "file":
                found[reference] = await asyncio.to_thread(self._read, Path(argument))
            else:
                found[reference] = await self._run(argument)
        return found

    # --- files ---------------------------------------------------------------------------------------------------

    def _read(self, path: Path) -> str:
        real = Path(os.path.realpath(path))
        self._check_place(path, real)
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SecretFileInvalid(f"The file {str(path)!r} cannot be opened: {error.strerror}.") from None
        try:
            self._check_place(path, Path(os.path.realpath(f"/proc/self/fd/{descriptor}")))  # not exchanged meanwhile
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SecretFileInvalid(f"{str(path)!r} is not a regular file.")
            raw = os.read(descriptor, MAX_BYTES + 1)
        except OSError as error:
            raise SecretFileInvalid(f"The file {str(path)!r} cannot be read: {error.strerror}.") from None
        finally:
            os.close(descriptor)
        value = _text(raw)
        if value is None:
            raise SecretFileInvalid(f"The file {str(path)!r} is empty, larger than {MAX_BYTES} bytes, or not UTF-8.")
        return value

    def _check_place(self, path: Path, real: Path) -> None:
        if not self._directories:
            raise SecretFileRefused(f"The definition refers to the file {str(path)!r}, and HUB_SECRET_DIRS is not set.")
        if not any(real.is_relative_to(each) for each in self._directories):
            raise SecretFileRefused(f"The file {str(path)!r} is not within a directory of HUB_SECRET_DIRS.")

    # --- commands ------------------------------------------------------------------------------------------------

    async def _run(self, line: str) -> str:
        try:
            program, *arguments = shlex.split(line)
        except ValueError:
            raise SecretCommandRefused("A command in `${cmd:…}` has a quotation mark that is not closed.") from None
        if program not in self._commands:
            raise SecretCommandRefused(f"The program {program!r} is not one of HUB_SECRET_COMMANDS.")
        process, output = await self._start(program, arguments)
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                raw = await _read_most(output)
                status = await process.wait() if len(raw) <= MAX_BYTES else 0
        except TimeoutError:
            raise SecretCommandFailed(f"The program {program!r} took longer than {COMMAND_SECONDS:g} s.") from None
        finally:
            await _end(process)
        if status:
            raise SecretCommandFailed(f"The program {program!r} ended with status {status}.")
        value = _text(raw)
        if value is None:
            raise SecretCommandFailed(f"The program {program!r} printed nothing, over {MAX_BYTES} bytes, or no UTF-8.")
        return value

    async def _start(self, program: str, arguments: list[str]) -> tuple[asyncio.subprocess.Process, int]:
        """Start a program; returns the process and a descriptor of its output, which the caller closes.

        The pipe is not one of asyncio's `PIPE`: with those, `wait` does not return before the pipe is read to its end.
        A program that printed too much, or whose output another process keeps open, would never end (CPython #119710).
        """
        output, end_of_program = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=end_of_program,
                stderr=asyncio.subprocess.DEVNULL,
                env=self._environ,
                cwd="/",
                start_new_session=True,
            )
        except BaseException as error:
            os.close(output)
            if isinstance(error, OSError):
                raise SecretCommandFailed(f"The program {program!r} cannot be started: {error.strerror}.") from None
            raise
        finally:
            os.close(end_of_program)
        return process, output


async def _read_most(output: int) -> bytes:
    """Read a pipe to its end, or more than MAX_BYTES of it, and close it."""
    raw, enough, readers = bytearray(), asyncio.Event(), list[Reader]()

    def on_data(data: bytes) -> None:
        raw.extend(data)
        if len(raw) > MAX_BYTES:
            enough.set()

    async def open_pipe() -> None:
        readers.append(await read_pipe(output, on_data, enough.set))

    async def close() -> None:
        for reader in readers:
            reader.close()
            await reader.closed

    async with opened(open_pipe, close):
        await enough.wait()
    return bytes(raw)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _text(raw: bytes) -> str | None:
    """The value in what was read, without one line break at its end; None if it is empty, too long or not UTF-8."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text = text.removesuffix("\n").removesuffix("\r")
    return text if text and len(raw) <= MAX_BYTES and "\0" not in text else None

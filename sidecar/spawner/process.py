"""The spawner: a small program that starts stdio servers, adopts what they leave, and takes all of it along.

Run by the sidecar (client.py) as `python -I -S -u process.py SOCKET LOCK SIDECAR SINCE`. Standard library only, and
little of it, since this stays in memory as long as the hub runs: no asyncio, json, pathlib, subprocess.
"""
# ruff: noqa: PTH100, PTH113, PTH118, PTH120

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

if __name__ == "__main__":  # -I -S leaves no way to our own package
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sidecar.spawner import leftovers, proc, server
from sidecar.spawner.wire import Decoder, Message, encode

PR_SET_CHILD_SUBREAPER = 36
END_GRACE = 1.0
WAIT_NOTICE = 5.0
CHASE = 100
RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)


class Ended(Exception):
    """The sidecar is gone or done, or a signal asks to end."""


class Spawner:
    """The loop: requests from the sidecar, ends of children, and deadlines of servers that are being stopped."""

    def __init__(self, link: socket.socket, wakeup: int) -> None:
        self._link = link
        self._wakeup = wakeup
        self._decoder = Decoder()
        self._fds: list[int] = []
        self._out = bytearray()
        self._servers: dict[int, server.Server] = {}
        self._by_pid: dict[int, server.Server] = {}
        self._delay = 0.0
        self._mark = ""
        self.asked_to_end = False

    # --- life ----------------------------------------------------------------------------------------------------

    def run(self, lock: str, sidecar: leftovers.Sidecar) -> None:
        """Serve until the sidecar is gone or done, then leave nothing behind."""
        try:
            self._mark = self._own(lock)
            killed, orphans = leftovers.sweep(self._mark, sidecar)
            if killed:
                self._send(("note", f"killed {killed} processes that an earlier spawner left"))
            self._send(("orphans", orphans))
            self._send(("ready", self._mark))
            while True:
                self._poll(self._timeout())
                self._reap()
                self._step()
        except Ended:
            pass
        finally:  # after an error of our own, too
            end_all(self._wakeup)

    def _own(self, path: str) -> str:
        """Wait until no other spawner has this runtime directory; returns the mark that stands in its lock file."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        notice = time.monotonic() + WAIT_NOTICE
        gone = select.poll()
        gone.register(self._link, 0)  # only its end: requests wait until we are ready
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if self.asked_to_end or gone.poll(20):
                    raise Ended from None
            if time.monotonic() > notice:
                notice = float("inf")
                self._send(("note", f"still waiting for another spawner to end, which holds {path}"))
                self._flush()
        mark = os.read(file, 64).decode()
        if len(mark) != 32:
            mark = os.urandom(16).hex()
            os.ftruncate(file, 0)
            os.pwrite(file, mark.encode(), 0)
        return mark

    def _timeout(self) -> float | None:
        """Seconds until something has to be done unasked."""
        stopping = [one for one in self._servers.values() if one.phase != server.RUNNING]
        if any(one.phase == server.KILLING or one.clean for one in stopping):
            self._delay = min(self._delay * 2 + 0.001, 0.1)
            return self._delay
        self._delay = 0.0
        return max(0.0, min(one.deadline for one in stopping) - time.monotonic()) if stopping else None

    def _poll(self, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(self._link, select.POLLIN | (select.POLLOUT if self._out else 0))
        poll.register(self._wakeup, select.POLLIN)
        # poll() takes whole milliseconds: round up, or the last one before a deadline is spent spinning.
        for fd, events in poll.poll(None if timeout is None else int(timeout * 1000) + 1):
            if fd == self._wakeup:
                drain(self._wakeup)
            elif events & select.POLLIN or events & select.POLLHUP:
                self._receive()
        if self.asked_to_end:
            raise Ended
        self._flush()

    # --- the link ------------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        room = socket.CMSG_SPACE(64 * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self._link.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            raise Ended from None
        for _, _, content in ancillary:
            self._fds += array.array("i", content)
        if not data:
            raise Ended
        for message in self._decoder.feed(data):
            self._handle(message)

    def _handle(self, message: Message) -> None:
        kind, ident, *rest = message
        if kind == "spawn":
            fds, self._fds = self._fds[:3], self._fds[3:]
            self._spawn(ident, fds, *rest)
        elif one := self._servers.get(ident):
            one.stop(time.monotonic(), *rest)

    def _send(self, message: Message) -> None:
        self._out += encode(message)

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._link.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            raise Ended from None

    # --- servers -------------------------------------------------------------------------------------------------

    def _spawn(
        self, ident: int, fds: list[int], argv: list[bytes], env: dict[bytes, bytes], cwd: bytes, instance: str
    ) -> None:
        env |= {proc.HUB_MARK.encode(): self._mark.encode(), proc.INSTANCE_MARK.encode(): instance.encode()}
        step, detail = "cwd", cwd
        try:
            os.chdir(cwd)
            step, detail = "search", argv[0]
            detail = find_program(argv[0], env.get(b"PATH", os.fsencode(os.defpath)))
            step = "exec"
            pid = os.posix_spawn(
                detail,
                argv,
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(fds)],
                setsid=True,
                setsigmask=(),
                setsigdef=RESET,
            )
        except (OSError, ValueError) as error:
            number = (error.errno or 0) if isinstance(error, OSError) else 0
            if isinstance(error, OSError) and step == "search":
                detail = error.filename
            self._send(("failed", ident, step, number, detail.decode(errors="replace")))
        else:
            self._servers[ident] = self._by_pid[pid] = server.Server(ident, pid, instance)
            self._send(("spawned", ident, pid))
        finally:
            for fd in fds:
                os.close(fd)
            os.chdir("/")

    def _reap(self) -> None:
        """Bury all dead children; those that were servers are reported."""
        while dead := wait_any():
            pid, status = dead
            if pid and (one := self._by_pid.pop(pid, None)):
                one.status = status
                self._send(("exited", one.id, status))
            if not pid:
                break

    def _step(self) -> None:
        """Go on with all servers that are being stopped."""
        now = time.monotonic()
        table = None
        for one in [one for one in self._servers.values() if one.phase != server.RUNNING]:
            if one.status is not None and self._no_strays():
                one.phase = server.GONE
            else:
                table = table or proc.Table()
                one.step(now, one.family(table, set(self._by_pid)), table, self._sure(one))
                if one.phase == server.KILLING:
                    self._chase(one)
            if one.phase == server.GONE:
                self._forget(one)
        self._flush()

    def _chase(self, one: server.Server) -> None:
        """Kill what is adopted from a server at once: it may fork and end faster than a table is read."""
        for _ in range(CHASE):
            self._reap()
            strays = [proc.read(pid) for pid in proc.own_children() or () if pid not in self._by_pid]
            found = [stray for stray in strays if stray and stray.alive and one.owns(stray)]
            if not found:
                return
            kill_children([stray.pid for stray in found])

    def _sure(self, one: server.Server) -> bool:
        """Whether all that we adopted is there, alive, and not from this server: so none of it is passing by."""
        for pid in proc.own_children() or ():
            if pid not in self._by_pid:
                stray = proc.read(pid)
                if stray is None or not stray.alive or one.owns(stray):
                    return False
                if not proc.still_alive(stray):  # it ended before its marks were read: nobody knows whose it was
                    return False
        return True

    def _no_strays(self) -> bool:
        """Whether all our children are servers: the cheap answer to what is left of one that ended."""
        children = proc.own_children()
        return children is not None and self._by_pid.keys() >= set(children)

    def _forget(self, one: server.Server) -> None:
        del self._servers[one.id]
        if one.status is None:
            self._by_pid.pop(one.pid, None)
            self._send(("note", f"process {one.pid} survives SIGKILL; it is left to the system"))
        self._send(("stopped", one.id))


def find_program(name: bytes, path: bytes) -> bytes:
    """Where a command is. Raises FileNotFoundError, or PermissionError if it is there but may not be executed."""
    if b"/" in name:
        return name
    refused = None
    for directory in path.split(b":"):
        candidate = os.path.join(directory or b".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            refused = refused or candidate
    if refused:
        raise PermissionError(13, "may not be executed", refused)
    raise FileNotFoundError(2, "not found", name)


def wait_any() -> tuple[int, int] | None:
    """A dead child's pid and status; (0, 0) when none is dead, None when there is no child at all."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None


def drain(fd: int) -> None:
    """Empty a pipe that does not block."""
    with suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


def childless() -> bool:
    """Bury the dead; whether no child is left, which for a subreaper means no descendant."""
    while dead := wait_any():
        if not dead[0]:
            return False
    return True


def end_all(wakeup: int) -> None:
    """End every descendant: ask, wait a little, then kill until none is left."""
    proc.terminate(proc.Table().descendants(os.getpid()))
    deadline = time.monotonic() + END_GRACE
    while not childless() and (left := deadline - time.monotonic()) > 0:
        select.select([wakeup], [], [], left)
        drain(wakeup)
    delay, deadline = 0.001, time.monotonic() + server.KILL_LIMIT
    while not childless() and time.monotonic() < deadline:
        table = proc.Table()
        proc.kill(table, table.descendants(os.getpid()))
        chase()
        time.sleep(delay)
        delay = min(delay * 2, 0.1)


def chase() -> None:
    """Kill what we adopt at once, again and again: a process that forks and ends faster than a table is read."""
    for _ in range(CHASE):
        if childless():
            return
        kill_children(proc.own_children() or [])


def kill_children(pids: list[int]) -> None:
    """Kill children of ours. They are not buried yet, so that no pid can have become another's."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def prepare() -> int:
    """Become a subreaper; returns a pipe that is readable after a signal."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    os.chdir("/")
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def main(arguments: list[str]) -> None:
    """Run the spawner; the arguments are those in the module's docstring."""
    link = socket.socket(fileno=int(arguments[0]))
    link.setblocking(False)
    os.set_inheritable(link.fileno(), False)
    spawner = Spawner(link, prepare())

    def ask_to_end(number: int, frame: object) -> None:
        spawner.asked_to_end = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask_to_end)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    spawner.run(arguments[1], leftovers.Sidecar(int(arguments[2]), int(arguments[3])))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The spawner: a small program that starts stdio servers, adopts their orphans, and kills all of them when it ends.

The sidecar (client.py) runs it as `python -I -S -u process.py SOCKET LOCK SIDECAR SINCE OTHER_LOCK`. It uses only
small parts of the standard library, since it stays in memory as long as the hub runs: no asyncio, json, pathlib,
subprocess.
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

if __name__ == "__main__":  # -I -S leave our own package off sys.path
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sidecar.spawner import leftovers, proc, server
from sidecar.spawner.wire import Decoder, Message, encode

PR_SET_CHILD_SUBREAPER = 36
END_GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL when the spawner ends."""
WAIT_NOTICE = 5.0
"""Seconds of waiting for the lock file after which that is reported."""
CHASE_ROUNDS = 100
"""How often adopted processes are killed in a row (`chase`)."""
RESET_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGCHLD,
)


class Ended(Exception):
    """The sidecar has closed the socket, or a signal asks the spawner to end."""


class Spawner:
    """The main loop: handles requests of the sidecar, ends of children, and deadlines of servers being stopped."""

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

    # --- main loop -----------------------------------------------------------------------------------------------

    def run(self, lock: str, sidecar: leftovers.Sidecar, other_lock: str) -> None:
        """Serve until the sidecar closes the socket or a signal asks to end; then kill all descendants."""
        try:
            self._mark = self._own(lock)
            killed, orphans = leftovers.sweep(self._mark, sidecar)
            killed += sweep_slot(other_lock, sidecar)
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
        finally:  # also after an unexpected error
            end_all(self._wakeup)

    def _own(self, path: str) -> str:
        """Wait for the lock of this runtime directory; returns the mark from the lock file. Raises Ended."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        notice = time.monotonic() + WAIT_NOTICE
        gone = select.poll()
        gone.register(self._link, 0)  # only the hang-up: requests are read when we are ready
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
        """Seconds until the next step of a server being stopped; None if there is none."""
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
        # poll() takes whole milliseconds: round up to avoid a busy loop in the last one before a deadline.
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
                setsigdef=RESET_SIGNALS,
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
        """Reap all dead children, and report those that were servers."""
        while dead := wait_any():
            pid, status = dead
            if pid and (one := self._by_pid.pop(pid, None)):
                one.status = status
                self._send(("exited", one.id, status))
            if not pid:
                break

    def _step(self) -> None:
        """Continue to stop servers."""
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
        """Kill processes adopted from a server in a row: they may fork and end faster than /proc can be read."""
        for _ in range(CHASE_ROUNDS):
            self._reap()
            strays = [proc.read(pid) for pid in proc.own_children() or () if pid not in self._by_pid]
            found = [stray for stray in strays if stray and stray.alive and one.owns(stray)]
            if not found:
                return
            kill_children([stray.pid for stray in found])

    def _sure(self, one: server.Server) -> bool:
        """Whether no adopted process can be one of this server: each is alive and known to be another's."""
        for pid in proc.own_children() or ():
            if pid not in self._by_pid:
                stray = proc.read(pid)
                if stray is None or not stray.alive or one.owns(stray):
                    return False
                if not proc.still_alive(stray):  # it ended before its marks were read, so its server is unknown
                    return False
        return True

    def _no_strays(self) -> bool:
        """Whether all our children are servers: then nothing is left of one that has ended. Cheaper than a Table."""
        children = proc.own_children()
        return children is not None and self._by_pid.keys() >= set(children)

    def _forget(self, one: server.Server) -> None:
        del self._servers[one.id]
        if one.status is None:
            self._by_pid.pop(one.pid, None)
            self._send(("note", f"process {one.pid} survives SIGKILL; it is left to the system"))
        self._send(("stopped", one.id))


def sweep_slot(lock: str, sidecar: leftovers.Sidecar) -> int:
    """Kill what an earlier spawner of the other slot left, unless one runs there now; returns the number of processes.

    After a reload the hub's sidecar is that of the other slot; the next start of the hub uses this one.
    """
    with suppress(OSError):
        file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mark = os.read(file, 64).decode()
            return leftovers.sweep(mark, sidecar)[0] if len(mark) == 32 else 0
        finally:
            os.close(file)
    return 0


def find_program(name: bytes, path: bytes) -> bytes:
    """Look up a command on the PATH.

    Raises:
        PermissionError: it was found but may not be executed.
        FileNotFoundError: it was not found.
    """
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
    """Reap a dead child: its pid and status; (0, 0) if none is dead, None if there are no children."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None


def drain(fd: int) -> None:
    """Read a non-blocking pipe until it is empty."""
    with suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


def childless() -> bool:
    """Reap dead children; returns whether none is left, which for a subreaper means no descendant either."""
    while dead := wait_any():
        if not dead[0]:
            return False
    return True


def end_all(wakeup: int) -> None:
    """End all descendants: SIGTERM, then after END_GRACE SIGKILL until none is left."""
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
    """Kill our children many times in a row: a process may fork and end faster than /proc can be read."""
    for _ in range(CHASE_ROUNDS):
        if childless():
            return
        kill_children(proc.own_children() or [])


def kill_children(pids: list[int]) -> None:
    """Kill children that are not reaped yet, so that their pids cannot have been reused."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def prepare() -> int:
    """Become a child subreaper; returns a pipe that becomes readable after a signal. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    os.chdir("/")
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def main(arguments: list[str]) -> None:
    """Run the spawner. `arguments`: see the module's docstring."""
    link = socket.socket(fileno=int(arguments[0]))
    link.setblocking(False)
    os.set_inheritable(link.fileno(), False)
    spawner = Spawner(link, prepare())

    def ask_to_end(number: int, frame: object) -> None:
        spawner.asked_to_end = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask_to_end)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    spawner.run(arguments[1], leftovers.Sidecar(int(arguments[2]), int(arguments[3])), arguments[4])


if __name__ == "__main__":
    main(sys.argv[1:])

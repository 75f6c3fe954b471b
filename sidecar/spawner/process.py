"""The spawner: a small program that starts stdio servers, adopts their orphans, and kills all of them when it ends.

The sidecar (client.py) runs it as `python -I -S -u process.py SOCKET LOCK SIDECAR SINCE GROUPS DOOR OTHER_LOCK`. It
stays in memory as long as the hub runs, so it uses small parts of the standard library only: no asyncio, json, pathlib.
"""
# ruff: noqa: PTH100, PTH120

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import time

if __name__ == "__main__":  # -I -S leave our own package off sys.path
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sidecar.limits import groups
from sidecar.limits.limits import MEMORY, PIDS, Limits
from sidecar.spawner import ending, leftovers, proc, server, starting
from sidecar.spawner.keep import keeping
from sidecar.spawner.keep.sidecars import SidecarGone, SidecarLink, Sidecars
from sidecar.spawner.watch import Watch
from sidecar.spawner.wire import Message

PR_SET_CHILD_SUBREAPER = 36
WAIT_NOTICE = 5.0
"""Seconds of waiting for the lock file after which that is reported."""


class Ended(Exception):
    """The spawner has to end: a signal asks for it, or there is no sidecar, nor a reason to wait for the next."""


class Spawner:
    """The main loop: handles requests of sidecars, ends of children, and deadlines of servers being stopped."""

    def __init__(self, link: socket.socket, wakeup: int, door: str, use_groups: bool) -> None:
        self._sidecars = Sidecars()
        self._first = self._sidecars.add(link)
        self._door = keeping.Door(door)
        self._wakeup = wakeup
        self._servers: dict[int, server.Server] = {}
        self._by_pid: dict[int, server.Server] = {}
        self._delay = 0.0
        self._mark = ""
        self._watch = Watch()
        self._source = groups.Source(use_groups)
        self._alarmed = False
        """Whether a fork failed at a server's limit of processes."""
        self.asked_to_end = False

    # --- main loop -----------------------------------------------------------------------------------------------

    def run(self, lock: str, sidecar: leftovers.Sidecar, other_lock: str) -> None:
        """Serve until no sidecar is left to wait for, or a signal asks to end; then kill all descendants."""
        try:
            self._door.note_sidecar(sidecar.pid)
            self._mark = self._own(lock)
            killed, orphans = leftovers.sweep(self._mark, sidecar)
            killed += leftovers.sweep_slot(other_lock, sidecar)
            if killed:
                self._sidecars.tell(("note", f"killed {killed} processes that an earlier spawner left"))
            self._sidecars.tell(("orphans", orphans))
            self._sidecars.tell(("ready", self._mark, self._first.first_id))
            while True:
                self._turn()
        except Ended:
            pass
        finally:  # also after an unexpected error
            self._door.close()
            ending.end_all(self._wakeup)
            for one in self._servers.values():
                self._remove_group(one)

    def _turn(self) -> None:
        self._poll(self._timeout())
        self._reap()
        self._look()
        self._step()
        if not self._sidecars and (self._door.in_vain() or not self._kept()):
            raise Ended

    # --- from one sidecar to the next ----------------------------------------------------------------------------

    def _kept(self) -> list[server.Server]:
        """The servers that another sidecar can take over."""
        return [one for one in self._servers.values() if one.can_be_kept]

    def _part(self, link: SidecarLink) -> None:
        """A sidecar has gone: its kept servers are offered to another one, or wait for the next; the others end."""
        if not self._sidecars.remove(link):
            return
        for one in [one for one in self._servers.values() if one.sidecar is link]:
            self._give(one)
        self._sidecars.tell(("sidecars", len(self._sidecars)))
        if not self._sidecars:
            if not self._kept():
                raise Ended
            self._door.begin_to_wait()

    def _give(self, one: server.Server) -> None:
        """Offer a server to another sidecar than the one that had it; stop it if it is not kept."""
        one.sidecar = None
        if not one.can_be_kept:
            one.stop(time.monotonic(), ending.END_GRACE)
        elif heir := self._sidecars.heir():
            one.sidecar = heir
            try:
                heir.hand_over([one.offer()])
            except SidecarGone:
                self._part(heir)
            else:
                self._sidecars.tell(one.name("held"), besides=heir)

    def _welcome(self) -> None:
        """Hand all servers that wait over to a new sidecar, if one is at the door; name those that another one has."""
        if (accepted := self._door.accept()) is None:
            return
        link = self._sidecars.add(accepted)
        messages: list[tuple[Message, list[int]]] = [(("orphans", []), [])]
        for one in self._kept():
            messages.append(one.offer() if one.sidecar is None else (one.name("held"), []))
            one.sidecar = one.sidecar or link
        messages += [(told, []) for told in self._source.told]
        messages.append((("ready", self._mark, link.first_id), []))
        try:
            link.hand_over(messages)
        except SidecarGone:
            self._part(link)
        else:
            self._sidecars.tell(("sidecars", len(self._sidecars)))

    def _keep_no_more(self, one: server.Server) -> None:
        """A server ends: who waits for it need not wait any more."""
        if one.kept and one.kept.agreed:
            one.kept.agreed = b""
            self._sidecars.tell(one.name("unheld"), besides=one.sidecar)

    # --- waiting -------------------------------------------------------------------------------------------------

    def _own(self, path: str) -> str:
        """Wait for the lock of this runtime directory; returns the mark from the lock file. Raises Ended."""
        lock = leftovers.Lock(path)
        notice = time.monotonic() + WAIT_NOTICE
        gone = select.poll()
        gone.register(self._first.socket, 0)  # only the hang-up: requests are read when we are ready
        while not lock.taken():
            if self.asked_to_end or gone.poll(20):
                raise Ended
            if time.monotonic() > notice:
                notice = float("inf")
                self._sidecars.tell(("note", f"still waiting for another spawner to end, which holds {path}"))
                self._flush()
        return lock.mark()

    def _timeout(self) -> float | None:
        """Seconds until the next step of a server being stopped, or look at watched ones; None if there is none."""
        now = time.monotonic()
        waits = [self._stop_timeout(), self._watch.timeout(self._servers.values(), now)]
        if not self._sidecars:
            waits.append(max(0.0, self._door.deadline - now))
        return min((wait for wait in waits if wait is not None), default=None)

    def _stop_timeout(self) -> float | None:
        stopping = [one for one in self._servers.values() if one.phase != server.RUNNING]
        if any(one.phase == server.KILLING or one.clean for one in stopping):
            self._delay = min(self._delay * 2 + 0.001, 0.1)
            return self._delay
        self._delay = 0.0
        return max(0.0, min(one.deadline for one in stopping) - time.monotonic()) if stopping else None

    def _poll(self, timeout: float | None) -> None:
        poll = select.poll()
        links = {link.socket.fileno(): link for link in self._sidecars}
        for link in links.values():
            poll.register(link.socket, select.POLLIN | (select.POLLOUT if link.unsent else 0))
        self._door.register(poll, alone=not links)
        poll.register(self._wakeup, select.POLLIN)
        for one in self._servers.values():
            if one.phase == server.RUNNING and one.group and one.group.events >= 0:
                poll.register(one.group.events, select.POLLPRI)
        # poll() takes whole milliseconds: round up to avoid a busy loop in the last one before a deadline.
        for fd, events in poll.poll(None if timeout is None else int(timeout * 1000) + 1):
            if fd == self._wakeup:
                ending.drain(self._wakeup)
            elif fd in links:
                if events & (select.POLLIN | select.POLLHUP):
                    self._receive(links[fd])
            else:
                self._alarmed = True
        if self.asked_to_end:
            raise Ended
        self._welcome()
        self._flush()

    # --- messages ------------------------------------------------------------------------------------------------

    def _receive(self, link: SidecarLink) -> None:
        try:
            for message in link.receive():
                self._handle(link, message)
        except SidecarGone:
            self._part(link)

    def _handle(self, link: SidecarLink, message: Message) -> None:
        kind, ident, *rest = message
        if kind == "spawn":
            self._spawn(link, ident, link.take_fds(3), *rest)
        elif kind == "ping":
            link.send(("pong",))
        elif (one := self._servers.get(ident)) is None or one.sidecar is not link:
            return
        elif kind == "stop":
            self._keep_no_more(one)
            one.stop(time.monotonic(), *rest)
        elif kind == "give":
            link.leaving = True
            self._give(one)
        elif one.kept:
            one.kept.agreed = rest[0]
            self._sidecars.tell(one.name("held"), besides=link)

    def _flush(self) -> None:
        for link in self._sidecars:
            try:
                link.flush()
            except SidecarGone:
                self._part(link)

    # --- servers -------------------------------------------------------------------------------------------------

    def _spawn(
        self,
        link: SidecarLink,
        ident: int,
        fds: list[int],
        argv: list[bytes],
        env: dict[bytes, bytes],
        cwd: bytes,
        instance: str,
        limited: tuple[int, int, float, int],
        kept_as: tuple[str, str] | None,
    ) -> None:
        kept = self._new_kept(link, *kept_as) if kept_as else None
        env |= {proc.HUB_MARK.encode(): self._mark.encode(), proc.INSTANCE_MARK.encode(): instance.encode()}
        limits = Limits(*limited)
        group = self._source.group(limits, instance, f"hub-{self._mark[:8]}-", self._sidecars.tell)
        try:
            pid = starting.start(argv, env, cwd, fds, limits, group)
        except starting.Refused as error:
            if group:
                group.remove()
            if kept:
                kept.close()
            link.send(("failed", ident, error.step, error.number, error.detail))
            return
        finally:
            for fd in fds:
                os.close(fd)
        self._servers[ident] = self._by_pid[pid] = server.Server(ident, pid, instance, limits, group, kept, link)
        try:
            starting.restrain(pid, limits, group)
        except OSError as error:
            link.send(("note", f"the limits of process {pid} are not in force: {error.strerror}"))
            if group:
                group.controllers = frozenset()  # so the limits are watched
        link.send(("spawned", ident, pid))

    def _new_kept(self, link: SidecarLink, key: str, identity: str) -> keeping.Kept | None:
        """What a server that may outlive the sidecar needs for that; None if the system refuses."""
        kept = keeping.Kept(key, identity, link.take_fds(4))
        try:
            self._door.open()
        except OSError as error:
            link.send(("note", f"servers cannot be kept over a restart of the sidecar: {error.strerror}"))
            kept.close()
            return None
        return kept

    def _look(self) -> None:
        """End servers that exceed a limit."""
        over = self._watch.look(self._servers.values(), set(self._by_pid), time.monotonic())
        if self._alarmed:
            running = [one for one in self._servers.values() if one.phase == server.RUNNING]
            over += [(one, PIDS) for one in running if one.group and one.group.exceeded(PIDS)]
            self._alarmed = False
        for one, kind in over:
            self._exceeded(one, kind)

    def _exceeded(self, one: server.Server, kind: str) -> None:
        one.tell(("exceeded", one.id, kind, one.limits.value(kind)))
        one.kill(time.monotonic())

    def _reap(self) -> None:
        """Reap all dead children, and report those that were servers."""
        while dead := ending.wait_any():
            pid, status = dead
            if pid and (one := self._by_pid.pop(pid, None)):
                one.status = status
                self._keep_no_more(one)
                if os.WIFSIGNALED(status) and one.phase == server.RUNNING and one.out_of_memory():
                    self._exceeded(one, MEMORY)
                one.tell(("exited", one.id, status))
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
        for _ in range(ending.CHASE_ROUNDS):
            self._reap()
            strays = [proc.read(pid) for pid in proc.own_children() or () if pid not in self._by_pid]
            found = [stray for stray in strays if stray and stray.alive and one.owns(stray)]
            if not found:
                return
            ending.kill_children([stray.pid for stray in found])

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
        if one.kept:
            one.kept.close()
        self._remove_group(one)
        if one.status is None:
            self._by_pid.pop(one.pid, None)
            self._sidecars.tell(("note", f"process {one.pid} survives SIGKILL; it is left to the system"))
        one.tell(("stopped", one.id))

    def _remove_group(self, one: server.Server) -> None:
        if one.group and not one.group.remove():
            self._sidecars.tell(
                ("note", f"the control group {one.group.path} cannot be removed; it is left to the system")
            )


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
    spawner = Spawner(link, prepare(), arguments[5], use_groups=arguments[4] == "auto")

    def ask_to_end(number: int, frame: object) -> None:
        spawner.asked_to_end = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask_to_end)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    spawner.run(arguments[1], leftovers.Sidecar(int(arguments[2]), int(arguments[3])), arguments[6])


if __name__ == "__main__":
    main(sys.argv[1:])

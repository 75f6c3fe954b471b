"""A stdio server with bad manners: `nasty.py TOKEN HABIT…`. It says when all its processes are there, then echoes."""

import os
import signal
import subprocess
import sys
import time


def main() -> None:
    """Take on the habits, one after the other."""
    for habit in sys.argv[2:]:
        HABITS[habit]()
    print('{"jsonrpc":"2.0","method":"ready"}', flush=True)
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()
    while "deaf" in sys.argv:
        time.sleep(60)
    if "comet" in sys.argv:
        comet()


def deaf() -> None:
    """Ignore SIGTERM (and, in main, the end of input)."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def kid() -> None:
    """Have a child in the same group that sleeps."""
    fork(lambda: time.sleep(600))


def loner() -> None:
    """Have a child in a session of its own, which stays a child."""
    fork(lambda: (os.setsid(), time.sleep(600)))


def daemon() -> None:
    """Have a grandchild that left session and parent, ignores SIGTERM, and keeps its environment."""
    fork(lambda: (os.setsid(), fork(lambda: time.sleep(600))), wait=True)


def bare() -> None:
    """Have a daemon without an environment."""
    command = [
        sys.executable,
        "-S",
        "-c",
        "import os, time; os.write(1, b'x'); os.close(1); time.sleep(600)",
        sys.argv[1],
    ]

    def run() -> None:
        os.setsid()
        child = subprocess.Popen(command, env={}, stdout=subprocess.PIPE)
        child.stdout.read()

    fork(run, wait=True)


def comet() -> None:
    """Fork, leave the session and end, again and again: no pid lives for long, nor any group."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if os.fork():
            os._exit(0)
        os.setsid()


def late_comet() -> None:
    """Become a comet when asked to end."""
    signal.signal(signal.SIGTERM, lambda number, frame: comet())


def storm() -> None:
    """When asked to end, fork as much as one can (within a bound)."""
    signal.signal(signal.SIGTERM, lambda number, frame: breed())


def breed() -> None:
    """A few generations, each member of which has children until it is killed; no more than 60 at once each."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for generation in range(60):
        if os.fork() == 0:
            if generation % 2:
                os.setsid()
            for _ in range(3):
                os.fork()
            time.sleep(20)
            os._exit(0)
    time.sleep(20)


def fork(job: object, wait: bool = False) -> None:
    """Do a job in a child; returns when the child began, or with `wait` when it is over."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writable)
        if not wait:
            os.read(readable, 1)
        else:
            os.waitpid(pid, 0)
        os.close(readable)
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(writable, b"x")
    job()
    os._exit(0)


HABITS = {f.__name__: f for f in (deaf, kid, loner, daemon, bare, storm, late_comet)} | {"comet": lambda: None}

if __name__ == "__main__":
    main()

"""Ask supervisord for the states of the hub's processes, and have it start and stop one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

SIDECARS = ("sidecar", "sidecar-b")
"""The two programs of the sidecar, of which one runs; `hubctl reload` has the other one take over (ADR 35)."""
ALIVE = ("STARTING", "RUNNING", "STOPPING", "BACKOFF")
"""States of a program whose process runs, or is to be started again."""


class Program(NamedTuple):
    """What supervisord says of a program."""

    state: str
    pid: int
    """0 if no process runs."""
    description: str


def process_states(runtime: Path) -> dict[str, str]:
    """Return each process's state in supervisord's words (`RUNNING pid 12, uptime 0:00:03`); empty if it does not
    answer. Of the two programs of the sidecar there is the one that runs, as `sidecar`.
    """
    states = {str(info["name"]): f"{info['statename']} {info['description']}".strip() for info in _processes(runtime)}
    other = states.pop(SIDECARS[1], "")
    if other.startswith(ALIVE) and not states[SIDECARS[0]].startswith("RUNNING"):
        states[SIDECARS[0]] = other
    return states


def seconds_since_start(runtime: Path, name: str) -> float | None:
    """Return for how many seconds this process has been running; None if it does not run or supervisord does not
    answer. The name `sidecar` stands for both of its programs.
    """
    names = SIDECARS if name == SIDECARS[0] else (name,)
    running = (info for info in _processes(runtime) if info["name"] in names)
    seconds = (_uptime(info) for info in running if info["statename"] in ("STARTING", "RUNNING"))
    return min(seconds, default=None)


def _uptime(info: dict[str, object]) -> float:
    return float(str(info["now"])) - float(str(info["start"]))


def programs(runtime: Path) -> dict[str, Program]:
    """Return the programs of the hub by name; empty if supervisord does not answer."""
    return {
        str(info["name"]): Program(str(info["statename"]), int(str(info["pid"])), str(info["description"]))
        for info in _processes(runtime)
    }


def start(runtime: Path, name: str) -> None:
    """Start a program, without waiting until it runs. Raises OSError, xmlrpc.client.Error."""
    with _supervisor(runtime) as supervisor:
        supervisor.startProcess(f"hub:{name}", False)


def stop(runtime: Path, name: str) -> None:
    """Stop a program, and wait until it has ended; nothing happens if it does not run."""
    with contextlib.suppress(OSError, Error), _supervisor(runtime) as supervisor:
        supervisor.stopProcess(f"hub:{name}")


def _processes(runtime: Path) -> list[dict[str, object]]:
    """Return supervisord's information on each process (`getAllProcessInfo`); empty if it does not answer."""
    try:
        with _supervisor(runtime) as supervisor:
            return _rows(supervisor.getAllProcessInfo())
    except (OSError, Error):
        return []


@contextlib.contextmanager
def _supervisor(runtime: Path) -> Iterator[Any]:
    """supervisord's interface `supervisor` (XML-RPC over its Unix socket)."""
    transport = SupervisorTransport(None, None, f"unix://{runtime}/supervisor.sock")
    try:
        yield ServerProxy("http://localhost", transport).supervisor
    finally:
        transport.close()


def _rows(answer: object) -> list[dict[str, object]]:
    return [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []

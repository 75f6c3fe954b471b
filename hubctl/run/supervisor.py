"""Ask supervisord for the states of the hub's processes."""

from __future__ import annotations

from pathlib import Path
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport


def process_states(runtime: Path) -> dict[str, str]:
    """Return each process's state in supervisord's words (`RUNNING pid 12, uptime 0:00:03`); empty if it does not
    answer.
    """
    return {str(info["name"]): f"{info['statename']} {info['description']}".strip() for info in _processes(runtime)}


def seconds_since_start(runtime: Path, name: str) -> float | None:
    """Return for how many seconds this process has been running; None if it does not run or supervisord does not
    answer.
    """
    for info in _processes(runtime):
        if info["name"] == name and info["statename"] in ("STARTING", "RUNNING"):
            return float(str(info["now"])) - float(str(info["start"]))
    return None


def _processes(runtime: Path) -> list[dict[str, object]]:
    """Return supervisord's information on each process (`getAllProcessInfo`); empty if it does not answer."""
    transport = SupervisorTransport(None, None, f"unix://{runtime}/supervisor.sock")
    try:
        return _rows(ServerProxy("http://localhost", transport).supervisor.getAllProcessInfo())
    except (OSError, Error):
        return []
    finally:
        transport.close()


def _rows(answer: object) -> list[dict[str, object]]:
    return [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []

"""The limits in force for a stdio server: its own settings, else the hub's; and how they are told. Pure."""

from __future__ import annotations

from bridge.models import ProcessLimits, ServerSpec, StdioLaunch
from bridge.settings.limits import LimitSettings
from sidecar.limits.errors import size
from sidecar.limits.limits import MEMORY, PIDS, SLOWED_PRIORITY, Limits

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
Enforcement = tuple[frozenset[str], str] | None
"""As `Spawner.enforcement`."""


def limits_of(own: ProcessLimits | None, hub: LimitSettings) -> Limits:
    """The limits of a server with these settings."""
    own = own or ProcessLimits()
    return Limits(
        memory=bytes_of(hub.server_memory if own.memory is None else own.memory),
        pids=hub.server_pids if own.pids is None else own.pids,
        cpus=hub.server_cpus if own.cpus is None else own.cpus,
        open_files=hub.server_open_files if own.open_files is None else own.open_files,
    )


def bytes_of(text: str) -> int:
    """The number of bytes that a size such as `512m` stands for."""
    return int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)


def enforcement_text(enforcement: Enforcement) -> str:
    """What enforces limits, for people; empty if that is not known yet."""
    if enforcement is None:
        return ""
    controllers, where = enforcement
    if controllers:
        return f"the control group {where} ({', '.join(sorted(controllers))})"
    return f"rlimits and a watch of /proc, as {where}"


def described(spec: ServerSpec, hub: LimitSettings, enforcement: Enforcement) -> tuple[str, ...]:
    """The limits of a server for people, each with what enforces it; empty if it is no process of the hub's own."""
    if not isinstance(spec.launch, StdioLaunch) or spec.settings.container is not None:
        return ()
    limits, controllers = limits_of(spec.settings.limits, hub), enforcement[0] if enforcement else frozenset()
    told = []
    if limits.memory:
        told.append(f"memory {size(limits.memory)} ({_by(MEMORY in controllers, 'a watch of /proc')})")
    if limits.pids:
        told.append(f"{limits.pids} processes and threads ({_by(PIDS in controllers, 'a watch of /proc')})")
    if limits.cpus:
        told.append(f"{limits.cpus:g} processors ({_by('cpu' in controllers, f'only as priority {SLOWED_PRIORITY}')})")
    if limits.open_files:
        told.append(f"{limits.open_files} open files in each process (rlimit)")
    return tuple(told)


def _by(group: bool, other: str) -> str:
    return "control group" if group else other

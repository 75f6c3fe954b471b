"""Explains the end of a server in a container, by the exit code and stderr of the engine's client. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.models import ContainerSettings
from sidecar.containers.argv import megabytes
from sidecar.containers.errors import ContainerOom, EngineRefused
from sidecar.errors import CommandMissing, SidecarError

KILLED = 137
"""128 + SIGKILL: the container's first process was killed, usually by the kernel at the memory limit."""
REFUSED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
_ENGINE = re.compile(r"(?:Error: |docker: )(?P<words>.*)")
_INIT = re.compile(r"(?:ERROR \(catatonit:\d+\)|\[FATAL tini \(\d+\)\]):? (?P<words>.*exec.*)")
"""Output of the init process that the engines put into containers (`--init`); podman's then exits with code 1."""


def explain(
    end: int, stderr: Sequence[str], settings: ContainerSettings, command: str, went_over: bool
) -> SidecarError | None:
    """The error for an end that is due to the container, else None. `went_over`: it reached its memory limit."""
    limit = megabytes(settings.memory)
    if went_over and end != 0:
        return ContainerOom(f"It died: over its memory limit of {limit}.", data={"exit_code": end})
    if end == KILLED:
        return ContainerOom(f"It was killed: most likely over its memory limit of {limit}.", data={"exit_code": end})
    if end == REFUSED and (words := _said(_ENGINE, stderr)):
        return EngineRefused(f"The container was not started: {words}.")
    words = _said(_INIT, stderr) or (_said(_ENGINE, stderr) if end in (NOT_EXECUTABLE, NOT_FOUND) else "")
    if words and end in (1, NOT_EXECUTABLE, NOT_FOUND):
        why = f"{command!r} cannot be started in the image {settings.image!r}: {words}."
        return CommandMissing(why, hint="Correct `command`: it has to be in the image, in full or on its PATH.")
    return None


def _said(pattern: re.Pattern[str], stderr: Sequence[str]) -> str:
    found = (match["words"] for line in reversed(stderr) if (match := pattern.match(line)))
    return next(found, "").rstrip(".")[:300]

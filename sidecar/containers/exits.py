"""Why a contained server ended: told from the exit code of the engine's client, and what it wrote (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.models import ContainerSettings
from sidecar.containers.argv import megabytes
from sidecar.containers.errors import ContainerOom, EngineRefused
from sidecar.errors import CommandMissing, SidecarError

KILLED = 137
"""128 and SIGKILL: the first process of the container was killed, which the kernel does beyond the memory limit."""
REFUSED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
_ENGINE_SAYS = ("Error: ", "docker: ")


def explain(
    end: int, stderr: Sequence[str], settings: ContainerSettings, command: str, went_over: bool
) -> SidecarError | None:
    """The reason of an end, if it has to do with the container. `went_over`: the kernel told of its memory limit."""
    limit = megabytes(settings.memory)
    if went_over and end != 0:
        return ContainerOom(f"It died: over its memory limit of {limit}.", data={"exit_code": end})
    if end == KILLED:
        return ContainerOom(f"It was killed: most likely over its memory limit of {limit}.", data={"exit_code": end})
    if end in (REFUSED, NOT_EXECUTABLE, NOT_FOUND):
        said = next((line for line in reversed(stderr) if line.startswith(_ENGINE_SAYS)), "")
        words = said.removeprefix("Error: ").removeprefix("docker: ").rstrip(".")[:300]
        if said and end == REFUSED:
            return EngineRefused(f"The container was not started: {words}.")
        if said:
            why = f"{command!r} cannot be started in the image {settings.image!r}: {words}."
            return CommandMissing(why, hint="Correct `command`: it has to be in the image, in full or on its PATH.")
    return None

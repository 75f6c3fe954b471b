"""Finds a container engine (podman or docker), and wraps its commands."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sidecar.containers.argv import HUB_LABEL, EngineKind
from sidecar.containers.errors import EngineMissing, EngineRefused, ImagePullFailed, ImageRefused
from sidecar.containers.tool import Output, Tool
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

COMMAND_TIMEOUT = 30.0
PULL_TIMEOUT = 3600.0
SAVE_TIMEOUT = 900.0
REMOVE_ATTEMPTS = 3
_NO_IMAGE = re.compile(r"(?i)no such image|image not known|unable to find|failed to find image|no such object")
_REFUSED = re.compile(r"Source image rejected: (?P<reason>[^\n]*)")
"""podman's words for an image that a policy refuses (containers/image, copy)."""
_NO_CONTAINER = re.compile(r"(?i)no such (container|object)|no container with")


@dataclass(frozen=True, slots=True)
class Image:
    """A local image; `user` is empty if the image defines none."""

    id: str
    user: str
    pinned: str = ""
    """`NAME@sha256:...` as it was pulled; empty for one that was built or imported here."""


class Engine:
    """A working container engine. `unlimited`: those of memory, cpus and pids that it cannot limit on this machine."""

    def __init__(self, tool: Tool, program: str, info: dict[str, Any]) -> None:
        self._tool = tool
        self.program = program
        self.kind: EngineKind = "podman" if "host" in info else "docker"
        self.rootless, self.unlimited = (_podman if self.kind == "podman" else _docker)(info)

    async def image(self, name: str) -> Image | None:
        """Look up a local image; None if there is none of that name. Raises EngineRefused."""
        said = await self._ask("image", "inspect", "--format", "{{.Id}}|{{.Config.User}}|{{json .RepoDigests}}", name)
        if said.code == 0:
            ident, user, digests = f"{said.out.decode(errors='replace').strip()}||".split("|")[:3]
            return Image(ident.removeprefix("sha256:"), user, _pinned(name, digests))
        if _NO_IMAGE.search(said.err):
            return None
        raise EngineRefused(f"{self.kind} could not inspect the image {name!r}: {said.complaint}.")

    async def pull(self, name: str, tell: Callable[[str], None], policy: Path | None = None) -> None:
        """Pull an image; `tell` is called with lines of the engine's output. podman checks `policy`, a policy.json.

        Raises:
            ImagePullFailed: it could not be pulled.
            ImageRefused: the policy, or the engine's own one, refuses it.
        """
        option = ("--signature-policy", str(policy)) if policy and self.kind == "podman" else ()

        def on_output(data: bytes) -> None:
            if lines := [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]:
                tell(lines[-1][:200])

        try:
            said = await self._tool.run(self.program, "pull", *option, name, timeout=PULL_TIMEOUT, on_output=on_output)
        except TimeoutError:
            why = f"The image {name!r} was not pulled within {PULL_TIMEOUT / 60:.0f} minutes."
            raise ImagePullFailed(why) from None
        if refused := _REFUSED.search(said.err):
            raise ImageRefused(f"The image {name!r} is refused: {refused['reason'].strip()[:500].rstrip('.')}.")
        if said.code != 0:
            raise ImagePullFailed(f"The image {name!r} could not be pulled: {said.complaint}.")

    async def save(self, image: str, path: str) -> bool:
        """Write an image to a file as a docker archive; returns whether that succeeded."""
        form = ("--format", "docker-archive") if self.kind == "podman" else ()
        try:
            said = await self._tool.run(self.program, "save", *form, "--output", path, image, timeout=SAVE_TIMEOUT)
        except TimeoutError:
            return False
        return said.code == 0

    async def process(self, container: str) -> tuple[str, int]:
        """The id of a container and the pid of its first process; 0 if that is unknown."""
        said = await self._ask("container", "inspect", "--format", "{{.Id}} {{.State.Pid}}", container)
        ident, _, pid = said.out.decode(errors="replace").strip().partition(" ")
        return ident, int(pid) if said.code == 0 and pid.isdigit() else 0

    async def remove(self, containers: Iterable[str]) -> None:
        """Stop and remove containers; missing ones are ignored, failures are logged."""
        names = list(containers)
        options = ("--ignore", "--time", "0") if self.kind == "podman" else ()
        said = None
        for attempt in range(REMOVE_ATTEMPTS if names else 0):
            await asyncio.sleep(0.3 * attempt)
            try:
                said = await self._ask("rm", "--force", "--volumes", *options, *names)
            except EngineRefused as error:
                log.warning("containers could not be removed: %s", error.message)
                return
            if said.code == 0 or all(_NO_CONTAINER.search(line) for line in said.err.splitlines() if line.strip()):
                return
        if said:
            log.warning("containers could not be removed: %s", said.complaint, extra={"containers": names})

    async def containers(self, hub: str) -> list[str]:
        """The names of all containers of a hub. Raises EngineRefused."""
        said = await self._ask("ps", "--all", "--filter", f"label={HUB_LABEL}={hub}", "--format", "{{.Names}}")
        if said.code != 0:
            raise EngineRefused(f"{self.kind} could not list its containers: {said.complaint}.")
        return said.out.decode(errors="replace").split()

    async def _ask(self, *words: str) -> Output:
        try:
            return await self._tool.run(self.program, *words, timeout=COMMAND_TIMEOUT)
        except TimeoutError:
            raise EngineRefused(f"{self.kind} {words[0]} did not answer within {COMMAND_TIMEOUT:g} s.") from None


async def find(tool: Tool, wanted: str) -> Engine:
    """Find the engine for the setting HUB_CONTAINER_ENGINE; for `auto`, the first of podman and docker that works.

    Raises:
        EngineMissing: none is installed, or the setting is `off`.
        EngineRefused: an installed engine does not work.
    """
    if wanted == "off":
        raise EngineMissing("Servers in containers are switched off (HUB_CONTAINER_ENGINE=off).")
    names = ("podman", "docker") if wanted == "auto" else (wanted,)
    programs = [path for name in names if (path := name if "/" in name else tool.find(name))]
    if not programs:
        raise EngineMissing(f"There is no {' and no '.join(names)} on the hub's PATH.")
    refusals = []
    for program in programs:
        answer = await _info(tool, program)
        if isinstance(answer, dict):
            return Engine(tool, program, answer)
        refusals.append(f"{program}: {answer}")
    raise EngineRefused(f"No container engine answers: {'; '.join(refusals)}.")


async def _info(tool: Tool, program: str) -> dict[str, Any] | str:
    """The output of the engine's `info` command, or the reason why it failed."""
    try:
        said = await tool.run(program, "info", "--format", "{{json .}}", timeout=COMMAND_TIMEOUT)
    except TimeoutError:
        return f"no answer within {COMMAND_TIMEOUT:g} s"
    except SidecarError as error:
        return error.message.rstrip(".")
    if said.code != 0:
        return said.complaint.rstrip(".")
    try:
        info = orjson.loads(said.out)
    except orjson.JSONDecodeError:
        return "it is neither podman nor docker"
    if not isinstance(info, dict):
        return "it is neither podman nor docker"
    errors = info.get("ServerErrors")
    return str(errors[0])[:500] if isinstance(errors, list) and errors else info


def _pinned(name: str, digests: str) -> str:
    """The digest under which an image was pulled; of several the one of this repository. What podman says of images of
    `localhost/`, which were built or imported here, names nothing elsewhere."""
    with suppress(ValueError):
        known = [str(each) for each in orjson.loads(digests) or () if not str(each).startswith("localhost/")]
        repository = name.partition("@")[0]
        own = [each for each in known if repository.startswith(each.partition("@")[0])]
        return next(iter(own or known), "")
    return ""


def _podman(info: dict[str, Any]) -> tuple[bool, frozenset[str]]:
    host = info["host"]
    rootless = bool(host.get("security", {}).get("rootless"))
    if rootless and host.get("cgroupVersion") == "v1":
        return rootless, frozenset({"memory", "cpus", "pids"})
    there = host.get("cgroupControllers") or ["memory", "cpu", "pids"]
    return rootless, frozenset(name for name, group in _CONTROLLERS.items() if group not in there)


_CONTROLLERS = {"memory": "memory", "cpus": "cpu", "pids": "pids"}


def _docker(info: dict[str, Any]) -> tuple[bool, frozenset[str]]:
    rootless = any("rootless" in str(option) for option in info.get("SecurityOptions") or ())
    able = {
        "memory": info.get("MemoryLimit", True),
        "cpus": info.get("CpuCfsQuota", info.get("CPUCfsQuota", True)),
        "pids": info.get("PidsLimit", True),
    }
    return rootless, frozenset(name for name, yes in able.items() if not yes)

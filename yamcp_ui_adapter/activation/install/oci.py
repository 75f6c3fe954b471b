"""Pulls images of servers, and pins them by their digest; they run as docs/containers.md describes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from yamcp_ui_adapter.activation.errors import InstallerMissing, InstallFailed, ProgramMissing
from yamcp_ui_adapter.activation.install.package import Package
from yamcp_ui_adapter.activation.install.processes import Finished, Runner
from yamcp_ui_adapter.activation.target import Target

ENGINES = ("podman", "docker")
FORMAT = "{{json .Config.Entrypoint}}\n{{json .Config.Cmd}}\n{{index .RepoDigests 0}}"


async def install_image(target: Target, engine: str, policy: Path | None, runner: Runner) -> Package:
    """Pull an image. `engine`, `policy`: the settings HUB_CONTAINER_ENGINE and HUB_CONTAINER_POLICY.

    podman checks the policy; the sidecar does so again before it starts the server.

    Raises:
        InstallerMissing, InstallFailed, InstallTimeout, ProgramMissing: nothing is to be added.
    """
    program = _engine(engine, runner)
    image = target.identifier
    if target.version and "@" not in image and ":" not in image.rpartition("/")[2]:
        image = f"{image}:{target.version}"
    checked = ("--signature-policy", str(policy)) if policy and "podman" in Path(program).name else ()
    pulled = await runner.run(program, "pull", "--quiet", *checked, image)
    if pulled.code:
        raise InstallFailed(f"{program} could not pull {image}: {_reason(pulled)}")
    looked = await runner.run(program, "image", "inspect", "--format", FORMAT, image)
    try:
        entrypoint, given, pinned = looked.lines
        command = [*(json.loads(entrypoint) or ()), *(() if target.arguments else json.loads(given) or ())]
    except ValueError:
        raise InstallFailed(f"{program} could not tell the digest of {image}: {_reason(looked)}") from None
    if not command:
        raise ProgramMissing(f"The image {image} names no program to run.")
    digest = pinned.partition("@")[2]
    return Package(program=tuple(command), version=target.version or digest[:19], digest=digest, image=pinned)


def _engine(setting: str, runner: Runner) -> str:
    if setting == "off":
        raise InstallerMissing("This hub runs no containers: HUB_CONTAINER_ENGINE is off.")
    wanted = ENGINES if setting == "auto" else (setting,)
    found = next((path for each in wanted if (path := shutil.which(each, path=runner.variables.get("PATH")))), None)
    if found is None:
        raise InstallerMissing(f"There is no {' and no '.join(wanted)} on the PATH of the hub.")
    return found


def _reason(finished: Finished) -> str:
    errors = [line for line in finished.lines if line.lower().startswith(("error", "denied"))]
    return next(reversed(errors or finished.lines[-1:]), f"it ended with status {finished.code}")

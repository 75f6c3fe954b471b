"""Chooses the installer of a package. Installers are imported when they are first needed."""

from __future__ import annotations

import sys
from pathlib import Path

from yamcp_ui_adapter.activation.install.package import Package
from yamcp_ui_adapter.activation.install.processes import Runner
from yamcp_ui_adapter.activation.target import Target

STEPS = {
    "npm": "npm installs the package",
    "pypi": "pip installs the package",
    "mcpb": "The bundle is loaded",
    "oci": "The image is pulled",
}


async def install(
    target: Target, folder: Path | None, runner: Runner, engine: str, policy: Path | None = None
) -> Package:
    """Install a target; `folder` is for packages, and does not exist yet. `engine`, `policy`: HUB_CONTAINER_ENGINE
    and HUB_CONTAINER_POLICY.

    Raises:
        InstallerMissing, InstallFailed, InstallTimeout, ProgramMissing: the caller removes the folder.
    """
    if target.kind == "npm" and folder:
        from yamcp_ui_adapter.activation.install.npm import install_npm  # noqa: PLC0415  # on demand

        return await install_npm(target, folder, runner)
    if target.kind == "pypi" and folder:
        from yamcp_ui_adapter.activation.install.python_package import install_python  # noqa: PLC0415  # on demand

        return await install_python(target, folder, runner)
    if target.kind == "mcpb" and folder:
        from yamcp_ui_adapter.activation.install.bundle import install_bundle  # noqa: PLC0415  # on demand

        return await install_bundle(target, folder, runner)
    if target.kind == "oci":
        from yamcp_ui_adapter.activation.install.oci import install_image  # noqa: PLC0415  # on demand

        return await install_image(target, engine, policy, runner)
    if target.kind == "hub":
        return Package((sys.executable, "-P", "-m", "own_servers", target.identifier), target.version)
    return Package((), target.version)

"""Installs npm packages: pinned, without running their scripts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from yamcp_ui_adapter.activation.errors import InstallerMissing, InstallFailed, ProgramMissing
from yamcp_ui_adapter.activation.install.package import Package, read_object, within
from yamcp_ui_adapter.activation.install.processes import Finished, Runner
from yamcp_ui_adapter.activation.target import Target

OPTIONS = ("--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier", "--prefer-offline")
_ERROR = re.compile(r"npm (?:error|ERR!)\s+(?P<text>.*)")
_BARE = re.compile(r"(code|errno|syscall|path|type|signal|A complete log)\b|\d+$|$")
"""Lines of an npm error that do not tell the reason."""


async def install_npm(target: Target, folder: Path, runner: Runner) -> Package:
    """Install a package into a folder that does not exist yet.

    Raises:
        InstallerMissing, InstallFailed, InstallTimeout, ProgramMissing: the caller removes the folder.
    """
    path = runner.variables.get("PATH")
    npm, node = shutil.which("npm", path=path), shutil.which("node", path=path)
    if npm is None or node is None:
        raise InstallerMissing("There is no npm, or no node, on the PATH of the hub.")
    _prepare(folder)
    wanted = target.identifier if target.local else f"{target.identifier}@{target.version}"
    finished = await runner.run(npm, "install", *OPTIONS, "--prefix", str(folder), "--", wanted, cwd=folder)
    if finished.code:
        raise InstallFailed(f"npm could not install {wanted}: {reason(finished)}")
    name = next(iter(read_object(folder / "package.json").get("dependencies", {})), "")
    if not name:
        raise InstallFailed(f"npm ended without an error, but did not install {wanted}.")
    found = folder / "node_modules" / name
    described, lock = read_object(found / "package.json"), read_object(folder / "node_modules/.package-lock.json")
    locked = lock.get("packages", {}).get(f"node_modules/{name}", {})
    return Package(
        program=(node, str(_program(target, name, found, described))),
        version=str(described.get("version", target.version)),
        digest=str(locked.get("integrity", "")),
    )


def reason(finished: Finished) -> str:
    """The line of npm's output that tells why it failed."""
    errors = [match["text"] for line in finished.lines if (match := _ERROR.match(line))]
    telling = [text for text in errors if not _BARE.match(text)]
    return next(iter(telling or errors or finished.lines[-1:]), f"it ended with status {finished.code}")


def _prepare(folder: Path) -> None:
    """Create the folder, with a package.json, so that npm uses none of a folder above it."""
    folder.mkdir(mode=0o700, parents=True)
    (folder / "package.json").write_text('{"private": true}\n')


def _program(target: Target, name: str, package: Path, described: dict[str, Any]) -> Path:
    """The file of the package's program. Raises ProgramMissing."""
    listed = described.get("bin")
    short = name.rpartition("/")[2]
    programs = {short: listed} if isinstance(listed, str) else listed if isinstance(listed, dict) else {}
    wanted = target.program or (next(iter(programs)) if len(programs) == 1 else short)
    file = programs.get(wanted)
    if not isinstance(file, str):
        there = ", ".join(programs) or "none"
        raise ProgramMissing(f"The package {name!r} has no program {wanted!r}; its programs: {there}.")
    path = package / file
    if not path.is_file() or not within(package, path):
        raise ProgramMissing(f"The package {name!r} does not have the file of its program {wanted!r}.")
    return path

"""Installs Python packages, each into an environment of its own."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from yamcp_ui_adapter.activation.errors import InstallFailed, ProgramMissing
from yamcp_ui_adapter.activation.install.package import Package
from yamcp_ui_adapter.activation.install.processes import Finished, Runner
from yamcp_ui_adapter.activation.target import Target

_OTHER_PYTHON = re.compile(r"require a different python version: \S+ Requires-Python ([^;]+)")
_SEPARATORS = re.compile(r"[-_.]+")
OPTIONS = ("--no-input", "--disable-pip-version-check", "--prefer-binary", "--no-color", "--progress-bar", "off")


async def install_python(target: Target, folder: Path, runner: Runner) -> Package:
    """Install a package with its further requirements into a new environment in `folder`.

    Raises:
        InstallFailed, InstallTimeout, ProgramMissing: the caller removes the folder.
    """
    made = await runner.run(sys.executable, "-I", "-m", "venv", str(folder))
    if made.code:
        raise InstallFailed(f"Python could not make an environment: {reason(made)}")
    python, report = folder / "bin/python", folder / "installed.json"
    wanted = target.identifier if target.local else f"{target.identifier}=={target.version}"
    finished = await runner.run(
        *(str(python), "-I", "-m", "pip", "install", *OPTIONS),
        *("--report", str(report), "--", wanted, *target.requirements),
        cwd=folder,
    )
    if finished.code:
        raise InstallFailed(f"pip could not install {wanted}: {reason(finished)}")
    requested = _requested(report, target)
    name = str(requested.get("metadata", {}).get("name") or target.identifier)
    found = next(iter(distributions(name=name.partition("[")[0], path=_site_packages(folder))), None)
    if found is None:
        raise InstallFailed(f"pip ended without an error, but did not install {wanted}.")
    hashes = requested.get("download_info", {}).get("archive_info", {}).get("hashes", {})
    digest = hashes.get("sha256", "")
    return Package(
        program=(str(_program(target, found, folder)),),
        version=found.version,
        digest=f"sha256:{digest}" if digest else "",
    )


def reason(finished: Finished) -> str:
    """The line of pip's output that tells why it failed: its last error."""
    errors = [line.removeprefix("ERROR:").strip() for line in finished.lines if line.startswith("ERROR:")]
    last = next(reversed(errors or finished.lines[-1:]), f"it ended with status {finished.code}")
    wanted = next((match[1] for line in errors if (match := _OTHER_PYTHON.search(line))), None)
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"{last} (versions of it need Python {wanted}; the hub runs on {here})" if wanted else last


def _requested(report: Path, target: Target) -> dict[str, Any]:
    """The package that was asked for, in pip's report (pip, Installation Report): the first of those requested."""
    try:
        installed = json.loads(report.read_bytes())["install"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    wanted = _normal(target.identifier.partition("[")[0])
    requested = [each for each in installed if each.get("requested")]
    named = [each for each in requested if _normal(str(each.get("metadata", {}).get("name"))) == wanted]
    local = [each for each in requested if each.get("is_direct")]
    return next(iter(local if target.local else named), {})


def _program(target: Target, found: Distribution, folder: Path) -> Path:
    """The script of the package's program. Raises ProgramMissing."""
    scripts = {each.name for each in found.entry_points if each.group == "console_scripts"}
    name = found.metadata["Name"]
    alike = [each for each in sorted(scripts) if _normal(each) == _normal(name)]
    wanted = target.program or next(iter(alike or (scripts if len(scripts) == 1 else ())), "")
    path = folder / "bin" / wanted
    if not wanted or not path.is_file():
        there = ", ".join(sorted(scripts)) or "none"
        missing = f"no program {wanted!r}" if wanted else "no program of its own name"
        raise ProgramMissing(f"The package {name!r} has {missing}; its programs: {there}.")
    return path


def _site_packages(folder: Path) -> list[str]:
    version = sys.version_info
    return [str(folder / f"lib/python{version.major}.{version.minor}/site-packages")]


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()

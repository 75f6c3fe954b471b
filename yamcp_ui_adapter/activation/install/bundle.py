"""Installs MCP bundles (MCPB): a zip with a program and manifest.json, which says how to run it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yamcp_ui_adapter.activation.errors import EntryUnsupported, InstallerMissing, InstallFailed
from yamcp_ui_adapter.activation.install.package import Package, read_object, within
from yamcp_ui_adapter.activation.install.processes import Runner
from yamcp_ui_adapter.activation.target import Target

UNPACK = Path(__file__).with_name("unpack.py")
ENV = "/usr/bin/env"
_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _NotSet(Exception):
    """A setting of the bundle has no value, and needs none."""


async def install_bundle(target: Target, folder: Path, runner: Runner) -> Package:
    """Install a bundle into a folder that does not exist yet.

    Raises:
        InstallerMissing, InstallFailed, InstallTimeout, EntryUnsupported: the caller removes the folder.
    """
    words = (str(UNPACK), target.identifier, target.sha256, str(folder))
    finished = await runner.run(sys.executable, "-I", "-S", *words)
    if finished.code:
        why = next(reversed(finished.lines), f"it ended with status {finished.code}")
        raise InstallFailed(f"The bundle {target.identifier} cannot be used: {why}.")
    manifest = read_object(folder / "manifest.json")
    platforms = _object(manifest.get("compatibility")).get("platforms")
    if isinstance(platforms, list) and "linux" not in platforms:
        raise EntryUnsupported(f"The bundle {target.identifier} is not for Linux.")
    program = (*_environment(manifest, folder, target), *_command(manifest, folder, runner))
    return Package(program, str(manifest.get("version") or target.version), f"sha256:{target.sha256}")


def _command(manifest: dict[str, Any], folder: Path, runner: Runner) -> Iterator[str]:
    """The program and its arguments. Raises InstallerMissing, EntryUnsupported."""
    server = _object(manifest.get("server"))
    config = _object(server.get("mcp_config"))
    kind, command, given = server.get("type"), str(config.get("command")), config.get("args")
    if kind == "node" and command == "node":
        if (node := shutil.which("node", path=runner.variables.get("PATH"))) is None:
            raise InstallerMissing("There is no node on the PATH of the hub.")
        yield node
    elif kind == "python" and command in ("python", "python3"):
        yield sys.executable
    elif kind == "binary" and (file := _file(command.replace("${__dirname}/", ""), folder)):
        file.chmod(0o700)
        yield str(file)
    else:
        raise EntryUnsupported(f"Bundles of type {kind!r} that run {command!r} are not supported.")
    for text in given if isinstance(given, list) else ():
        try:
            for each in _resolved(str(text), manifest, folder):
                yield str(_file(each, folder) or each)
        except _NotSet:
            continue


def _environment(manifest: dict[str, Any], folder: Path, target: Target) -> Iterator[str]:
    """The variables of the bundle, set by `env`, so that they are pinned with the program; without those that the entry
    declares. Raises EntryUnsupported."""
    declared = {each.get("name") for each in target.variables}
    found = []
    for name, text in _object(_object(_object(manifest.get("server")).get("mcp_config")).get("env")).items():
        try:
            if name not in declared and _VARIABLE.fullmatch(name):
                found.append(f"{name}={','.join(_resolved(str(text), manifest, folder))}")
        except _NotSet:
            continue
    yield from (ENV, *found) if found else ()


def _resolved(text: str, manifest: dict[str, Any], folder: Path) -> list[str]:
    """A text of the manifest with values for what it refers to; several if it is a setting with several defaults.

    Raises:
        _NotSet: there is no value, and none is needed.
        EntryUnsupported: there is none.
    """
    known = {"__dirname": str(folder), "/": "/", "pathSeparator": "/", "HOME": str(Path.home())}

    def values(name: str) -> list[str]:
        if name in known:
            return [known[name]]
        setting = _object(_object(manifest.get("user_config")).get(name.removeprefix("user_config.")))
        default = setting.get("default")
        if default is None and setting and not setting.get("required"):
            raise _NotSet
        if default is None:
            raise EntryUnsupported(f"The bundle needs {name!r}, which is no variable of its entry in the catalogue.")
        texts = (
            default if isinstance(default, list) else [str(default).lower() if default in (True, False) else default]
        )
        return [_REFERENCE.sub(lambda match: known.get(match[1], match[0]), str(each)) for each in texts]

    whole = _REFERENCE.fullmatch(text)
    found = values(whole[1]) if whole else [_REFERENCE.sub(lambda match: "".join(values(match[1])), text)]
    if any("${" in each for each in found):
        raise EntryUnsupported(f"The bundle refers to something that the hub does not know: {text!r}.")
    return found


def _file(text: str, folder: Path) -> Path | None:
    """The file of the bundle that a text names; None if it names none."""
    path = folder / text
    return path if text and path.is_file() and within(folder, path) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

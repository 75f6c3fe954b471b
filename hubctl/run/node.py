"""Find Node and the npm packages, which the front needs, and run the scripts of front/cli."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from bridge.errors import ErrorBody, RemoteError
from hubctl.errors import FrontNotInstalled, NodeMissing

PROJECT = Path(__file__).resolve().parents[2]
FRONT = PROJECT / "front" / "server" / "main.mjs"
HEARTBEAT = FRONT.with_name("heartbeat.mjs")
CLI = PROJECT / "front" / "cli"
"""Directory of the scripts with which hubctl shares code with the console."""
MIN_NODE_VERSION = (20, 19)
"""The oldest Node version that the front runs on, as in package.json and the Makefile."""
VERSION_TIMEOUT = 10
"""Seconds that `node --version` has to answer."""


def find_node(path: str | None = None) -> str:
    """Return the path of `node`; `path` is searched instead of PATH if given.

    Raises:
        NodeMissing: there is no Node, or it is too old.
    """
    least = ".".join(map(str, MIN_NODE_VERSION))
    node = shutil.which("node", path=path)
    if node is None:
        raise NodeMissing(f"There is no node on the PATH; the hub's pages need Node {least} or newer.")
    try:
        said = subprocess.run(  # noqa: S603  # found on the PATH
            [node, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    version = re.match(r"v(\d+)\.(\d+)\.", said)
    if version is None or (int(version[1]), int(version[2])) < MIN_NODE_VERSION:
        raise NodeMissing(f"{node} is {said.strip() or 'no Node'}; the hub's pages need Node {least} or newer.")
    return node


def with_heartbeats(node: str) -> list[str]:
    """Return the words that run Node so that the program writes heartbeats for the supervisor's watchdog."""
    return [node, "--import", HEARTBEAT.as_uri()]


def check_packages(project: Path = PROJECT) -> None:
    """Check that the packages that the front needs are installed, in the versions that package.json names.

    Raises:
        FrontNotInstalled: a package is missing, or has another version.
    """
    wanted = json.loads((project / "package.json").read_text("utf-8"))["dependencies"]
    missing = [name for name, version in wanted.items() if installed(project, name) != version]
    if missing:
        raise FrontNotInstalled(f"npm packages are not installed, or of another version: {', '.join(sorted(missing))}.")


def installed(project: Path, name: str) -> str | None:
    """Return the version of a package in node_modules; None if it is not installed."""
    try:
        found = json.loads((project / "node_modules" / name / "package.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return str(found.get("version"))


async def ask_node(script: str, text: str) -> dict[str, Any]:
    """Run a script of front/cli on a text, and return the object that it prints.

    Raises:
        NodeMissing: there is no Node.
        FrontNotInstalled: the script did not answer, because npm packages are missing.
        RemoteError: the script answered with an error: the text is unusable.
    """
    node = shutil.which("node") or find_node()
    process = await asyncio.create_subprocess_exec(
        node, str(CLI / script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, errors = await process.communicate(text.encode("utf-8", "replace"))
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        last = (errors.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise FrontNotInstalled(f"{script} failed: {last}.") from None
    if "error" in answer:
        raise RemoteError(ErrorBody.model_validate(answer["error"]))
    return answer

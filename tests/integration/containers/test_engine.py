"""Which engine is used, what it can do, and what is said where none answers; with stand-ins for podman and docker."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sidecar.containers import engine
from sidecar.containers.errors import EngineMissing, EngineRefused, ImagePullFailed
from sidecar.containers.tool import Tool
from sidecar.spawner.client import Spawner

PODMAN: dict[str, Any] = {
    "host": {
        "security": {"rootless": False},
        "cgroupVersion": "v2",
        "cgroupControllers": ["cpu", "io", "memory", "pids"],
    }
}
DOCKER: dict[str, Any] = {"ServerVersion": "28", "MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
async def tool(tmp_path: Path) -> AsyncIterator[Tool]:
    """Finds programs below `bin` alone, with what their scripts use."""
    (tmp_path / "bin").mkdir()
    for name in ("cat", "env", "head", "seq", "sleep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    async with Spawner(tmp_path / "run") as spawner:
        yield Tool(spawner, {"PATH": f"{tmp_path}/bin", "HUB_TOKEN": "x", "DOCKER_HOST": "unix:///d"})


def program(tmp_path: Path, name: str, body: str) -> str:
    """A shell script in the place of an engine; its path."""
    path = tmp_path / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def answering(tmp_path: Path, name: str, info: dict[str, Any]) -> str:
    """An engine that tells this of itself."""
    (tmp_path / f"{name}.json").write_text(json.dumps(info))
    return program(tmp_path, name, f"cat {tmp_path}/{name}.json")


async def test_the_first_that_answers_is_used(tool: Tool, tmp_path: Path) -> None:
    """podman, docker where podman does not answer, the one that was named, or none with what each said."""
    with pytest.raises(EngineMissing, match="no podman and no docker"):
        await engine.find(tool, "auto")
    docker = program(tmp_path, "docker", f"echo '{DOWN}' >&2; exit 1")
    with pytest.raises(EngineRefused, match="Is the docker daemon running"):
        await engine.find(tool, "auto")
    podman = answering(tmp_path, "podman", PODMAN)
    found = await engine.find(tool, "auto")
    assert (found.kind, found.program, found.rootless, found.unlimited) == ("podman", podman, False, frozenset())
    answering(tmp_path, "docker", DOCKER)
    assert (await engine.find(tool, "docker")).program == docker
    assert (await engine.find(tool, podman)).kind == "podman"
    program(tmp_path, "podman", "echo 'Error: permission denied' >&2; exit 125")
    assert (await engine.find(tool, "auto")).kind == "docker"
    with pytest.raises(EngineRefused, match="permission denied"):
        await engine.find(tool, "podman")
    with pytest.raises(EngineMissing, match="HUB_CONTAINER_ENGINE=off"):
        await engine.find(tool, "off")
    for body in ("echo no JSON", "echo 17", "exit 3"):
        program(tmp_path, "podman", body)
        with pytest.raises(EngineRefused):
            await engine.find(tool, "podman")


@pytest.mark.parametrize(
    ("info", "rootless", "unlimited"),
    [
        ({"host": {**PODMAN["host"], "security": {"rootless": True}}}, True, set()),
        (
            {"host": {"security": {"rootless": True}, "cgroupVersion": "v1", "cgroupControllers": []}},
            True,
            {"memory", "cpus", "pids"},
        ),
        (
            {"host": {"security": {"rootless": True}, "cgroupVersion": "v2", "cgroupControllers": ["memory", "pids"]}},
            True,
            {"cpus"},
        ),
        (DOCKER, False, set()),
        ({**DOCKER, "PidsLimit": False, "SecurityOptions": ["name=seccomp", "name=rootless"]}, True, {"pids"}),
        ({"ServerVersion": "20"}, False, set()),
    ],
)
async def test_what_cannot_be_limited_is_known(
    tool: Tool, tmp_path: Path, info: dict[str, Any], rootless: bool, unlimited: set[str]
) -> None:
    """From what the engine tells of itself."""
    answering(tmp_path, "podman", info)
    found = await engine.find(tool, "podman")
    assert (found.rootless, found.unlimited) == (rootless, unlimited)


async def test_engines_get_no_secret_of_the_hub(tool: Tool, tmp_path: Path) -> None:
    """Their own variables and those of every server, no other."""
    seen = program(tmp_path, "seen", "env")
    text = (await tool.run(seen, timeout=100)).out.decode()
    assert "HUB_TOKEN" not in text
    assert "DOCKER_HOST=unix:///d\n" in text


async def test_a_pull_tells_what_it_does(tool: Tool, tmp_path: Path) -> None:
    """Its lines while it goes on; its last one when it fails; ended, with all that it started, when it is given up."""
    body = f'[ "$1" = pull ] || exec cat {tmp_path}/podman.json\n[ "$2" = good ] && echo Copying >&2 && exit'
    answering(tmp_path, "podman", PODMAN)
    program(tmp_path, "podman", f'{body}\n[ "$2" = bad ] && echo "Error: no such host" >&2 && exit 125\nsleep 100')
    found = await engine.find(tool, "podman")
    lines: list[str] = []
    await found.pull("good", lines.append)
    assert lines == ["Copying"]
    with pytest.raises(ImagePullFailed, match="could not be pulled: no such host"):
        await found.pull("bad", lines.append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await found.pull("slow", lines.append)
    left = [one for one in psutil.Process().children(recursive=True) if "sleep" in one.name()]
    assert not left


async def test_output_is_bounded(tool: Tool, tmp_path: Path) -> None:
    """Of stdout the beginning is kept, of stderr the end; a program that does not end is ended."""
    loud = program(tmp_path, "loud", "head -c 300000 /dev/zero; seq 100000 >&2")
    said = await tool.run(loud, timeout=100, limit=1000)
    assert (len(said.out), said.complaint, len(said.err) <= 16384) == (1000, "100000", True)
    with pytest.raises(TimeoutError):
        await tool.run(program(tmp_path, "slow", "sleep 100"), timeout=0.2)

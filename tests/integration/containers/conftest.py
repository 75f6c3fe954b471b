"""podman with a store of its own and a tiny image, prepared once by setup.sh.

TEST_CONTAINER_ENGINE=docker takes the docker that DOCKER_HOST, or its default, leads to instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.models import Call, ContainerSettings, ServerSettings, ServerSpec, StdioLaunch
from tests.support import sidecar
from tests.support.sidecar import Sidecar

IMAGE = "localhost/yamcp-hub-test"
SETUP = Path(__file__).with_name("setup.sh")


@dataclass
class Podman:
    """The engine of these tests, be it docker. `variables`: what points programs to it."""

    program: str
    variables: dict[str, str]

    def __call__(self, *words: str) -> str:
        """What it says."""
        done = subprocess.run(
            [self.program, *words],
            env=os.environ | self.variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self) -> list[str]:
        """Every container that there is, in whatever state."""
        return self("ps", "--all", "--format", "{{.Names}}").split()

    def remove(self, *names: str) -> None:
        """End and remove containers."""
        if names:
            self("rm", "--force", *(("--time", "0") if self.program == "podman" else ()), *names)


@pytest.fixture(scope="session")
def store() -> Iterator[Podman]:
    """Skipped, with a line, where podman neither is nor can be installed; never in CI."""
    directory = Path(tempfile.mkdtemp(prefix="hubc"))
    try:
        if os.environ.get("TEST_CONTAINER_ENGINE") == "docker":
            yield _docker(directory)
        else:
            yield _podman(directory)
            subprocess.run(["bash", SETUP, "--remove", directory], check=False, timeout=60)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _podman(directory: Path) -> Podman:
    words = ["bash", SETUP, directory, sys.executable]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=1000)
    if done.returncode == 3:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
    return Podman("podman", {name: str(directory / file) for name, file in files.items()})


def _docker(directory: Path) -> Podman:
    archive = directory / "rootfs.tar"
    subprocess.run([sys.executable, SETUP.with_name("rootfs.py"), archive], check=True, timeout=60)
    docker = Podman("docker", {})
    docker("import", str(archive), IMAGE)
    archive.unlink()
    return docker


@pytest.fixture
def podman(store: Podman) -> Iterator[Podman]:
    """No test leaves a container."""
    yield store
    left = store.names()
    store.remove(*left)
    assert not left


def contained(
    key: str = "c", *, container: dict[str, Any] | None = None, env: dict[str, str] | None = None, **settings: Any
) -> ServerSpec:
    """The server of the image, in a container."""
    launch = StdioLaunch(command="/usr/bin/python3", args=("-u", "/app/server.py"), env=env or {})
    wanted = ContainerSettings(**{"image": IMAGE, "memory": "128m", "pull": "never", **(container or {})})
    return ServerSpec(key=key, namespace=key, launch=launch, settings=ServerSettings(container=wanted, **settings))


Start = Callable[..., AbstractAsyncContextManager[Sidecar]]


@pytest.fixture
def start(podman: Podman) -> Start:
    """`start(servers…, HUB_X=…)`: a sidecar that runs these in a workspace `w`."""

    @contextlib.asynccontextmanager
    async def started(*servers: ServerSpec, **variables: str) -> AsyncIterator[Sidecar]:
        for name in podman.variables:
            variables[name] = podman.variables[name]
        workspace = sidecar.workspace("w", *servers)
        async with sidecar.running(*servers, workspace, HUB_CONTAINER_ENGINE=podman.program, **variables) as hub:
            yield hub

    return started


async def evaluate(hub: Sidecar, code: str, key: str = "c") -> str:
    """What an expression is worth inside the server's container. Raises RemoteError."""
    call = Call(workspace="w", tool=f"{key}_eval", arguments={"code": code}, timeout=100)
    answer = await hub.actual.request(call, timeout=100)
    return str(answer.result["content"][0]["text"])

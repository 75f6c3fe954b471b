"""Packages are installed, added, called, updated and removed: a whole hub, real npm and pip, and no network."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.errors import RemoteError
from bridge.models import Call, ReadStatus
from bridge.models.catalog.activation import (
    Activate,
    ActivationJob,
    CancelActivation,
    ReadActivationJobs,
    ReadInstalled,
    ReadVariables,
    RemoveInstalled,
    RemoveVariable,
    RollBackInstalled,
    SetVariables,
    UpdateInstalled,
)
from tests.support.fake_server import until
from tests.support.hub import Hub, running
from tests.support.packages import bundle, entry, tarball, wheel
from tests.support.run import hubctl

pytestmark = pytest.mark.outside

SECRET = "marked-Zq8Vn2Xc5Rt7Yp"  # it is the marker
KEY = {"name": "API_KEY", "isSecret": True, "isRequired": True}
DEAD = dict.fromkeys(("http_proxy", "https_proxy", "npm_config_registry", "PIP_INDEX_URL"), "http://127.0.0.1:9")
"""No registry can be reached: what a test installs comes from files."""


def offer(hub: Hub, *entries: dict[str, Any]) -> None:
    """Write the user's own entries."""
    path = hub.data_dir / "catalog/own.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"servers": entries}))


async def ended(hub: Hub, job: str) -> ActivationJob:
    """A job, once it has ended."""
    while True:
        jobs = (await hub.desired.request(ReadActivationJobs())).jobs
        found = next(each for each in jobs if each.id == job)
        if found.ended is not None:
            return found
        await asyncio.sleep(0.02)


async def activated(hub: Hub, name: str, **fields: Any) -> ActivationJob:
    """Activate an entry in the workspace `w`; returns its job, which is done."""
    started = await hub.desired.request(Activate(name=name, workspaces=("w",), **fields), timeout=100)
    job = await ended(hub, started.job)
    assert job.state == "done", job
    return job


async def updated(hub: Hub, key: str, **fields: Any) -> ActivationJob:
    """Update a server; returns the job, which has ended."""
    started = await hub.desired.request(UpdateInstalled(key=key, **fields), timeout=100)
    assert started.job is not None
    return await ended(hub, started.job)


async def called(hub: Hub, tool: str, **arguments: str | int) -> str:
    """The text that a tool of the workspace `w` returns."""
    result = await hub.actual.request(Call(workspace="w", tool=tool, arguments=arguments), timeout=100)
    text: str = result.result["content"][0]["text"]
    return text


def files_with(folder: Path, text: str) -> set[str]:
    """The files below a folder that contain a text."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()
    }


def isolates() -> bool:
    """Whether this machine lets a program have a network namespace of its own."""
    return bool(shutil.which("unshare")) and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode


async def started_alone(command: Sequence[str], env: Mapping[str, str]) -> str:
    """The name that a server tells of itself in a network namespace of its own, which has no interface that is up."""
    process = await asyncio.create_subprocess_exec("unshare", "-rn", *command, stdin=PIPE, stdout=PIPE, env=env)
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    name = json.loads(await process.stdout.readline())["result"]["serverInfo"]["name"]
    process.stdin.close()
    await process.wait()
    return str(name)


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Path]:
    """A folder for packages."""
    yield tmp_path


async def test_a_tarball_a_wheel_and_a_bundle(built: Path) -> None:
    """From the entry to a call within ten seconds; the secret is in one file only, and values in the definition; then
    another start without a network takes at most three seconds; removed, nothing is left but the variable, which is
    offered."""
    script = {"preinstall": f"touch {built}/ran", "install": f"touch {built}/ran", "postinstall": f"touch {built}/ran"}
    node = entry(
        tarball(built, scripts=script),
        "test/node",
        environmentVariables=[KEY],
        packageArguments=[{"type": "named", "name": "--depth", "format": "number", "default": "3"}],
    )
    python = entry(wheel(built), "test/python", environmentVariables=[KEY])
    async with running({}, {"w": []}, **DEAD) as hub:
        offer(hub, node, python, entry(bundle(built), "test/bundle", environmentVariables=[{"name": "MODE"}]))
        one = await activated(hub, "test/node", values={"--depth": "5"}, secrets={"API_KEY": SECRET})
        assert await called(hub, "node_greet") == "hello from 1.0.0"
        two = await activated(hub, "test/python", key="py", secrets={"API_KEY": f"{SECRET}-2"})
        assert await called(hub, "py_greet") == "hello from 1.0.0"
        await activated(hub, "test/bundle", key="b", values={"MODE": "x"})
        assert await called(hub, "b_greet") == "hello from 1.0.0"
        assert await called(hub, "b_env", name="MODE") == "x"
        assert (await called(hub, "b_env", name="BUNDLED")).endswith("/servers/b/1.0.0/server")
        assert (one.tools, two.tools, one.note, two.note) == (3, 2, "", "")
        assert not (built / "ran").exists()
        assert await called(hub, "node_env", name="API_KEY") == SECRET
        assert json.loads(await called(hub, "node_arguments")) == ["--depth", "5"]
        assert await called(hub, "py_env", name="API_KEY") == f"{SECRET}-2"
        variables = {each.name: each for each in (await hub.desired.request(ReadVariables())).variables}
        assert {name: each.used_by for name, each in variables.items()} == {"API_KEY": ("node",), "PY_API_KEY": ("py",)}
        assert files_with(hub.root, SECRET) == {"data/variables.json"}
        assert (hub.data_dir / "variables.json").stat().st_mode & 0o777 == 0o600
        installed = {each.key: each for each in (await hub.desired.request(ReadInstalled())).servers}
        assert Path(installed["node"].command[0]).is_absolute()
        assert installed["node"].digest.startswith("sha512-")
        assert installed["py"].digest.startswith("sha256:")
        if isolates():
            for each in installed.values():
                assert await started_alone(each.command, {"HOME": str(built), "PATH": os.environ["PATH"]}) == "packed"

        await hub.stop("sidecar")
        shutil.rmtree(built)
        hub.env["PATH"] = str(built)  # no npx, no uvx, no python
        await hub.start("sidecar")
        await hub.wait_settled()
        assert await called(hub, "node_greet") == await called(hub, "py_greet") == "hello from 1.0.0"
        assert await called(hub, "b_greet") == "hello from 1.0.0"

        removed = await hub.desired.request(RemoveInstalled(key="node"), timeout=100)
        assert removed.variables == ("API_KEY",)
        for key in ("py", "b"):
            await hub.desired.request(RemoveInstalled(key=key), timeout=100)
        for name in ("API_KEY", "PY_API_KEY"):
            await hub.desired.request(RemoveVariable(name=name))
        assert (await hub.desired.request(ReadVariables())).variables == ()
        assert sorted(path.name for path in (hub.data_dir / "servers").iterdir()) == ["installed.json"]
        assert json.loads((hub.yamcp_dir / "workspaces.json").read_text()) == {"w": []}
        assert files_with(hub.root, SECRET) == set()


async def test_an_update_and_the_way_back(built: Path) -> None:
    """Another version keeps settings, also those that somebody changed in the entry; the version before it stays until
    the next update; a version that does not start changes nothing."""
    versions = [entry(tarball(built, version=version), "test/node", version) for version in ("1.0.0", "2.0.0")]
    for each in versions:
        each["packages"][0]["environmentVariables"] = [{"name": "MODE"}]
    broken = entry(tarball(built, version="3.0.0", bin={"packed": "gone.js"}), "test/node", "3.0.0")
    async with running({}, {"w": []}, **DEAD) as hub:
        offer(hub, *versions)
        await activated(hub, "test/node", version="1.0.0", values={"MODE": "fast"})
        assert (await updated(hub, "node")).state == "done"
        assert await called(hub, "node_greet") == "hello from 2.0.0"
        assert await called(hub, "node_env", name="MODE") == "fast"

        started = await hub.desired.request(UpdateInstalled(key="node"))
        assert (started.job, started.version) == (None, "2.0.0")

        await hub.desired.request(RollBackInstalled(key="node"), timeout=100)
        await hub.wait_settled()
        assert await called(hub, "node_greet") == "hello from 1.0.0"

        offer(hub, *versions, broken)
        before = (hub.yamcp_dir / "providers.json").read_text()
        job = await updated(hub, "node")
        assert job.error is not None
        assert (job.state, job.error.code) == ("failed", "PROGRAM_MISSING")
        assert (hub.yamcp_dir / "providers.json").read_text() == before
        assert await called(hub, "node_greet") == "hello from 1.0.0"
        assert sorted(each.name for each in (hub.data_dir / "servers/node").iterdir()) == ["1.0.0", "2.0.0"]


async def test_what_fails_leaves_nothing(built: Path) -> None:
    """A package that is not there, a version that is not, a server that ends at once, settings that are missing: each
    says its one reason, and neither folder nor entry nor variable is left."""
    absent = entry(built / "absent.tgz", "test/absent")
    unknown = {**entry(Path("mcp-no-such-server"), "test/unknown")}
    unknown["packages"][0] |= {"registryType": "pypi", "identifier": "mcp-no-such-server", "version": "9.9.9"}
    dies = entry(
        wheel(built),
        "test/dies",
        environmentVariables=[KEY],
        packageArguments=[{"type": "positional", "value": "--die"}],
    )
    async with running({}, {"w": []}, **DEAD) as hub:
        offer(hub, absent, unknown, dies)
        before = [(hub.yamcp_dir / file).read_text() for file in ("providers.json", "workspaces.json")]
        with pytest.raises(RemoteError) as caught:
            await hub.desired.request(Activate(name="test/dies", workspaces=("w",)))
        assert caught.value.body().code == "SETTINGS_INVALID"
        assert "API_KEY" in caught.value.body().data["inputs"]
        expected = {
            "test/absent": ("INSTALL_FAILED", "absent.tgz"),
            "test/unknown": ("INSTALL_FAILED", "No matching distribution found for mcp-no-such-server==9.9.9"),
            "test/dies": ("ACTIVATION_NOT_STARTING", "the token is missing"),
        }
        for name, (code, why) in expected.items():
            secrets = {"API_KEY": SECRET} if name == "test/dies" else {}
            started = await hub.desired.request(
                Activate(name=name, workspaces=("w", "new"), secrets=secrets), timeout=100
            )
            job = await ended(hub, started.job)
            assert job.error is not None
            assert (job.state, job.error.code) == ("failed", code)
            assert why in job.error.message
        assert (await hub.desired.request(ReadInstalled())).servers == ()
        assert (await hub.desired.request(ReadVariables())).variables == ()
        assert [(hub.yamcp_dir / file).read_text() for file in ("providers.json", "workspaces.json")] == before
        assert [each.name for each in (hub.data_dir / "servers").iterdir()] == ["installed.json"]
        assert files_with(hub.root, SECRET) == set()


def installers(hub: Hub) -> list[psutil.Process]:
    """The processes of this hub that install something."""
    found = []
    for process in hub.processes():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if "slow-npm" in " ".join(process.cmdline()):
                found.append(process)
    return found


def slow_npm(built: Path) -> str:
    """A PATH on which npm starts a process in a session of its own, and never ends."""
    folder = built / "bin"
    folder.mkdir()
    (folder / "npm").write_text('#!/bin/sh\nsetsid sh -c "sleep 1000; : slow-npm" &\nsleep 1000; : slow-npm\n')
    (folder / "npm").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def test_an_installer_ends_with_its_job_and_with_the_adapter(built: Path) -> None:
    """Cancelled, or the adapter killed: no process of it is left, and no folder after the next start. A waiting job is
    cancelled without having begun."""
    node = entry(tarball(built), "test/node")
    async with running({}, {"w": []}, PATH=slow_npm(built), **DEAD) as hub:
        offer(hub, node)

        async def begun() -> str:
            started = await hub.desired.request(Activate(name="test/node"))
            await until(lambda: installers(hub))
            return started.job

        job = await begun()
        waiting = await hub.desired.request(Activate(name="test/node", key="other"))
        await hub.desired.request(CancelActivation(id=waiting.job))
        await hub.desired.request(CancelActivation(id=job), timeout=100)
        assert {(await ended(hub, each)).state for each in (job, waiting.job)} == {"cancelled"}
        assert installers(hub) == []
        await begun()
        await hub.kill("adapter", signal.SIGKILL)
        await until(lambda: not installers(hub))
        assert (hub.data_dir / "servers/node").exists()
        await hub.start("adapter")
        await until(lambda: not (hub.data_dir / "servers/node").exists())
        assert (await hub.desired.request(ReadInstalled(), timeout=100)).servers == ()
        (hub.yamcp_dir / "providers.json").write_text("{")
        await hub.restart("adapter")
        assert (await hub.desired.request(ReadInstalled(), timeout=100)).servers == ()


async def test_hubctl(built: Path) -> None:
    """From the command line: added with a secret from a file, listed, its variable set, removed; no output has it."""
    secret = built / "secret"
    secret.write_text(f"{SECRET}\n")
    async with running({}, {"w": []}, **DEAD) as hub:
        offer(hub, entry(tarball(built), "test/node", environmentVariables=[KEY]))
        said = []
        for words, code in {
            ("add", "test/node", "--workspace", "w", "--yes"): 1,
            ("add", "test/node", "--workspace", "w", "--secret", f"API_KEY=@{secret}", "--key", "n"): 0,
            ("installed",): 0,
            ("variables",): 0,
            ("variables", "set", "OTHER", "--file", str(secret)): 0,
            ("variables", "unset", "OTHER"): 0,
            ("update", "n"): 0,
            ("remove", "n"): 0,
            ("update", "n", "--reinstall"): 1,
        }.items():
            status, out, err = await hubctl(hub.env, "catalog", *words)
            assert status == code, (words, out, err)
            said.append(out + err)
        assert "SETTINGS_INVALID" in said[0]
        assert "installed, version 1.0.0, with 3 tools" in said[1]
        assert said[6] == "Server n has version 1.0.0 already, the newest at its source.\n"
        assert "variables unset API_KEY" in said[7]
        assert "NOT_INSTALLED" in said[8]
        assert SECRET not in "".join(said)


async def test_a_variable_of_an_entry_of_today() -> None:
    """A server that was configured by hand starts as soon as its variable is set, and its value is told nowhere."""
    server = {"command": sys.executable, "args": ["-c", "raise SystemExit(0)"], "env": {"KEY": "${HUB_TEST_MISSING}"}}
    providers = {"old": {"namespace": "old", "type": "stdio", "providerParameters": server}}
    async with running(providers, {"w": ["old"]}, settle=False) as hub:

        async def code() -> str:
            status = await hub.actual.request(ReadStatus(), timeout=100)
            found = next((each for each in status.servers if each.key == "old"), None)
            return found.reason.code if found and found.reason else ""

        while await code() != "SERVER_VARIABLE_MISSING":  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.02)
        await hub.desired.request(SetVariables(values={"HUB_TEST_MISSING": SECRET}))
        while await code() in ("SERVER_VARIABLE_MISSING", ""):  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.02)
        assert await code() == "SERVER_EXITED"
        assert files_with(hub.root, SECRET) == {"data/variables.json"}

"""Servers in containers, with a real podman: what they cannot do, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from bridge.errors import RemoteError
from bridge.models import ReadDesired
from bridge.models.trust import ReadSbom, ReadScans, Scans
from tests.acceptance.steps import until
from tests.integration.containers.conftest import IMAGE, Podman, Start, contained, evaluate
from tests.support import hub as whole
from tests.support import sidecar as plain
from tests.support.sidecar import Sidecar

MARKER = "s3cret-marker-0815"
IGNORE = "for number in (15, 2, 1): signal.signal(number, signal.SIG_IGN)"


async def test_it_is_a_server_like_others(start: Start, podman: Podman) -> None:
    """It is ready, answers, shows its stderr, and its process in the container with the memory of that."""
    async with start(contained()) as hub:
        assert await evaluate(hub, "6 * 7") == "42"
        inside = (_process(podman),)
        shown = await until(lambda: hub.server("c"), lambda server: server.pids == inside and server.memory_bytes > 1e6)
        assert (shown.state, shown.transport, shown.server_name) == ("ready", "stdio", "in-a-container")
        assert shown.stderr == ("hello from inside",)
        assert shown.hints == ()


def _process(podman: Podman) -> int:
    """The first process of the only container."""
    (name,) = podman.names()
    return int(podman("inspect", "--format", "{{.State.Pid}}", name))


async def test_from_the_files_to_the_container(podman: Podman) -> None:
    """What hub.json says of a server of providers.json, and an edit of it, takes effect; a typo does not."""
    entry = {"namespace": "c", "type": "stdio"}
    entry["providerParameters"] = {"command": "/usr/bin/python3", "args": ["-u", "/app/server.py"]}  # type: ignore[assignment]
    variables = {**podman.variables, "HUB_CONTAINER_ENGINE": podman.program}
    async with whole.running({}, {}, **variables) as hub:

        async def put(memory: str) -> None:
            container = {"image": IMAGE, "pull": "never", "memory": memory}
            text = json.dumps({"servers": {"c": {"container": container}}})
            (hub.data_dir / "hub.json").write_text(text)
            hub.write({"c": entry}, {"w": ["c"]})
            await hub.wait_settled()

        async def limit() -> list[str]:
            with contextlib.suppress(AssertionError):  # one that was there is gone by now
                return [
                    podman("inspect", "--format", "{{.HostConfig.Memory}}", name).strip() for name in podman.names()
                ]
            return []

        await put("64m")
        assert (await hub.server("c")).server_name == "in-a-container"
        assert await limit() == [str(64 << 20)]
        await put("96m")
        await until(limit, lambda limits: limits == [str(96 << 20)])
        await put("lots")
        assert [issue.code for issue in (await hub.desired.request(ReadDesired())).issues] == ["HUB_SETTING_INVALID"]
        assert await limit() == [str(96 << 20)]


async def test_it_is_held(start: Start, podman: Podman) -> None:
    """No root, no capabilities, no new ones, nothing to write but /tmp, limits in force, labels to find it by."""
    async with start(contained(container={"memory": "96m", "cpus": 0.5, "pids": 33})) as hub:
        assert await evaluate(hub, "os.getuid(), os.getgid()") == "(65532, 65532)"
        status = dict(
            line.split(":\t", 1)
            for line in eval(await evaluate(hub, "open('/proc/self/status').read().splitlines()"))
            if ":\t" in line
        )
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        for path in ("/x", "/app/x", "/usr/x", "/etc/x"):
            assert "Error" in await evaluate(hub, f"open({path!r}, 'w')"), path
        assert await evaluate(hub, "open('/tmp/x', 'w').write('abc')") == "3"
        (name,) = podman.names()
        host = json.loads(podman("inspect", name))[0]
        assert (host["HostConfig"]["Memory"], host["HostConfig"]["MemorySwap"]) == (96 << 20, 96 << 20)
        assert (host["HostConfig"]["NanoCpus"], host["HostConfig"]["PidsLimit"]) == (500_000_000, 33)
        assert host["Config"]["Labels"]["yamcp-hub.server"] == "c"
        assert host["Config"]["Labels"]["yamcp-hub.session"] == (await hub.status()).session


async def test_over_its_memory_it_dies_alone(start: Start, podman: Podman) -> None:
    """A server limited to 128 MB that allocates 1 GB is killed, its status says why; the other one does not notice."""
    async with start(contained(), plain.mock("other")) as hub:
        other = (await hub.server("other")).pids
        inside = await asyncio.to_thread(_process, podman)
        await until(lambda: hub.server("c"), lambda server: server.pids == (inside,))
        since = len(hub.events)
        with pytest.raises(RemoteError) as raised:
            await evaluate(hub, "len(b'x' * (1 << 30))")
        reasons = [event.data.get("reason") for _, event in hub.events[since:] if event.data]
        assert raised.value.remote_code in {"SERVER_CONNECTION_LOST", "CONTAINER_OOM"}, reasons
        assert "over its memory limit of 128 MB" in raised.value.message
        assert (await hub.server("other")).pids == other
        await until(lambda: hub.server("c"), lambda server: server.state == "ready" and server.restarts == 1)
        assert await evaluate(hub, "1 + 1") == "2"


async def test_the_status_says_that_memory_was_the_reason(start: Start, tmp_path: Path) -> None:
    """One that needs too much at each start has the reason in its status, code and hint included."""
    spec = contained()
    greedy = spec.model_copy(
        update={"launch": spec.launch.model_copy(update={"args": ("-c", "b'x' * (1 << 30)")})}, deep=True
    )
    async with start(greedy) as hub:
        status = await until(lambda: hub.server("c"), lambda server: server.reason is not None)
        assert status.reason
        assert status.reason.code == "CONTAINER_OOM"
        assert "over its memory limit of 128 MB" in status.reason.message
        assert "container.memory" in status.reason.hint


async def test_no_network_unless_allowed(start: Start, podman: Podman) -> None:
    """One with no network has none: only loopback, no way out, and the hub's own port is out of reach."""
    async with start(contained(), contained("n", container={"network": True})) as hub:
        assert await evaluate(hub, "[name for _, name in socket.if_nameindex()]") == "['lo']"
        port = hub.settings.sidecar_port
        for address in ("127.0.0.1", "10.88.0.1", "1.1.1.1"):
            said = await evaluate(hub, f"socket.create_connection(({address!r}, {port}), 2)")
            assert "Error" in said, (address, said)
        if podman.program == "podman":  # a docker may be without a bridge
            assert "eth0" in await evaluate(hub, "[name for _, name in socket.if_nameindex()]", "n")


def _directories(parent: Path, *names: str) -> None:
    """Directories that everybody may write to, with a file in each."""
    parent.chmod(0o755)
    for name in names:
        (parent / name).mkdir()
        (parent / name).chmod(0o777)
        (parent / name / "file").write_text(name)


async def test_what_was_not_mounted_is_not_there(start: Start, tmp_path: Path) -> None:
    """A file of the host is not seen; a mounted directory is, and is written to only where that was allowed."""
    _directories(tmp_path, "docs", "work", "private")
    mounts = [
        {"source": str(tmp_path / "docs"), "target": "/docs"},
        {"source": str(tmp_path / "work"), "target": "/work", "read_only": False},
    ]
    async with start(contained(container={"mounts": mounts}), HUB_CONTAINER_MOUNTS=str(tmp_path)) as hub:
        assert await evaluate(hub, "open('/docs/file').read()") == "'docs'"
        assert "Read-only file system" in await evaluate(hub, "open('/docs/new', 'w')")
        assert await evaluate(hub, "open('/work/new', 'w').write('x')") == "1"
        for path in (tmp_path / "private" / "file", hub.data_dir / "fingerprint.key", Path(__file__)):
            assert "FileNotFoundError" in await evaluate(hub, f"open({str(path)!r})"), path
    assert (tmp_path / "work" / "new").read_text() == "x"


@pytest.mark.parametrize("way", ["outside", "dots", "link", "nothing allowed", "missing"])
async def test_a_mount_outside_the_list_is_refused(start: Start, podman: Podman, tmp_path: Path, way: str) -> None:
    """Not below an allowed directory, or only by name, or where nothing is allowed: the server is not started."""
    (tmp_path / "allowed").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "other")
    source = {"outside": "other", "dots": "allowed/../other", "link": "allowed/link", "missing": "allowed/none"}
    mounts = [{"source": str(tmp_path / source.get(way, "allowed")), "target": "/x"}]
    allowed = "" if way == "nothing allowed" else str(tmp_path / "allowed")
    async with start(contained(container={"mounts": mounts}), HUB_CONTAINER_MOUNTS=allowed) as hub:
        status = await until(lambda: hub.server("c"), lambda server: server.reason is not None)
        assert status.reason
        assert status.reason.code == "MOUNT_REFUSED"
        assert ("does not exist" if way == "missing" else "HUB_CONTAINER_MOUNTS") in status.reason.message
        assert podman.names() == []


async def test_secrets_reach_it_and_nothing_else(start: Start, podman: Podman) -> None:
    """Variables arrive, also those that engines read themselves; no command line and no record of podman has them."""
    env = {"API_KEY": MARKER, "MULTI": f"{MARKER}\nb", "HOME": f"/tmp/{MARKER}", "DOCKER_HOST": MARKER}
    async with start(contained(env=env)) as hub:
        assert eval(await evaluate(hub, "{name: os.environ[name] for name in ('API_KEY', 'MULTI')}")) == {
            "API_KEY": MARKER,
            "MULTI": f"{MARKER}\nb",
        }
        assert await evaluate(hub, "os.environ['HOME'], os.environ['DOCKER_HOST']") == f"('/tmp/{MARKER}', '{MARKER}')"
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                assert MARKER not in " ".join(process.cmdline()), process
        assert "HUB_DATA_DIR" not in await evaluate(hub, "dict(os.environ)")
        files = list((hub.root / "run").glob("*.container-env"))
        assert not files
        assert MARKER not in hub.log("sidecar")
        (name,) = podman.names()
        assert MARKER not in podman(
            "inspect", "--format", "{{.Config.Labels}} {{.Config.Cmd}} {{.Path}} {{.Args}}", name
        )
        if podman.program == "podman":
            assert MARKER not in podman("inspect", "--format", "{{.Config.CreateCommand}}", name)


async def test_stopping_leaves_nothing(start: Start, podman: Podman) -> None:
    """An edit, a removal and the end of the hub each take the container along; also one that ignores every sign."""
    deaf = contained("deaf")
    code = f"import signal, time\n{IGNORE}\nexec(open('/app/server.py').read())\nwhile 1: time.sleep(9)"
    deaf = deaf.model_copy(update={"launch": deaf.launch.model_copy(update={"args": ("-u", "-c", code)})})
    async with start(contained(), contained("d", env={"D": "1"}), deaf) as hub:
        before = podman.names()
        assert len(before) == 3
        await hub.put(contained(container={"memory": "129m"}))
        names = await until(lambda: _names(podman), lambda names: len(names) == 3 and set(names) != set(before))
        assert len(set(before) & set(names)) == 2
        await hub.stop("sidecar")
        assert podman.names() == []


async def _names(podman: Podman) -> list[str]:
    return await asyncio.to_thread(podman.names)


@pytest.mark.parametrize("victim", ["sidecar", "spawner", "both"])
async def test_crashes_leave_nothing(start: Start, podman: Podman, victim: str) -> None:
    """kill -9 of the sidecar, of the spawner, of both at once: the next one starts with nothing of the old left."""
    async with start(contained()) as hub:
        (before,) = podman.names()
        child = next(one for one in psutil.Process(hub.pid("sidecar")).children() if "spawner" in str(one.cmdline()))
        if victim == "both":
            child.suspend()
        if victim in ("spawner", "both"):
            os.kill(child.pid, signal.SIGKILL)
        if victim in ("sidecar", "both"):
            await hub.kill("sidecar")
            await hub.start("sidecar")
            await hub.put()
        again = 1 if victim == "spawner" else 0
        await until(lambda: hub.server("c"), lambda one: one.state == "ready" and one.restarts == again)
        names = await until(lambda: _names(podman), lambda names: before not in names)
        assert len(names) == 1
        assert await evaluate(hub, "1 + 1") == "2"
        await hub.stop("sidecar")


async def test_a_container_that_nobody_wants_any_more_is_swept(start: Start, podman: Podman) -> None:
    """Left by a hub that was killed, whose next start has no contained server: gone all the same; others' stay."""
    async with start(contained()) as hub:
        (name,) = podman.names()
        label = podman("inspect", "--format", '{{index .Config.Labels "yamcp-hub.hub"}}', name).strip()
        await hub.stop("sidecar")
        options = ("run", "--detach", "--network", "none")
        sleep = (IMAGE, "/usr/bin/python3", "-c", "import time; time.sleep(60)")
        podman(*options, "--name", "left", "--label", f"yamcp-hub.hub={label}", *sleep)
        podman(*options, "--name", "others", "--label", "yamcp-hub.hub=another", *sleep)
        await hub.start("sidecar")
        await hub.remove("w")
        await until(lambda: _names(podman), lambda names: names == ["others"])
        podman.remove("others")


async def test_what_is_missing_is_said(start: Start, podman: Podman) -> None:
    """No image, no command in it, an image that cannot be fetched: each by its code, and what to do."""
    lost = contained("command")
    lost = lost.model_copy(update={"launch": lost.launch.model_copy(update={"command": "nope"})})
    image = contained("image", container={"image": "localhost/nowhere"})
    pulled = contained("pulled", container={"image": "127.0.0.1:9/nowhere", "pull": "missing"})
    async with start(lost, image, pulled) as hub:
        codes = {}
        for key in ("command", "image", "pulled"):
            status = await until(
                lambda key=key: hub.server(key), lambda server: server.reason and server.state != "starting", 30
            )
            assert status.reason
            assert status.reason.hint
            codes[key] = status.reason.code
        assert codes == {
            "command": "SERVER_COMMAND_MISSING",
            "image": "IMAGE_MISSING",
            "pulled": "IMAGE_PULL_FAILED",
        }


async def test_an_engine_that_comes_back_is_found(podman: Podman, tmp_path: Path) -> None:
    """Without an engine the status says so; once there is one, the server starts by itself."""
    engine = tmp_path / "podman"
    variables = {**podman.variables, "HUB_CONTAINER_ENGINE": str(engine)}
    async with plain.running(contained(), plain.workspace("w", contained()), **variables) as hub:
        await _reason(hub, "ENGINE_REFUSED")
        engine.write_text("#!/bin/sh\necho 'Error: permission denied' >&2; exit 125\n")
        engine.chmod(0o755)
        status = await until(lambda: hub.server("c"), lambda one: one.reason and "permission" in one.reason.message)
        assert status.reason.code == "ENGINE_REFUSED"  # type: ignore[union-attr]
        engine.write_text(f'#!/bin/sh\nexec {podman.program} "$@"\n')
        await until(lambda: hub.server("c"), lambda server: server.state == "ready")
    async with plain.running(contained(), plain.workspace("w", contained()), HUB_CONTAINER_ENGINE="off") as hub:
        await _reason(hub, "ENGINE_MISSING")


async def test_a_pull_is_told_and_not_timed(podman: Podman, tmp_path: Path) -> None:
    """While the image is fetched, longer than the start timeout, the status says so; then the server is ready."""
    engine, there = tmp_path / "podman", tmp_path / "there"
    missing = f'[ "$1" = image ] && [ ! -e {there} ] && echo "Error: image not known" >&2 && exit 125'
    pull = f'[ "$1" = pull ] && echo "Copying blob 17" >&2 && while [ ! -e {there} ]; do sleep 0.1; done && exit'
    engine.write_text(f'#!/bin/sh\n{missing}\n{pull}\nexec {podman.program} "$@"\n')
    engine.chmod(0o755)
    variables = {**podman.variables, "HUB_CONTAINER_ENGINE": str(engine)}
    spec = contained(container={"pull": "missing"}, start_timeout=10)
    async with plain.running(spec, plain.workspace("w", spec), **variables) as hub:  # settled: nobody waits for it
        await _reason(hub, "IMAGE_PULLING")
        await until(lambda: hub.server("c"), lambda one: one.reason and "Copying blob 17" in one.reason.message)
        await asyncio.sleep(11)  # longer than the start timeout
        assert (await hub.server("c")).attempts == 0
        there.touch()
        await until(lambda: hub.server("c"), lambda server: server.state == "ready")


async def _reason(hub: Sidecar, code: str) -> None:
    await until(lambda: hub.server("c"), lambda server: server.reason and server.reason.code == code)


async def test_the_scan_of_an_image_warns(start: Start, tmp_path: Path) -> None:
    """Where a scanner is on the PATH it is given the image, once; what it counts is a hint, now and after a restart.

    So is syft; the SBOM is kept until no server uses the image.
    """
    report = {"Results": [{"Vulnerabilities": [{"Severity": word} for word in ("CRITICAL", "HIGH", "HIGH", "LOW")]}]}
    (tmp_path / "report").write_text(json.dumps(report))
    trivy = tmp_path / "trivy"
    given = '[ "$1" = image ] || exit 1\nfor last; do :; done\ntest -s "$last"'
    trivy.write_text(f"#!/bin/sh\n{given} && cat {tmp_path}/report\necho >> {tmp_path}/runs\n")
    trivy.chmod(0o755)
    syft = tmp_path / "syft"
    document = '{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"tools": [{"name": "syft"}]}}'
    syft.write_text(f"#!/bin/sh\ntest -s ${{2#docker-archive:}} && echo '{document}'\n")
    syft.chmod(0o755)
    warning = (f"The image {IMAGE}: 1 critical, 2 high vulnerabilities; trivy.",)
    async with start(contained(), contained("d", env={"D": "1"}), PATH=f"{tmp_path}:{os.environ['PATH']}") as hub:
        await until(lambda: hub.server("c"), lambda server: server.hints == warning)
        assert (await hub.server("d")).hints == warning
        await hub.restart("sidecar")
        await hub.put()
        await until(lambda: hub.server("c"), lambda server: server.hints == warning)
        assert (tmp_path / "runs").read_text() == "\n"
        (scan,) = (await until(lambda: hub.actual.request(ReadScans()), _described)).scans
        assert (scan.state, scan.servers, scan.sbom.generator) == ("found", ("c", "d"), "syft")
        assert (await hub.actual.request(ReadSbom(subject=scan.subject))).text == f"{document}\n"
        assert not list(hub.data_dir.glob("**/.scan-*"))
        await hub.put(
            contained(container={"image": "localhost/gone"}), contained("d", container={"image": "localhost/gone"})
        )
        assert not list((hub.data_dir / "sboms").glob("*.cdx.json"))


def _described(found: Scans) -> bool:
    return any(each.sbom.state == "kept" for each in found.scans)

"""An image of the catalogue, from a registry of this test: pulled by its name, run by its digest, and that alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bridge.models import Call
from bridge.models.catalog.activation import ReadInstalled, RemoveInstalled
from tests.integration.activation.test_activation import activated, offer
from tests.integration.containers.conftest import IMAGE, Podman
from tests.integration.containers.registry import Registry, serving
from tests.support.hub import Hub, running

pytestmark = pytest.mark.outside

COMMAND = ["/usr/bin/python3", "-u", "/app/server.py"]
NAME = "test/packed"


def with_entrypoint(podman: Podman, directory: Path) -> Path:
    """The tests' image as `podman push` writes it, with the program that it runs."""
    podman("push", "--quiet", IMAGE, f"dir:{directory}")
    manifest = json.loads((directory / "manifest.json").read_bytes())
    config = json.loads((directory / manifest["config"]["digest"].partition(":")[2]).read_bytes())
    raw = json.dumps({**config, "config": {"Entrypoint": COMMAND}}).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (directory / digest).write_bytes(raw)
    manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(raw)}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


async def evaluated(hub: Hub, code: str) -> str:
    """What an expression is worth in the container."""
    call = Call(workspace="w", tool="boxed_eval", arguments={"code": code})
    return str((await hub.actual.request(call, timeout=100)).result["content"][0]["text"])


async def test_an_image_is_pulled_once_and_runs_by_its_digest(podman: Podman, tmp_path: Path) -> None:
    """With the engine's configuration of the hub; without the registry it starts again; removed, no container stays."""
    registry, conf = Registry(), tmp_path / "registries.conf"
    digest = registry.put(NAME, with_entrypoint(podman, tmp_path / "image"), "1.0.0")
    variables = {**podman.variables, "CONTAINERS_REGISTRIES_CONF": str(conf)}
    async with running({}, {"w": []}, HUB_CONTAINER_ENGINE=podman.program, **variables) as hub:
        with serving(registry):
            conf.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
            image = f"{registry.address}/{NAME}"
            package = {"registryType": "oci", "identifier": image, "version": "1.0.0", "transport": {"type": "stdio"}}
            offer(hub, {"name": "test/boxed", "description": "A test", "version": "1.0.0", "packages": [package]})
            job = await activated(hub, "test/boxed")
            assert (job.tools, job.note) == (1, "")
        [server] = (await hub.desired.request(ReadInstalled())).servers
        assert (server.kind, server.digest, server.folder) == ("oci", digest, "")
        settings = json.loads((hub.data_dir / "hub.json").read_text())["servers"]["boxed"]["container"]
        assert settings == {"image": f"{image}@{digest}", "network": True}

        await hub.restart("sidecar")
        await hub.wait_settled()
        assert await evaluated(hub, "6 * 7") == "42"
        await hub.desired.request(RemoveInstalled(key="boxed"), timeout=60)
        assert (await hub.desired.request(ReadInstalled())).servers == ()
        assert "boxed" not in json.loads((hub.data_dir / "hub.json").read_text()).get("servers", {})
    podman("rmi", "--force", f"{image}@{digest}")

"""HUB_CONTAINER_POLICY with a real podman: what it refuses, what it accepts, and signatures that podman checks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.models import ServerSpec, ServerStatus
from tests.acceptance.steps import until
from tests.integration.containers.conftest import IMAGE, Podman, Start, contained, evaluate
from tests.integration.containers.registry import Registry, public_pem, serving
from tests.support.sidecar import Sidecar

ANYTHING, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}


def write(path: Path, **scopes: dict[str, Any]) -> None:
    """Write a policy; what has no scope is rejected."""
    docker = {name.replace("__", "/"): [each] for name, each in scopes.items()}
    path.write_text(json.dumps({"default": [REJECT], "transports": {"docker": docker}}))


async def _reason(hub: Sidecar, key: str, code: str) -> str:
    shown = await until(lambda: hub.server(key), lambda one: one.reason and one.reason.code == code)
    assert shown.reason is not None
    return shown.reason.message


async def test_an_image_that_is_here_needs_a_rule_too(start: Start, tmp_path: Path) -> None:
    """`reject` refuses it, `insecureAcceptAnything` runs it; no restart of the hub is needed. A bad file: nothing."""
    policy = tmp_path / "policy.json"
    write(policy)
    async with start(contained(), HUB_CONTAINER_POLICY=str(policy)) as hub:
        assert "rejects the image" in await _reason(hub, "c", "IMAGE_REFUSED")
        write(policy, localhost=ANYTHING)
        await until(lambda: hub.server("c"), lambda one: one.state == "ready")
        assert await evaluate(hub, "6 * 7") == "42"
        policy.write_text("{")
        await hub.put(contained(container={"memory": "96m"}))
        assert str(policy) in await _reason(hub, "c", "IMAGE_POLICY_UNUSABLE")


def _decided(server: ServerStatus) -> bool:
    return server.state == "ready" or bool(server.reason and server.reason.code != "IMAGE_PULLING")


@dataclass
class Gpg:
    """GnuPG with a home directory of its own."""

    home: Path

    def __call__(self, *words: str, data: bytes = b"") -> bytes:
        """What it writes."""
        asked = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", "", *words]
        return subprocess.run(asked, input=data, check=True, capture_output=True, timeout=100).stdout

    def key(self, name: str) -> bytes:
        """Make a key; returns the public part."""
        self("--quick-generate-key", name, "ed25519", "sign", "never")
        return self("--export", name)


@pytest.fixture
def gpg() -> Iterator[Gpg]:
    """Its agent is ended at the end."""
    with tempfile.TemporaryDirectory(prefix="gpg") as home:  # short: a Unix socket lies in it
        yield Gpg(Path(home))
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=60)


class Site:
    """A registry with images that are signed in one way or another, and podman's files that tell where."""

    def __init__(self, root: Path, image: Path, registry: Registry, gpg: Gpg) -> None:
        self.root, self.image, self.registry, self.gpg, self.at = root, image, registry, gpg, registry.address
        folder = root / "home/.config/containers/registries.d"
        folder.mkdir(parents=True)
        attached = f"use-sigstore-attachments: true\n    lookaside: file://{root}/signatures"
        (folder / "test.yaml").write_text(f"docker:\n  {self.at}:\n    {attached}\n")
        (root / "registries.conf").write_text(f'[[registry]]\nlocation = "{self.at}"\ninsecure = true\n')

    @property
    def variables(self) -> dict[str, str]:
        """For podman."""
        return {
            "HOME": str(self.root / "home"),
            "CONTAINERS_REGISTRIES_CONF": str(self.root / "registries.conf"),
            "HUB_CONTAINER_POLICY": str(self.root / "policy.json"),
        }

    def put(self, name: str, signer: str = "") -> None:
        """Serve an image, signed with this key of GnuPG or not at all."""
        repository, _, tag = name.partition(":")
        digest = self.registry.put(repository, self.image, tag, label=name)
        if signer:
            payload = self.registry.payload(name, digest, "atomic container signature")
            folder = self.root / "signatures" / f"{repository}@{digest.replace(':', '=')}"
            folder.mkdir(parents=True)
            (folder / "signature-1").write_bytes(self.gpg("--local-user", signer, "--sign", data=payload))

    def server(self, key: str, name: str) -> ServerSpec:
        """A server of the image."""
        return contained(key, container={"image": f"{self.at}/{name}", "pull": "missing"}, start_timeout=100)


async def test_signatures_are_checked(start: Start, podman: Podman, gpg: Gpg, tmp_path: Path) -> None:
    """Signed with the key: runs, also when the registry is gone. Not signed, by another key, other rules: refused."""
    if podman.program != "podman":
        pytest.skip("docker checks no signatures")
    registry, image, cosign = Registry(), tmp_path / "image", ec.generate_private_key(ec.SECP256R1())
    await asyncio.to_thread(podman, "push", "--quiet", IMAGE, f"dir:{image}")
    (tmp_path / "key.gpg").write_bytes(await asyncio.to_thread(gpg.key, "owner"))
    await asyncio.to_thread(gpg.key, "stranger")
    (tmp_path / "cosign.pub").write_bytes(public_pem(cosign))
    async with contextlib.AsyncExitStack() as stack:
        with serving(registry):
            site = Site(tmp_path, image, registry, gpg)
            stack.callback(podman, "rmi", "--force", f"{site.at}/signed:latest")
            site.put("signed:latest", "owner")
            site.put("signed:unsigned")
            site.put("signed:stranger", "stranger")
            registry.sign("cosign", registry.put("cosign", image), cosign)
            site.put("other:latest", "owner")
            by_gpg = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(tmp_path / "key.gpg")}
            by_cosign: dict[str, Any] = {"type": "sigstoreSigned", "keyPath": str(tmp_path / "cosign.pub")}
            by_cosign["signedIdentity"] = {"type": "matchRepository"}
            write(tmp_path / "policy.json", **{f"{site.at}__signed": by_gpg, f"{site.at}__cosign": by_cosign})
            servers = [
                site.server("signed", "signed:latest"),
                site.server("unsigned", "signed:unsigned"),
                site.server("stranger", "signed:stranger"),
                site.server("cosign", "cosign:latest"),
                site.server("other", "other:latest"),
            ]
            hub = await stack.enter_async_context(start(*servers, **site.variables))
            await until(lambda: hub.server("signed"), lambda one: one.state == "ready")
            assert await evaluate(hub, "6 * 7", "signed") == "42"
            assert "signature was required" in await _reason(hub, "unsigned", "IMAGE_REFUSED")
            assert "stranger" in await _reason(hub, "stranger", "IMAGE_REFUSED")
            assert "rejects the image" in await _reason(hub, "other", "IMAGE_REFUSED")
            assert not [path for path in registry.asked if "/other/" in path]
            shown = await until(lambda: hub.server("cosign"), _decided)
            if shown.reason is not None:  # Debian's podman has no sigstore, and says so
                assert "sigstore disabled" in shown.reason.message
        spec = site.server("signed", "signed:latest")
        changed = spec.settings.model_copy(update={"max_inflight": 7})
        await hub.put(spec.model_copy(update={"settings": changed}))
        assert await evaluate(hub, "7 * 7", "signed") == "49"

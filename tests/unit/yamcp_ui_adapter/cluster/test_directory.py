"""An adapter whose configuration comes from a read-only directory, as Kubernetes mounts a ConfigMap."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.client import BridgeClient
from bridge.errors import RemoteError
from bridge.models import AddKey, ListKeys, PutServer, ReadDesired, Request, SetServer
from bridge.models.cluster import ExportConfig, ImportConfig, ReadCluster
from tests.unit.yamcp_ui_adapter.fixtures import PATIENCE, Adapter, in_place, keys, server, until
from yamcp_ui_adapter.cluster import shared
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES


def publish(mount: Path, number: int, servers: dict[str, Any]) -> None:
    """Exchange all files at once, by the link `..data`, as the kubelet does."""
    version = mount / f"..version-{number}"
    version.mkdir(parents=True)
    in_place(version / PROVIDERS, servers)
    in_place(version / WORKSPACES, {"w": list(servers)})
    link = mount / "..new"
    link.symlink_to(version.name)
    link.rename(mount / "..data")
    for name in (PROVIDERS, WORKSPACES):
        if not (mount / name).is_symlink():
            (mount / name).symlink_to(f"..data/{name}")


async def refusal(client: BridgeClient, body: Request[Any]) -> str:
    """The code of the error that a request is answered with."""
    with pytest.raises(RemoteError) as caught:
        await client.request(body)
    return caught.value.remote_code


async def test_the_directory_is_followed_and_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files cannot be edited, those that it does not have can; while it is away, the last copy is in force."""
    monkeypatch.setattr(shared, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(shared, "MAX_RETRY_SECONDS", 0.05)
    mount = tmp_path / "mount"
    publish(mount, 1, {"a": server("1")})
    adapter = Adapter(tmp_path, config_dir=mount)
    sidecar = adapter.sidecar
    async with sidecar.running(), adapter.running() as client:
        await sidecar.until(lambda snapshot: keys(snapshot) == {"a"})
        publish(mount, 2, {"a": server("1"), "b": server("2")})
        await sidecar.until(lambda snapshot: keys(snapshot) == {"a", "b"})
        assert await refusal(client, PutServer(key="c", entry=server())) == "CONFIG_READ_ONLY"
        assert await refusal(client, ImportConfig()) == "CLUSTER_OFF"
        assert await refusal(client, ExportConfig()) == "CLUSTER_OFF"
        in_place(adapter.providers, {"d": server("4")})
        await until(lambda: json.loads(adapter.providers.read_bytes() or b"{}").keys() == {"a", "b"})
        await client.request(AddKey(name="laptop"))
        await client.request(SetServer(key="b", settings={"call_timeout": 7}))
        assert len((await client.request(ListKeys())).keys) == 1
        state = await client.request(ReadCluster())
        assert (state.source, state.state, state.documents) == ("directory", "current", (PROVIDERS, WORKSPACES))

        shutil.rmtree(mount)
        async with asyncio.timeout(PATIENCE):
            while (state := await client.request(ReadCluster())).state != "unavailable":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert state.error
        assert state.error.code == "CONFIG_DIR_UNUSABLE"
        desired = await client.request(ReadDesired())
        assert [each.code for each in desired.issues if each.subject == "cluster"] == ["CONFIG_FROM_COPY"]
        assert {each.key for each in desired.snapshot.servers} == {"a", "b"}
        publish(mount, 3, {"b": server("2")})
        await sidecar.until(lambda snapshot: keys(snapshot) == {"b"})


async def test_one_hub_alone_shares_nothing(tmp_path: Path) -> None:
    """Without a source there is no import and no export."""
    adapter = Adapter(tmp_path)
    async with adapter.sidecar.running(), adapter.running() as client:
        assert (await client.request(ReadCluster())).state == "alone"
        assert await refusal(client, ImportConfig()) == "CLUSTER_OFF"
        assert not (adapter.settings.data_dir / "cluster.json").exists()

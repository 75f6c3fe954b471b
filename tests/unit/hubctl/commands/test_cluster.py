"""`hubctl cluster` against a hub of canned answers."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from bridge.errors import ErrorBody
from bridge.models.cluster import (
    ClusterState,
    ConfigExported,
    ConfigImported,
    ExportConfig,
    ImportConfig,
    ReadCluster,
    Replica,
)
from tests.unit.hubctl.canned import CannedHub

pytestmark = pytest.mark.outside

EXPORTED = ConfigExported(
    epoch=3, documents={"providers.json": "{}", "hub.json": '{"version": 1}'}, differing=("hub.json",), directory="/d"
)


async def test_status(hub: CannedHub) -> None:
    """Exit code 1 where something has to be done."""
    state = ClusterState(
        source="database",
        target="db:5432/hub",
        state="unavailable",
        error=ErrorBody(code="CONFIG_DATABASE_UNAVAILABLE", message="It is away.", hint="Start it."),
        epoch=7,
        hash="abc",
        documents=("hub.json",),
        replicas=(Replica(name="r0", epoch=7, hash="abc", seen=0),),
    )
    hub.answers = {ReadCluster: state}
    code, out, _ = await hub.hubctl("cluster")
    assert code == 1
    assert "PostgreSQL, db:5432/hub" in out
    assert "CONFIG_DATABASE_UNAVAILABLE: It is away. Start it." in out
    assert "r0" in out
    _, out, _ = await hub.hubctl("cluster", "status", "--json")
    assert json.loads(out)["replicas"][0]["name"] == "r0"
    hub.answers = {ReadCluster: ClusterState(source="files", state="alone")}
    assert await hub.hubctl("cluster") == (0, "source    this hub's own files\n", "")


async def test_import(hub: CannedHub, tmp_path: Path) -> None:
    """Of the hub's own files, or of a directory."""
    hub.answers = {ImportConfig: ConfigImported(epoch=2, written=("hub.json",), removed=("keys.json",))}
    code, out, _ = await hub.hubctl("cluster", "import", "--dry-run")
    assert (code, hub.asked) == (0, [ImportConfig(dry_run=True)])
    assert out == "hub.json would be written\nkeys.json would be removed\n"
    (tmp_path / "hub.json").write_text("{}")
    await hub.hubctl("cluster", "import", str(tmp_path), "--replace")
    assert hub.asked[-1] == ImportConfig(documents={"hub.json": "{}"}, replace=True)
    hub.answers = {ImportConfig: ConfigImported(epoch=2, written=(), removed=())}
    assert "already (version 2)" in (await hub.hubctl("cluster", "import"))[1]
    code, _, err = await hub.hubctl("cluster", "import", str(tmp_path / "none"))
    assert (code, "is not a directory" in err) == (2, True)


async def test_export(hub: CannedHub, tmp_path: Path) -> None:
    """Twice the same changes nothing."""
    hub.answers = {ExportConfig: EXPORTED}
    place = tmp_path / "exported"
    code, out, _ = await hub.hubctl("cluster", "export", str(place), "--dry-run")
    assert (code, place.exists(), "2 files would be changed" in out) == (0, False, True)
    await hub.hubctl("cluster", "export", str(place))
    assert hub.asked[-1] == ExportConfig(dry_run=True)  # the hub's own files stay
    assert stat.S_IMODE((place / "hub.json").stat().st_mode) == 0o600
    assert "0 files changed" in (await hub.hubctl("cluster", "export", str(place)))[1]
    _, out, _ = await hub.hubctl("cluster", "export")
    assert hub.asked[-1] == ExportConfig()
    assert "hub.json changed" in out

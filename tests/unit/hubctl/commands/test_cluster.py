"""`hubctl cluster` against a hub of canned answers."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from bridge.errors import ErrorBody
from bridge.models import SnapshotId
from bridge.models.cluster import (
    ClusterState,
    ConfigExported,
    ConfigImported,
    ExportConfig,
    ImportConfig,
    ReadCluster,
    Replica,
)
from bridge.models.replicas import ReadReplicas, ReplicasState, ReplicaStatus
from hubctl.commands import doctor
from tests.unit.hubctl.canned import CannedHub, status

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


async def test_replicas(hub: CannedHub) -> None:
    """How each is, and where the configuration is applied; a hub that cannot ask says why, if it is a replica."""
    alone = ClusterState(source="files", state="alone")
    current, old = (SnapshotId(epoch=3, revision=number, hash=str(number) * 16) for number in (5, 4))
    known = {"version": "1.0", "uptime": 70.0, "sessions": 2, "servers": 3}
    serving = ReplicaStatus(name="r0", state="serving", age=0.1, up_to_date=True, applied=current, **known)
    late = ReplicaStatus(
        name="r1", state="serving", age=0.1, up_to_date=False, applied=old, troubles=("LIMITS_UNAVAILABLE",), **known
    )
    lost = ReplicaStatus(name="r2", state="lost", age=130.0, up_to_date=False, servers_failing=1, **known)
    shown = (serving, late, lost)
    state = ReplicasState(transport="redis", own="r0", replicas=shown, live=2, up_to_date=1, sessions=4)
    hub.answers = {ReadCluster: alone, ReadReplicas: state}
    code, out, _ = await hub.hubctl("cluster", "status")
    _, sums, applied, _, _, *rows = out.splitlines()
    assert (code, sums) == (0, "replicas  2 of 3, 4 sessions, 0 calls in progress")
    assert applied == "applied   at 1 of 2"
    for row, cells in zip(
        rows,
        [
            ("r0 (this one)", "serving", "1 min", "current"),
            ("r1", "another: 3.4 44444444", "LIMITS_UNAVAILABLE"),
            ("r2", "lost", "2 min ago", "none", "3, 1 failing"),
        ],
        strict=True,
    ):
        assert all(cell in row for cell in cells), row
    _, out, _ = await hub.hubctl("cluster", "--json")
    assert json.loads(out)["hubs"]["replicas"][2]["state"] == "lost"
    hub.answers = {ReadCluster: alone, ReadReplicas: state.model_copy(update={"up_to_date": 2})}
    assert "applied   everywhere" in (await hub.hubctl("cluster"))[1]
    away = ErrorBody(code="REPLICAS_UNKNOWN", message="Redis does not answer.")
    alone_known = ReplicasState(transport="redis", own="r0", error=away, replicas=(serving,), live=1, up_to_date=1)
    hub.answers = {ReadCluster: alone, ReadReplicas: alone_known}
    out = (await hub.hubctl("cluster"))[1]
    assert "REPLICAS_UNKNOWN" in out and "r0" in out
    assert "everywhere" not in out, "nobody knows of the others"


async def test_what_is_amiss_with_the_hub(hub: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that does not answer, by status and doctor."""
    monkeypatch.setattr(doctor, "running", lambda _: True)
    away = ErrorBody(code="CACHE_UNAVAILABLE", message="Redis does not answer.", hint="Start it.")
    hub.status = status([], []).model_copy(update={"troubles": (away,)})
    assert "CACHE_UNAVAILABLE: Redis does not answer. Start it." in (await hub.hubctl("status"))[1]
    assert "warning  hub: Redis does not answer." in (await hub.hubctl("doctor"))[1]


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

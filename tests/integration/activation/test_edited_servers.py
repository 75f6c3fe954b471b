"""An activated server is renamed, copied, deleted and added anew as an entry, as console and YAMCP-UI do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.models import DeleteServer, Duplicate, PutServer, Request, Undo
from bridge.models.catalog.activation import InstalledServer, ReadInstalled, RemoveInstalled
from bridge.models.catalog.entries import CatalogShow
from tests.integration.activation.test_activation import DEAD, activated, called, offer, updated
from tests.support.fake_server import until
from tests.support.hub import Hub, running
from tests.support.packages import entry, tarball
from yamcp_ui_adapter.activation.keeping import KEPT_SECONDS

pytestmark = pytest.mark.outside


async def installed(hub: Hub) -> dict[str, InstalledServer]:
    """What is installed, by key."""
    return {each.key: each for each in (await hub.desired.request(ReadInstalled(), timeout=100)).servers}


async def test_what_is_installed_follows_and_no_folder_stays(tmp_path: Path) -> None:
    """Renamed, it can be updated; removed, its copy goes on; deleted, it can be undone for a day, or added anew."""
    versions = [entry(tarball(tmp_path, version=version), "test/node", version) for version in ("1.0.0", "2.0.0")]
    async with running({}, {"w": []}, **DEAD) as hub:

        async def change(body: Request[Any]) -> None:
            await hub.desired.request(body, timeout=100)

        offer(hub, *versions)
        await activated(hub, "test/node", version="1.0.0")
        stored = json.loads((hub.yamcp_dir / "providers.json").read_text())["node"]
        await change(PutServer(key="other", old_key="node", entry={**stored, "namespace": "other"}))
        assert list(await installed(hub)) == ["other"]
        assert (await hub.desired.request(CatalogShow(name="test/node"))).summary.installed == ("other",)
        assert (await updated(hub, "other")).state == "done"
        assert await called(hub, "other_greet") == "hello from 2.0.0"

        await change(Duplicate(section="servers", name="other", to="copy"))
        await change(RemoveInstalled(key="other"))
        found = await installed(hub)
        assert list(found) == ["copy"] and (hub.data_dir / found["copy"].folder).is_dir()

        await change(DeleteServer(key="copy"))
        assert not (await installed(hub))["copy"].in_use
        assert (await hub.desired.request(CatalogShow(name="test/node"))).summary.installed == ()
        await change(Undo())
        assert (await installed(hub))["copy"].in_use and (hub.data_dir / found["copy"].folder).is_dir()
        await change(DeleteServer(key="copy"))
        job = await activated(hub, "test/node", key="copy")
        assert job.version == "2.0.0" and (await installed(hub))["copy"].previous is None
        assert [str(each.relative_to(hub.data_dir)) for each in (hub.data_dir / "servers").glob("*/*")] == [
            "servers/copy/2.0.0"
        ]

        await change(DeleteServer(key="copy"))
        assert not (await installed(hub))["copy"].in_use
        await hub.stop("adapter")
        records = hub.data_dir / "servers/installed.json"
        content = json.loads(records.read_text())
        content["servers"]["copy"]["unused"] -= KEPT_SECONDS
        records.write_text(json.dumps(content))
        await hub.start("adapter")
        await until(lambda: not (hub.data_dir / "servers/copy").exists())
        assert await installed(hub) == {}

"""`hubctl trust` at a running hub: changes of a server's tools; scans and SBOMs of a package over its life."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.models import Call
from bridge.models.actual import SearchTools
from bridge.models.catalog.activation import RemoveInstalled
from tests.acceptance.steps import until
from tests.integration.activation.test_activation import DEAD, activated, called, offer, updated
from tests.integration.hubctl.test_editing import hubctl
from tests.integration.trust.test_rug_pull import EVIL, SERVER
from tests.support.hub import Hub, running
from tests.support.packages import entry, tarball
from tests.support.yamcp import stdio

pytestmark = pytest.mark.outside

TRIVY = """#!/bin/sh
[ "$1" = version ] && echo '{"Version": "0.60.0"}' || echo '{"SchemaVersion": 2}'
"""
SYFT = """#!/bin/sh
cat <<END
{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "$2"}],
 "metadata": {"tools": {"components": [{"name": "syft", "version": "1.18.1"}]}}}
END
"""


@pytest.fixture
def built() -> Iterator[Path]:
    """A directory of packages, and of programs in place of a scanner and a generator."""
    with tempfile.TemporaryDirectory(prefix="built") as root:
        for name, text in (("trivy", TRIVY), ("syft", SYFT)):
            (Path(root) / name).write_text(text)
            (Path(root) / name).chmod(0o755)
        yield Path(root)


async def said(hub: Hub, *words: str) -> str:
    """What a command writes; it succeeds."""
    code, out = await hubctl(hub, "trust", *words)
    assert code == 0, out
    return out


async def scan(hub: Hub, state: str, version: str) -> dict[str, Any]:
    """The scan of the only package, once it and its SBOM are those of a version."""

    async def probe() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await said(hub, "scans", "--json"))["scans"]
        return found

    def wanted(found: list[dict[str, Any]]) -> bool:
        return any(
            each["state"] == state and each["sbom"]["state"] == "kept" and each["name"].endswith(version)
            for each in found
        )

    (one,) = await until(probe, wanted)
    return one


async def offered(hub: Hub) -> tuple[bool, bool]:
    """Whether the tool `c_add` is in the list of the workspace, and is found by a search."""
    code, listed = await hubctl(hub, "tools", "w", "--json")
    assert code == 0
    found = await hub.actual.request(SearchTools(workspace="w", text="add"), timeout=100)
    return "c_add" in listed, "c_add" in found.model_dump_json()


async def test_changes_are_decided(built: Path) -> None:
    """What differs is listed with its difference and hints, and offered nowhere until it is accepted; or rejected."""
    file = built / "description"
    file.write_text("Adds.")
    server = stdio("c", sys.executable, "-S", SERVER, str(file))
    async with running({"c": server}, {"w": ["c"]}) as hub:
        (hub.data_dir / "hub.json").write_text('{"workspaces": {"w": {"hub_tools": true}}}')
        assert (await hubctl(hub, "set", "c", "changes=block"))[0] == 0
        await hub.wait_settled()
        assert await offered(hub) == (True, True)
        assert "Nothing differs" in await said(hub)
        await called(hub, "c_rug", text=EVIL)
        listed = await until(lambda: said(hub, "list", "c"), lambda text: "withheld until it is accepted" in text)
        assert "+ " in listed and "IMPORTANT" in listed and "  hint: tool add" in listed
        assert await offered(hub) == (False, False)
        both = {"calls": [{"name": "c_add"}, {"name": "c_rug", "arguments": {"text": EVIL}}]}
        call = Call(workspace="w", tool="hub_call_many", arguments=both)
        result = (await hub.actual.request(call, timeout=100)).result
        assert "structuredContent" in result, result
        fanned = result["structuredContent"]["calls"]
        assert [each["outcome"] for each in fanned] == ["refused", "ok"]
        assert "TOOL_PENDING" in json.dumps(fanned[0])
        digest = listed.rpartition("digest ")[2].strip()
        code, out = await hubctl(hub, "trust", "accept", "c", "add", "--digest", "0" * 64)
        assert (code != 0, out.partition(":")[0]) == (True, "CHANGE_OUTDATED")
        assert await said(hub, "reject", "c", "add") == "c: add is rejected.\n"
        assert "rejected, and withheld" in await said(hub, "list", "c")
        assert await said(hub, "accept", "c", "add", "--digest", digest) == "c: add is accepted.\n"
        assert "Nothing differs" in await said(hub, "list", "c")
        code, out = await hubctl(hub, "trust", "accept", "c")
        assert (code != 0, out.partition(":")[0]) == (True, "CHANGE_UNKNOWN")
        assert await called(hub, "c_add") == "add"


async def test_a_package_is_scanned_and_described(built: Path) -> None:
    """From its activation to its removal: the SBOM is that of the version that is installed, and goes with it."""
    versions = [entry(tarball(built, version=version), "test/node", version) for version in ("1.0.0", "2.0.0")]
    path = f"{built}:{os.environ['PATH']}"
    async with running({}, {"w": []}, **DEAD, PATH=path) as hub:
        offer(hub, *versions)
        await activated(hub, "test/node", version="1.0.0")
        first = await scan(hub, "clean", "1.0.0")
        assert (first["subject"], first["servers"], first["scanner"]) == ("package:node", ["node"], "trivy 0.60.0")
        assert first["pinned"].startswith("sha512-")
        assert "1 component, " in await said(hub, "scans")
        (component,) = json.loads(await said(hub, "sbom", "package:node"))["components"]
        assert component["name"].endswith("servers/node/1.0.0")

        assert (await updated(hub, "node")).state == "done"
        second = await scan(hub, "clean", "2.0.0")
        assert second["sbom"]["digest"] != first["sbom"]["digest"]
        assert second["digest"] != first["digest"]
        assert json.loads(await said(hub, "sbom", "package:node", "--json"))["digest"] == second["sbom"]["digest"]
        assert len(list((hub.data_dir / "sboms").glob("*.cdx.json"))) == 1
        await said(hub, "rescan", "package:node")
        assert (await scan(hub, "clean", "2.0.0"))["at"] > second["at"]

        await hub.desired.request(RemoveInstalled(key="node"), timeout=100)
        await until(lambda: said(hub, "scans"), lambda text: "Nothing to scan." in text)
        assert list((hub.data_dir / "sboms").glob("*.cdx.json")) == []
        for action, code in (("sbom", "SBOM_UNKNOWN"), ("rescan", "SCAN_UNKNOWN")):
            status, out = await hubctl(hub, "trust", action, "package:node")
            assert (status != 0, out.partition(":")[0]) == (True, code)

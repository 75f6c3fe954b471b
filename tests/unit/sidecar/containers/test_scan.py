"""What scanners report, and what the hub says of scans: each outcome, with real programs in place of the scanners."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.models import ServerSpec, StdioLaunch
from bridge.models.trust import Scan
from sidecar.containers import scan
from sidecar.containers.errors import ScanFailed, ScanUnknown
from sidecar.containers.scan import Scans
from sidecar.containers.scanners import SCANNERS, count
from sidecar.containers.tool import Tool
from sidecar.spawner.client import Spawner
from tests.support.fake_server import until

pytestmark = pytest.mark.outside

TRIVY = {
    "SchemaVersion": 2,
    "Results": [
        {"Target": "a", "Vulnerabilities": [{"Severity": "CRITICAL"}, {"Severity": "HIGH"}, {"Severity": "LOW"}]},
        {"Target": "b"},
        {"Target": "c", "Vulnerabilities": [{"Severity": "HIGH"}]},
    ],
}
GRYPE = {"matches": [{"vulnerability": {"severity": word}} for word in ("Critical", "High", "High", "Negligible")]}


REPORT = json.dumps({"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"Severity": "CRITICAL"}]}]})
CLEAN = json.dumps({"SchemaVersion": 2})
VERSION = json.dumps({"Version": "0.60.0", "VulnerabilityDB": {"UpdatedAt": "2026-01-02T00:00:00Z"}})


BY_NAME = {each.name: each for each in SCANNERS}
SKIPPED = "Dependency not found on PyPI and could not be audited: jinja2 (2.10)"


@pytest.mark.parametrize(("name", "report"), [("trivy", TRIVY), ("grype", GRYPE)])
def test_all_are_counted_by_severity(name: str, report: object) -> None:
    """In the JSON of either."""
    scanner, trivy = BY_NAME[name], BY_NAME["trivy"]
    assert count(scanner, json.dumps(report).encode()) == {"critical": 1, "high": 2, "other": 1}
    assert count(trivy, b'{"Results": null}') == {"critical": 0, "high": 0, "other": 0}
    assert count(trivy, b'{"SchemaVersion": 2}') == {"critical": 0, "high": 0, "other": 0}
    for other in (b"", b"{", b"{}", b"[]", b'{"Results": [{"Vulnerabilities": [1]}]}'):
        with pytest.raises((ValueError, TypeError, KeyError)):
            count(scanner, other)


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ([{"name": "jinja2", "skip_reason": SKIPPED}], "0 of 1 packages: Dependency not found"),  # 2.10.1, without PyPI
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "x"}], "1 of 2 packages: x"),
        ([], "0 of 0 packages: it saw no package"),
    ],
)
def test_what_was_skipped_is_not_clean(packages: list[object], said: str) -> None:
    """pip-audit itself says `No known vulnerabilities found` then, and ends with 0."""
    with pytest.raises(ScanFailed, match=said):
        count(BY_NAME["pip-audit"], json.dumps({"dependencies": packages, "fixes": []}).encode())


def test_pip_audit_knows_no_severity() -> None:
    """All that it finds is `other`."""
    packages = [{"name": "a", "version": "1", "vulns": [{"id": "X"}, {"id": "Y"}]}, {"name": "b", "vulns": []}]
    report = json.dumps({"dependencies": packages, "fixes": []}).encode()
    assert count(BY_NAME["pip-audit"], report) == {"critical": 0, "high": 0, "other": 2}


class Place:
    """A data directory with one installed package, and a directory of scanners on the PATH."""

    def __init__(self, root: Path, spawner: Spawner) -> None:
        self.data, self.programs = root / "data", root / "programs"
        (self.data / "servers").mkdir(parents=True)
        self.programs.mkdir()
        now = {"version": "1.0.0", "folder": "servers/notes/1.0.0", "digest": "sha512-x"}
        installed = {"servers": {"notes": {"name": "org.example/notes", "kind": "npm", "now": now}}}
        (self.data / "servers/installed.json").write_text(json.dumps(installed))
        self.tool = Tool(spawner, {**os.environ, "PATH": f"{self.programs}:/usr/bin:/bin"})
        self.scans = self.again()

    def again(self) -> Scans:
        """The scans of a hub that starts with this directory."""
        self.scans = Scans(self.tool, self.data)
        spec = ServerSpec(key="notes", namespace="n", launch=StdioLaunch(command="/x"))
        plain = ServerSpec(key="plain", namespace="p", launch=StdioLaunch(command="/x"))
        self.scans.applied((spec, plain))
        return self.scans

    def trivy(self, does: str) -> None:
        """Put a trivy on the PATH, which says its version and otherwise `does` this."""
        new = self.programs / "new"
        new.write_text(f"#!/bin/sh\n[ \"$1\" = version ] && echo '{VERSION}' && exit 0\n{does}\n")
        new.chmod(0o755)
        new.rename(self.programs / "trivy")

    @property
    def state(self) -> Scan:
        """Of the one package; the other server has none."""
        (found,) = self.scans.states()
        return found

    async def until(self, state: str) -> Scan:
        """Run the scans until the package has a state."""
        running = asyncio.create_task(self.scans.run())
        await until(lambda: self.state.state == state)
        running.cancel()
        await asyncio.wait([running])
        return self.state


@asynccontextmanager
async def at(root: Path) -> AsyncIterator[Place]:
    """A place with a running spawner."""
    async with Spawner(root) as spawner:
        yield Place(root, spawner)


async def test_each_outcome_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No scanner; one that is installed later and fails; is tried again; finds nothing; finds something."""
    monkeypatch.setattr(scan, "LOOK_FOR_TOOLS", 0.05)
    async with at(tmp_path) as place:
        none = await place.until("none")
        assert (none.subject, none.servers, none.scanner) == ("package:notes", ("notes",), "")
        assert "trivy" in none.reason
        place.trivy("echo no database >&2; exit 1")
        failed = await place.until("failed")
        assert failed.reason == "trivy failed: no database"
        assert failed.at is not None
        assert failed.retry_at is not None
        assert failed.retry_at - failed.at >= scan.FIRST_RETRY
        (hint,) = place.scans.hint(ServerSpec(key="notes", namespace="n", launch=StdioLaunch(command="/x")))
        assert "could not be scanned" in hint
        place.trivy(f"echo '{CLEAN}'")
        place.scans.again("package:notes")
        assert place.state.state == "waiting"
        clean = await place.until("clean")
        assert (clean.scanner, clean.database, clean.reason) == ("trivy 0.60.0", 1767312000.0, "")
        mark = tmp_path / "going"
        place.trivy(f"mkfifo {mark}; read going < {mark}; [ \"$1\" = rootfs ] && echo '{REPORT}'")
        place.scans.again(None)
        running = asyncio.create_task(place.scans.run())
        await until(mark.exists)
        waiting = place.state
        assert (waiting.state, waiting.at, waiting.scanner) == ("waiting", None, "")  # not the last result
        await asyncio.to_thread(mark.write_text, "go on\n")
        await until(lambda: place.state.state == "found")
        running.cancel()
        await asyncio.wait([running])
        found = place.state
        assert (found.critical, found.high, found.other, found.digest) == (1, 0, 0, "sha512-x")
        with pytest.raises(ScanUnknown):
            place.scans.again("package:plain")


async def test_a_failed_scan_is_tried_again_and_results_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, after a while that grows; a result is there after a restart, without a scanner, too."""
    monkeypatch.setattr(scan, "FIRST_RETRY", 0.0)
    async with at(tmp_path) as place:
        mark = tmp_path / "mark"
        place.trivy(f"[ -e {mark} ] && echo '{CLEAN}' && exit; touch {mark}; echo not json")
        clean = await place.until("clean")
        assert mark.exists()
        assert (place.data / "scans.json").stat().st_mode & 0o777 == 0o600
        (place.programs / "trivy").unlink()
        place.again()
        assert place.state == clean


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"version": 1, "images": {"a": {"critical": 1}}}'])
async def test_a_file_that_says_nothing_is_as_none(tmp_path: Path, content: bytes | None) -> None:
    """It is only a cache."""
    async with at(tmp_path) as place:
        if content is not None:
            (place.data / "scans.json").write_bytes(content)
        place.again()
        assert place.state.state == "none"

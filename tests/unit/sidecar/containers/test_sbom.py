"""SBOMs of packages: made, replaced, removed, bounded; with a program in place of syft that writes what syft wrote."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.models.trust import Sbom
from sidecar.containers import sbom
from sidecar.containers.errors import SbomUnknown
from sidecar.containers.sbom import Sboms
from sidecar.containers.targets import Target
from sidecar.containers.tool import Tool
from sidecar.spawner.client import Spawner

pytestmark = pytest.mark.outside

DOCUMENT: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {"tools": {"components": [{"type": "application", "name": "syft", "version": "1.18.1"}]}},
    "components": [{"type": "library", "name": "left", "version": "1.2.3", "purl": "pkg:npm/left@1.2.3"}],
}
"""As syft 1.18.1 writes it, shortened."""
NOTES = "package:notes"


class Place:
    """A data directory, and a directory of programs on the PATH."""

    def __init__(self, root: Path, spawner: Spawner) -> None:
        self.data, self.programs = root / "data", root / "programs"
        self.data.mkdir()
        self.programs.mkdir()
        self.tool = Tool(spawner, {**os.environ, "PATH": f"{self.programs}:/usr/bin:/bin"})
        self.sboms = Sboms(self.tool, self.data)

    def syft(self, does: str, name: str = "syft") -> Path:
        """Put a syft on the PATH that does this, after it wrote down its arguments."""
        new, path = self.programs / "new", self.programs / name
        new.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {self.programs}/asked\n{does}\n')
        new.chmod(0o755)
        return new.rename(path)

    def target(self, key: str = "sha512-a", subject: str = NOTES) -> Target:
        """An installed package."""
        folder = self.data / "servers/notes/1"
        return Target(subject, "org.example/notes 1.0.0", key, folder=folder, kind="npm")

    async def make(self, target: Target) -> Sbom:
        """Make what is next, which is this."""
        assert self.sboms.next([target], 0) == (target, None)
        await self.sboms.make(target)
        return self.sboms.of(target.subject, target)

    @property
    def files(self) -> list[str]:
        """The documents that there are."""
        return sorted(path.name for path in (self.data / "sboms").glob("*.cdx.json"))


@asynccontextmanager
async def at(root: Path) -> AsyncIterator[Place]:
    """A place with a running spawner."""
    async with Spawner(root) as spawner:
        yield Place(root, spawner)


def writing(document: object) -> str:
    """A shell script that writes this."""
    return f"cat <<'END'\n{json.dumps(document)}\nEND"


async def test_one_is_made_replaced_and_removed(tmp_path: Path) -> None:
    """Private, with digest and date; anew for another version; gone with the server; kept over a restart."""
    async with at(tmp_path) as place:
        target = place.target()
        assert place.sboms.of(NOTES, target).state == "none"
        assert place.sboms.next([target], 0) == (None, None)
        place.syft(writing(DOCUMENT))
        assert place.sboms.of(NOTES, target).state == "waiting"
        kept = await place.make(target)
        text = json.dumps(DOCUMENT) + "\n"
        assert kept.at is not None
        assert kept.model_dump(exclude={"at"}) == {
            "state": "kept",
            "digest": hashlib.sha256(text.encode()).hexdigest(),
            "generator": "syft 1.18.1",
            "form": "CycloneDX 1.6",
            "size": len(text),
            "components": 1,
            "reason": "",
            "retry_at": None,
        }
        asked = (place.programs / "asked").read_text().split("\n")
        assert asked[:2] == ["scan", f"dir:{place.data}/servers/notes/1"]
        assert "org.example/notes 1.0.0" in asked
        (file,) = place.files
        assert (place.data / "sboms" / file).stat().st_mode & 0o777 == 0o600
        assert place.sboms.read(NOTES).text == text
        place.sboms = Sboms(place.tool, place.data)
        assert place.sboms.of(NOTES, target) == kept
        assert place.sboms.of(NOTES, None) == kept  # an image that is not looked up yet
        assert place.sboms.next([target], 0) == (None, None)
        news = {**DOCUMENT, "components": [*DOCUMENT["components"], {"name": "right"}]}
        place.syft(writing(news))
        assert (await place.make(place.target("sha512-b"))).components == 2
        assert place.files == [file]
        place.sboms.again([NOTES])
        assert (await place.make(place.target("sha512-b"))).components == 2
        place.sboms.keep([])
        assert place.files == []
        with pytest.raises(SbomUnknown, match="No SBOM"):
            place.sboms.read(NOTES)


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("echo 'no such source' >&2; exit 1", "syft failed: no such source"),
        ("echo '{}'", "no CycloneDX document"),
        ("echo no json", "no CycloneDX document"),
        (writing({**DOCUMENT, "components": []}), "found nothing in the folder"),
        ("head -c 3000 /dev/zero", "longer than"),
    ],
)
async def test_a_failure_is_said_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, reason: str
) -> None:
    """After a while that grows. What was kept of an earlier version is not shown as this one's."""
    monkeypatch.setattr(sbom, "MAX_SBOM", 2000)
    async with at(tmp_path) as place:
        place.syft(does)
        failed = await place.make(place.target())
        assert failed.state == "failed"
        assert reason in failed.reason
        assert place.files == []
        assert failed.retry_at is not None
        for now, wait in ((failed.retry_at - 5, 5), (failed.retry_at - 50, 50)):
            target, due = place.sboms.next([place.target()], now)
            assert (target, due) == (None, pytest.approx(wait))
        await place.sboms.make(place.target())
        later = place.sboms.of(NOTES, place.target()).retry_at
        assert later is not None
        assert later - failed.retry_at >= sbom.FIRST_RETRY * 0.99
        place.syft(writing(DOCUMENT))
        place.sboms.again([NOTES])
        assert (await place.make(place.target())).state == "kept"


async def test_their_number_and_size_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more fails, and those that are there stay."""
    monkeypatch.setattr(sbom, "MAX_SBOMS", 1)
    async with at(tmp_path) as place:
        place.syft(writing(DOCUMENT))
        assert (await place.make(place.target())).state == "kept"
        more = await place.make(place.target("b", "package:other"))
        assert "no more are kept" in more.reason
        monkeypatch.setattr(sbom, "MAX_SBOMS", 9)
        monkeypatch.setattr(sbom, "MAX_TOTAL", 100)
        place.sboms.again(["package:other"])
        assert "no more are kept" in (await place.make(place.target("b", "package:other"))).reason
        assert len(place.files) == 1


async def test_the_setting_names_a_generator_or_none(tmp_path: Path) -> None:
    """A path needs no PATH; `off` is off, whatever there is; another file than was made is not handed out."""
    async with at(tmp_path) as place:
        path = place.syft(writing(DOCUMENT), "elsewhere")
        place.sboms = Sboms(place.tool, place.data, str(path))
        assert (await place.make(place.target())).state == "kept"
        (file,) = place.files
        await asyncio.to_thread((place.data / "sboms" / file).write_text, "{}")
        with pytest.raises(SbomUnknown, match="has been changed"):
            place.sboms.read(NOTES)
        off = Sboms(place.tool, place.data, "off")
        assert off.next([place.target("new")], 0) == (None, None)
        assert off.of(NOTES, place.target("new")).reason == "HUB_SBOM is off."
        (place.data / "sboms/index.json").write_text("[]")
        assert Sboms(place.tool, place.data, str(path)).of(NOTES, place.target()).state == "waiting"

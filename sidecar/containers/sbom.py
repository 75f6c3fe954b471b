"""Keeps an SBOM (CycloneDX JSON) of each image and installed package in `sboms/` of the data directory.

A generator makes them: syft on the hub's PATH, or the one that HUB_SBOM names. `index.json` says by subject which
document belongs to what. Nothing waits for an SBOM, and a failure changes nothing but the state that is shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bridge.models.trust import Sbom, SbomText
from bridge.private import make_directory, write_file
from sidecar.containers.errors import SbomFailed, SbomUnknown
from sidecar.containers.targets import Target, readable_place
from sidecar.containers.tool import Tool
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

GENERATOR = "syft"
INSTALLED_FILES = ("--override-default-catalogers", "image")
"""What is installed in a folder counts, as in images; by default, syft reads lock files in folders instead."""
TIMEOUT = 900.0
"""Seconds for one SBOM."""
MAX_SBOM = 8 * 1024 * 1024
"""Bytes of one SBOM."""
MAX_TOTAL = 256 * 1024 * 1024
"""Bytes of all of them."""
MAX_SBOMS = 200
FIRST_RETRY, LAST_RETRY = 60.0, 6 * 3600.0
"""Seconds until a failed one is tried again: doubled with each failure, up to the last."""
FILE_VERSION = 1


@dataclass(slots=True)
class _Failure:
    key: str
    reason: str
    attempts: int
    retry_at: float


class Sboms:
    """The SBOMs of what the servers use. `wanted`: the setting HUB_SBOM."""

    def __init__(self, tool: Tool, data_dir: Path, wanted: str = "auto") -> None:
        self._tool = tool
        self._data_dir = data_dir
        self._folder = data_dir / "sboms"
        self._wanted = wanted
        self._index = _read(self._folder / "index.json")
        self._failures: dict[str, _Failure] = {}
        self._busy = ""

    def keep(self, subjects: Collection[str]) -> None:
        """Remove the documents of all subjects but these."""
        self._failures = {subject: each for subject, each in self._failures.items() if subject in subjects}
        if gone := [subject for subject in self._index if subject not in subjects]:
            for subject in gone:
                del self._index[subject]
            self._write()

    def again(self, subjects: Iterable[str]) -> None:
        """Make these anew; what is kept stays until then."""
        for subject in subjects:
            self._failures.pop(subject, None)
            if subject in self._index:
                self._index[subject] = {**self._index[subject], "key": ""}

    # --- what is known -------------------------------------------------------------------------------------------

    def of(self, subject: str, target: Target | None) -> Sbom:
        """The state of a subject; `target` is what it stands for now, if that is known."""
        known, failure = self._index.get(subject), self._failures.get(subject)
        if known and subject != self._busy and (target is None or known["key"] == target.key):
            return _shown(known)
        if self._program() is None:
            return Sbom(state="none", reason="HUB_SBOM is off." if self._wanted == "off" else _missing(self._wanted))
        if failure and target and failure.key == target.key and subject != self._busy:
            return Sbom(state="failed", reason=failure.reason, retry_at=failure.retry_at)
        return Sbom(state="waiting")

    def read(self, subject: str) -> SbomText:
        """Read a document. Blocks. Raises SbomUnknown: none is kept, or the file is not what was kept."""
        known = self._index.get(subject)
        if known is None:
            raise SbomUnknown(f"No SBOM of {subject!r} is kept.")
        try:
            content = (self._folder / _name(subject)).read_bytes()
        except OSError as error:
            raise SbomUnknown(f"The SBOM of {subject!r} cannot be read: {error.strerror}.") from None
        if hashlib.sha256(content).hexdigest() != known["digest"]:
            raise SbomUnknown(f"The file of the SBOM of {subject!r} has been changed since it was made.")
        return SbomText(digest=known["digest"], text=content.decode())

    # --- making --------------------------------------------------------------------------------------------------

    def next(self, targets: Iterable[Target], now: float) -> tuple[Target | None, float | None]:
        """What to describe now, or the seconds until a failed one is due; None: nothing is."""
        if self._program() is None:
            return None, None
        due: list[float] = []
        for target in targets:
            known, failure = self._index.get(target.subject), self._failures.get(target.subject)
            if known and known["key"] == target.key:
                continue
            if failure and failure.key == target.key and failure.retry_at > now:
                due.append(failure.retry_at - now)
                continue
            return target, None
        return None, max(min(due), 1.0) if due else None

    async def make(self, target: Target) -> None:
        """Make the SBOM of a target, in place of an earlier one of its subject. Failures are noted."""
        self._busy, began = target.subject, time.time()
        try:
            document = await self._document(target)
            described = await asyncio.to_thread(_described, document)
            if not described["components"] and target.folder:
                raise SbomFailed(f"{GENERATOR} found nothing in the folder of the package, not even the package.")
            self._put(target, document, {**described, "at": began})
        except (SidecarError, OSError) as error:
            why = error.message if isinstance(error, SidecarError) else f"It cannot be written: {error.strerror}."
            before = self._failures.get(target.subject)
            attempts = before.attempts + 1 if before and before.key == target.key else 1
            retry = time.time() + min(FIRST_RETRY * 2.0 ** min(attempts - 1, 20), LAST_RETRY)
            self._failures[target.subject] = _Failure(target.key, why, attempts, retry)
            log.warning("an SBOM failed: %s", why, extra={"subject": target.subject, "code": SbomFailed.code})
        else:
            self._failures.pop(target.subject, None)
            log.info("an SBOM was made", extra={"subject": target.subject, "components": described["components"]})
        finally:
            self._busy = ""

    async def _document(self, target: Target) -> bytes:
        program = self._program()
        if program is None:
            raise SbomFailed(_missing(self._wanted))
        try:
            async with readable_place(target, self._data_dir) as place:
                source = (f"docker-archive:{place}",) if target.engine else (f"dir:{place}", *INSTALLED_FILES)
                words = ("scan", *source, "--quiet", "--output", "cyclonedx-json", "--source-name", target.name)
                said = await self._tool.run(program, *words, timeout=TIMEOUT, limit=MAX_SBOM + 1)
        except TimeoutError:
            raise SbomFailed(f"{GENERATOR} did not end within {TIMEOUT / 60:g} minutes.") from None
        if said.code != 0:
            raise SbomFailed(f"{GENERATOR} failed: {said.complaint.replace(place, 'its input')}")
        if len(said.out) > MAX_SBOM:
            raise SbomFailed(f"The SBOM is longer than {MAX_SBOM // 1024**2} MiB.")
        return said.out

    def _put(self, target: Target, document: bytes, described: dict[str, Any]) -> None:
        others = [each["size"] for subject, each in self._index.items() if subject != target.subject]
        if len(others) >= MAX_SBOMS or sum(others) + len(document) > MAX_TOTAL:
            raise SbomFailed(f"There are {len(others)} SBOMs of {sum(others)} bytes: no more are kept.")
        make_directory(self._folder)
        write_file(self._folder / _name(target.subject), document, sync=False)
        self._index[target.subject] = {**described, "key": target.key}
        self._write()

    def _write(self) -> None:
        """Write the index, then remove what it does not name. A failure is logged."""
        try:
            write_file(self._folder / "index.json", orjson.dumps({"version": FILE_VERSION, "sboms": self._index}))
            known = {"index.json", *map(_name, self._index)}
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the index of SBOMs could not be written: %s", error.strerror)

    def _program(self) -> str | None:
        if self._wanted == "off":
            return None
        return self._tool.find(GENERATOR if self._wanted == "auto" else self._wanted)


def _missing(wanted: str) -> str:
    return (
        f"{GENERATOR} is not on the hub's PATH." if wanted == "auto" else f"There is no program {wanted!r} (HUB_SBOM)."
    )


def _name(subject: str) -> str:
    return f"{hashlib.sha256(subject.encode()).hexdigest()[:32]}.cdx.json"


def _described(document: bytes) -> dict[str, Any]:
    """What is kept of a document beside it. Raises SbomFailed: it is no CycloneDX."""
    try:
        content = orjson.loads(document)
        named = {"CycloneDX": "CycloneDX"}[content["bomFormat"]]
        tools = content.get("metadata", {}).get("tools", [])
        made_by = (tools.get("components", []) if isinstance(tools, dict) else tools)[0]
        return {
            "digest": hashlib.sha256(document).hexdigest(),
            "generator": f"{made_by['name']} {made_by.get('version', '')}".strip()[:100],
            "form": f"{named} {content['specVersion']}"[:40],
            "size": len(document),
            "components": len(content.get("components", ())),
        }
    except (ValueError, TypeError, LookupError, AttributeError):
        raise SbomFailed(f"{GENERATOR} wrote no CycloneDX document that the hub can read.") from None


def _shown(known: dict[str, Any]) -> Sbom:
    return Sbom.model_validate({"state": "kept", **{name: each for name, each in known.items() if name != "key"}})


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The index; empty if it is missing, broken or of another version: all are made anew."""
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        content = orjson.loads(path.read_bytes())
        if content["version"] == FILE_VERSION:
            kept = {str(subject): dict(each) for subject, each in content["sboms"].items()}
            for each in kept.values():
                _shown(each)
            return {subject: each for subject, each in kept.items() if isinstance(each["key"], str)}
    return {}

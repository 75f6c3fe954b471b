"""Scans images for known vulnerabilities with trivy or grype, if installed. The results are hints and block nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from bridge.private import write_file
from sidecar.containers.engine import Engine, Image
from sidecar.containers.tool import Tool
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

SCANNERS = {
    "trivy": ("image", "--quiet", "--format", "json", "--scanners", "vuln", "--input", "{}"),
    "grype": ("--quiet", "--output", "json", "docker-archive:{}"),
}
SCAN_TIMEOUT = 900.0
"""Seconds for a scan; the first one downloads the scanner's database."""
MAX_REPORT = 64 * 1024 * 1024
"""Bytes of a scanner's report."""
MAX_IMAGES = 200
"""Images whose results are kept."""
FILE_VERSION = 1


class Scans:
    """Scan results by image id, stored in a file; `run` scans requested images, one at a time."""

    def __init__(self, tool: Tool, path: Path) -> None:
        self._tool = tool
        self._path = path
        self._queue: asyncio.Queue[tuple[Engine, Image, str]] = asyncio.Queue()
        self._asked: set[str] = set()
        self._known = _read(path)

    def want(self, engine: Engine, image: Image, name: str) -> None:
        """Request a scan of an image, unless it was scanned or requested before."""
        if image.id not in self._known and image.id not in self._asked:
            self._asked.add(image.id)
            self._queue.put_nowait((engine, image, name))

    def warning(self, image: Image) -> str | None:
        """A summary of an image's vulnerabilities; None if none are known."""
        found = self._known.get(image.id, {})
        counts = [f"{found[word]} {word}" for word in ("critical", "high") if found.get(word)]
        return f"{', '.join(counts)} vulnerabilities; {found['scanner']}" if counts else None

    async def run(self) -> None:
        """Scan until cancelled."""
        for left in self._path.parent.glob(".scan-*.tar"):  # left by a hub that was killed
            left.unlink(missing_ok=True)
        while True:
            engine, image, name = await self._queue.get()
            try:
                await self._scan(engine, image, name)
            except TimeoutError:
                log.warning("the scan of an image took too long", extra={"image": name})
            except SidecarError as error:
                log.warning("an image could not be scanned: %s", error.message, extra={"image": name})
            except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
                log.warning("an image could not be scanned: %s", type(error).__name__, extra={"image": name})

    async def _scan(self, engine: Engine, image: Image, name: str) -> None:
        scanner = next((scanner for scanner in SCANNERS if self._tool.find(scanner)), None)
        if scanner is None:
            return
        archive = self._path.parent / f".scan-{uuid4().hex}.tar"
        try:
            if not await engine.save(image.id, str(archive)):
                log.warning("an image could not be written out for its scan", extra={"image": name})
                return
            words = (word.format(archive) for word in SCANNERS[scanner])
            said = await self._tool.run(self._tool.find(scanner) or "", *words, timeout=SCAN_TIMEOUT, limit=MAX_REPORT)
        finally:
            archive.unlink(missing_ok=True)
        if said.code != 0:
            log.warning("%s did not scan an image: %s", scanner, said.complaint, extra={"image": name})
            return
        counts = await asyncio.to_thread(count, scanner, said.out)
        self._known[image.id] = {"scanner": scanner, **counts, "at": int(time.time())}
        self._write()
        log.info("an image was scanned", extra={"image": name, "scanner": scanner, **counts})

    def _write(self) -> None:
        newest = sorted(self._known.items(), key=lambda item: item[1]["at"])[-MAX_IMAGES:]
        write_file(self._path, orjson.dumps({"version": FILE_VERSION, "images": dict(newest)}), sync=False)


def count(scanner: str, report: bytes) -> dict[str, int]:
    """Count critical and high vulnerabilities in a scanner's JSON report. Raises ValueError if it is not JSON."""
    content = orjson.loads(report)
    if scanner == "trivy":
        parts = content["Results"] if "SchemaVersion" not in content else content.get("Results")  # none: none found
        found = [item["Severity"] for part in parts or () for item in part.get("Vulnerabilities") or ()]
    else:
        found = [item["vulnerability"]["severity"] for item in content["matches"]]
    severities = Counter(str(severity).lower() for severity in found)
    return {word: severities[word] for word in ("critical", "high")}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = orjson.loads(path.read_bytes())
        if content["version"] == FILE_VERSION:
            return {key: {"at": 0, "scanner": "", **value} for key, value in content["images"].items()}
    return {}

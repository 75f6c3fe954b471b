"""Scans images and installed packages for known vulnerabilities. The results are hints and block nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from bridge.models import ServerSpec, StdioLaunch
from bridge.models.trust import Scan, ScanState
from bridge.private import write_file
from sidecar.containers import scanners
from sidecar.containers.engine import Engine, Image
from sidecar.containers.errors import ScanFailed, ScanUnknown
from sidecar.containers.tool import Tool
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

FIRST_RETRY = 60.0
LAST_RETRY = 6 * 3600.0
"""Seconds until a failed scan is tried again: doubled with each failure, up to this."""
LOOK_FOR_SCANNER = 300.0
"""Seconds between looks for a scanner on the PATH while none is installed."""
MAX_RESULTS = 400
"""Images and packages whose results are kept."""
FILE_VERSION = 2


@dataclass(frozen=True, slots=True)
class Target:
    """What can be scanned. `key`: what results are kept by, an image's id or a package's integrity."""

    subject: str
    name: str
    key: str
    engine: Engine | None = None
    folder: Path | None = None


class Scans:
    """Scans what the servers use, one at a time, and keeps the results in a file; `run` does the work."""

    def __init__(self, tool: Tool, data_dir: Path) -> None:
        self._tool = tool
        self._data_dir = data_dir
        self._path = data_dir / "scans.json"
        self._results = _read(self._path)
        self._users: dict[str, tuple[str, ...]] = {}
        self._targets: dict[str, Target] = {}
        self._asked: set[str] = set()
        """Subjects to scan again, whatever is known of them."""
        self._wake = asyncio.Event()

    # --- what is to be scanned -----------------------------------------------------------------------------------

    def applied(self, servers: Iterable[ServerSpec]) -> None:
        """Keep to what the servers of a snapshot use."""
        packages = {target.subject: target for target in _packages(self._data_dir)}
        users: dict[str, list[str]] = {}
        for spec in servers:
            subject = _subject(spec)
            if subject is not None and (subject.startswith("image:") or subject in packages):
                users.setdefault(subject, []).append(spec.key)
        self._users = {subject: tuple(keys) for subject, keys in users.items()}
        known = {**self._targets, **packages}
        self._targets = {subject: known[subject] for subject in users if subject in known}
        self._asked &= users.keys()
        self._wake.set()

    def want(self, engine: Engine, image: Image, name: str) -> None:
        """Note which image a name stands for now, and scan it unless there is a result."""
        subject = f"image:{name}"
        self._targets[subject] = Target(subject, name, image.id, engine=engine)
        self._users.setdefault(subject, ())
        self._wake.set()

    # --- what is known -------------------------------------------------------------------------------------------

    def hint(self, spec: ServerSpec) -> tuple[str, ...]:
        """What a server's status says of its image or package: vulnerabilities, or that the scan failed."""
        subject = _subject(spec)
        if subject is None or subject not in self._targets:
            return ()
        scan = self._scan_of(subject)
        what = f"The {subject.partition(':')[0]} {scan.name}"
        if scan.state == "failed":
            return (f"{what} could not be scanned for vulnerabilities: {scan.reason}",)
        counts = [f"{number} {word}" for word, number in (("critical", scan.critical), ("high", scan.high)) if number]
        return (f"{what}: {', '.join(counts)} vulnerabilities; {scan.scanner}.",) if counts else ()

    def state_of(self, spec: ServerSpec) -> ScanState | None:
        """The state of the scan of a server's image or package; None if it has neither."""
        subject = _subject(spec)
        return self._scan_of(subject).state if subject is not None and subject in self._users else None

    def states(self) -> tuple[Scan, ...]:
        """The state of each image and package that a server uses, by subject."""
        return tuple(self._scan_of(subject) for subject in sorted(self._users))

    def _scan_of(self, subject: str) -> Scan:
        target = self._targets.get(subject)
        name = target.name if target else subject.partition(":")[2]
        result = self._results.get(target.key, {}) if target else {}
        scan = Scan(subject=subject, name=name, servers=self._users.get(subject, ()), state="waiting")
        scan = scan.model_copy(update={"digest": target.key if target else "", **_shown(result)})
        if scanners.installed(self._tool) is None and (not result or result["state"] == "failed"):
            why = f"Neither {' nor '.join(each.name for each in scanners.SCANNERS)} is on the hub's PATH."
            return scan.model_copy(update={"state": "none", "reason": why, "retry_at": None})
        if target is None:
            return scan.model_copy(update={"reason": "The image is not on this machine yet."})
        return scan.model_copy(update={"state": "waiting"}) if subject in self._asked else scan

    def again(self, subject: str | None) -> None:
        """Request a scan of one subject, or of all. Raises ScanUnknown."""
        if subject is not None and subject not in self._users:
            raise ScanUnknown(f"No server uses {subject!r}.")
        self._asked |= set(self._targets) if subject is None else {subject}
        self._wake.set()

    # --- scanning ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Scan until cancelled."""
        for left in self._data_dir.glob(".scan-*.tar"):  # left by a hub that was killed
            left.unlink(missing_ok=True)
        while True:
            self._wake.clear()
            scanner = scanners.installed(self._tool)
            target, wait = self._next(time.time())
            if scanner and target:
                await self._scan(scanner, target)
                continue
            if scanner is None:
                wait = LOOK_FOR_SCANNER if self._targets else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _next(self, now: float) -> tuple[Target | None, float | None]:
        """What to scan now, or the seconds until a failed scan is due; None: nothing is."""
        due: list[float] = []
        for subject, target in self._targets.items():
            result = self._results.get(target.key)
            if result is None or subject in self._asked:
                return target, None
            if result["state"] == "failed":
                due.append(result["retry_at"] - now)
                if due[-1] <= 0:
                    return target, None
        return None, max(min(due), 1.0) if due else None

    async def _scan(self, scanner: scanners.Scanner, target: Target) -> None:
        self._asked.discard(target.subject)
        at = time.time()
        try:
            report = await self._report(scanner, target)
        except (SidecarError, OSError) as error:
            why = error.message if isinstance(error, SidecarError) else f"{type(error).__name__}"
            attempts = self._results.get(target.key, {}).get("attempts", 0) + 1
            wait = min(FIRST_RETRY * 2.0 ** min(attempts - 1, 20), LAST_RETRY)
            found: dict[str, Any] = {"state": "failed", "scanner": scanner.name, "reason": why, "attempts": attempts}
            found["retry_at"] = time.time() + wait
            log.warning("a scan failed: %s", why, extra={"subject": target.subject, "code": ScanFailed.code})
        else:
            state = "found" if any(report.counts.values()) else "clean"
            found = {"state": state, "scanner": report.scanner, "database": report.database, **report.counts}
            log.info("a scan ended", extra={"subject": target.subject, "scanner": report.scanner, **report.counts})
        self._results.pop(target.key, None)
        self._results[target.key] = {**found, "at": at}
        self._write()

    async def _report(self, scanner: scanners.Scanner, target: Target) -> scanners.Report:
        if target.engine is None:
            return await scanners.scan(self._tool, scanner, scanner.folder, str(target.folder))
        archive = self._data_dir / f".scan-{uuid4().hex}.tar"
        try:
            if not await target.engine.save(target.key, str(archive)):
                raise ScanFailed("The engine could not write the image to a file.")
            return await scanners.scan(self._tool, scanner, scanner.image, str(archive))
        finally:
            archive.unlink(missing_ok=True)

    def _write(self) -> None:
        for key in list(self._results)[:-MAX_RESULTS]:
            del self._results[key]
        try:
            write_file(self._path, orjson.dumps({"version": FILE_VERSION, "results": self._results}), sync=False)
        except OSError as error:
            log.warning("the results of scans could not be written: %s", error.strerror)


def _subject(spec: ServerSpec) -> str | None:
    """What is scanned for a server: its image, or else its installed package, if it has one."""
    if not isinstance(spec.launch, StdioLaunch):
        return None
    return f"image:{spec.settings.container.image}" if spec.settings.container else f"package:{spec.key}"


def _packages(data_dir: Path) -> Iterable[Target]:
    """The packages that the catalogue has installed in folders of the hub's own."""
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        content = orjson.loads((data_dir / "servers/installed.json").read_bytes())
        for key, record in content["servers"].items():
            now = record["now"]
            if now.get("folder"):
                name = f"{record['name']} {now['version']}"
                folder = data_dir / now["folder"]
                yield Target(f"package:{key}", name, now.get("digest") or f"{key} {now['folder']}", folder=folder)


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name in Scan.model_fields}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The kept results by key; none if the file is missing, broken or of another version: it is only a cache."""
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        content = orjson.loads(path.read_bytes())
        if content["version"] == FILE_VERSION:
            kept = {key: value for key, value in content["results"].items() if _valid(key, value)}
            return dict(list(kept.items())[-MAX_RESULTS:])
    return {}


def _valid(key: str, value: dict[str, Any]) -> bool:
    scan = Scan.model_validate({"subject": key, "name": "", **_shown(value)})
    return scan.at is not None and (scan.state != "failed" or scan.retry_at is not None)

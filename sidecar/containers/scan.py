"""Scans images and installed packages for known vulnerabilities. The results are hints and block nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from bridge.models import ServerSpec
from bridge.models.trust import Scan, ScanState
from bridge.private import write_file
from sidecar.containers import scanners
from sidecar.containers.engine import Engine, Image
from sidecar.containers.errors import ScanFailed, ScanUnknown
from sidecar.containers.sbom import Sboms
from sidecar.containers.scanners import Scanner
from sidecar.containers.targets import Target, packages, readable_place, remove_archives, subject_of
from sidecar.containers.tool import Tool
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

FIRST_RETRY = 60.0
LAST_RETRY = 6 * 3600.0
"""Seconds until a failed scan is tried again: doubled with each failure, up to this."""
LOOK_FOR_TOOLS = 300.0
"""Seconds between looks for scanners and generators of SBOMs that are installed or removed."""
MAX_RESULTS = 400
"""Images and packages whose results are kept."""
FILE_VERSION = 2


class Scans:
    """Scans what the servers use, one at a time, and keeps the results in a file; `run` does the work.

    `sbom`: the setting HUB_SBOM.
    """

    def __init__(self, tool: Tool, data_dir: Path, sbom: str = "auto") -> None:
        self._tool = tool
        self._data_dir = data_dir
        self._path = data_dir / "scans.json"
        self._results = _read(self._path)
        self._users: dict[str, tuple[str, ...]] = {}
        self._targets: dict[str, Target] = {}
        self._asked: set[str] = set()
        """Subjects to scan again, whatever is known of them."""
        self._busy = ""
        """The subject that is being scanned."""
        self._there = scanners.all_installed(tool)
        """The scanner for each kind when they were last looked for, so that a status looks at no file."""
        self.sboms = Sboms(tool, data_dir, sbom)
        self._wake = asyncio.Event()

    # --- what is to be scanned -----------------------------------------------------------------------------------

    def applied(self, servers: Iterable[ServerSpec]) -> None:
        """Keep to what the servers of a snapshot use."""
        installed = {target.subject: target for target in packages(self._data_dir)}
        users: dict[str, list[str]] = {}
        for spec in servers:
            subject = subject_of(spec)
            if subject is not None and (subject.startswith("image:") or subject in installed):
                users.setdefault(subject, []).append(spec.key)
        self._users = {subject: tuple(keys) for subject, keys in users.items()}
        known = {**self._targets, **installed}
        self._targets = {subject: known[subject] for subject in users if subject in known}
        self._asked &= users.keys()
        self.sboms.keep(users.keys())
        self._wake.set()

    def want(self, engine: Engine, image: Image, name: str) -> None:
        """Note which image a name stands for now, and scan it unless there is a result."""
        subject = f"image:{name}"
        self._targets[subject] = Target(subject, name, image.id, engine=engine, digest=image.pinned)
        self._users.setdefault(subject, ())
        self._wake.set()

    # --- what is known -------------------------------------------------------------------------------------------

    def hint(self, spec: ServerSpec) -> tuple[str, ...]:
        """What a server's status says of its image or package: vulnerabilities, or that the scan failed."""
        subject = subject_of(spec)
        if subject is None or subject not in self._targets:
            return ()
        scan = self._scan_of(subject, rescanned=False)
        what = f"The {subject.partition(':')[0]} {scan.name}"
        if scan.state == "failed":
            return (f"{what} could not be scanned for vulnerabilities: {scan.reason}",)
        counts = [f"{number} {word}" for word, number in (("critical", scan.critical), ("high", scan.high)) if number]
        return (f"{what}: {', '.join(counts)} vulnerabilities; {scan.scanner}.",) if counts else ()

    def state_of(self, spec: ServerSpec) -> ScanState | None:
        """The state of the scan of a server's image or package; None if it has neither."""
        subject = subject_of(spec)
        return self._scan_of(subject).state if subject is not None and subject in self._users else None

    def states(self) -> tuple[Scan, ...]:
        """The state of each image and package that a server uses, by subject."""
        self._there = scanners.all_installed(self._tool)
        found = (self._scan_of(subject) for subject in sorted(self._users))
        sboms = self.sboms
        return tuple(
            each.model_copy(update={"sbom": sboms.of(each.subject, self._targets.get(each.subject))}) for each in found
        )

    def _scan_of(self, subject: str, *, rescanned: bool = True) -> Scan:
        """What is known; `rescanned`: what is being scanned again is waiting, whatever was found before."""
        target = self._targets.get(subject)
        name = target.name if target else subject.partition(":")[2]
        result = self._results.get(target.key, {}) if target else {}
        scan = Scan(
            subject=subject,
            name=name,
            servers=self._users.get(subject, ()),
            state="waiting",
            digest=target.key if target else "",
            pinned=target.digest if target else "",
        )
        kind = target.kind if target else "image"
        if self._there.get(kind) is None and (not result or result["state"] == "failed"):
            shown = {**_shown(result), "state": "none", "reason": scanners.missing(kind), "retry_at": None}
            return scan.model_copy(update=shown)
        if target is None:
            return scan.model_copy(update={"reason": "The image is not on this machine yet."})
        waits = rescanned and (subject in self._asked or subject == self._busy)
        return scan if waits else scan.model_copy(update=_shown(result))

    def again(self, subject: str | None) -> None:
        """Request a scan of one subject, or of all. Raises ScanUnknown."""
        if subject is not None and subject not in self._users:
            raise ScanUnknown(f"No server uses {subject!r}.")
        asked = set(self._targets) if subject is None else {subject}
        self._asked |= asked
        self.sboms.again(asked)
        self._wake.set()

    # --- scanning ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Scan, and make SBOMs, until cancelled."""
        remove_archives(self._data_dir)  # left by a hub that was killed
        while True:
            self._wake.clear()
            now = time.time()
            target, scanner, wait = self._next(now)
            if target and scanner:
                await self._scan(scanner, target)
                continue
            described, due = self.sboms.next(self._targets.values(), now)
            if described:
                await self.sboms.make(described)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min((each for each in (wait, due) if each is not None), default=None)):
                    await self._wake.wait()

    def _next(self, now: float) -> tuple[Target | None, Scanner | None, float | None]:
        """What to scan now and with what, or the seconds until to look again; None: nothing is to be scanned."""
        there = self._there = scanners.all_installed(self._tool)
        looked: list[float] = [LOOK_FOR_TOOLS] if self._targets else []
        for subject, target in self._targets.items():
            result, scanner = self._results.get(target.key), there.get(target.kind)
            if scanner is None:
                self._asked.discard(subject)
            elif result is None or subject in self._asked:
                return target, scanner, None
            elif result["state"] == "failed":
                looked.append(max(result["retry_at"] - now, 1.0))
                if result["retry_at"] <= now:
                    return target, scanner, None
        return None, None, min(looked, default=None)

    async def _scan(self, scanner: Scanner, target: Target) -> None:
        self._asked.discard(target.subject)
        self._busy = target.subject
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
        finally:
            self._busy = ""
        self._results.pop(target.key, None)
        self._results[target.key] = {**found, "at": at}
        self._write()

    async def _report(self, scanner: Scanner, target: Target) -> scanners.Report:
        async with readable_place(target, self._data_dir) as place:
            return await scanners.scan(self._tool, scanner, target.kind, place)

    def _write(self) -> None:
        for key in list(self._results)[:-MAX_RESULTS]:
            del self._results[key]
        try:
            write_file(self._path, orjson.dumps({"version": FILE_VERSION, "results": self._results}), sync=False)
        except OSError as error:
            log.warning("the results of scans could not be written: %s", error.strerror)


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

"""`hubctl trust scans`, `rescan` and `sbom`: scans of images and packages for known vulnerabilities, and SBOMs."""

from __future__ import annotations

import time

import orjson

from bridge.models.trust import ReadSbom, ReadScans, Rescan, Scan
from hubctl.context import Context
from hubctl.render import clean, count, span, table

HEADER = ("SUBJECT", "STATE", "FOUND", "SCANNER", "DATABASE", "SCANNED", "SBOM", "SERVERS")


async def rescan(context: Context, subject: str | None) -> int:
    """Have one subject, or all, scanned again, and print the state. Raises RemoteError: `SCAN_UNKNOWN`."""
    async with context.actual() as hub:
        await hub.request(Rescan(subject=subject))
    return await scans(context)


async def scans(context: Context) -> int:
    """Print the state of each scan, and below the reasons of those that failed or were not made."""
    async with context.actual() as hub:
        found = (await hub.request(ReadScans())).scans
    if context.json:
        context.emit({"scans": [each.model_dump(mode="json") for each in found]})
        return 0
    now = time.time()
    rows = [_scan(each, now) for each in found]
    said = table(HEADER, rows, context.paint, context.columns, whole=("SUBJECT",)) if rows else ["Nothing to scan."]
    reasons = [f"{clean(each.subject)}: {clean(each.reason)}" for each in found if each.reason]
    reasons += [f"{clean(each.subject)}: SBOM: {clean(each.sbom.reason)}" for each in found if each.sbom.reason]
    pinned = [f"{clean(each.subject)} is {clean(each.pinned)}" for each in found if each.pinned]
    context.say(*said, *reasons, *pinned)
    return 0


async def sbom(context: Context, subject: str) -> int:
    """Print the SBOM of one image or package. Raises RemoteError: `SBOM_UNKNOWN`."""
    async with context.actual() as hub:
        found = await hub.request(ReadSbom(subject=subject))
    if context.json:
        context.emit(found)
    else:
        context.emit(orjson.loads(found.text))
    return 0


def _scan(scan: Scan, now: float) -> tuple[str, ...]:
    counts = (("critical", scan.critical), ("high", scan.high), ("other", scan.other))
    return (
        clean(scan.subject),
        scan.state,
        ", ".join(f"{number} {word}" for word, number in counts if number) or "-",
        clean(scan.scanner) or "-",
        f"{span(now - scan.database)} old" if scan.database else "-",
        f"{span(now - scan.at)} ago" if scan.at else "-",
        f"{count(scan.sbom.components, 'component')}, {span(now - scan.sbom.at)} old"
        if scan.sbom.at
        else scan.sbom.state,
        clean(", ".join(scan.servers)) or "-",
    )

"""The programs that look for known vulnerabilities, trivy and grype: how they are run, and what they report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from sidecar.containers.errors import ScanFailed
from sidecar.containers.tool import Tool
from sidecar.errors import SidecarError

SCAN_TIMEOUT = 900.0
"""Seconds for a scan; the first one downloads the scanner's database."""
ASK_TIMEOUT = 30.0
"""Seconds for a scanner to say its version and the date of its database."""
MAX_REPORT = 64 * 1024 * 1024
"""Bytes of a scanner's report."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner's arguments; `{}` is the archive of an image, or the folder of a package."""

    name: str
    image: tuple[str, ...]
    folder: tuple[str, ...]
    questions: tuple[tuple[str, ...], ...]
    """Arguments with which it says, as JSON, its version and the date of its database."""


SCANNERS = (
    Scanner(
        "trivy",
        ("image", "--quiet", "--format", "json", "--scanners", "vuln", "--input", "{}"),
        ("rootfs", "--quiet", "--format", "json", "--scanners", "vuln", "{}"),
        (("version", "--format", "json"),),
    ),
    Scanner(
        "grype",
        ("--quiet", "--output", "json", "docker-archive:{}"),
        ("--quiet", "--output", "json", "dir:{}"),
        (("version", "--output", "json"), ("db", "status", "--output", "json")),
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a scanner found: `scanner` with its version, the date of its database (Unix time), counts by severity."""

    scanner: str
    database: float | None
    counts: Mapping[str, int]


def installed(tool: Tool) -> Scanner | None:
    """The first scanner on the hub's PATH; None if there is none."""
    return next((scanner for scanner in SCANNERS if tool.find(scanner.name)), None)


async def scan(tool: Tool, scanner: Scanner, words: tuple[str, ...], place: str) -> Report:
    """Run a scanner with the arguments `words` on the archive or folder `place`. Raises ScanFailed."""
    program = tool.find(scanner.name)
    if program is None:
        raise ScanFailed(f"{scanner.name} is no longer on the hub's PATH.")
    try:
        asked = (word.format(place) for word in words)
        said = await tool.run(program, *asked, timeout=SCAN_TIMEOUT, limit=MAX_REPORT)
        if said.code != 0:
            raise ScanFailed(f"{scanner.name} failed: {said.complaint.replace(place, 'its input')}")
        counts = count(scanner.name, said.out)
        version, database = await _about(tool, scanner, program)
    except TimeoutError:
        raise ScanFailed(f"{scanner.name} did not end within {SCAN_TIMEOUT / 60:g} minutes.") from None
    except (ValueError, TypeError, LookupError, AttributeError):
        raise ScanFailed(f"{scanner.name} wrote no report that the hub can read.") from None
    return Report(f"{scanner.name} {version}".strip(), database, counts)


async def _about(tool: Tool, scanner: Scanner, program: str) -> tuple[str, float | None]:
    """The version of a scanner and the date of its database; empty and None if it does not say."""
    said: dict[str, Any] = {}
    for question in scanner.questions:
        with suppress(TimeoutError, SidecarError, ValueError):
            answer = orjson.loads((await tool.run(program, *question, timeout=ASK_TIMEOUT)).out)
            said |= answer if isinstance(answer, dict) else {}
    version = said.get("Version", said.get("version", ""))
    database = said.get("VulnerabilityDB")
    made = database.get("UpdatedAt") if isinstance(database, dict) else said.get("built")
    return str(version)[:40], _moment(made)


def _moment(text: object) -> float | None:
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(str(text)).timestamp()
    return None


def count(scanner: str, report: bytes) -> dict[str, int]:
    """Count the vulnerabilities in a scanner's JSON report: critical, high and other.

    Raises ValueError, TypeError, LookupError or AttributeError if it is not such a report.
    """
    content = orjson.loads(report)
    if scanner == "trivy":
        parts = content["Results"] if "SchemaVersion" not in content else content.get("Results")  # none: none found
        found = [item["Severity"] for part in parts or () for item in part.get("Vulnerabilities") or ()]
    else:
        found = [item["vulnerability"]["severity"] for item in content["matches"]]
    severities = Counter(str(severity).lower() for severity in found)
    bad = {word: severities[word] for word in ("critical", "high")}
    return {**bad, "other": len(found) - sum(bad.values())}

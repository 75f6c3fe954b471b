"""The programs that look for known vulnerabilities: how they are run, and what they report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
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
KINDS = ("image", "npm", "pypi", "mcpb")


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner's arguments; `{}` is the archive of an image, or the folder of a package."""

    name: str
    arguments: Mapping[str, tuple[str, ...]]
    """By kind: `image`, `npm`, `pypi`, `mcpb`; what is missing it cannot scan."""
    questions: tuple[tuple[str, ...], ...]
    """Arguments with which it says its version and, as JSON, the date of its database."""
    severities: Callable[[Any], list[str]]
    """The severity of each vulnerability in its report, parsed from JSON."""
    codes: frozenset[int] = frozenset({0})
    """Exit codes with which it has written a report."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a scanner found: `scanner` with its version, the date of its database (Unix time), counts by severity."""

    scanner: str
    database: float | None
    counts: Mapping[str, int]


def installed(tool: Tool, kind: str) -> Scanner | None:
    """The first scanner on the hub's PATH that scans such things; None if there is none."""
    return next((each for each in SCANNERS if kind in each.arguments and tool.find(each.name)), None)


def all_installed(tool: Tool) -> dict[str, Scanner | None]:
    """The scanner for each kind. Looks at the directories of the PATH."""
    return {kind: installed(tool, kind) for kind in KINDS}


def missing(kind: str) -> str:
    """Say that no scanner is installed for a kind."""
    names = [each.name for each in SCANNERS if kind in each.arguments]
    return f"None of {', '.join(names)} is on the hub's PATH."


async def scan(tool: Tool, scanner: Scanner, kind: str, place: str) -> Report:
    """Run a scanner on the archive or folder `place`. Raises ScanFailed."""
    program = tool.find(scanner.name)
    if program is None:
        raise ScanFailed(f"{scanner.name} is no longer on the hub's PATH.")
    try:
        asked = (word.format(_packages(place) if scanner is PIP_AUDIT else place) for word in scanner.arguments[kind])
        said = await tool.run(program, *asked, timeout=SCAN_TIMEOUT, limit=MAX_REPORT)
        if said.code not in scanner.codes or (said.code and not said.out):
            raise ScanFailed(f"{scanner.name} failed: {said.complaint.replace(place, 'its input')}")
        counts = count(scanner, said.out)
        version, database = await _about(tool, scanner, program)
    except TimeoutError:
        raise ScanFailed(f"{scanner.name} did not end within {SCAN_TIMEOUT / 60:g} minutes.") from None
    except (ValueError, TypeError, LookupError, AttributeError):
        raise ScanFailed(f"{scanner.name} wrote no report that the hub can read.") from None
    return Report(f"{scanner.name} {version}".strip(), database, counts)


def count(scanner: Scanner, report: bytes) -> dict[str, int]:
    """Count the vulnerabilities in a scanner's JSON report: critical, high and other.

    Raises ScanFailed if the scanner says that it left something out; ValueError, TypeError, LookupError or
    AttributeError if it is not such a report.
    """
    found = scanner.severities(orjson.loads(report))
    severities = Counter(str(severity).lower() for severity in found)
    bad = {word: severities[word] for word in ("critical", "high")}
    return {**bad, "other": len(found) - sum(bad.values())}


async def _about(tool: Tool, scanner: Scanner, program: str) -> tuple[str, float | None]:
    """The version of a scanner and the date of its database; empty and None if it does not say."""
    said: dict[str, Any] = {}
    for question in scanner.questions:
        with suppress(TimeoutError, SidecarError):
            text = (await tool.run(program, *question, timeout=ASK_TIMEOUT)).out
            try:
                answer = orjson.loads(text)
            except ValueError:  # `NAME 1.2.3`
                answer = {"version": text.decode(errors="replace").strip().rpartition(" ")[2]}
            said |= answer if isinstance(answer, dict) else {}
    version = said.get("Version", said.get("version", ""))
    database = said.get("VulnerabilityDB")
    made = database.get("UpdatedAt") if isinstance(database, dict) else said.get("built")
    return str(version)[:40], _moment(made)


def _moment(text: object) -> float | None:
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(str(text)).timestamp()
    return None


# --- each scanner's report -------------------------------------------------------------------------------------------


def _trivy(content: Any) -> list[str]:
    parts = content["Results"] if "SchemaVersion" not in content else content.get("Results")  # none: none found
    return [item["Severity"] for part in parts or () for item in part.get("Vulnerabilities") or ()]


def _grype(content: Any) -> list[str]:
    return [item["vulnerability"]["severity"] for item in content["matches"]]


def _pip_audit(content: Any) -> list[str]:
    """pip-audit says `No known vulnerabilities` and ends with 0 even if it could look up no package at all."""
    packages = content["dependencies"]
    skipped = [each for each in packages if "skip_reason" in each]
    if skipped or not packages:
        why = str(skipped[0]["skip_reason"])[:200] if skipped else "it saw no package"
        raise ScanFailed(f"pip-audit looked up {len(packages) - len(skipped)} of {len(packages)} packages: {why}.")
    return ["unknown" for each in packages for _ in each["vulns"]]


def _packages(folder: str) -> str:
    """The directory of the packages in a Python environment. Raises ScanFailed."""
    found = next(Path(folder).glob("lib/python*/site-packages"), None)
    if found is None:
        raise ScanFailed("The folder of the package has no Python environment.")
    return str(found)


_TRIVY = ("--quiet", "--format", "json", "--scanners", "vuln")
_GRYPE = ("--quiet", "--output", "json")
PIP_AUDIT = Scanner(
    "pip-audit",
    {"pypi": ("--path", "{}", "--format", "json", "--progress-spinner", "off")},
    (("--version",),),
    _pip_audit,
    frozenset({0, 1}),
)
SCANNERS = (
    Scanner(
        "trivy",
        {
            "image": ("image", *_TRIVY, "--input", "{}"),
            "npm": ("rootfs", *_TRIVY, "{}"),
            "pypi": ("rootfs", *_TRIVY, "{}"),
            "mcpb": ("rootfs", *_TRIVY, "{}"),
        },
        (("version", "--format", "json"),),
        _trivy,
    ),
    Scanner(
        "grype",
        {
            "image": (*_GRYPE, "docker-archive:{}"),
            "npm": (*_GRYPE, "dir:{}"),
            "pypi": (*_GRYPE, "dir:{}"),
            "mcpb": (*_GRYPE, "dir:{}"),
        },
        (("version", "--output", "json"), ("db", "status", "--output", "json")),
        _grype,
    ),
    PIP_AUDIT,
)
"""In the order of preference."""

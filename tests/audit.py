"""`make audit`: ask public data about vulnerabilities of every package that the lock files name.

Exit code 0: every lock file was checked and no vulnerability is known; 1: there are findings; 2: a lock file is
missing; 3: there are no findings, but at least one lock file could not be checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = tuple(sorted((ROOT / "locks").glob("*.txt")))
NODE = tuple(ROOT / place / "package-lock.json" for place in (".", "tests/real", "tests/matrix", "tests/conformance"))
SERVICES = ("pypi", "osv")
"""Where pip-audit asks; the next where the one before cannot be reached."""
PATIENCE = 300
"""Seconds for one lock file."""
CLEAN, FINDINGS, NO_LOCKS, NOT_CHECKED = range(4)
"""Exit codes."""


class Unreachable(Exception):
    """The data could not be had; the text says why."""


class Found(NamedTuple):
    """What is known of the packages of one lock file."""

    packages: int
    findings: list[str]
    unknown: int = 0
    """Packages of which the data says nothing."""


def main() -> int:
    """Audit every lock file."""
    missing = [str(lock) for lock in (*PYTHON, *NODE) if not lock.is_file()]
    if missing or not PYTHON:
        print(f"audit: missing: {', '.join(missing) or 'locks/*.txt'}", file=sys.stderr)
        return NO_LOCKS
    return conclude([report(lock, python if lock in PYTHON else node) for lock in (*PYTHON, *NODE)])


def conclude(codes: list[int]) -> int:
    """The exit code for those of all lock files; says on stderr when the result is not that of a whole audit."""
    unchecked = codes.count(NOT_CHECKED)
    if unchecked == len(codes):
        print(
            "audit: FAILED: NOTHING was checked. This is no result: run it where the data can be reached.",
            file=sys.stderr,
        )
    elif unchecked:
        print(f"audit: INCOMPLETE: {unchecked} of {len(codes)} lock files were NOT checked.", file=sys.stderr)
    return FINDINGS if FINDINGS in codes else max(codes)


def report(lock: Path, ask: Any) -> int:
    """Print a line for the lock file and one for each finding; returns CLEAN, FINDINGS or NOT_CHECKED."""
    name = lock.relative_to(ROOT)
    try:
        found: Found = ask(lock)
    except Unreachable as reason:
        print(f"audit: {name}: NOT CHECKED, the data cannot be reached: {reason}")
        return NOT_CHECKED
    unknown = f", {found.unknown} unknown to the data" if found.unknown else ""
    print(f"audit: {name}: {found.packages} packages, {len(found.findings)} findings{unknown}")
    for line in found.findings:
        print(f"  {line}")
    return FINDINGS if found.findings else CLEAN


# --- Python ----------------------------------------------------------------------------------------------------------


def python(lock: Path) -> Found:
    """What pip-audit knows. Raises Unreachable."""
    reasons = []
    for service in SERVICES:
        try:
            return pip_findings(pip_audit(lock, service))
        except Unreachable as reason:
            reasons.append(f"{service}: {reason}")
    raise Unreachable("; ".join(reasons))


def pip_audit(lock: Path, service: str) -> list[dict[str, Any]]:
    """Its report on each package. Raises Unreachable."""
    program = Path(sys.executable).with_name("pip-audit")
    if not program.exists():
        raise Unreachable("pip-audit could not be installed")
    options = ("-s", service, "--disable-pip", "--require-hashes", "--progress-spinner", "off", "-f", "json")
    out, why = run(str(program), *options, "-r", str(lock), cwd=ROOT)
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        raise Unreachable(why) from None
    return packages


def pip_findings(packages: list[dict[str, Any]]) -> Found:
    """What it says; raises Unreachable where it knows of no package at all."""
    known = [package for package in packages if "vulns" in package and "skip_reason" not in package]
    if packages and not known:
        raise Unreachable("it knows none of the packages")
    return Found(len(packages), list(pip_lines(known)), len(packages) - len(known))


def pip_lines(packages: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each finding."""
    for package in packages:
        for found in package["vulns"]:
            fixed = ", ".join(found.get("fix_versions", ())) or "no version"
            yield f"{package['name']} {package['version']}: {found['id']} (mended in {fixed})"


# --- Node ------------------------------------------------------------------------------------------------------------


def node(lock: Path) -> Found:
    """What npm audit knows. Raises Unreachable."""
    out, why = run("npm", "audit", "--json", "--package-lock-only", cwd=lock.parent)
    try:
        return npm_findings(json.loads(out))
    except ValueError:
        raise Unreachable(why) from None


def npm_findings(told: dict[str, Any]) -> Found:
    """What it says; raises Unreachable where it could not ask."""
    if "metadata" not in told:
        raise Unreachable(str(told.get("message") or (told.get("error") or {}).get("summary") or "no answer"))
    lines = [
        f"{name} {found['range']}: {found['severity']}, {'; '.join(npm_titles(found)) or 'by what it depends on'}"
        for name, found in told.get("vulnerabilities", {}).items()
    ]
    return Found(told["metadata"]["dependencies"]["total"], lines)


def npm_titles(found: dict[str, Any]) -> list[str]:
    """What is wrong with a package itself."""
    return [f"{via['title']} ({via['url']})" for via in found["via"] if isinstance(via, dict)]


def run(*command: str, cwd: Path) -> tuple[str, str]:
    """A program's stdout, and why it may have failed, on a line: the end of its stderr. Raises Unreachable."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"no answer within {PATIENCE} s") from None
    except OSError as error:
        raise Unreachable(f"{command[0]}: {error.strerror}") from None
    last = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return done.stdout, last[-1].partition(" (Caused by")[0][:160] if last else f"exit code {done.returncode}"


if __name__ == "__main__":
    raise SystemExit(main())

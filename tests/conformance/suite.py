"""Runs of the official conformance suite (npm @modelcontextprotocol/conformance) and what came of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

MODULES = Path(__file__).with_name("node_modules")
STAMP = re.compile(r"^server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")
TIMEOUT = 120
"""Seconds that one run may take; on a quiet machine it is four."""
RETRIES = 2
"""How often a scenario that failed is run again: some give the server 0.6 s to answer, and a machine may be busy."""


@dataclass(frozen=True)
class Suite:
    """One version of the suite, and what is run of it."""

    package: str
    era: str
    options: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version that is installed."""
        about = json.loads((MODULES / self.package / "package.json").read_text())
        return str(about["version"])


RELEASED = Suite("@modelcontextprotocol/conformance", "legacy", ("--suite", "all"))
LEGACY = Suite("conformance-next", "legacy", ("--suite", "all", "--spec-version", "2025-11-25"))
MODERN = Suite("conformance-next", "modern", ("--suite", "all", "--spec-version", "2026-07-28"))
SUITES = {"released": RELEASED, "legacy": LEGACY, "modern": MODERN}
"""What is released knows the legacy era alone; the version to come knows both."""

Check = tuple[str, str, str]
"""Scenario, id and name of a check; a scenario may make the same one several times."""


@dataclass(frozen=True)
class Report:
    """What one run found."""

    passed: Counter[Check]
    failed: list[str]
    """Each with the reason that the suite gives."""
    scenarios: frozenset[str]
    exit_code: int
    output: str


def node() -> str:
    """The Node to run it on: the package's, else that of PATH. Skips, or fails in CI, where setup.sh found none."""
    own = MODULES / ".bin" / "node"
    found = str(own) if own.exists() else shutil.which("node")
    if found and any(MODULES.glob(".done-*")):
        return found
    if os.environ.get("CI") == "true":
        raise AssertionError("the conformance suite is missing: tests/conformance/setup.sh gets it")
    pytest.skip("no conformance suite (tests/conformance/setup.sh gets it)")


async def run(suite: Suite, url: str, results: Path) -> Report:
    """Run it against a Streamable HTTP URL; its files go below `results`.

    No failure is expected: no list of expected failures is given, so the exit code is 0 only where nothing fails.
    The result of a scenario that is run again takes the place of the one before.
    """
    report = read(results, *await _output(suite, url, results, *suite.options))
    for _ in range(RETRIES):
        failed = {failure.partition(":")[0] for failure in report.failed}
        if not failed:
            break
        codes, outputs = [], [report.output]
        for scenario in failed:
            _forget(results, scenario)
            code, output = await _output(suite, url, results, *suite.options[2:], "--scenario", scenario)
            codes.append(code)
            outputs.append(output)
        report = read(results, max(codes), "".join(outputs))
    return report


def _forget(results: Path, scenario: str) -> None:
    for files in results.glob(f"server-{scenario}-20*"):
        shutil.rmtree(files)


async def _output(suite: Suite, url: str, results: Path, *options: str) -> tuple[int, str]:
    """The exit code and the output of a run."""
    program = str(MODULES / suite.package / "dist" / "index.js")
    process = await asyncio.create_subprocess_exec(
        node(), program, "server", "--url", url, *options, "--output-dir", str(results),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


def read(results: Path, exit_code: int, output: str) -> Report:
    """The report of a run that left its files below `results`."""
    passed: Counter[Check] = Counter()
    failed: list[str] = []
    scenarios: set[str] = set()
    for file in sorted(results.glob("*/checks.json")):
        named = STAMP.match(file.parent.name)
        assert named, file.parent.name
        scenarios.add(named["scenario"])
        for check in json.loads(file.read_text()):
            if check["status"] == "SUCCESS":
                passed[named["scenario"], check["id"], check["name"]] += 1
            elif check["status"] == "FAILURE":
                failed.append(f"{named['scenario']}: {check['id']}: {check.get('errorMessage', '')}")
    return Report(passed, failed, frozenset(scenarios), exit_code, output)

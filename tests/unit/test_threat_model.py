"""The threat model names tests that exist, for each threat at least one."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/threat-model.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.-]+)::([^`]+)`", DOCUMENT)))


@cache
def names(file: str) -> set[str]:
    """The names of the tests in a file: functions in Python, titles in Node."""
    text = (ROOT / file).read_text("utf-8")
    if file.endswith(".py"):
        return set(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.M))
    return {found[1] for found in re.findall(r"\btest\(\s*(['\"`])(.+?)\1,", text)}


@pytest.mark.parametrize(
    ("file", "name"), NAMED, ids=[f"{file.rpartition('/')[2]}-{number}" for number, (file, _) in enumerate(NAMED)]
)
def test_a_named_test_exists(file: str, name: str) -> None:
    """In that file, by that name."""
    assert name in names(file)


def test_each_threat_has_one() -> None:
    """Each row of the tables of threats ends with at least one test."""
    threats = DOCUMENT.partition("## Threats")[2].partition("## What remains")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 30
    assert [row for row in rows if "::" not in row.rpartition(" | ")[2]] == []

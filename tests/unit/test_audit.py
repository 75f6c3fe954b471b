"""What `make audit` makes of the answers of pip-audit and npm audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import audit
from tests.audit import Found, Unreachable, npm_findings, pip_findings, report

VULNERABLE: Any = {
    "name": "a", "version": "1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2", "3"]}, {"id": "X", "fix_versions": []}],
}  # fmt: skip
SOUND: Any = {"name": "b", "version": "1", "vulns": []}
SKIPPED: Any = {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1)"}
LOCK = audit.ROOT / "locks/runtime.txt"


def test_pip_audit() -> None:
    """A line a finding; packages that are not known are counted; where none is known, nothing was asked."""
    assert pip_findings([SOUND]) == Found(1, [])
    lines = ["a 1: PYSEC-1 (mended in 2, 3)", "a 1: X (mended in no version)"]
    assert pip_findings([VULNERABLE, SOUND, SKIPPED]) == Found(3, lines, 1)
    with pytest.raises(Unreachable):
        pip_findings([SKIPPED])


def test_npm_audit() -> None:
    """A line a package; what has no metadata is no answer."""
    metadata = {"dependencies": {"total": 7}}
    assert npm_findings({"vulnerabilities": {}, "metadata": metadata}) == Found(7, [])
    via: list[Any] = [{"title": "Bad", "url": "https://x"}, "other"]
    found = {
        "a": {"range": "<2", "severity": "high", "via": via},
        "b": {"range": "*", "severity": "low", "via": ["a"]},
    }
    lines = ["a <2: high, Bad (https://x)", "b *: low, by what it depends on"]
    assert npm_findings({"vulnerabilities": found, "metadata": metadata}) == Found(7, lines)
    with pytest.raises(Unreachable, match="405"):
        npm_findings({"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}})


def test_exit_codes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings fail, data that cannot be reached does not but is said, a missing lock file is a fault."""
    assert report(LOCK, lambda _: Found(3, [], 1)) == 0
    assert report(LOCK, lambda _: Found(3, ["a 1: X"])) == 1

    def away(_: Path) -> Found:
        raise Unreachable("no network")

    assert report(LOCK, away) == 0
    assert capsys.readouterr().out.splitlines() == [
        "audit: locks/runtime.txt: 3 packages, 0 findings, 1 unknown to the data",
        "audit: locks/runtime.txt: 3 packages, 1 findings",
        "  a 1: X",
        "audit: locks/runtime.txt: NOT CHECKED, the data cannot be reached: no network",
    ]
    monkeypatch.setattr(audit, "NODE", (audit.ROOT / "no-such-lock.json",))
    assert audit.main() == 2

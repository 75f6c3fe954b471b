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
    """Findings, data that cannot be reached and a missing lock file fail, each with a code of its own."""
    assert report(LOCK, lambda _: Found(3, [], 1)) == audit.CLEAN
    assert report(LOCK, lambda _: Found(3, ["a 1: X"])) == audit.FINDINGS

    def away(_: Path) -> Found:
        raise Unreachable("no network")

    assert report(LOCK, away) == audit.NOT_CHECKED
    assert capsys.readouterr().out.splitlines() == [
        "audit: locks/runtime.txt: 3 packages, 0 findings, 1 unknown to the data",
        "audit: locks/runtime.txt: 3 packages, 1 findings",
        "  a 1: X",
        "audit: locks/runtime.txt: NOT CHECKED, the data cannot be reached: no network",
    ]
    monkeypatch.setattr(audit, "NODE", (audit.ROOT / "no-such-lock.json",))
    assert audit.main() == audit.NO_LOCKS


def test_an_audit_that_checked_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Findings count most; an audit that could not check everything is not a clean one."""
    clean, findings, unchecked = audit.CLEAN, audit.FINDINGS, audit.NOT_CHECKED
    assert audit.conclude([clean, clean]) == clean
    assert capsys.readouterr().err == ""
    assert audit.conclude([clean, unchecked]) == unchecked
    assert "1 of 2 lock files were NOT checked" in capsys.readouterr().err
    assert audit.conclude([unchecked, findings]) == findings
    assert "1 of 2" in capsys.readouterr().err
    assert audit.conclude([unchecked, unchecked]) == unchecked
    assert "NOTHING was checked" in capsys.readouterr().err

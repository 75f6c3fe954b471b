"""What scanners report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.containers.engine import Image
from sidecar.containers.scan import Scans, count

TRIVY = {
    "SchemaVersion": 2,
    "Results": [
        {"Target": "a", "Vulnerabilities": [{"Severity": "CRITICAL"}, {"Severity": "HIGH"}, {"Severity": "LOW"}]},
        {"Target": "b"},
        {"Target": "c", "Vulnerabilities": [{"Severity": "HIGH"}]},
    ],
}
GRYPE = {"matches": [{"vulnerability": {"severity": word}} for word in ("Critical", "High", "High", "Negligible")]}


@pytest.mark.parametrize(("scanner", "report"), [("trivy", TRIVY), ("grype", GRYPE)])
def test_critical_and_high_ones_are_counted(scanner: str, report: object) -> None:
    """In the JSON of either."""
    assert count(scanner, json.dumps(report).encode()) == {"critical": 1, "high": 2}
    assert count("trivy", b'{"Results": null}') == {"critical": 0, "high": 0}
    assert count("trivy", b'{"SchemaVersion": 2}') == {"critical": 0, "high": 0}
    for other in (b"", b"{", b"{}", b"[]", b'{"Results": [{"Vulnerabilities": [1]}]}'):
        with pytest.raises((ValueError, TypeError, KeyError)):
            count(scanner, other)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"version": 9, "images": {"a": {"critical": 1}}}'])
def test_a_file_that_says_nothing_is_as_none(tmp_path: Path, content: bytes | None) -> None:
    """It is only a cache."""
    path = tmp_path / "scans.json"
    if content is not None:
        path.write_bytes(content)
    assert Scans(None, path).warning(Image("a", "")) is None  # type: ignore[arg-type]


def test_only_what_is_bad_is_a_warning(tmp_path: Path) -> None:
    """With how many, and who says so."""
    path = tmp_path / "scans.json"
    images = {
        "a": {"scanner": "trivy", "critical": 3, "high": 10, "at": 1},
        "b": {"scanner": "grype", "critical": 0, "high": 1, "at": 1},
        "c": {"scanner": "trivy", "critical": 0, "high": 0, "at": 1},
    }
    path.write_text(json.dumps({"version": 1, "images": images}))
    scans = Scans(None, path)  # type: ignore[arg-type]
    assert [scans.warning(Image(ident, "")) for ident in "abcd"] == [
        "3 critical, 10 high vulnerabilities; trivy",
        "1 high vulnerabilities; grype",
        None,
        None,
    ]

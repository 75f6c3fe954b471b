"""`hubctl doctor` on the files that HUB_CONTAINER_POLICY and HUB_SBOM name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.settings import Settings
from hubctl.commands.doctor.trust_findings import trust_files


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("{}", "has no `default`"), ('{"default": [1]}', "")],
)
def test_a_policy(tmp_path: Path, text: str | None, said: str) -> None:
    """One that cannot be used is an error, as nothing contained starts then."""
    policy = tmp_path / "policy.json"
    if text is not None:
        policy.write_text(text)
    found = trust_files(Settings(container_policy=policy, sbom="off"))
    assert [each.level for each in found] == (["error"] if said else [])
    assert all(said in each.message for each in found)


def test_a_generator(tmp_path: Path) -> None:
    """Only a path is looked at: with `auto` it may be missing."""
    program = tmp_path / "syft"
    assert [each.level for each in trust_files(Settings(sbom=str(program)))] == ["warning"]
    program.write_text("")
    program.chmod(0o755)
    assert trust_files(Settings(sbom=str(program))) == []
    assert trust_files(Settings(sbom="auto")) == []

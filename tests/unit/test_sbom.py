"""What `make sbom` writes for Node, of the real lock file; and what is checked of both files."""

from __future__ import annotations

from typing import Any

import pytest

from tests import sbom

pytestmark = pytest.mark.outside


def test_node() -> None:
    """Every package of the lock file that is not for development is a component, and nothing else."""
    document = sbom.node_document()
    assert sbom.faults(document) == []
    found = [sbom.purl_of(each) for each in document["components"]]
    assert sorted(found) == sorted(sbom.runtime_packages())
    assert "pkg:npm/express@" in " ".join(found) and "pkg:npm/typescript@" not in " ".join(found)
    known = {each["bom-ref"] for each in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
    assert {ref for each in document["dependencies"] for ref in each["dependsOn"]} <= known
    assert document["metadata"]["component"]["name"] == "yamcp-hub"


def test_faults() -> None:
    """Each is named."""
    component: dict[str, Any] = {"name": "a", "version": "1", "purl": "pkg:npm/a@1"}
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component]}
    assert sbom.faults(whole) == []
    assert sbom.faults({**whole, "components": [{**component, "purl": ""}]}) == ["a: no purl"]
    assert sbom.faults({"components": []})[:2] == ["bomFormat is not CycloneDX", "specVersion is missing"]

"""`make sbom`: writes a software bill of materials (CycloneDX, JSON) for Python and one for Node, from the lock files.

cyclonedx-py reads locks/runtime.txt; `npm sbom` reads package-lock.json, and the packages for development are left out
afterwards: `--omit dev` of npm 11 also leaves out what these have in common with the others. Both files are checked
against the schema of CycloneDX.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
PYTHON_LOCK, NODE_LOCK = ROOT / "locks/runtime.txt", ROOT / "package-lock.json"
NPM = ["npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"]


def python_command(target: Path) -> list[str]:
    """The command that writes the file for Python; `--validate` is its default."""
    tool = str(Path(sys.executable).with_name("cyclonedx-py"))
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application", "--output-reproducible"]
    return [tool, "requirements", str(PYTHON_LOCK), *options, "--sv", "1.6", "--of", "JSON", "-o", str(target)]


def node_document() -> dict[str, Any]:
    """The document for Node; random and changing parts are left out, so that equal locks give equal files."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    with tempfile.TemporaryDirectory(prefix="sbom") as root:  # npm wants a version, which package.json does not have
        copies = Path(root) / "yamcp-hub"  # it names the document after the directory
        copies.mkdir()
        for name in ("package.json", "package-lock.json"):
            content = json.loads((ROOT / name).read_text("utf-8"))
            for part in (content, content.get("packages", {}).get("", {})):
                part["version"] = version
            (copies / name).write_text(json.dumps(content), "utf-8")
        done = subprocess.run(NPM, cwd=copies, check=True, capture_output=True, timeout=120)
    document: dict[str, Any] = json.loads(done.stdout)
    wanted = runtime_packages()
    document["components"] = [each for each in document["components"] if purl_of(each) in wanted]
    kept = {each["bom-ref"] for each in (*document["components"], document["metadata"]["component"])}
    document["dependencies"] = [
        {**each, "dependsOn": [ref for ref in each.get("dependsOn", ()) if ref in kept]}
        for each in document["dependencies"]
        if each["ref"] in kept
    ]
    document.pop("serialNumber", None)
    document["metadata"].pop("timestamp", None)
    return document


def runtime_packages() -> set[str]:
    """Package URLs without qualifiers of all packages in package-lock.json that are not for development only."""
    locked = json.loads(NODE_LOCK.read_text("utf-8"))["packages"].items()
    wanted = [(path, each) for path, each in locked if path and not each.get("dev") and not each.get("link")]
    return {f"pkg:npm/{path.rpartition('node_modules/')[2]}@{each['version']}" for path, each in wanted}


def purl_of(component: dict[str, Any]) -> str:
    """The package URL of a component, decoded."""
    return unquote(str(component.get("purl", "")))


def faults(document: dict[str, Any]) -> list[str]:
    """What a bill of materials must have (CycloneDX, *Bill of Materials*): kind, version, and of each component its
    name, version and package URL."""
    found = [] if document.get("bomFormat") == "CycloneDX" else ["bomFormat is not CycloneDX"]
    if not str(document.get("specVersion", "")).startswith("1."):
        found.append("specVersion is missing")
    for component in document.get("components") or [{}]:
        found += [
            f"{component.get('name')}: no {each}" for each in ("name", "version", "purl") if not component.get(each)
        ]
    return found


def main(directory: Path) -> int:
    """Write both files. 0 if they are valid, else 1."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    directory.mkdir(parents=True, exist_ok=True)
    python, node = directory / "sbom-python.cdx.json", directory / "sbom-node.cdx.json"
    subprocess.run(python_command(python), cwd=ROOT, check=True, timeout=300)
    node.write_text(json.dumps(node_document(), indent=2) + "\n", "utf-8")
    status = 0
    for file in (python, node):
        text = file.read_text("utf-8")
        document = json.loads(text)
        version = SchemaVersion[f"V{document['specVersion'].replace('.', '_')}"]
        invalid = JsonStrictValidator(version).validate_str(text)
        wrong = faults(document) + ([str(invalid)] if invalid else [])
        print(f"sbom: {file}: {len(document['components'])} components, {', '.join(wrong) or 'valid'}")
        status |= bool(wrong)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

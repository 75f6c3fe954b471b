"""What the front runs on: looked for before anything is started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hubctl.errors import FrontNotInstalled, NodeMissing
from hubctl.run.node import FRONT, MIN_NODE_VERSION, PROJECT, check_packages, find_node


def fake_node(directory: Path, says: str) -> Path:
    """A node that says it is of this version."""
    node = directory / "node"
    node.write_text(f"#!/bin/sh\necho {says}\n")
    node.chmod(0o755)
    return node


@pytest.mark.outside
@pytest.mark.parametrize("version", ["v20.19.0", "v22.0.0", "v100.1.0"])
def test_a_node_that_is_new_enough_is_used(tmp_path: Path, version: str) -> None:
    """The first one on the PATH."""
    node = fake_node(tmp_path, version)
    assert find_node(str(tmp_path)) == str(node)


@pytest.mark.outside
@pytest.mark.parametrize(
    ("says", "told"),
    [("v20.18.3", "is v20.18.3"), ("v18.20.8", "is v18.20.8"), ("", "is no Node"), ("hello", "is hello")],
)
def test_another_node_is_told(tmp_path: Path, says: str, told: str) -> None:
    """With its path, what it is, and what is needed."""
    node = fake_node(tmp_path, says)
    with pytest.raises(NodeMissing, match=re.escape(f"{node} {told}; the hub's pages need Node 20.19 or newer.")):
        find_node(str(tmp_path))


def test_no_node_is_told(tmp_path: Path) -> None:
    """Nothing on the PATH."""
    with pytest.raises(NodeMissing, match=r"^There is no node on the PATH; .* need Node 20.19 or newer\.$"):
        find_node(str(tmp_path))


def test_the_least_node_is_one_for_all() -> None:
    """package.json and the Makefile want the same."""
    engines = json.loads((PROJECT / "package.json").read_text("utf-8"))["engines"]["node"]
    assert engines == f">={MIN_NODE_VERSION[0]}.{MIN_NODE_VERSION[1]}"
    assert f"missing: Node >= {MIN_NODE_VERSION[0]}.{MIN_NODE_VERSION[1]} " in (PROJECT / "Makefile").read_text("utf-8")
    assert FRONT.is_file()


def test_packages_that_are_not_there_are_told(tmp_path: Path) -> None:
    """Those that are missing, broken, or of another version."""
    wanted = {"there": "1.0.0", "@a/missing": "2.0.0", "old": "3.0.0", "broken": "4.0.0"}
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": wanted}))
    for name, text in (("there", '{"version": "1.0.0"}'), ("old", '{"version": "2.9.9"}'), ("broken", "")):
        (tmp_path / "node_modules" / name).mkdir(parents=True)
        (tmp_path / "node_modules" / name / "package.json").write_text(text)
    with pytest.raises(FrontNotInstalled, match=r"not installed, or of another version: @a/missing, broken, old\.$"):
        check_packages(tmp_path)


def test_the_packages_of_this_project_are_there() -> None:
    """As `make test` installs them."""
    check_packages()

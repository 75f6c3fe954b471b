"""Which mounts are allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.models import Mount
from sidecar.containers.errors import MountRefused
from sidecar.containers.mounts import options


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """`in/sub/file`, `out/file`, `in/away` → out, `in/back` → in/sub, `door` → in."""
    for name in ("in/sub", "out", "inside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in/sub/file").touch()
    (tmp_path / "out/file").touch()
    (tmp_path / "in/away").symlink_to(tmp_path / "out")
    (tmp_path / "in/back").symlink_to(tmp_path / "in/sub")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in/loop")
    (tmp_path / "door").symlink_to(tmp_path / "in")
    return tmp_path


def mounted(tree: Path, source: str, *allowed: str) -> str:
    """The source in the option; raises MountRefused."""
    (option,) = options([Mount(source=f"{tree}/{source}", target="/t")], [tree / name for name in allowed])
    return option.split(",")[1].removeprefix(f"source={tree}/")


@pytest.mark.parametrize(
    ("source", "real"),
    [("in", "in"), ("in/sub/file", "in/sub/file"), ("in/back", "in/sub"), ("door/sub", "in/sub"), ("in/../in", "in")],
)
def test_what_is_below_an_allowed_directory_is_mounted_as_what_it_is(tree: Path, source: str, real: str) -> None:
    """Links are followed before, so that the engine has none to follow."""
    assert mounted(tree, source, "in") == real
    assert mounted(tree, source, "missing", "door") == real


@pytest.mark.parametrize(
    "source", ["out", "in/away", "in/away/file", "in/../out", "inside", "", "in/loop", "in/no/../../out", "nowhere"]
)
def test_what_is_not_is_refused(tree: Path, source: str) -> None:
    """By name, through a link, upwards, by a similar name; what is outside is not even said to be there."""
    for allowed in (["in"], [], ["missing"]):
        with pytest.raises(MountRefused):
            mounted(tree, source, *allowed)
    with pytest.raises(MountRefused, match="not below"):
        mounted(tree, "nowhere", "in")


def test_what_is_missing_is_said_where_it_would_be_allowed(tree: Path) -> None:
    """And what the engine would misread."""
    with pytest.raises(MountRefused, match="does not exist"):
        mounted(tree, "in/none", "in")
    (tree / "in/a,b").mkdir()
    (tree / "in/comma").symlink_to(tree / "in/a,b")
    with pytest.raises(MountRefused, match="comma"):
        mounted(tree, "in/comma", "in")


@pytest.mark.parametrize("own", ["in/sub", "in", "in/sub/run", "door"])
def test_nothing_of_the_hub_is_mounted(tree: Path, own: str) -> None:
    """Neither its directories, nor what is in them, nor what they are in; others beside them are."""
    (tree / "in/sub/run").mkdir()
    (tree / "in/other").mkdir()
    for source in ("in/sub", "in/sub/run"):
        mount = Mount(source=f"{tree}/{source}", target="/t")
        with pytest.raises(MountRefused, match="own data"):
            options([mount], [tree / "in"], [tree / own, tree / "missing"])
    assert options([Mount(source=f"{tree}/in/other", target="/t")], [tree / "in"], [tree / "in/sub"])


PARTS = st.lists(st.sampled_from(["in", "out", "sub", "file", "away", "back", "door", "..", ".", "", "x"]), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARTS)
def test_nothing_that_is_mounted_is_outside(tree: Path, parts: list[str]) -> None:
    """Whatever the path."""
    try:
        source = mounted(tree, "/".join(parts), "in")
    except MountRefused:
        return
    assert (tree / source).resolve(strict=True).is_relative_to(tree / "in")
    assert (tree / source).resolve() == tree / source

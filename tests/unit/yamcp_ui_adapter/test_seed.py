"""The demo is written on the very first start, and only then, ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.format.entries import ServersFile
from yamcp_ui_adapter.format.providers import parse_providers
from yamcp_ui_adapter.seed import seed


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """YAMCP's directory and the hub's."""
    for name in ("yamcp", "hub"):
        (tmp_path / name).mkdir()
    return tmp_path / "yamcp", tmp_path / "hub"


def test_the_first_start_writes_what_yamcp_can_read(places: tuple[Path, Path]) -> None:
    """Two servers that the project ships, in a workspace, in YAMCP's own form, and nothing to report."""
    yamcp, hub = places
    assert seed(yamcp, hub, wanted=True)
    parsed = parse_providers((yamcp / "providers.json").read_bytes(), ServersFile())
    assert list(parsed.entries) == ["notes", "clock"]
    assert parsed.issues == ()
    text = (yamcp / "workspaces.json").read_text()
    assert text == '{\n  "demo": [\n    "notes",\n    "clock"\n  ]\n}'
    for entry in json.loads((yamcp / "providers.json").read_text()).values():
        assert Path(entry["providerParameters"]["args"][0]).is_file()


def test_a_second_start_never_does(places: tuple[Path, Path]) -> None:
    """Also when the files were deleted since."""
    yamcp, hub = places
    seed(yamcp, hub, wanted=True)
    for path in yamcp.iterdir():
        path.unlink()
    assert not seed(yamcp, hub, wanted=True)
    assert list(yamcp.iterdir()) == []


@pytest.mark.parametrize("existing", ["providers.json", "workspaces.json"])
def test_where_yamcp_has_a_file_nothing_is_written(places: tuple[Path, Path], existing: str) -> None:
    """Then or later."""
    yamcp, hub = places
    (yamcp / existing).touch()
    assert not seed(yamcp, hub, wanted=True)
    (yamcp / existing).unlink()
    assert not seed(yamcp, hub, wanted=True)
    assert list(yamcp.iterdir()) == []


def test_it_can_be_switched_off(places: tuple[Path, Path]) -> None:
    """And the first start is over all the same."""
    yamcp, hub = places
    assert not seed(yamcp, hub, wanted=False)
    assert not seed(yamcp, hub, wanted=True)


def test_a_directory_that_takes_no_file_is_an_error(places: tuple[Path, Path]) -> None:
    """With its path."""
    yamcp, hub = places
    with pytest.raises(DataDirUnusable):
        seed(yamcp, hub / "gone", wanted=True)

"""Coverage data of processes that were killed while they wrote it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import coverage
import pytest

from tests.coverage_files import remove_incomplete

PAGE = 4096


def data(path: Path) -> bytes:
    """A file as a process writes it, of several pages."""
    written = coverage.CoverageData(str(path))
    written.add_arcs({f"/src/a module with a name of usual length {n}.py": [(-1, 1), (1, -1)] for n in range(200)})
    written.close()
    return path.read_bytes()


def torn(page: int) -> Callable[[bytes], bytes]:
    """A page that was not written."""
    return lambda whole: whole[: page * PAGE] + bytes(PAGE) + whole[(page + 1) * PAGE :]


def other(_: bytes) -> bytes:
    """A database without a table."""
    with sqlite3.connect(":memory:") as empty:
        empty.execute("pragma user_version = 1")
        return empty.serialize()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing yet": lambda _: b"",
    "no database": lambda _: b"garbage" * 100,
    "no table": other,
    "half": lambda whole: whole[: len(whole) // 2],
    **{f"page {page}": torn(page) for page in (0, 1, 5, 9, 12)},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_incomplete_is_left_out(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is combined, and the file that is left out is named."""
    good, bad = tmp_path / ".coverage.good", tmp_path / ".coverage.bad"
    whole = data(good)
    bad.write_bytes(DAMAGES[damage](whole))
    assert remove_incomplete(tmp_path.glob(".coverage.*")) == [bad]
    assert ".coverage.bad is left out" in capsys.readouterr().err
    together = coverage.Coverage(data_file=str(tmp_path / ".coverage"), config_file=False)
    together.combine([str(tmp_path)], strict=True)
    assert len(together.get_data().measured_files()) == 200

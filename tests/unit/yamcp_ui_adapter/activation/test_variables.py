"""activation/variables: names and values are checked, the file is private, and answers have no values."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.models import ServerSpec, StdioLaunch
from bridge.models.catalog.activation import ReadVariables, RemoveVariable, SetVariables
from yamcp_ui_adapter.activation.errors import NoSuchVariable, VariableInvalid, VariablesFileBroken
from yamcp_ui_adapter.activation.variables import VariableStore


def store(folder: Path, env: str = "") -> VariableStore:
    """A store, and a server with this value in its environment."""
    launch = StdioLaunch(command="x", env={"V": env})
    return VariableStore(
        folder / "variables.json", lambda: [ServerSpec(key="s", namespace="s", launch=launch)], {"E": "1"}
    )


async def test_names_are_told_and_values_are_not(tmp_path: Path) -> None:
    """Where each is set, and who uses it; `$${` is no reference."""
    found = store(tmp_path, "${A} ${E} ${N:-x} $${NO}")
    told: list[tuple[str, str]] = []
    found.on_change = lambda subject, diff: told.append((subject, diff))
    await found.set_variables(SetVariables(values={"A": "s3cret", "B": "other"}))
    answer = await found.variables(ReadVariables())
    assert [(each.name, each.set_in, each.used_by) for each in answer.variables] == [
        ("A", "file", ("s",)),
        ("B", "file", ()),
        ("E", "environment", ("s",)),
        ("N", "none", ("s",)),
    ]
    assert (tmp_path / "variables.json").stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in f"{answer} {told} {SetVariables(values={'A': 's3cret'})!r}"
    await found.remove_variable(RemoveVariable(name="A"))
    assert found.read() == {"B": "other"}
    with pytest.raises(NoSuchVariable):
        await found.remove_variable(RemoveVariable(name="A"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("a-b", "x"), ("1A", "x"), ("", "x"), ("A", ""), ("A", "x\0"), ("A", "x" * 65537), ("A", "\ud800")],
)
async def test_invalid_ones_change_nothing(tmp_path: Path, name: str, value: str) -> None:
    """The message does not have the value."""
    found = store(tmp_path)
    with pytest.raises(VariableInvalid) as caught:
        found.put({"GOOD": "1", name: value})
    assert not (tmp_path / "variables.json").exists()
    assert "xxx" not in caught.value.message


async def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    """Somebody may still repair it."""
    (tmp_path / "variables.json").write_text('{"A": 1}')
    with pytest.raises(VariablesFileBroken):
        store(tmp_path).put({"B": "2"})
    assert (tmp_path / "variables.json").read_text() == '{"A": 1}'

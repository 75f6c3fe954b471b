"""The settings of a running hub, for commands that are run with others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bridge.settings import Settings
from hubctl.run import in_force
from hubctl.run.run import exported


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a shell that knows the hub's directory alone."""
    return Settings(data_dir=tmp_path, runtime_dir=tmp_path)


def test_what_a_hub_was_started_with_is_found(settings: Settings, tmp_path: Path) -> None:
    """Numbers, paths and empty values come back; the file is for the hub's user alone, whatever was there."""
    (tmp_path / in_force.FILE).write_text("old")
    (tmp_path / in_force.FILE).chmod(0o666)
    started = Settings(data_dir=tmp_path, runtime_dir=tmp_path, port=1234, host="127.0.0.2", allowed_hosts="a,b")
    in_force.store(tmp_path, exported(started))
    assert stat.S_IMODE((tmp_path / in_force.FILE).stat().st_mode) == 0o600
    assert exported(in_force.settings_in_force(settings)) == exported(started)


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"HUB_PORT": "many"}', '{"HUB_PORT": "1", "HUB_OLD": "x"}'])
def test_what_cannot_be_used_is_no_hindrance(settings: Settings, tmp_path: Path, text: str | None) -> None:
    """A file of another version, or a broken one: unknown settings are left out, else those of the shell are used."""
    if text is not None:
        (tmp_path / in_force.FILE).write_text(text)
    found = in_force.settings_in_force(settings)
    assert found.port == (1 if text and "OLD" in text else settings.port)

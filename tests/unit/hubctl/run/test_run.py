"""What `hubctl run` checks before it becomes supervisord."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import SettingInvalid
from bridge.settings import Settings
from hubctl.errors import DirectoryUnusable, TooFewFiles
from hubctl.run.node import FRONT, HEARTBEAT
from hubctl.run.run import (
    CONFIGURATION,
    FEWEST_FILES,
    check_yamcp_directory,
    environment,
    exported,
    prepare_directories,
    programs,
    raise_file_limit,
    terminal,
)
from tests.unit.hubctl.canned import settings

pytestmark = pytest.mark.outside


def test_directories_are_for_the_user_alone(tmp_path: Path) -> None:
    """Data, logs and sockets: mode 0700, whatever the umask."""
    own = settings(tmp_path)
    logs = prepare_directories(own)
    for directory in (own.data_dir, logs, own.runtime):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in its way, say."""
    (tmp_path / "data").write_text("")
    with pytest.raises(DirectoryUnusable, match=r"^HUB_DATA_DIR: .*/data cannot be made: File exists"):
        prepare_directories(settings(tmp_path))


def test_a_data_directory_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's, say."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DirectoryUnusable, match=r"^HUB_DATA_DIR: .*/data cannot be written"):
        prepare_directories(settings(tmp_path))


def test_what_is_no_yamcp_directory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its place or above it, no right to read it, or none to make it; one that is missing will be made."""
    (tmp_path / "file").write_text("")
    own = settings(tmp_path)
    for wrong in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(SettingInvalid, match=r"^HUB_YAMCP_DIR: .*/file is not a directory\.$"):
            check_yamcp_directory(own.model_copy(update={"yamcp_dir": wrong}))
    missing = own.model_copy(update={"yamcp_dir": tmp_path / "a" / "b"})
    check_yamcp_directory(missing)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SettingInvalid, match=r"cannot be written, and YAMCP's directory is not there yet\.$"):
        check_yamcp_directory(missing)
    with pytest.raises(SettingInvalid, match=r"cannot be read\.$"):
        check_yamcp_directory(own.model_copy(update={"yamcp_dir": tmp_path}))


@pytest.mark.parametrize(
    ("limits", "raised"),
    [((1024, 4096), (4096, 4096)), ((1024, 1 << 20), (8192, 1 << 20)), ((1024, -1), (8192, -1)), ((-1, -1), None)],
)
def test_the_limit_of_open_files_is_raised(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], raised: tuple[int, int] | None
) -> None:
    """To what many sessions need, or what the system allows; never lowered. (-1: no limit.)"""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: asked.append(pair))
    raise_file_limit()
    assert asked == ([raised] if raised else [])


def test_too_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before supervisord stumbles over them."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (60, 60))
    with pytest.raises(TooFewFiles, match=r"^At most 60 files may be open"):
        raise_file_limit()
    assert f"\nminfds = {FEWEST_FILES}\n" in CONFIGURATION.read_text("utf-8")


def test_the_settings_file_is_read_once(tmp_path: Path) -> None:
    """A process that is started again is not stopped by what somebody has written there since."""
    assert environment(settings(tmp_path), tmp_path, 7)["HUB_SETTINGS_FILE"] == os.devnull


def test_settings_survive_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processes load from the variables is what was resolved, wherever they run."""
    own = Settings(data_dir=tmp_path / "data", seed_demo=False, allowed_hosts="a,b", public_url="https://hub.example")
    for name, value in exported(own).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    assert Settings() == own.model_copy(update={"runtime_dir": own.runtime})


def test_names_of_log_files_may_hold_a_percent_sign(tmp_path: Path) -> None:
    """supervisord expands them twice."""
    variables = environment(settings(tmp_path), Path("/a%b/logs"), 7)
    assert variables["YAMCP_HUB_LOGS"] == "/a%%b/logs"
    os.close(int(variables["YAMCP_HUB_TERMINAL_FD"]))


def test_without_stdout_the_terminal_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that was started with stdout closed still starts."""
    script = "import os; os.close(1); from hubctl.run.run import terminal; os.write(terminal(), b'x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    descriptor = terminal()
    assert os.get_inheritable(descriptor)
    os.close(descriptor)


def test_yamcp_ui_is_run_where_it_is_set(tmp_path: Path) -> None:
    """Without HUB_YAMCP_UI_DIR nothing is started, and nothing is made for it."""
    own = settings(tmp_path)
    assert programs(own, "/usr/bin/node")["YAMCP_HUB_UI"] == "false"
    assert list(tmp_path.iterdir()) == []
    own.runtime.mkdir(parents=True)
    set_up = programs(own.model_copy(update={"yamcp_ui_dir": tmp_path / "100 %"}), "/usr/bin/node")
    assert (set_up["YAMCP_HUB_UI"], set_up["YAMCP_HUB_UI_DIR"]) == ("true", str(tmp_path / "100 %"))
    assert set_up["YAMCP_HUB_FRONT"] == f"/usr/bin/node --import {HEARTBEAT.as_uri()} {FRONT}"

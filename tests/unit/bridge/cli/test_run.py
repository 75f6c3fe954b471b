"""What `hubctl run` checks before it becomes supervisord."""

from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.errors import DirectoryUnusable, TooFewFiles
from bridge.cli.run import (
    CONFIGURATION,
    FEWEST_FILES,
    check_port,
    check_yamcp_directory,
    environment,
    exported,
    prepare_directories,
    raise_file_limit,
    terminal,
)
from bridge.errors import PortTaken, SettingInvalid
from bridge.settings import Settings
from tests.unit.bridge.cli.canned import settings


@pytest.fixture
def taken() -> object:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_told_with_its_setting_and_owner(tmp_path: Path, taken: int) -> None:
    """One line: which port, which setting, and who has it where that can be told."""
    own = settings(tmp_path).model_copy(update={"sidecar_port": taken})
    with pytest.raises(PortTaken, match=rf"^HUB_SIDECAR_PORT: port {taken} on 127.0.0.1 is taken by .* \(pid \d+\)\.$"):
        check_port(own)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_a_free_port_is_free_on_every_loopback_address(tmp_path: Path, host: str) -> None:
    """Also where localhost names an address that this machine lacks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check_port(settings(tmp_path).model_copy(update={"sidecar_port": port, "host": host}))


def test_a_port_that_may_not_be_used_is_a_bad_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A privileged port, say."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(SettingInvalid, match=r"HUB_SIDECAR_PORT: port 8766 .* Permission denied"):
        check_port(settings(tmp_path))


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
    script = "import os; os.close(1); from bridge.cli.run import terminal; os.write(terminal(), b'x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    descriptor = terminal()
    assert os.get_inheritable(descriptor)
    os.close(descriptor)

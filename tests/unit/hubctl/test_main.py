"""The console script: options, exit codes, and where output goes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import HubError, PeerUnavailable, PortTaken, RemoteError, SettingInvalid
from hubctl.errors import ArgumentsInvalid, HubNotRunning, HubRunning, NoSuchWorkspace
from hubctl.main import main, parser, report, wants_color
from hubctl.run import lock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for a hub of its own, that hubctl is told of."""
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HUB_SETTINGS_FILE", str(tmp_path / "hub.env"))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoSuchWorkspace("x"), 1),
        (RemoteError(HubError("x").body()), 1),
        (ArgumentsInvalid("x"), 2),
        (SettingInvalid("x"), 2),
        (PortTaken("x"), 2),
        (HubRunning("x"), 2),
        (PeerUnavailable("x"), 3),
        (HubNotRunning("x"), 3),
    ],
)
def test_each_error_has_its_exit_code(error: HubError, code: int) -> None:
    """1 the thing failed, 2 usage or settings, 3 no hub; always one line."""
    text, machine = io.StringIO(), io.StringIO()
    assert report(error, False, text) == report(error, True, machine) == code
    assert text.getvalue() == f"{error.code if code != 1 else error.body().code}: x. {error.advice}\n"
    assert json.loads(machine.getvalue())["error"]["message"] == "x"


def test_a_hub_that_does_not_run_is_told_of_at_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is waited for, and nothing is made."""
    assert main(["status"]) == 3
    assert capsys.readouterr().err.startswith(f"HUB_NOT_RUNNING: No hub runs with {home}/data/run. ")
    assert not (home / "data").exists()


def test_a_bad_setting_is_a_usage_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the variable."""
    monkeypatch.setenv("HUB_SIDECAR_PORT", "many")
    assert main(["status", "--json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "SETTING_INVALID"
    assert error["message"].startswith("HUB_SIDECAR_PORT: ")


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["logs", "-n", "0"], ["logs", "-n", "x"], ["call", "w", "t", "--timeout", "x"], ["url"]]
)
def test_bad_words_are_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """argparse says what is wrong, with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    assert "hubctl" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """`hubctl --version`."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("hubctl 0.")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless told otherwise, by option or by NO_COLOR."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_color("auto", Terminal())
    assert not wants_color("auto", io.StringIO())
    assert wants_color("always", io.StringIO())
    assert not wants_color("never", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color("auto", Terminal())


@pytest.mark.outside
def test_a_reader_that_has_gone_is_no_traceback(home: Path) -> None:
    """`hubctl doctor | true` ends quietly."""
    script = "import sys; from hubctl.main import main; sys.exit(main(['doctor']))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.wait(20) == 1
    assert process.stderr.read() == b""
    process.stderr.close()


def test_ctrl_c_is_no_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted commands end with 130, as a shell has it."""

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("hubctl.main.running", interrupted)
    assert main(["status"]) == 130


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    """The second one is told who holds it; looking takes nothing; closing gives it back."""
    import os

    assert not lock.is_held(tmp_path)
    holder = lock.acquire(tmp_path)
    assert lock.is_held(tmp_path)
    with pytest.raises(HubRunning, match=f"pid {os.getpid()}"):
        lock.acquire(tmp_path)
    os.close(holder)
    assert not lock.is_held(tmp_path)
    os.close(lock.acquire(tmp_path))


def test_a_variable_that_is_no_setting_is_told_of() -> None:
    """A typo in a variable's name would otherwise go unnoticed."""
    from hubctl.commands.doctor import unknown_variables

    found = unknown_variables({"HUB_PORT", "HUB_PROT", "HUB_SETTINGS_FILE", "HOME"})
    assert [(item.level, item.subject) for item in found] == [("warning", "HUB_PROT")]

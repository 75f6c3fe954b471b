"""How YAMCP-UI is run."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from bridge.errors import SettingInvalid
from bridge.settings import Settings
from hubctl.errors import DirectoryUnusable
from hubctl.run.heartbeats import VARIABLE
from hubctl.run.node import HEARTBEAT
from hubctl.run.yamcp_ui import REMOVE_STALE_SOCKET, check_yamcp_ui, command, data_home
from tests.unit.hubctl.canned import settings

pytestmark = pytest.mark.outside


def shown(directory: Path, ui: Path) -> Settings:
    """Settings with a YAMCP-UI."""
    own = settings(directory).model_copy(update={"yamcp_ui_dir": ui})
    own.runtime.mkdir(parents=True, exist_ok=True)
    return own


def test_a_built_one_is_taken(tmp_path: Path) -> None:
    """What is there, or none at all."""
    (tmp_path / "dist").mkdir()
    for name in ("server.mjs", "dist/index.html"):
        (tmp_path / name).write_text("")
    check_yamcp_ui(shown(tmp_path, tmp_path))
    check_yamcp_ui(settings(tmp_path))


def test_what_is_none_or_not_built_is_told(tmp_path: Path) -> None:
    """What is missing, and how it is built."""
    (tmp_path / "server.mjs").write_text("")
    cases = {
        tmp_path: "is not a built YAMCP-UI: it has no dist/index.html.",
        tmp_path / "data": "is not a built YAMCP-UI: it has no server.mjs and no dist/index.html.",
        tmp_path / "nothing": "is not a directory.",
    }
    for directory, told in cases.items():
        with pytest.raises(SettingInvalid) as raised:
            check_yamcp_ui(shown(tmp_path, directory))
        assert raised.value.message == f"HUB_YAMCP_UI_DIR: {directory} {told}"
        assert "npm ci --omit=peer && npm run build" in raised.value.advice


def test_it_is_told_of_the_data_by_a_link(tmp_path: Path) -> None:
    """Whatever HUB_YAMCP_DIR is called; the link follows the setting, and the directory is made if need be."""
    own = shown(tmp_path, tmp_path)
    for name in ("yamcp", "of another name"):
        home = data_home(own.model_copy(update={"yamcp_dir": tmp_path / name}))
        (tmp_path / name / "providers.json").write_text(name)
        assert (home / "yamcp-nodejs" / "providers.json").read_text() == name
    assert sorted(path.name for path in home.iterdir()) == ["yamcp-nodejs"]


def test_a_link_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Something else is in its place."""
    own = shown(tmp_path, tmp_path)
    (own.runtime / "yamcp-ui" / "yamcp-nodejs" / "x").mkdir(parents=True)
    with pytest.raises(DirectoryUnusable, match=r"yamcp-nodejs.* cannot be made: "):
        data_home(own)


def test_it_gets_a_small_environment(tmp_path: Path) -> None:
    """Nothing of the hub's but what is listed; whatever is in it is one word for supervisord."""
    own = shown(tmp_path, tmp_path)
    given = {"HOME": "/home/me and 'you' 100 %", "TOKEN": "secret", "HUB_PUBLIC_URL": "http://x", "PATH": "/bin"}
    words = shlex.split(command(own, "/opt/node", tmp_path / "home", given))
    assert words == [
        "env",
        "-i",
        "PATH=/bin",
        "HOME=/home/me and 'you' 100 %",
        f"PORT={own.runtime}/yamcp-ui.sock",
        f"XDG_DATA_HOME={tmp_path}/home",
        f"{VARIABLE}=",
        "sh",
        "-c",
        REMOVE_STALE_SOCKET,
        "/opt/node",
        "--import",
        HEARTBEAT.as_uri(),
        "server.mjs",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_is_reached_through_a_socket_in_every_mode(tmp_path: Path, host: str) -> None:
    """PORT is the path; the socket that a killed one left is removed first, and nothing else is."""
    own = shown(tmp_path, tmp_path).model_copy(update={"host": host})
    (tmp_path / "server.mjs").write_text("")
    program = tmp_path / "a node"
    program.write_text('#!/bin/sh\necho "$@"; ls "$(dirname "$PORT")"\n')
    program.chmod(0o755)
    for name in ("yamcp-ui.sock", "other.sock"):
        (own.runtime / name).write_text("")
    words = shlex.split(command(own, str(program), tmp_path, {"PATH": "/usr/bin:/bin", "HUB_TOKEN": "secret"}))
    assert f"PORT={own.runtime}/yamcp-ui.sock" in words
    assert "secret" not in str(words)
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.splitlines() == [f"--import {HEARTBEAT.as_uri()} server.mjs", "other.sock"]


def test_a_runtime_directory_that_no_header_can_carry_is_told(tmp_path: Path) -> None:
    """YAMCP-UI is asked with the path of its socket as Host; a header has Latin-1 at most."""
    (tmp_path / "dist").mkdir()
    for name in ("server.mjs", "dist/index.html"):
        (tmp_path / name).write_text("")
    own = shown(tmp_path, tmp_path)
    check_yamcp_ui(own.model_copy(update={"runtime_dir": tmp_path / "l\u00e4uft"}))
    for name in ("\u8dd1", "a\nb"):
        with pytest.raises(SettingInvalid, match="has characters that HTTP cannot carry"):
            check_yamcp_ui(own.model_copy(update={"runtime_dir": tmp_path / name}))

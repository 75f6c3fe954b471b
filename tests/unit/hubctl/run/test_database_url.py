"""The address of the database, which may have a password: how the recorder gets it, and nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bridge.settings import Settings
from hubctl.errors import DirectoryUnusable
from hubctl.run.run import environment, hand_over_database_urls, programs, remove_secrets
from recorder.app import database_url

URL = "postgresql://hub:pass-word@db.example/history"


def made(directory: Path, **changes: Any) -> Settings:
    """Settings in a directory."""
    (directory / "run").mkdir(exist_ok=True)
    return Settings(data_dir=directory, yamcp_dir=directory / "yamcp", **changes)


def test_the_recorder_gets_it_in_a_private_file(tmp_path: Path) -> None:
    """It stands in no variable of the processes, however it was spelled."""
    own = made(tmp_path, database_url=URL)
    hand_over_database_urls(own)
    assert stat.S_IMODE(own.database_url_file.stat().st_mode) == 0o600
    variables = {"HUB_DATABASE_URL": URL, "Hub_Database_Url": URL, "PATH": "/bin"}
    remove_secrets(variables)
    assert variables == {"PATH": "/bin"}
    variables |= environment(own, tmp_path, 7)
    os.close(int(variables["YAMCP_HUB_TERMINAL_FD"]))
    assert "pass-word" not in str(variables)
    assert database_url(made(tmp_path)) == URL


def test_the_database_of_the_configuration_is_handed_over_like_it(tmp_path: Path) -> None:
    """To adapter and sidecar; a former address is forgotten."""
    own = made(tmp_path, config_database=URL)
    hand_over_database_urls(own)
    assert stat.S_IMODE(own.config_database_file.stat().st_mode) == 0o600
    variables = {"HUB_CONFIG_DATABASE": URL, "PATH": "/bin"}
    remove_secrets(variables)
    assert variables == {"PATH": "/bin"}
    assert made(tmp_path).config_database_url == own.config_database_url == URL
    hand_over_database_urls(made(tmp_path))
    assert made(tmp_path).config_database_url is None


@pytest.mark.parametrize("changes", [{}, {"database_url": URL, "history": False}])
def test_a_former_one_is_forgotten(tmp_path: Path, changes: dict[str, Any]) -> None:
    """The next start without one uses SQLite again; without a history nothing has it."""
    hand_over_database_urls(made(tmp_path, database_url=URL))
    own = made(tmp_path, **changes)
    hand_over_database_urls(own)
    assert not own.database_url_file.exists()
    assert database_url(made(tmp_path)) is None


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The hub does not start then: it would write its history elsewhere than it was told."""
    own = made(tmp_path, database_url=URL)
    own.database_url_file.mkdir()
    with pytest.raises(DirectoryUnusable, match=r"database\.url"):
        hand_over_database_urls(own)


@pytest.mark.parametrize("url", ["mysql://host/db", "host/db", "sqlite:///file"])
def test_only_postgresql_is_taken(url: str) -> None:
    """The message does not tell the address."""
    with pytest.raises(ValueError, match="begins with postgresql://") as caught:
        Settings(database_url=url)
    assert "host" not in str(caught.value).replace("hub", "").partition("[")[0]


@pytest.mark.parametrize(("history", "started"), [(True, "true"), (False, "false")])
def test_the_recorder_is_started_where_there_is_a_history(tmp_path: Path, history: bool, started: str) -> None:
    """HUB_HISTORY=off starts no process."""
    assert programs(made(tmp_path, history=history), "node")["YAMCP_HUB_RECORDER"] == started

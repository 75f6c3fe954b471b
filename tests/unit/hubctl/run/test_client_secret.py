"""The hub's secret at its OpenID provider: how the front gets it, and nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import SettingInvalid
from bridge.settings import Settings
from hubctl.run.client_secret import prepare_client_secret
from hubctl.run.run import environment, remove_secrets

SECRET = "s3cret-of-the-hub"


def made(directory: Path, **changes: Any) -> Settings:
    """Settings of a hub whose users sign in at a provider."""
    (directory / "run").mkdir(exist_ok=True)
    places = {"data_dir": directory, "yamcp_dir": directory / "yamcp"}
    return Settings(**places, oidc_issuer="https://id.example.com", oidc_client_id="hub", **changes)


def test_the_front_gets_it_in_a_private_file(tmp_path: Path) -> None:
    """It stands in no variable of the processes, whose settings are valid without it."""
    own = prepare_client_secret(made(tmp_path, oidc_client_secret=SECRET))
    file = tmp_path / "run" / "oidc.secret"
    assert (own.oidc_client_secret, own.oidc_client_secret_file) == (None, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{SECRET}\n"
    variables = {"HUB_OIDC_CLIENT_SECRET": SECRET, "Hub_Oidc_Client_Secret": SECRET, "PATH": "/bin"}
    remove_secrets(variables)
    assert variables == {"PATH": "/bin"}
    variables |= environment(own, tmp_path, 7)
    os.close(int(variables["YAMCP_HUB_TERMINAL_FD"]))
    assert SECRET not in str(variables)
    assert str(file) in variables["YAMCP_HUB_FRONT_SETTINGS"]


def test_a_secret_of_an_earlier_run_is_removed(tmp_path: Path) -> None:
    """A hub without a secret, or whose secret is in another file, leaves none there."""
    prepare_client_secret(made(tmp_path, oidc_client_secret=SECRET))
    own = made(tmp_path)
    assert prepare_client_secret(own) is own
    assert not (tmp_path / "run" / "oidc.secret").exists()


@pytest.mark.parametrize(("content", "why"), [(None, "cannot be read"), (b" \n", "is empty"), (b"x" * 4097, "longer")])
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, content: bytes | None, why: str) -> None:
    """Before the hub starts, with the name of the setting."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingInvalid, match=why) as caught:
        prepare_client_secret(made(tmp_path, oidc_client_secret_file=file))
    assert "HUB_OIDC_CLIENT_SECRET_FILE" in caught.value.message

"""Tokens, keys and certificates at the command line."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import SettingInvalid
from bridge.keys import Keyring
from bridge.settings import Settings
from hubctl.commands.doctor import obstacles
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, DirectoryUnusable, NoToken
from hubctl.run.access import check_certificate, check_token, login_url, prepare_access, token, welcome
from hubctl.run.run import environment, exported, prepare_directories, remove_secrets
from tests.support.tls import certificate
from tests.unit.hubctl.canned import settings

pytestmark = pytest.mark.outside

GIVEN = "a-token-that-is-given/+?&#=%"


def made(directory: Path, **changes: Any) -> Settings:
    """Settings in a directory, whose directories are there."""
    plain = settings(directory)
    own = Settings(**{**plain.model_dump(exclude_none=True), **changes})
    prepare_directories(own)
    return own


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_hub_beyond_loopback_gets_a_token_once(tmp_path: Path) -> None:
    """Kept in the data directory for its user alone; the second start finds it and shows nothing."""
    own = made(tmp_path, host="0.0.0.0")
    _, fresh = prepare_access(own)
    assert fresh
    assert own.own_token_file.read_text() == fresh + "\n"
    assert (mode(own.own_token_file), mode(own.front_key_file)) == (0o600, 0o600)
    first = own.front_key_file.read_text()
    own.own_token_file.chmod(0o644)
    again, nothing = prepare_access(own)
    assert (again, nothing) == (own, None)
    assert mode(own.own_token_file) == 0o600
    assert own.front_key_file.read_text() != first
    assert Keyring(own).check(fresh)
    assert login_url(own, fresh) == f"http://127.0.0.1:{own.port}/?token={fresh}"
    assert f"  Open {login_url(own, fresh)}" in welcome(own, fresh)
    assert fresh not in "".join(welcome(own, None))


def test_replicas_have_one_key_of_cookies(tmp_path: Path) -> None:
    """A hub that shares nothing leaves its key to the front."""

    def key_of(name: str, **given: Any) -> bytes | None:
        own = made(tmp_path / name, host="0.0.0.0", **given)
        prepare_access(own)
        file = own.data_dir / "cookie.key"
        assert not file.exists() or mode(file) == 0o600
        return file.read_bytes() if file.exists() else None

    keys = [key_of(name, replicas_secret=name[0] * 32) for name in ("a1", "a2", "b1")]
    assert keys[0] == keys[1] != keys[2]
    assert [len(key or b"") for key in keys] == [32, 32, 32]
    assert key_of("alone") is None


def test_in_a_container_the_published_port_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that is told has the container's own port; HUB_PUBLIC_URL says another."""
    own = made(tmp_path, host="0.0.0.0")
    note = f"  {own.port} is the container's port: published under another address or port, that one counts."
    assert note not in welcome(own, "x")
    monkeypatch.setenv("YAMCP_HUB_IMAGE", "true")
    assert note in welcome(own, "x")
    assert note not in welcome(own.model_copy(update={"public_url": "https://hub.example"}), "x")


def test_a_hub_on_loopback_gets_nothing(tmp_path: Path) -> None:
    """And what a run before it left is gone."""
    own = made(tmp_path)
    own.front_key_file.write_text("x" * 43)
    assert prepare_access(own) == (own, None)
    assert list(own.runtime.iterdir()) == []
    assert not own.own_token_file.exists()
    assert welcome(own, None) == []


def test_a_given_token_reaches_the_processes_as_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no variable, however it was spelled; and the processes, which load the variables, check it."""
    own = made(tmp_path, token=GIVEN)
    theirs, fresh = prepare_access(own)
    assert fresh is None
    variables = {"HUB_TOKEN": GIVEN, "Hub_Token": GIVEN, "PATH": "/bin"}
    remove_secrets(variables)
    assert variables == {"PATH": "/bin"}
    variables |= environment(theirs, tmp_path, 7)
    os.close(int(variables["YAMCP_HUB_TERMINAL_FD"]))
    assert GIVEN not in str(variables)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if GIVEN in path.read_text()]
    for name in list(os.environ):
        if name.upper().startswith("HUB_"):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    loaded = Settings()
    assert loaded.protected
    assert loaded.token is None
    assert Keyring(loaded).check(GIVEN)


def test_a_secret_is_not_exported(tmp_path: Path) -> None:
    """Not even masked: nobody would know that it is no token."""
    assert "HUB_TOKEN" not in exported(made(tmp_path, token=GIVEN))


def test_a_file_without_a_token_is_told_before_anything_starts(tmp_path: Path) -> None:
    """What is missing, cannot be read, or is too short; its content is in no message."""
    file = tmp_path / "secret"
    own = made(tmp_path, token_file=file)
    with pytest.raises(SettingInvalid, match=rf"^HUB_TOKEN_FILE: {file} cannot be read: No such file or directory\.$"):
        check_token(own)
    file.write_text("s3cret")
    with pytest.raises(SettingInvalid, match=rf"^HUB_TOKEN_FILE: {file} holds no token that can be used"):
        prepare_access(own)
    assert "HUB_TOKEN_FILE" in str([error.message for error in obstacles(own)])
    file.write_text(GIVEN)
    assert prepare_access(own) == (own, None)
    exposed = made(tmp_path, host="::")
    exposed.own_token_file.write_text("s3cret")
    with pytest.raises(SettingInvalid, match=r"^HUB_DATA_DIR: .*/token holds no token that can be used") as caught:
        check_token(exposed)
    assert "hubctl token --rotate" in caught.value.advice
    assert "s3cret" not in caught.value.message


def test_a_directory_that_takes_no_token_is_told(tmp_path: Path) -> None:
    """And nothing is left half written."""
    own = made(tmp_path, host="0.0.0.0")
    own.front_key_file.mkdir()
    (own.front_key_file / "x").write_text("")
    with pytest.raises(DirectoryUnusable, match=r"front\.key cannot be written: "):
        prepare_access(own)
    assert [path.name for path in own.runtime.iterdir()] == ["front.key"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two certificates and their keys, and one key with a passphrase."""
    directory = tmp_path_factory.mktemp("tls")
    for name in ("one", "other"):
        certificate(directory, name)
    subprocess.run(
        ["openssl", "ec", "-in", "one.key", "-out", "locked.key", "-aes256", "-passout", "pass:secret"],
        cwd=directory, check=True, capture_output=True,
    )  # fmt: skip
    return directory


@pytest.mark.parametrize(
    ("cert", "key", "why"),
    [
        ("one.pem", "one.key", None),
        ("one.pem", "other.key", "are no certificate"),
        ("one.key", "one.pem", "are no certificate"),
        ("one.pem", "locked.key", "without a passphrase"),
        ("gone.pem", "one.key", "HUB_TLS_CERT: .*/gone.pem cannot be read: No such file"),
        ("one.pem", "gone.key", "HUB_TLS_KEY: .*/gone.key cannot be read: No such file"),
    ],
)
def test_a_certificate_is_tried_before_anything_starts(
    tmp_path: Path, pair: Path, cert: str, key: str, why: str | None
) -> None:
    """That it can be read, and that the key is its own; nobody is asked for a passphrase."""
    own = made(tmp_path, tls_cert=pair / cert, tls_key=pair / key)
    if why is None:
        check_certificate(own)
        return
    with pytest.raises(SettingInvalid, match=why):
        check_certificate(own)


async def shown(own: Settings, json_too: bool = False, rotate: bool = False) -> str:
    """What `hubctl token` writes."""
    out = io.StringIO()
    assert await token(Context(own, json=json_too, out=out), rotate) == 0
    return out.getvalue()


async def test_the_token_is_shown_wherever_it_is(tmp_path: Path) -> None:
    """Given, in a file, or made; with the address to click, in which it is escaped."""
    given = made(tmp_path, token=GIVEN, public_url="https://hub.example/")
    url = "https://hub.example/?token=a-token-that-is-given%2F%2B%3F%26%23%3D%25"
    assert await shown(given) == f"Token  {GIVEN}\nOpen   {url}\n"
    assert json.loads(await shown(given, json_too=True)) == {"token": GIVEN, "url": url}
    file = tmp_path / "secret"
    file.write_text(f" {GIVEN}\n")
    assert GIVEN in await shown(made(tmp_path, token_file=file))
    own = made(tmp_path, host="0.0.0.0")
    _, fresh = prepare_access(own)
    assert f"Token  {fresh}\n" in await shown(own)
    assert "asks for no token" in await shown(made(tmp_path))


async def test_a_token_that_is_not_there_is_told(tmp_path: Path) -> None:
    """None yet, a hash alone, or something that is none."""
    with pytest.raises(NoToken, match="There is no token in"):
        await shown(made(tmp_path))
    file = tmp_path / "secret"
    own = made(tmp_path, token_file=file)
    for text, why in (("sha256:" + "0" * 64, "has only the hash"), ("short", "holds no token")):
        file.write_text(text)
        with pytest.raises(NoToken, match=why):
            await shown(own)
    file.unlink()
    file.mkdir()
    with pytest.raises(NoToken, match="cannot be read: Is a directory"):
        await shown(own)


async def test_a_token_is_made_anew(tmp_path: Path) -> None:
    """The old one is worth nothing then; what is set elsewhere is changed there."""
    own = made(tmp_path, host="0.0.0.0")
    _, old = prepare_access(own)
    assert old
    new = json.loads(await shown(own, json_too=True, rotate=True))["token"]
    assert new != old
    assert (Keyring(own).check(old), bool(Keyring(own).check(new))) == (None, True)
    assert mode(own.own_token_file) == 0o600
    for changes, setting in (({"token": GIVEN}, "HUB_TOKEN"), ({"token_file": tmp_path / "x"}, "HUB_TOKEN_FILE")):
        with pytest.raises(ArgumentsInvalid, match=rf"the one that {setting} gives\."):
            await shown(made(tmp_path, **changes), rotate=True)

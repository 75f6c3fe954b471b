"""bridge.settings: variables, the settings file, and what cannot be used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import SettingInvalid
from bridge.settings import LONGEST_SOCKET_NAME, UNIX_PATH_LIMIT, Settings, load, settings_file, settings_file_names


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No HUB_* variable of the machine, and a home directory of our own, short enough for sockets."""
    for name in list(os.environ):
        if name.startswith(("HUB_", "XDG_")):
            monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setenv("HOME", directory)
        yield Path(directory)


def test_defaults_follow_the_home_directory(home: Path) -> None:
    """Without any setting all is under the home directory, on loopback, on the documented ports."""
    settings = load()
    assert (settings.host, settings.port, settings.sidecar_port) == ("127.0.0.1", 8765, 8766)
    assert settings.data_dir == home / ".local/share/yamcp-hub"
    assert settings.yamcp_dir == home / ".local/share/yamcp-nodejs"
    assert settings.runtime == settings.data_dir / "run"
    assert settings_file() == home / ".config/yamcp-hub/hub.env"


def test_xdg_directories_are_honoured(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """XDG_DATA_HOME and XDG_CONFIG_HOME move data and settings."""
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    assert load().data_dir == home / "data/yamcp-hub"
    assert settings_file() == home / "config/yamcp-hub/hub.env"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line of the settings file counts unless a variable says otherwise; foreign lines are ignored."""
    file = tmp_path / "hub.env"
    file.write_text("HUB_PORT=1111\nHUB_SIDECAR_PORT=2222\nOTHER=1\n")
    monkeypatch.setenv("HUB_SETTINGS_FILE", str(file))
    monkeypatch.setenv("HUB_PORT", "3333")
    settings = load()
    assert (settings.port, settings.sidecar_port) == (3333, 2222)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("HUB_PORT", "http", "valid integer"),
        ("HUB_PORT", "70000", "less than or equal to 65535"),
        ("HUB_LOG_LEVEL", "loud", "'debug'"),
        ("HUB_HOST", "example.org", "is not an IP address or localhost"),
        ("HUB_HOST", "127.0.0.1:80", "is not an IP address or localhost"),
        ("HUB_HOST", "fe80::1%eth0", "is not an IP address or localhost"),
        ("HUB_TOKEN", "s3cret", "a token is 16 to 512 visible ASCII characters"),
        ("HUB_TOKEN", "s3cret s3cret s3cret", "a token is 16 to 512 visible ASCII characters"),
        ("HUB_TRUSTED_PROXIES", "10.0.0.0/8, proxy", "'proxy' is not an IP address or network"),
        ("HUB_CONTAINER_ENGINE", "nerdctl", "none of auto, podman, docker, off, and no absolute path"),
        ("HUB_CONTAINER_MOUNTS", "/srv, notes", "'notes' is not an absolute path"),
        ("HUB_DRAIN_TIMEOUT", "-1", "greater than or equal to 0"),
        ("HUB_PING_INTERVAL", "inf", "finite number"),
        ("HUB_PUBLIC_URL", "hub.example", "begins with http://"),
        ("HUB_PUBLIC_URL", "http:///path", "begins with http://"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    """The error names the variable and why."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as caught:
        load()
    assert caught.value.message.startswith(f"{name}: ")
    assert why in caught.value.message
    assert "s3cret" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"# fine\nHUB_PORT=1\nHUB_SIDECAR_PORT 9000\n", r"line 3 of .*/hub\.env is not NAME=value\.$"),
        (b"HUB_LOG_LEVEL\n", r"line 1 of .*/hub\.env is not NAME=value\.$"),
        (b"\xff\xfe", r"/hub\.env is not text in UTF-8\.$"),
        (None, r"/hub\.env cannot be read: Is a directory\.$"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    """One line that names file and line, never what stands there; the hub does not start on half of its settings."""
    file = tmp_path / "hub.env"
    file.mkdir() if content is None else file.write_bytes(content)
    monkeypatch.setenv("HUB_SETTINGS_FILE", str(file))
    with pytest.raises(SettingInvalid, match=f"^HUB_SETTINGS_FILE: .*{why}"):
        load()


def test_a_settings_file_may_be_missing_and_hold_shell_forms(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No file is no settings; `export` and quotes are understood; `~` is the home directory."""
    monkeypatch.setenv("HUB_SETTINGS_FILE", "~/hub.env")
    assert load().port == 8765
    (home / "hub.env").write_text("export HUB_PORT='9'\n\nHUB_LOG_LEVEL=debug  # loud\n")
    assert (load().port, load().log_level) == (9, "debug")
    assert settings_file_names() == ["HUB_PORT", "HUB_LOG_LEVEL"]


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bad settings make one error that names both."""
    monkeypatch.setenv("HUB_PORT", "x")
    monkeypatch.setenv("HUB_SIDECAR_PORT", "y")
    with pytest.raises(SettingInvalid, match=r"HUB_PORT: .*; HUB_SIDECAR_PORT: "):
        load()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_loopback_addresses_are_taken(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Every form of a loopback address will do."""
    monkeypatch.setenv("HUB_HOST", host)
    assert load().host == host


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8765"),
        ("::", "http://[::1]:8765"),
        ("[::]", "http://[::1]:8765"),
        ("192.0.2.7", "http://192.0.2.7:8765"),
        ("2001:db8::7", "http://[2001:db8::7]:8765"),
    ],
)
def test_beyond_loopback_the_hub_is_protected(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    """Every other address is taken, wants a token, and is told as one that a person can click."""
    monkeypatch.setenv("HUB_HOST", host)
    settings = load()
    assert settings.protected
    assert not settings.loopback
    assert settings.base_url == url
    assert f"//{settings.reached_at}:" in url.replace("[", "").replace("]", "")


@pytest.mark.parametrize(
    ("name", "value"), [("HUB_TOKEN", "0123456789abcdef"), ("hub_token", "x" * 512), ("HUB_TOKEN_FILE", "~/token")]
)
def test_a_token_protects_loopback_too(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Given itself or as a file; it is in no text of the settings."""
    assert not load().protected
    monkeypatch.setenv(name, value)
    settings = load()
    assert settings.protected
    assert value not in repr(settings) + str(settings) + str(settings.model_dump())
    assert value not in settings.model_dump_json()


def test_https_needs_certificate_and_key(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Both, or neither; then URLs begin with https."""
    monkeypatch.setenv("HUB_TLS_CERT", "~/cert.pem")
    with pytest.raises(SettingInvalid, match="one is set without the other"):
        load()
    monkeypatch.setenv("HUB_TLS_KEY", "~/key.pem")
    assert load().tls_key == home / "key.pem"
    assert load().base_url == "https://127.0.0.1:8765"


def test_mounts_are_a_list_of_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks around them do not count."""
    assert load().mounts_allowed == ()
    monkeypatch.setenv("HUB_CONTAINER_MOUNTS", "/srv/a, /srv/b,")
    assert load().mounts_allowed == (Path("/srv/a"), Path("/srv/b"))


def test_a_runtime_directory_too_long_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with which the longest socket just fits is taken; one byte more is an error that says so."""
    fits = "/" + "r" * (UNIX_PATH_LIMIT - LONGEST_SOCKET_NAME - 1)
    monkeypatch.setenv("HUB_RUNTIME_DIR", fits)
    assert len(str(load().runtime)) + LONGEST_SOCKET_NAME == UNIX_PATH_LIMIT
    monkeypatch.setenv("HUB_RUNTIME_DIR", fits + "r")
    with pytest.raises(SettingInvalid, match="1 bytes too long"):
        load()


def test_addresses_are_in_the_runtime_directory(home: Path) -> None:
    """Three sockets, one place."""
    settings = Settings(runtime_dir=home)
    assert settings.desired_address == f"ipc://{home}/desired.sock"
    assert settings.actual_address == f"ipc://{home}/actual.sock"
    assert settings.events_address == f"ipc://{home}/events.sock"


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({}, "http://127.0.0.1:8765"),
        ({"host": "::1", "port": 9}, "http://[::1]:9"),
        ({"public_url": "https://hub.example/x/"}, "https://hub.example/x"),
    ],
)
def test_endpoint_urls_begin_as_clients_see_them(given: dict[str, str], base: str) -> None:
    """The public URL, or else host and port; never a slash at the end."""
    assert Settings(**given).base_url == base

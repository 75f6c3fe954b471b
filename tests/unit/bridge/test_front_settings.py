"""bridge.front_settings: what the front is handed, whole and without a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge import front_settings
from bridge.front_settings import VARIABLE, FrontSettings
from bridge.keys import token_hash
from bridge.settings import Settings
from hubctl.run.run import environment

TOKEN = "sixteen-characters"


def handed(tmp_path: Path, **given: Any) -> dict[str, Any]:
    """What the front is handed for these settings."""
    value = FrontSettings.of(Settings(data_dir=tmp_path / "data", yamcp_dir=tmp_path / "yamcp", **given)).value()
    found: dict[str, Any] = json.loads(value)
    return found


def test_behind_an_acceptor_it_listens_on_a_socket(tmp_path: Path) -> None:
    """And not on the public port."""
    settings = Settings(data_dir=tmp_path / "data")
    found = FrontSettings.of(settings, behind_acceptor=True)
    assert found.own_socket == str(settings.front_socket) == str(tmp_path / "data" / "run" / "front.sock")


def test_the_front_is_handed_all_that_it_knows(tmp_path: Path) -> None:
    """By the names that it has for them; those of a hub without a setting of its own."""
    run = tmp_path / "data" / "run"
    assert handed(tmp_path) == {
        "host": "127.0.0.1",
        "port": 8765,
        "replica": False,
        "handsOver": False,
        "stopTimeout": 10,
        "sidecarPort": 8766,
        "publicUrl": None,
        "allowedHosts": [],
        "dataDir": str(tmp_path / "data"),
        "runtimeDir": str(run),
        "yamcpDir": str(tmp_path / "yamcp"),
        "yamcpUiDir": None,
        "maxBodyBytes": 4 * 1024 * 1024,
        "logLevel": "info",
        "pingInterval": 15,
        "baseUrl": "http://127.0.0.1:8765",
        "sidecarUrl": "http://127.0.0.1:8766",
        "addresses": {
            "desired": f"ipc://{run}/desired.sock",
            "actual": f"ipc://{run}/actual.sock",
            "events": f"ipc://{run}/events.sock",
            "desiredEvents": f"ipc://{run}/desired-events.sock",
            "records": f"ipc://{run}/records.sock",
        },
        "protected": False,
        "tokenHash": None,
        "tokenFile": str(tmp_path / "data" / "token"),
        "keysFile": str(tmp_path / "data" / "keys.json"),
        "cookieKeyFile": str(tmp_path / "data" / "cookie.key"),
        "frontKeyFile": str(run / "front.key"),
        "spool": str(tmp_path / "data" / "spool"),
        "spoolMaxBytes": 64 * 1024 * 1024,
        "sidecarSocket": str(run / "sidecar.sock"),
        "ownSocket": None,
        "yamcpUiSocket": str(run / "yamcp-ui.sock"),
        "tls": None,
        "trustedProxies": [],
        "oidc": None,
        "journalFile": str(tmp_path / "data" / "credentials.jsonl"),
        "rolesFile": str(tmp_path / "data" / "access.applied.json"),
        "oauth": False,
        "oauthLoopbackClients": False,
        "jwtIssuer": None,
        "jwtScopes": [],
    }


def test_the_token_is_handed_as_its_hash(tmp_path: Path) -> None:
    """The value stands in an environment, which other processes of the user can read."""
    found = handed(tmp_path, token=TOKEN)
    assert (found["protected"], found["tokenHash"]) == (True, token_hash(TOKEN))
    assert TOKEN not in json.dumps(found)


def test_hubctl_run_hands_it_to_the_front_by_the_environment(tmp_path: Path) -> None:
    """The one variable; the command line has none of it."""
    own = Settings(data_dir=tmp_path, public_url="https://hub.example/x/")
    assert json.loads(environment(own, tmp_path, 7)[VARIABLE])["baseUrl"] == "https://hub.example/x"


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"host": "[::1]"}, "host", "::1"),
        ({"host": "0.0.0.0"}, "protected", True),
        ({"host": "::"}, "baseUrl", "http://[::1]:8765"),
        ({"allowed_hosts": "Box.lan, other"}, "allowedHosts", ["box.lan", "other"]),
        ({"tls_cert": "/c", "tls_key": "/k"}, "tls", {"cert": "/c", "key": "/k"}),
        ({"tls_cert": "/c", "tls_key": "/k"}, "baseUrl", "https://127.0.0.1:8765"),
        ({"token_file": "/t"}, "tokenFile", "/t"),
        (
            {"trusted_proxies": "10.1.2.3/8, 192.0.2.9,fd00::/8"},
            "trustedProxies",
            ["10.0.0.0/8", "192.0.2.9/32", "fd00::/8"],
        ),
        ({"trusted_proxies": "10.0.0.0/255.0.0.0"}, "trustedProxies", ["10.0.0.0/8"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_handed_is_plain(tmp_path: Path, given: dict[str, Any], name: str, value: Any) -> None:
    """In one form, whatever forms the setting has: a netmask used to keep the front, and it alone, from starting."""
    assert handed(tmp_path, **given)[name] == value


def test_a_front_that_is_started_by_itself_gets_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m bridge.front_settings` writes the value, or says which setting cannot be used, never with a secret."""
    monkeypatch.setenv("HUB_SETTINGS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HUB_YAMCP_DIR", str(tmp_path / "yamcp"))
    assert front_settings.main() == 0
    assert json.loads(capsys.readouterr().out) == handed(tmp_path)
    monkeypatch.setenv("HUB_TOKEN", "too-short")
    assert front_settings.main() == 2
    said = capsys.readouterr()
    assert (said.out, said.err[:28]) == ("", "SETTING_INVALID: HUB_TOKEN: ")
    assert "too-short" not in said.err


def test_a_hub_without_a_history_has_no_recorder(tmp_path: Path) -> None:
    """The front is told so, and does not look for one."""
    found = handed(tmp_path, history=False)
    assert found["addresses"]["records"] is found["spool"] is None

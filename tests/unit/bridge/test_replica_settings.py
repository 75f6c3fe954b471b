"""HUB_REPLICAS and the secret of the replicas."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from bridge.errors import SettingInvalid
from bridge.settings import Settings
from bridge.settings.replicas import addresses

TEMPLATE = "http://{replica}.hub-headless:8765"


def test_listed() -> None:
    """Names with addresses, or names and one address for all."""
    found = addresses("a", "a=http://10.0.0.1:8765, b=https://b.example/")
    assert (found.url("a"), found.url("b"), found.url("c")) == ("http://10.0.0.1:8765", "https://b.example", None)
    found = addresses("hub-0", f"hub-0,hub-1,{TEMPLATE}")
    assert found.listed == {name: f"http://{name}.hub-headless:8765" for name in ("hub-0", "hub-1")}


@pytest.mark.parametrize("name", ["evil-1", "hub-x", "hub-1.evil.example", "hub-1/../x", "hub-12345", ""])
def test_names_of_clients(name: str) -> None:
    """A name in an id may be made up: the template is for the pods of this StatefulSet only."""
    found = addresses("hub-0", TEMPLATE)
    assert found.url("hub-7") == "http://hub-7.hub-headless:8765"
    assert found.url(name) is None


def test_heirs() -> None:
    """All replicas agree who goes on with a session, and sessions of one are spread over the others."""
    setting = ",".join([*(f"hub-{number}" for number in range(4)), TEMPLATE])
    orders = {tuple(addresses(f"hub-{number}", setting).heirs("hub-2", "s")) for number in range(4)}
    assert [sorted(order) for order in orders] == [["hub-0", "hub-1", "hub-3"]]
    assert len({addresses("hub-0", setting).heirs("hub-2", str(session))[0] for session in range(50)}) == 3
    assert addresses("hub-0", TEMPLATE).heirs("hub-2", "s") == []


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("a", "'a' has no address"),
        ("A=http://b", "is not a name"),
        ("a=http://b,a=http://c", "twice"),
        ("b=http://b", "lacks this replica, 'a'"),
        ("a=ftp://b", "http:// or https://"),
        ("a=http://b/path", "nothing else"),
        ("a=http://u:p@b", "nothing else"),
        ("a=http://b:99999", "nothing else"),
        (f"{TEMPLATE},{TEMPLATE}", "two addresses"),
        (TEMPLATE, "does not end with a number"),
        (",".join(f"n{number}=http://b" for number in range(1001)), "more than 1000"),
    ],
)
def test_what_is_wrong(setting: str, why: str) -> None:
    """Each fault is named."""
    with pytest.raises(ValueError, match=why):
        addresses("a", setting)


def test_the_secret(tmp_path: Path) -> None:
    """It comes from the setting or a file, with a key of its own for each purpose."""
    file = tmp_path / "secret"
    file.write_text("s" * 32 + "\n")
    listed = {"replica": "a", "replicas": "a=http://b"}
    by_file = Settings(**listed, replicas_secret_file=file)
    by_value = Settings(**listed, replicas_secret=SecretStr("s" * 32))
    assert by_file.replica_key("x") == by_value.replica_key("x") != by_value.replica_key("y")
    assert len(by_file.replica_key("x") or b"") == 32
    alone = Settings(replica="a", replicas_secret=SecretStr("s" * 32))
    assert (alone.replica_key("x"), alone.common_key("x")) == (None, by_file.replica_key("x"))
    assert Settings().common_key("x") is None
    for content, why in (("short", "32 to 4096 bytes"), (None, "cannot be read")):
        file.unlink()
        if content is not None:
            file.write_text(content)
        with pytest.raises(SettingInvalid, match=why):
            by_file.replica_key("x")
        file.touch()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"replicas": "a=http://b"}, "HUB_REPLICA is missing"),
        ({"replica": "a", "replicas": "a=http://b"}, "HUB_REPLICAS_SECRET_FILE is missing"),
        ({"replica": "b", "replicas": "a=http://b", "replicas_secret": "s" * 32}, "HUB_REPLICAS: it lacks"),
        ({"replicas_secret": "short"}, "32 to 4096 bytes"),
        ({"replicas_secret": "s" * 32, "replicas_secret_file": "/f"}, "keep one"),
    ],
)
def test_what_is_missing(given: dict[str, str], why: str) -> None:
    """Each half of a configuration says what the other one is."""
    with pytest.raises(ValidationError, match=why):
        Settings.model_validate(given)

"""The hub's ports: free, and each its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import PortTaken, SettingInvalid
from hubctl.run.ports import check_port, check_ports, check_socket, port_problems, ports
from tests.support.hub import free_ports
from tests.unit.hubctl.canned import settings

pytestmark = pytest.mark.outside


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_told_with_its_setting_and_owner(tmp_path: Path, taken: int) -> None:
    """One line: which port, which setting, and who has it where that can be told."""
    for name in ("port", "sidecar_port"):
        own = settings(tmp_path).model_copy(update={"yamcp_ui_dir": tmp_path, name: taken})
        told = rf"^HUB_{name.upper()}: port {taken} on 127.0.0.1 is taken by .* \(pid \d+\)\.$"
        with pytest.raises(PortTaken, match=told):
            check_ports(own)


def test_yamcp_ui_has_a_socket_and_no_port(tmp_path: Path) -> None:
    """Whether the hub is protected or not; the socket matters where there is a YAMCP-UI."""
    one, other = free_ports(2)
    own = settings(tmp_path).model_copy(update={"port": one, "sidecar_port": other})
    own.yamcp_ui_socket.mkdir(parents=True)
    check_ports(own)
    with_it = own.model_copy(update={"yamcp_ui_dir": tmp_path})
    assert [port.setting for port in ports(with_it)] == ["HUB_PORT", "HUB_SIDECAR_PORT"]
    with pytest.raises(PortTaken, match=r"yamcp-ui\.sock is taken"):
        check_ports(with_it)


def test_two_settings_with_one_port_are_told(tmp_path: Path) -> None:
    """Each pair, before anything is started that would end at once."""
    [port] = free_ports(1)
    own = settings(tmp_path).model_copy(update={"port": port, "sidecar_port": port})
    assert len(list(port_problems(own))) == 1
    with pytest.raises(SettingInvalid, match=rf"^HUB_PORT and HUB_SIDECAR_PORT are both {port}; each needs its own\.$"):
        check_ports(own)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_a_free_port_is_free_on_every_loopback_address(tmp_path: Path, host: str) -> None:
    """Also where localhost names an address that this machine lacks."""
    one, other = free_ports(2)
    check_ports(settings(tmp_path).model_copy(update={"port": one, "sidecar_port": other, "host": host}))


def test_a_port_that_may_not_be_used_is_a_bad_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A privileged port, say."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    wanted = ports(settings(tmp_path))[1]
    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(SettingInvalid, match=r"HUB_SIDECAR_PORT: port 8766 .* Permission denied"):
        check_port(wanted)


def test_protected_there_is_one_port_and_two_sockets(tmp_path: Path, taken: int) -> None:
    """Whoever has the other ports does not matter; a socket that is served does."""
    [port] = free_ports(1)
    changes = {"host": "0.0.0.0", "port": port, "sidecar_port": taken, "yamcp_ui_dir": tmp_path}
    own = settings(tmp_path).model_copy(update=changes)
    own.runtime.mkdir(parents=True)
    check_ports(own)
    assert [port.setting for port in ports(own)] == ["HUB_PORT"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(own.sidecar_socket))
        check_ports(own)
        listener.listen()
        with pytest.raises(PortTaken, match=rf"^HUB_RUNTIME_DIR: {own.sidecar_socket} is taken\.$"):
            check_ports(own)
    check_ports(own)
    own.yamcp_ui_socket.mkdir()
    with pytest.raises(PortTaken, match=r"yamcp-ui\.sock is taken"):
        check_ports(own)


def test_a_socket_that_cannot_be_looked_at_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be somebody's."""

    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_socket", refuse)
    with pytest.raises(PortTaken):
        check_socket(tmp_path / "x.sock")

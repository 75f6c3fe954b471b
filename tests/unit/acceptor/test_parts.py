"""Small parts of the acceptor: whose a connection is, what is refused, who has how many, the loop."""

from __future__ import annotations

import json
import re
import socket
from ipaddress import ip_network

import pytest

from acceptor.clients import Clients, plain
from acceptor.log import Log
from acceptor.loop import Loop
from acceptor.peek import MAX_PEEK, owner
from acceptor.refusals import ALL, CONNECTIONS_LIMIT, REQUEST_TIMEOUT, SIDECAR_AWAY, response
from acceptor.relay import preamble
from bridge.errors import retry_of
from sidecar.errors import INVALID_REQUEST, SERVER_ERROR
from sidecar.http_errors import ConnectionsLimit, FrontAway, RequestTimeout
from tests.unit.acceptor.wires import pair

pytestmark = pytest.mark.outside


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (b"POST /mcp/w HTTP/1.1\r\n", "sidecar"), (b"GET /mcp/", "sidecar"), (b"DELETE /mcp/x", "sidecar"),
        (b"P", None), (b"GET /mcp", None), (b"DELETE /mc", None), (b"", None),
        (b"GET /", None), (b"GET /h", "front"), (b"GET /MCP/", "front"), (b"PUT /mcp/w", "front"), (b"\r\n", "front"),
        (b"\x16\x03\x01", "front"), (b"get /mcp/", "front"), (b"GET  /mcp/", "front"), (b"GET http://", "front"),
    ],
)  # fmt: skip
def test_the_first_bytes_tell_whose_it_is(first: bytes, found: str | None) -> None:
    """As soon as they can, and after `MAX_PEEK` in any case."""
    assert owner(first) == found
    assert owner(first.ljust(MAX_PEEK, b"x")) is not None


def test_a_refusal_is_as_the_others_say_it() -> None:
    """The same codes of JSON-RPC, statuses and hints as in the sidecar's own errors; both forms of the body."""
    for ours, theirs in ((CONNECTIONS_LIMIT, ConnectionsLimit), (REQUEST_TIMEOUT, RequestTimeout)):
        assert (ours.code, ours.status, ours.rpc) == (theirs.code, theirs.status, theirs.rpc_code)
        assert (ours.retry_after, ours.hint.replace("`", "")) == (theirs.retry_after, theirs.hint.replace("`", ""))
    assert FrontAway.code in {each.code for each in ALL}
    assert {each.rpc for each in ALL} == {SERVER_ERROR, INVALID_REQUEST}
    head, _, body = response(SIDECAR_AWAY, "rpc").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert int(re.findall(rb"Content-Length: (\d+)", head)[0]) == len(body)
    assert {b"Connection: close", b"Retry-After: 5"} <= set(head.split(b"\r\n"))
    error = json.loads(body)["error"]
    assert (error["code"], error["data"]["code"]) == (-32010, "SIDECAR_AWAY")
    api = json.loads(response(SIDECAR_AWAY, "api").partition(b"\r\n\r\n")[2])
    assert (set(api), api["code"]) == ({"error", "code", "hint", "retryable", "data"}, "SIDECAR_AWAY")
    assert error["data"]["retryable"] is api["retryable"] is True
    assert all(retry_of(each.code) == "later" for each in ALL if each is not SIDECAR_AWAY), "it may say so always"


def test_unused_connections_make_room() -> None:
    """In all; and where one address has its share, its own alone. Loopback and proxies have none."""
    clients = Clients(most=20, trusted=(ip_network("10.0.0.0/8"),))
    ended: list[str] = []
    for number in range(20):
        address = f"192.0.2.{number}"
        assert clients.admit(address, 0)
        clients.entered(address)
        clients.fresh(address, 0, lambda each=address: ended.append(each))  # type: ignore[misc]
    assert not clients.admit("198.51.100.1", 1)
    assert clients.admit("198.51.100.1", 3)
    assert ended == ["192.0.2.0"]
    clients = Clients(most=64, trusted=(ip_network("10.0.0.0/8"),))
    for address in ("127.0.0.1", "10.1.1.1", "198.51.100.1"):
        for _ in range(clients.share):
            assert clients.admit(address, 0)
            clients.entered(address)
    assert [clients.admit(each, 0) for each in ("127.0.0.1", "10.1.1.1", "198.51.100.1")] == [True, True, False]
    number = clients.fresh("198.51.100.1", 0, lambda: ended.append("own"))
    assert clients.admit("198.51.100.1", 0)
    assert ended[-1] == "own"
    clients.begun(number)
    assert not clients.admit("198.51.100.1", 0)
    clients.left("198.51.100.1")
    assert (clients.admit("198.51.100.1", 0), len(clients)) == (True, 3 * clients.share - 1)


def test_addresses_are_written_in_one_way() -> None:
    """IPv4 as itself, and IPv6 without a zone."""
    assert [plain(each) for each in ("::ffff:192.0.2.1", "192.0.2.1", "fe80::1%eth0", "::1")] == [
        "192.0.2.1", "192.0.2.1", "fe80::1", "::1",
    ]  # fmt: skip


def test_the_line_before_the_first_byte() -> None:
    """PROXY protocol; of one that has left nothing is known."""
    client, sock = pair()
    with client, sock:
        (host, port), (_, own) = client.getsockname(), sock.getsockname()
        assert preamble(sock) == f"PROXY TCP4 {host} 127.0.0.1 {port} {own}\r\n".encode()
    with socket.socket() as unconnected:
        assert preamble(unconnected) == b"PROXY UNKNOWN\r\n"


def test_a_call_on_a_socket_that_was_closed_meanwhile_is_none_on_its_number() -> None:
    """Two are ready at once, and the call for the first closes the second."""
    loop, calls = Loop(), []
    pairs = [pair() for _ in range(2)]

    def called(number: int) -> None:
        calls.append(number)
        for _, sock in pairs:
            loop.forget(sock)

    for number, (client, sock) in enumerate(pairs):
        client.send(b"x")
        loop.watch(sock, lambda number=number: called(number))  # type: ignore[misc]
    loop.run_once(1)
    loop.run_once(0)
    assert len(calls) == 1
    timer = loop.later(0, lambda: calls.append(9))
    loop.later(0, loop.stop)
    timer.cancel()
    loop.run()
    assert len(calls) == 1
    loop.close()
    for each in pairs:
        for sock in each:
            sock.close()


def test_log_lines_are_as_the_other_processes_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the level: none; the same again and again: one, with how often."""
    log = Log("warning")
    log.write("info", "no")
    for _ in range(3):
        log.sometimes("A_CODE", "again")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["process"], line["code"], line["times"]) for line in lines] == [("acceptor", "A_CODE", 1)]
    assert {"time", "level", "process", "logger", "message"} <= set(lines[0])

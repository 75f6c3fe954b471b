"""What both HTTP transports share, without a network."""

from __future__ import annotations

import errno
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.models import RemoteLaunch
from sidecar.channels import web
from sidecar.channels.connections import Connections
from sidecar.errors import Unreachable


def chained(inner: BaseException) -> httpx2.ConnectError:
    """A connect error as the client raises it, with the cause below."""
    outer = httpx2.ConnectError("All connection attempts failed")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx2.ConnectTimeout(""), "http://h/p did not answer within 10 s."),
        (TimeoutError(), "http://h/p did not answer within 10 s."),
        (chained(OSError(errno.ECONNREFUSED, "x")), "http://h/p could not be connected to: Connection refused."),
        (
            chained(OSError("many").with_traceback(None)),
            "http://h/p could not be connected to: All connection attempts failed.",
        ),
        (
            chained(ExceptionGroup("g", [ValueError("x"), OSError(errno.ENETUNREACH, "x")])),
            "http://h/p could not be connected to: Network is unreachable.",
        ),
        (chained(ssl.SSLError(1, "bad certificate")), "http://h/p could not be connected to: bad certificate."),
        (httpx2.ConnectError(""), "http://h/p could not be connected to: ConnectError."),
        (httpx2.ReadError("http://u:secret@h"), "The connection to http://h/p broke (ReadError)."),
    ],
)
def test_words_for_failures(error: Exception, expected: str) -> None:
    """The cause is told, the URL's secrets are not."""
    assert web.failure(error, "http://user:secret@h/p?token=secret#secret").message == expected


def test_a_port_is_shown() -> None:
    """Host and port are what a user needs."""
    assert web.place("https://u@[::1]:8443/a/b?c") == "https://[::1]:8443/a/b"


@pytest.mark.parametrize(
    ("sent", "following", "expected"),
    [
        ("http://h/a", "http://h/a/", True),
        ("http://h/a", "https://h/a", True),
        ("http://h:80/a", "https://h:443/a", True),
        ("http://h:8080/a", "https://h:8080/a", False),
        ("https://h/a", "http://h/a", False),
        ("http://h/a", "http://g/a", False),
        ("http://u:p@h/a", "http://h/b", True),
        ("http://u:p@h/a", "http://x:y@h/b", False),
    ],
)
def test_redirect_targets(sent: str, following: str, expected: bool) -> None:
    """Only the configured origin, or its upgrade to https, gets what was meant for it."""
    one, other = httpx2.Request("POST", sent), httpx2.Request("POST", following)
    assert web._same_target(one, other) is expected
    assert not web._same_target(one, httpx2.Request("GET", following))


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ('{"jsonrpc":"2.0","method":"m"}', 1),
        ('{"id":1,"result":{}}', 1),
        ('{"id":1,"error":{}}', 1),
        ('{"id":1,"error":"x"}', 1),
        ('[{"method":"m"},{"method":1},2]', 1),
        ("{}", 0),
        ("", 0),
        (b"\xff", 0),
    ],
)
def test_frames_in_data(data: Any, count: int) -> None:
    """What is no message is left out."""
    assert len(web.parse(data)) == count


def test_a_stream_without_a_socket() -> None:
    """Where the response does not come from a socket, there is nothing to keep alive."""

    class Stream:
        def get_extra_info(self, name: str) -> None:
            return None

    web.keep_alive(httpx2.Response(200))
    web.keep_alive(httpx2.Response(200, extensions={"network_stream": Stream()}))


@pytest.mark.parametrize(
    ("data", "value"), [('{"id":1,"result":{"a":"\\ud800"}}', "?"), (b'{"id":1,"result":{"a":NaN}}', None)]
)
def test_what_servers_write_though_it_is_hardly_json(data: str | bytes, value: object) -> None:
    """Half characters and NaN do not lose an answer, or its request would wait for its deadline; stdio is the same."""
    assert web.parse(data) == [{"id": 1, "result": {"a": value}}]


@pytest.mark.parametrize("data", ["", "{", b"\xff", "1", '{"id":1}'])
def test_what_is_no_message(data: str | bytes) -> None:
    """What is no JSON, or no message, is none."""
    assert web.parse(data) == []


async def test_certificates_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading them takes so long that nobody would be served meanwhile: a server that is retried must not repeat it."""
    loaded: list[ssl.SSLContext] = []
    load = httpx2.create_ssl_context

    def count() -> ssl.SSLContext:
        loaded.append(load())
        return loaded[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", count)
    web.tls.cache_clear()
    async with Connections() as connections:
        for _ in range(3):
            async with connections.client(RemoteLaunch(url="https://127.0.0.1/mcp")):
                pass
    assert len(loaded) == 1


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Connection", "TE", "Upgrade", "Sec-WebSocket-Key"]
)
def test_headers_that_belong_to_the_message(name: str) -> None:
    """They are refused by name: with them, the HTTP client would fail in ways that tell nobody why."""
    with pytest.raises(Unreachable, match=f"The header '{name}' cannot be configured") as caught:
        web.checked_headers({name: "5"})
    assert caught.value.advice == "Remove it from `headers`."


def test_headers_that_the_hub_sets() -> None:
    """They have no effect; all others are sent as they are, the Host too."""
    given = {"Accept": "x", "Content-Type": "x", "MCP-Protocol-Version": "x", "Host": "v.example", "X-A": " ü "}
    assert web.checked_headers(given) == {b"Host": b"v.example", b"X-A": "ü".encode()}


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_certificates_that_cannot_be_read(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is missing or holds something else is the reason of the server, and named by its variable."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    web.tls.cache_clear()
    try:
        async with Connections() as connections:
            with pytest.raises(Unreachable, match="certificates of trusted authorities cannot be read") as caught:
                async with connections.client(RemoteLaunch(url="https://127.0.0.1/mcp")):
                    pass
        assert "SSL_CERT_FILE" in caught.value.advice
    finally:
        web.tls.cache_clear()


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (ssl.SSLCertVerificationError(1, "x"), "SSL_CERT_FILE"),
        (ssl.SSLError(1, "x"), "TLS 1.2"),
        (OSError(errno.ECONNREFUSED, "x"), "Check the URL"),
    ],
)
def test_hints_about_tls(error: OSError, part: str) -> None:
    """What to do depends on what went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_code = 20
    assert part in web.failure(chained(error), "https://h/").advice


def test_a_certificate_for_another_host() -> None:
    """No file of certificates helps there."""
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code = 62
    advice = web.failure(chained(error), "https://h/").advice
    assert "host name" in advice
    assert "SSL_CERT_FILE" not in advice
